// Causal depthwise convolution (tensor/kernels/scan.h), equations in tensor/cpu/conv1d_raw.h.
//
// Fast path: rows of channels in accesses of 16 (f32) or 8 (bf16) bytes, K = 2, 3, 4, no segments. One thread owns four
// channels and a run of steps; the K - 1 inputs before the run are its halo, the last K inputs live in registers.
//   forward   reads x, writes y: 2 streams. 3 halo rows of 32 come from L2: predicted 0.9 of copy bandwidth
//   backward  reads x and dy, writes dx: 3 streams. s is computed again; dx_t needs ds up to t + K - 1, so a run goes K - 1
//             steps beyond its end. dweight and dbias: in registers over a run, over the runs of a block in shared memory,
//             over blocks by a second kernel, each in index order
// General path: any strides, segments, K: one thread per element, which walks to its taps.
#include "cuda/scan_steps.cuh"
#include "tensor/kernels/scan.h"

namespace hippograd::cuda {
namespace {

template <class T> struct ConvArgs {
  int64_t B, L, D, K;
  bool silu;
  Input<T> x, weight, bias, initial;
  const uint8_t* kinds;   // (B, L) or null
  HIPPOGRAD_DEVICE uint8_t kind(int64_t b, int64_t t) const { return kinds ? kinds[b * L + t] : uint8_t(kContinue); }
  HIPPOGRAD_DEVICE T weight_at(int64_t d, int64_t k) const { return weight.at(d * weight.d + k * weight.n); }
};

// The inputs of channel d from step t on, newest first: the segment's own, then the initial states (zeros if there are none).
template <class T> struct Past {
  const ConvArgs<T>& a;
  int64_t b, d, t;
  int64_t initial_used = 0;
  bool cut = false;
  HIPPOGRAD_DEVICE bool next(T& value) {   // false behind the start of a segment
    if (cut) return false;
    while (t >= 0 && a.kind(b, t) == kPadding) --t;
    if (t < 0) {
      ++initial_used;
      value = a.initial.data ? a.initial.at(b * a.initial.b + d * a.initial.d + (a.K - 1 - initial_used) * a.initial.n) : T(0);
    } else {
      value = a.x.at(b * a.x.b + t * a.x.t + d * a.x.d);
      cut = a.kind(b, t) == kReset;
      --t;
    }
    return true;
  }
};
// The steps of the same segment after t, oldest first.
template <class T> struct Future {
  const ConvArgs<T>& a;
  int64_t b, t;
  HIPPOGRAD_DEVICE bool next() {   // false past the segment; then `t == L` says that the sequence ended with it
    do ++t; while (t < a.L && a.kind(b, t) == kPadding);
    return t < a.L && a.kind(b, t) != kReset;
  }
};
template <class T> HIPPOGRAD_DEVICE T weighted_sum(const ConvArgs<T>& a, int64_t b, int64_t t, int64_t d) {
  Past<T> past{a, b, d, t};
  T s = a.bias.data ? a.bias.at(d * a.bias.d) : T(0), x;
  for (int64_t k = a.K - 1; k >= 0 && past.next(x); --k) s += a.weight_at(d, k) * x;
  return s;
}
template <class T> HIPPOGRAD_DEVICE T silu_slope(T s) {
  const T sigmoid = math::sigmoid(s);
  return sigmoid + s * sigmoid * (T(1) - sigmoid);
}

template <class T> struct ForwardElement {   // i over (B, L, D)
  ConvArgs<T> a;
  Output<T> y;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % a.D, t = i / a.D % a.L, b = i / a.D / a.L;
    T s = 0;
    if (a.kind(b, t) != kPadding) {
      s = weighted_sum(a, b, t, d);
      if (a.silu) s *= math::sigmoid(s);
    }
    y.put(b * y.b + t * y.t + d * y.d, s);
  }
};
template <class T> struct FinalStates {   // i over (B, D)
  ConvArgs<T> a;
  Output<T> states;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % a.D, b = i / a.D;
    Past<T> past{a, b, d, a.L - 1};
    for (int64_t k = a.K - 2; k >= 0; --k) {
      T x = 0;
      if (!past.next(x)) x = 0;
      states.put(b * states.b + d * states.d + k * states.n, x);
    }
  }
};
template <class T> struct SlopeElement {   // ds (B, L, D), contiguous
  ConvArgs<T> a;
  Input<T> dy;
  T* ds;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % a.D, t = i / a.D % a.L, b = i / a.D / a.L;
    T g = 0;
    if (dy.data && a.kind(b, t) != kPadding) {
      g = dy.at(b * dy.b + t * dy.t + d * dy.d);
      if (a.silu) g *= silu_slope(weighted_sum(a, b, t, d));
    }
    ds[i] = g;
  }
};
// dx_t = sum_k weight[k] ds_{t + K-1-k}; the last K-1 inputs are final states, too.
template <class T> struct InputGradient {
  ConvArgs<T> a;
  Input<T> dfinal;
  const T* ds;
  Output<T> dx;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % a.D, t = i / a.D % a.L, b = i / a.D / a.L;
    T g = 0;
    if (a.kind(b, t) != kPadding) {
      g = a.weight_at(d, a.K - 1) * ds[i];
      Future<T> future{a, b, t};
      int64_t k = a.K - 2;
      for (; k >= 0 && future.next(); --k) g += a.weight_at(d, k) * ds[(b * a.L + future.t) * a.D + d];
      if (k >= 0 && future.t >= a.L && dfinal.data) g += dfinal.at(b * dfinal.b + d * dfinal.d + k * dfinal.n);
    }
    dx.put(b * dx.b + t * dx.t + d * dx.d, g);
  }
};
// Initial state j meets the first j + 1 steps with the weights j, j - 1, ... 0; a short sequence leaves it among the final states.
template <class T> struct InitialGradient {   // i over (B, D)
  ConvArgs<T> a;
  Input<T> dfinal;
  const T* ds;
  Output<T> dinitial;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % a.D, b = i / a.D;
    for (int64_t j = 0; j < a.K - 1; ++j) {
      Future<T> future{a, b, -1};
      T g = 0;
      int64_t k = j;
      for (; k >= 0 && future.next(); --k) g += a.weight_at(d, k) * ds[(b * a.L + future.t) * a.D + d];
      if (k >= 0 && future.t >= a.L && dfinal.data) g += dfinal.at(b * dfinal.b + d * dfinal.d + k * dfinal.n);
      dinitial.put(b * dinitial.b + d * dinitial.d + j * dinitial.n, g);
    }
  }
};
// partial (B, parts, K + 1, D): sums over 64 steps of ds x_{tap k}; the last row is of ds.
template <class T> struct TapSum {
  static constexpr int64_t kSteps = 64;
  ConvArgs<T> a;
  const T* ds;
  int64_t parts;
  T* partial;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t d = i % a.D, k = i / a.D % (a.K + 1), part = i / a.D / (a.K + 1);
    const int64_t b = part / parts, first = part % parts * kSteps, end = first + kSteps < a.L ? first + kSteps : a.L;
    T sum = 0;
    for (int64_t t = first; t < end; ++t) {
      if (a.kind(b, t) == kPadding) continue;
      const T g = ds[(b * a.L + t) * a.D + d];
      if (k == a.K) {
        sum += g;
        continue;
      }
      Past<T> past{a, b, d, t};
      T x = 0;
      bool inside = past.next(x);
      for (int64_t j = a.K - 1; j > k && inside; --j) inside = past.next(x);
      if (inside) sum += g * x;
    }
    partial[i] = sum;
  }
};
// partial (parts, K + 1, D) -> dweight (D, K), dbias (D,)
template <class T> struct AddParts {
  int64_t parts, K, D;
  const T* partial;
  Output<T> dweight, dbias;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {   // i over (K + 1, D)
    T sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += partial[p * (K + 1) * D + i];
    const int64_t d = i % D, k = i / D;
    if (k < K) {
      if (dweight.data) dweight.put(d * dweight.d + k * dweight.n, sum);
    } else if (dbias.data) {
      dbias.put(d * dbias.d, sum);
    }
  }
};

