// Random numbers (tensor/random.h, tensor/kernels/dropout.h). One thread per Philox block of four words, which gives four f32
// (or two f64) elements: the words, the uniforms and the choices are the CPU's bit for bit; normals differ by roundings.
//
// Bytes moved: the output once (dropout: input too). A block costs about 100 integer instructions, a pair of f32 normals about
// 40 in double precision: each near the time that memory takes.
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

template <class T> inline constexpr int kPerBlock = sizeof(T) == 8 ? 2 : 4;   // elements per Philox block

// Up to kPerBlock elements of a block; one store where all are there and `wide` (aligned memory).
template <class T> HIPPOGRAD_DEVICE void put(T* y, int64_t n, int64_t first, const compute_t<T> (&v)[kPerBlock<T>], bool wide) {
  constexpr int N = kPerBlock<T>;
  if (wide && first + N <= n) {
    Pack<T, N> p;
#pragma unroll
    for (int j = 0; j < N; ++j) store(p.v[j], v[j]);
    *reinterpret_cast<Pack<T, N>*>(y + first) = p;
    return;
  }
#pragma unroll
  for (int j = 0; j < N; ++j) if (first + j < n) store(y[first + j], v[j]);
}

// The number w: its bits are the last 32 of 2^52 + w. Cheaper than a conversion, of which a multiprocessor does few at a time.
HIPPOGRAD_DEVICE double number(uint32_t w) { return __hiloint2double(0x43300000, int(w)) - 0x1p52; }

template <class T> __global__ void uniform_kernel(State s, double low, double high, T* y, int64_t n, bool wide) {
  constexpr int N = kPerBlock<T>;
  using C = compute_t<T>;
  const C below = high > low ? nextafter(C(high), C(low)) : std::numeric_limits<C>::infinity();
  for (int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; b * N < n; b += int64_t(gridDim.x) * blockDim.x) {
    const PhiloxBlock w = s.block(b);
    C v[N];
#pragma unroll
    for (int j = 0; j < N; ++j) {
      const double u = N == 4 ? number(w.word[j] >> 8) * 0x1p-24 : unit53(w.word[2 * j % 4], w.word[(2 * j + 1) % 4]);
      const C x = C(fma(high - low, u, low));
      v[j] = x < below ? x : high > low ? below : x;   // rounding may not reach `high`
    }
    put(y, n, b * N, v, wide);
  }
}

// ---- normals ----
// Box-Muller: a pair of normals from a radius sqrt(-2 log u) and an angle 2 pi v, in double. For f32, 35 bits of either are
// enough; the angle is rounded as the CPU rounds it, so that its multiples of pi agree.

// u = (w + 1) / 2^32 = 2^k (1 + t), 1 + t in [1/sqrt 2, sqrt 2): log(1 + t) / t is a polynomial to 1e-10.
HIPPOGRAD_DEVICE double radius32(uint32_t w) {
  constexpr double c[12] = {1.0000000000337099,    -0.50000000331698868, 0.33333331575449027, -0.24999933316613632,
                            0.20000108407151063,   -0.16670483263530469, 0.14285649593072797, -0.12410620799361634,
                            0.11019347823455869,   -0.10879445924372723, 0.1074182074915066,  -0.059970102002982938};
  const double m = number(w) + 1;
  const int high = __double2hiint(m), k = (high - 0x3fe6a09e) >> 20;   // 0x3fe6a09e: 1/sqrt 2
  const double t = __hiloint2double(high - k * (1 << 20), __double2loint(m)) - 1;
  double p = c[11];
#pragma unroll
  for (int i = 10; i >= 0; --i) p = fma(p, t, c[i]);
  const double square = -2 * fma(p, t, double(k - 32) * 0.69314718055994530942);
  if (!(square > 0)) return 0;
  const double y = rsqrtf(float(square)), r = square * y;   // one step of Newton's method from 23 bits
  return fma(0.5 * y, fma(-r, r, square), r);
}
// sin and cos of 2 pi w / 2^32: the nearest quarter turn taken out, then their series on [-pi/4, pi/4].
HIPPOGRAD_DEVICE void turn32(uint32_t w, double& sine, double& cosine) {
  const uint32_t quarter = (w >> 30) + (w >> 29 & 1);   // 0 ... 4
  const double angle = number(w) * 0x1p-32 * 6.283185307179586477, q = number(quarter);
  const double a = fma(-q, 6.123233995736766e-17, fma(-q, 1.5707963267948966, angle)), z = a * a;
  double s = fma(z, fma(z, fma(z, fma(z, -1 / 39916800.0, 1 / 362880.0), -1 / 5040.0), 1 / 120.0), -1 / 6.0);
  s = fma(a * z, s, a);
  double c = fma(z, fma(z, fma(z, fma(z, fma(z, 1 / 479001600.0, -1 / 3628800.0), 1 / 40320.0), -1 / 720.0), 1 / 24.0), -0.5);
  c = fma(z, c, 1.0);
  const double x = quarter & 1 ? s : c, y = quarter & 1 ? c : s;
  cosine = (quarter + 1) & 2 ? -x : x;
  sine = quarter & 2 ? -y : y;
}

template <class T> __global__ void normal_kernel(State s, double mean, double std, T* y, int64_t n, bool wide) {
  constexpr int N = kPerBlock<T>;
  using C = compute_t<T>;
  for (int64_t b = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; b * N < n; b += int64_t(gridDim.x) * blockDim.x) {
    const PhiloxBlock w = s.block(b);
    C x[N];
#pragma unroll
    for (int j = 0; j < N; j += 2) {
      double radius, sine, cosine;
      if constexpr (N == 4) {
        radius = std * radius32(w.word[j]);
        turn32(w.word[j + 1], sine, cosine);
      } else {
        radius = std * sqrt(-2 * log(unit53(w.word[0], w.word[1]) + 0x1p-53));
        sincos(2 * 3.14159265358979323846 * unit53(w.word[2], w.word[3]), &sine, &cosine);
      }
      x[j] = C(fma(radius, cosine, mean));
      x[j + 1] = C(fma(radius, sine, mean));
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
  visit(InexactBf16{}, y.dtype(), slot, [&]<class T>() {
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

const Bind b0(kernels::uniform, DeviceKind::CUDA, uniform, kTakesBf16);
const Bind b1(kernels::normal, DeviceKind::CUDA, normal, kTakesBf16);
const Bind b2(kernels::randint, DeviceKind::CUDA, randint);
const Bind b3(kernels::dropout, DeviceKind::CUDA, dropout, kTakesBf16);
const Bind b4(kernels::bernoulli, DeviceKind::CUDA, bernoulli, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
