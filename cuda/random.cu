// Random numbers (tensor/random.h, tensor/kernels/dropout.h). One thread per Philox block of four words, which gives four f32
// (or two f64) elements: the words, the uniforms and the choices are the CPU's bit for bit. Normals are computed in double and
// rounded once: they differ from the CPU's where the two libraries' log, sin or cos differ in the last bit of a double.
//
// Bytes moved: the output once (dropout: input too). A block costs about 45 integer instructions, a pair of normals about 120
// in double precision; normals are bound by those (about a quarter of the memory's rate), the others by memory.
#include "tensor/random.h"

#include <cmath>

#include "cuda/launch.cuh"
#include "tensor/kernels/dropout.h"
#include "tensor/philox.h"

namespace hippograd::cuda {
namespace {

constexpr int kThreads = 256;

struct State {   // read on the device: nothing waits for it
  const int64_t* data;
  HIPPOGRAD_DEVICE PhiloxBlock block(int64_t b) const { return philox_block(uint64_t(data[0]), uint64_t(data[1]) + uint64_t(b)); }
};
State state_of(CArray s) { return {s.data<int64_t>()}; }

template <class T> inline constexpr int kPerBlock = sizeof(T) == 4 ? 4 : 2;   // elements per Philox block

// Up to kPerBlock elements of a block; one 16-byte store where all are there and `wide` (aligned memory).
template <class T> HIPPOGRAD_DEVICE void put(T* y, int64_t n, int64_t first, const T (&v)[kPerBlock<T>], bool wide) {
  constexpr int N = kPerBlock<T>;
  if (wide && first + N <= n) {
    Pack<T, N> p;
#pragma unroll
    for (int j = 0; j < N; ++j) p.v[j] = v[j];
    *reinterpret_cast<Pack<T, N>*>(y + first) = p;
    return;
  }
#pragma unroll
  for (int j = 0; j < N; ++j) if (first + j < n) y[first + j] = v[j];
}

template <class T> __global__ void uniform_kernel(State s, double low, double high, T* y, int64_t n, bool wide) {
  constexpr int N = kPerBlock<T>;
  for (int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; b * N < n; b += int64_t(gridDim.x) * blockDim.x) {
    const PhiloxBlock w = s.block(b);
    T v[N];
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const double u = N == 4 ? double(w.word[j] >> 8) * 0x1p-24 : unit53(w.word[2 * j % 4], w.word[(2 * j + 1) % 4]);
      const T x = T(fma(high - low, u, low));
      v[j] = x < T(high) || high <= low ? x : nextafter(T(high), T(low));   // rounding may not reach `high`
    }
    put(y, n, b * N, v, wide);
  }
}

// Box-Muller: a pair of normals from a radius and an angle.
template <class T> __global__ void normal_kernel(State s, double mean, double std, T* y, int64_t n, bool wide) {
  constexpr int N = kPerBlock<T>;
  for (int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; b * N < n; b += int64_t(gridDim.x) * blockDim.x) {
    const PhiloxBlock w = s.block(b);
    T x[N];
#pragma unroll
    for (int j = 0; j < N; j += 2) {
      const double u = N == 4 ? (double(w.word[j]) + 1) * 0x1p-32 : unit53(w.word[0], w.word[1]) + 0x1p-53;
      const double v = N == 4 ? double(w.word[j + 1]) * 0x1p-32 : unit53(w.word[2], w.word[3]);
      const double radius = std * sqrt(-2 * log(u));
      double sine, cosine;
      sincospi(2 * v, &sine, &cosine);
      x[j] = T(fma(radius, cosine, mean));
      x[j + 1] = T(fma(radius, sine, mean));
    }
    put(y, n, b * N, x, wide);
  }
}

__global__ void randint_kernel(State s, int64_t low, uint64_t range, int64_t* y, int64_t n) {
  for (int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; b * 2 < n; b += int64_t(gridDim.x) * blockDim.x) {
    const PhiloxBlock w = s.block(b);
#pragma unroll
    for (int j = 0; j < 2; ++j)
      if (2 * b + j < n) y[2 * b + j] = int64_t(uint64_t(low) + (uint64_t(w.word[2 * j]) << 32 | w.word[2 * j + 1]) % range);
  }
}

// ---- masks: y_i from x_i and word i ----

template <class T> struct Drop {
  uint32_t threshold;
  compute_t<T> scale;
  HIPPOGRAD_DEVICE void operator()(T& y, const T& x, uint32_t word) const {
    store(y, word < threshold ? compute_t<T>(0) : load(x) * scale);
  }
};
template <class T> struct Toss {
  HIPPOGRAD_DEVICE void operator()(T& y, const T& x, uint32_t word) const {
    store(y, compute_t<T>(double(word) * 0x1p-32 < double(load(x))));
  }
};
template <class T, class F> __global__ void mask_kernel(State s, const T* x, T* y, int64_t n, F f, bool wide) {
  for (int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; b * 4 < n; b += int64_t(gridDim.x) * blockDim.x) {
    const PhiloxBlock w = s.block(b);
    if (wide && b * 4 + 4 <= n) {
      using Four = Pack<T, sizeof(T) == 8 ? 2 : 4>;
      constexpr int per = sizeof(T) == 8 ? 2 : 4;
#pragma unroll
      for (int part = 0; part < 4; part += per) {
        const Four in = *reinterpret_cast<const Four*>(x + b * 4 + part);
        Four out;
#pragma unroll
        for (int j = 0; j < per; ++j) f(out.v[j], in.v[j], w.word[part + j]);
        *reinterpret_cast<Four*>(y + b * 4 + part) = out;
      }
    } else {
#pragma unroll
      for (int j = 0; j < 4; ++j)
        if (b * 4 + j < n) f(y[b * 4 + j], x[b * 4 + j], w.word[j]);
    }
  }
}

// ---- slots ----

// Complex numbers are pairs of reals.
template <class F> void visit_reals(const char* slot, MArray y, F f) {
  visit(Types<float, double, complex64, complex128>{}, y.dtype(), slot, [&]<class T>() {
    using R = real_t<T>;
    const int64_t n = y.numel() * int64_t(sizeof(T) / sizeof(R));
    if (n > 0) f(reinterpret_cast<R*>(y.data<T>()), n, sizeof(T) != sizeof(R));
  });
}
unsigned blocks_of(int64_t n, int per_thread) { return blocks_for((n + per_thread - 1) / per_thread, kThreads); }

void uniform(CArray state, double low, double high, MArray y) {
  visit_reals("uniform", y, [&]<class R>(R* to, int64_t n, bool) {
    launch("uniform", uniform_kernel<R>, blocks_of(n, kPerBlock<R>), kThreads, 0, state_of(state), low, high, to, n, aligned16(to));
  });
}
void normal(CArray state, double mean, double std, MArray y) {
  visit_reals("normal", y, [&]<class R>(R* to, int64_t n, bool complex) {
    const double s = complex ? std * 1.41421356237309504880 / 2 : std;   // CN(0, 1): each part has variance 1/2
    launch("normal", normal_kernel<R>, blocks_of(n, kPerBlock<R>), kThreads, 0, state_of(state), mean, s, to, n, aligned16(to));
  });
}
void randint(CArray state, int64_t low, int64_t high, MArray y) {
  if (y.numel() == 0) return;
  launch("randint", randint_kernel, blocks_of(y.numel(), 2), kThreads, 0, state_of(state), low, uint64_t(high) - uint64_t(low),
         y.data<int64_t>(), y.numel());
}

template <class T, class F> void mask(const char* slot, CArray state, CArray x, MArray y, F f) {
  if (x.numel() == 0) return;
  const T* from = x.data<T>();
  T* to = y.data<T>();
  launch(slot, mask_kernel<T, F>, blocks_of(x.numel(), 4), kThreads, 0, state_of(state), from, to, x.numel(), f, aligned16(from) && aligned16(to));
}
void same_dtype(const char* slot, CArray x, MArray y) {
  if (x.dtype() != y.dtype()) fail<DtypeError>(slot, ": input is ", x.dtype(), ", output ", y.dtype());
}
void dropout(CArray state, CArray x, double p, MArray y) {
  same_dtype("dropout", x, y);
  const double t = p * 0x1p32, top = 0x1p32 - 1;
  visit(FloatBf16{}, x.dtype(), "dropout", [&]<class T>() {
    mask<T>("dropout", state, x, y, Drop<T>{uint32_t(t < top ? t : top), compute_t<T>(1 / (1 - p))});
  });
}
void bernoulli(CArray state, CArray x, MArray y) {
  same_dtype("bernoulli", x, y);
  visit(FloatBf16{}, x.dtype(), "bernoulli", [&]<class T>() { mask<T>("bernoulli", state, x, y, Toss<T>{}); });
}

const Bind b0(kernels::uniform, DeviceKind::CUDA, uniform);
const Bind b1(kernels::normal, DeviceKind::CUDA, normal);
const Bind b2(kernels::randint, DeviceKind::CUDA, randint);
const Bind b3(kernels::dropout, DeviceKind::CUDA, dropout, kTakesBf16);
const Bind b4(kernels::bernoulli, DeviceKind::CUDA, bernoulli, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