// ---- the fast path ----
constexpr int kWide = 4, kLanes = 32, kRuns = 8;   // channels of a thread; threads along the channels, runs of a block

template <class S> HIPPOGRAD_DEVICE float fast_sigmoid(float x) {
  if constexpr (std::is_same_v<S, bfloat16>) return __fdividef(1.f, 1.f + __expf(-x));   // 8 bits of it are kept
  else return math::sigmoid(x);
}
struct Quad { float v[kWide]; };
template <class S> HIPPOGRAD_DEVICE Quad load_quad(const S* p) {
  const Pack<S, kWide> in = *reinterpret_cast<const Pack<S, kWide>*>(p);
  Quad q;
#pragma unroll
  for (int c = 0; c < kWide; ++c) q.v[c] = load(in.v[c]);
  return q;
}
template <class S> HIPPOGRAD_DEVICE void store_quad(S* p, const Quad& q) {
  Pack<S, kWide> out;
#pragma unroll
  for (int c = 0; c < kWide; ++c) store(out.v[c], q.v[c]);
  store_pack(p, out);
}

template <class S, int K> struct FastConv {
  ConvArgs<float> a;
  int64_t run;          // steps of a thread
  HIPPOGRAD_DEVICE Quad input_at(int64_t b, int64_t t, int64_t d) const {
    if (t >= 0) return load_quad(static_cast<const S*>(a.x.data) + b * a.x.b + t * a.x.t + d);
    Quad q{};
    if (a.initial.data)
#pragma unroll
      for (int c = 0; c < kWide; ++c) q.v[c] = a.initial.at(b * a.initial.b + (d + c) * a.initial.d + (K - 1 + t) * a.initial.n);
    return q;
  }
  HIPPOGRAD_DEVICE void parameters(int64_t d, Quad (&w)[K], Quad& bias) const {
#pragma unroll
    for (int c = 0; c < kWide; ++c) {
#pragma unroll
      for (int k = 0; k < K; ++k) w[k].v[c] = a.weight_at(d + c, k);
      bias.v[c] = a.bias.data ? a.bias.at((d + c) * a.bias.d) : 0.f;
    }
  }
};
// s of the step whose input is the newest of the window.
template <int K> HIPPOGRAD_DEVICE Quad sum_window(const Quad (&w)[K], const Quad& bias, const Quad (&x)[K]) {
  Quad s = bias;
#pragma unroll
  for (int k = 0; k < K; ++k)
#pragma unroll
    for (int c = 0; c < kWide; ++c) s.v[c] += w[k].v[c] * x[k].v[c];
  return s;
}
template <int K> HIPPOGRAD_DEVICE void slide(Quad (&x)[K], const Quad& newest) {
#pragma unroll
  for (int k = 0; k + 1 < K; ++k) x[k] = x[k + 1];
  x[K - 1] = newest;
}

template <class S, int K> __global__ void __launch_bounds__(kLanes * kRuns) conv_forward_fast(FastConv<S, K> f, S* __restrict__ y, int64_t y_b, int64_t y_t) {
  const int64_t d = (int64_t(blockIdx.x) * kLanes + threadIdx.x) * kWide, b = blockIdx.z;
  const int64_t first = (int64_t(blockIdx.y) * kRuns + threadIdx.y) * f.run, end = min(first + f.run, f.a.L);
  if (d >= f.a.D || first >= end) return;
  Quad w[K], bias, x[K];
  f.parameters(d, w, bias);
#pragma unroll
  for (int k = 1; k < K; ++k) x[k] = f.input_at(b, first - K + k, d);
  constexpr int kAhead = 4;   // loads in flight
  for (int64_t t = first; t < end; t += kAhead) {
    Quad next[kAhead];
#pragma unroll
    for (int j = 0; j < kAhead; ++j) next[j] = t + j < end ? f.input_at(b, t + j, d) : Quad{};
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      if (t + j >= end) break;
      slide<K>(x, next[j]);
      Quad s = sum_window<K>(w, bias, x);
      if (f.a.silu)
#pragma unroll
        for (int c = 0; c < kWide; ++c) s.v[c] *= fast_sigmoid<S>(s.v[c]);
      store_quad(y + b * y_b + (t + j) * y_t + d, s);
    }
  }
}

// partial (B, blocks along the time, K + 1, D)
template <class S, int K>
__global__ void __launch_bounds__(kLanes * kRuns)
conv_backward_fast(FastConv<S, K> f, const S* __restrict__ dy, int64_t dy_b, int64_t dy_t, Input<float> dfinal, S* __restrict__ dx,
                   int64_t dx_b, int64_t dx_t, Output<float> dinitial, float* __restrict__ partial) {
  __shared__ float sums[kRuns][K + 1][kLanes * kWide];
  const int64_t d = (int64_t(blockIdx.x) * kLanes + threadIdx.x) * kWide, b = blockIdx.z, L = f.a.L;
  const int64_t first = (int64_t(blockIdx.y) * kRuns + threadIdx.y) * f.run, end = min(first + f.run, L);
  Quad dw[K + 1] = {};
  if (d < f.a.D && first < end) {
    Quad w[K], bias, x[K], ds[K] = {};
    f.parameters(d, w, bias);
#pragma unroll
    for (int k = 1; k < K; ++k) x[k] = f.input_at(b, first - K + k, d);
    // The first run also completes the gradient of the K - 1 initial states, steps -(K - 1) ... -1.
    const int64_t from = first == 0 ? -(K - 1) : first;
#pragma unroll 2
    for (int64_t t = first; t < end + K - 1; ++t) {
      Quad g{};
      if (t < L) {
        slide<K>(x, f.input_at(b, t, d));
        g = load_quad(dy + b * dy_b + t * dy_t + d);
        if (f.a.silu) {
          const Quad s = sum_window<K>(w, bias, x);
#pragma unroll
          for (int c = 0; c < kWide; ++c) {
            const float sigmoid = fast_sigmoid<S>(s.v[c]);
            g.v[c] *= sigmoid + s.v[c] * sigmoid * (1 - sigmoid);
          }
        }
      }
      slide<K>(ds, g);   // ds[j] = ds_{t - K + 1 + j}
      if (t < end)
#pragma unroll
        for (int c = 0; c < kWide; ++c) {
#pragma unroll
          for (int k = 0; k < K; ++k) dw[k].v[c] += g.v[c] * x[k].v[c];
          dw[K].v[c] += g.v[c];
        }
      const int64_t at = t - (K - 1);
      if (at < from) continue;
      Quad sum{};
#pragma unroll
      for (int j = 0; j < K; ++j)
#pragma unroll
        for (int c = 0; c < kWide; ++c) sum.v[c] += w[K - 1 - j].v[c] * ds[j].v[c];
      if (dfinal.data && at > L - K)   // x_at is final state K - 1 - (L - at)
#pragma unroll
        for (int c = 0; c < kWide; ++c) sum.v[c] += dfinal.at(b * dfinal.b + (d + c) * dfinal.d + (K - 1 - L + at) * dfinal.n);
      if (at >= 0) {
        if (dx) store_quad(dx + b * dx_b + at * dx_t + d, sum);
      } else if (dinitial.data) {
#pragma unroll
        for (int c = 0; c < kWide; ++c) dinitial.put(b * dinitial.b + (d + c) * dinitial.d + (K - 1 + at) * dinitial.n, sum.v[c]);
      }
    }
  }
#pragma unroll
  for (int k = 0; k <= K; ++k)
#pragma unroll
    for (int c = 0; c < kWide; ++c) sums[threadIdx.y][k][threadIdx.x * kWide + c] = dw[k].v[c];
  __syncthreads();
  const int64_t part = b * gridDim.y + blockIdx.y, d0 = int64_t(blockIdx.x) * kLanes * kWide;
  for (int i = int(threadIdx.y) * kLanes + int(threadIdx.x); i < (K + 1) * kLanes * kWide; i += kLanes * kRuns) {
    const int k = i / (kLanes * kWide), c = i % (kLanes * kWide);
    if (d0 + c >= f.a.D) continue;
    float sum = 0;
    for (int r = 0; r < kRuns; ++r) sum += sums[r][k][c];
    partial[(part * (K + 1) + k) * f.a.D + d0 + c] = sum;
  }
}

template <class T> ConvArgs<T> conv_args(CArray x, CArray weight, CArray bias, CArray initial, bool silu, const uint8_t* kinds) {
  return {x.shape()[0], x.shape()[1], x.shape()[2], weight.shape()[1], silu, input<T>(x, "btd"), input<T>(weight, "dn"), input<T>(bias, "d"),
          input<T>(initial, "bdn"), kinds};
}
// Rows that can be read four channels at a time.
bool has_quads(const Array& x) {
  const size_t bytes = size_t(kWide * itemsize(x.dtype()));
  return x.strides()[2] == 1 && x.strides()[0] % kWide == 0 && x.strides()[1] % kWide == 0 && reinterpret_cast<uintptr_t>(x.raw()) % bytes == 0;
}
bool is_fast(const Array& x, CArray weight, CArray seq_idx, std::initializer_list<const Array*> streams) {
  const int64_t K = weight.shape()[1];
  if (x.dtype() == DType::f64 || seq_idx.defined() || K < 2 || K > 4 || x.shape()[2] % kWide != 0 || x.shape()[0] > 65535 || x.shape()[1] >= (1 << 24)) return false;
  for (const Array* s : streams)
    if (s->defined() && (s->dtype() != x.dtype() || !has_quads(*s))) return false;
  return true;
}
// Long runs waste fewer halo rows; short ones fill the device.
int64_t run_length(const Array& x) {
  const int64_t threads = x.numel() / kWide;
  return threads / 32 >= 65536 ? 32 : threads / 16 >= 65536 ? 16 : 8;
}
dim3 fast_grid(const Array& x, int64_t run) {
  return {blocks_for(x.shape()[2], kLanes * kWide), blocks_for(x.shape()[1], int(kRuns * run)), unsigned(x.shape()[0])};
}
template <class F> void with_taps(int64_t K, F&& f) {
  if (K == 2) f.template operator()<2>();
  else if (K == 3) f.template operator()<3>();
  else f.template operator()<4>();
}

void conv_forward(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu, MArray y, MArray final_states) {
  const int64_t B = x.shape()[0], L = x.shape()[1], D = x.shape()[2];
  const StepKinds kinds(seq_idx, B, L, false);
  visit(FloatTypes{}, compute_dtype(x.dtype()), "causal_conv1d", [&]<class T>() {
    const auto args = conv_args<T>(x, weight, bias, initial_states, silu, kinds.get());
    if (final_states.defined()) for_each("causal_conv1d_final", B * D, FinalStates<T>{args, output<T>(final_states, "bdn")});
    if (x.numel() == 0) return;
    if constexpr (std::is_same_v<T, float>)
      if (is_fast(x, weight, seq_idx, {&x, &y})) {
        const int64_t run = run_length(x);
        return visit(Types<float, bfloat16>{}, x.dtype(), "causal_conv1d", [&]<class S>() {
          with_taps(args.K, [&]<int K>() {
            launch("causal_conv1d", conv_forward_fast<S, K>, fast_grid(x, run), dim3(kLanes, kRuns), 0, FastConv<S, K>{args, run},
                   y.data<S>(), y.strides()[0], y.strides()[1]);
          });
        });
      }
    for_each("causal_conv1d", x.numel(), ForwardElement<T>{args, output<T>(y, "btd")});
  });
}

template <class T>
void conv_backward_general(const ConvArgs<T>& a, CArray dy, CArray dfinal, MArray dx, MArray dweight, MArray dbias, MArray dinitial) {
  const int64_t parts = (a.L + TapSum<T>::kSteps - 1) / TapSum<T>::kSteps, partials = a.B * parts * (a.K + 1) * a.D;
  const Workspace ds_memory(size_t(a.B * a.L * a.D) * sizeof(T)), partial_memory(size_t(partials) * sizeof(T));
  T *ds = ds_memory.as<T>(), *partial = partial_memory.as<T>();
  const Input<T> final_gradient = input<T>(dfinal, "bdn");
  for_each("causal_conv1d_slope", a.B * a.L * a.D, SlopeElement<T>{a, input<T>(dy, "btd"), ds});
  if (dx.defined()) for_each("causal_conv1d_dx", a.B * a.L * a.D, InputGradient<T>{a, final_gradient, ds, output<T>(dx, "btd")});
  if (dinitial.defined()) for_each("causal_conv1d_dinitial", a.B * a.D, InitialGradient<T>{a, final_gradient, ds, output<T>(dinitial, "bdn")});
  if (!dweight.defined() && !dbias.defined()) return;
  for_each("causal_conv1d_taps", partials, TapSum<T>{a, ds, parts, partial});
  for_each("causal_conv1d_dweight", (a.K + 1) * a.D, AddParts<T>{a.B * parts, a.K, a.D, partial, output<T>(dweight, "dn"), output<T>(dbias, "d")});
}

void conv_backward(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu, CArray dy, CArray dfinal_states,
                   MArray dx, MArray dweight, MArray dbias, MArray dinitial_states) {
  const StepKinds kinds(seq_idx, x.shape()[0], x.shape()[1], false);
  visit(FloatTypes{}, compute_dtype(x.dtype()), "causal_conv1d", [&]<class T>() {
    const auto args = conv_args<T>(x, weight, bias, initial_states, silu, kinds.get());
    if constexpr (std::is_same_v<T, float>)
      if (x.numel() > 0 && dy.defined() && is_fast(x, weight, seq_idx, {&x, &dy, &dx})) {
        const int64_t run = run_length(x);
        const dim3 grid = fast_grid(x, run);
        const int64_t parts = int64_t(grid.y) * grid.z;
        const Workspace memory(size_t(parts * (args.K + 1) * args.D) * sizeof(float));
        visit(Types<float, bfloat16>{}, x.dtype(), "causal_conv1d", [&]<class S>() {
          with_taps(args.K, [&]<int K>() {
            launch("causal_conv1d_bwd", conv_backward_fast<S, K>, grid, dim3(kLanes, kRuns), 0, FastConv<S, K>{args, run}, dy.data<S>(),
                   dy.strides()[0], dy.strides()[1], input<float>(dfinal_states, "bdn"), dx.defined() ? dx.data<S>() : nullptr,
                   dx.defined() ? dx.strides()[0] : 0, dx.defined() ? dx.strides()[1] : 0, output<float>(dinitial_states, "bdn"), memory.as<float>());
          });
        });
        return for_each("causal_conv1d_dweight", (args.K + 1) * args.D,
                        AddParts<float>{parts, args.K, args.D, memory.as<float>(), output<float>(dweight, "dn"), output<float>(dbias, "d")});
      }
    conv_backward_general<T>(args, dy, dfinal_states, dx, dweight, dbias, dinitial_states);
  });
}

const Bind b0(kernels::causal_conv1d_fwd, DeviceKind::CUDA, conv_forward, kTakesBf16);
const Bind b1(kernels::causal_conv1d_bwd, DeviceKind::CUDA, conv_backward, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
