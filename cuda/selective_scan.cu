// Selective scan (tensor/kernels/scan.h) for any strides, dtypes, state counts and segments, real or complex. Equations in
// tensor/cpu/scan_raw.h; selective_scan_forward.cu and selective_scan_backward.cu take the common case.
//
// A warp owns 32 / W neighbouring channels of one batch entry, W lanes each, one state per lane; more than W states are
// visited in blocks. Time goes in chunks of 32 steps: dt and dt u of a chunk are prepared once in shared memory, the states
// between chunks wait in scratch memory (coalesced, one access per 32 steps). Sums over states are fixed trees over lanes.
// Backward: per chunk, from the last to the first, a sweep forward from the saved state that keeps a_t and a_t h_{t-1}, then
// back through them. dB and dC are sums over channels: a warp adds its channels one after the other to a row of its own, and
// a second kernel adds the rows of the warps in order.
#include "cuda/selective_scan.h"

#include "cuda/selective_scan_fast.h"

namespace hippograd::cuda {
namespace {

constexpr int kWarps = 4, kChunk = int(kScanChunk);

template <class T> HIPPOGRAD_DEVICE T raw_step(const ScanArgs<T>& a, int64_t b, int64_t t, int64_t d) {
  const T raw = a.delta.at(b * a.delta.b + t * a.delta.t + d * a.delta.d);
  return a.bias.data ? raw + a.bias.at(d * a.bias.d) : raw;
}
template <class T> HIPPOGRAD_DEVICE T stream_at(const Input<T>& x, int64_t b, int64_t t, int64_t d) { return x.at(b * x.b + t * x.t + d * x.d); }
// Offset of state n of B or C for channel d; a constant one has no strides b, t, g, a varying one no stride d.
template <class T> HIPPOGRAD_DEVICE int64_t coefficient_at(const ScanArgs<T>& a, const Input<T>& x, int64_t b, int64_t t, int64_t d, int64_t n) {
  return b * x.b + t * x.t + d / (a.D / a.G) * x.g + d * x.d + n * x.n;
}

// Lanes of a warp: `lanes` per channel, a power of two.
struct Lanes {
  int lanes, channels, state, channel;
  HIPPOGRAD_DEVICE explicit Lanes(int lanes_) : lanes(lanes_), channels(32 / lanes_), state(int(threadIdx.x) & (lanes_ - 1)), channel((int(threadIdx.x) & 31) / lanes_) {}
};

// Scratch (B, N, planes, D) between chunks.
template <class T, bool C> struct Carried {
  T* data;
  int64_t D, N;
  static constexpr int kPlanes = C ? 2 : 1;
  HIPPOGRAD_DEVICE int64_t offset(int64_t b, int64_t n, int64_t d) const { return (b * N + n) * kPlanes * D + d; }
  HIPPOGRAD_DEVICE Num<T, C> get(int64_t b, int64_t n, int64_t d) const {
    const T* p = data + offset(b, n, d);
    if constexpr (C) return {p[0], p[D]};
    else return {p[0]};
  }
  HIPPOGRAD_DEVICE void put(int64_t b, int64_t n, int64_t d, Num<T, C> v) const {
    T* p = data + offset(b, n, d);
    p[0] = v.re;
    if constexpr (C) p[D] = v.im;
  }
};
template <class T, bool C> HIPPOGRAD_DEVICE Carried<T, C> checkpoint(T* data, const ScanArgs<T>& a, int64_t b, int64_t chunk, int64_t chunks) {
  return {data + (b * chunks + chunk) * a.N * (C ? 2 : 1) * a.D, a.D, a.N};   // then used with b = 0
}

template <class T, bool C> __global__ void __launch_bounds__(32 * kWarps) scan_forward(ScanArgs<T> a, ScanOutputs<T> to, Carried<T, C> carried, int lanes_per_channel) {
  extern __shared__ double shared_memory[];
  const Lanes lane(lanes_per_channel);
  const int64_t blocks = (a.D + lane.channels - 1) / lane.channels, warp = int64_t(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (warp >= a.B * blocks) return;
  const int64_t b = warp / blocks, d = warp % blocks * lane.channels + lane.channel, chunks = (a.L + kChunk - 1) / kChunk;
  const bool real = d < a.D;
  T* dt = reinterpret_cast<T*>(shared_memory) + (int64_t(threadIdx.x / 32) * lane.channels + lane.channel) * 3 * kChunk;
  T *in = dt + kChunk, *y = in + kChunk;
  const uint8_t* kinds = a.kinds ? a.kinds + b * a.L : nullptr;

  for (int64_t n = lane.state; n < a.N && real; n += lane.lanes)
    carried.put(b, n, d, a.initial.data ? number<C>(a.initial, b * a.initial.b + d * a.initial.d + n * a.initial.n) : Num<T, C>{});
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t first = chunk * kChunk;
    const int steps = int(min(int64_t(kChunk), a.L - first));
    for (int i = lane.state; i < steps; i += lane.lanes) {
      const int64_t t = a.time(first + i);
      T step = real ? raw_step(a, b, t, d) : T(0);
      if (a.softplus) step = math::softplus(step);
      dt[i] = step;
      in[i] = real ? step * stream_at(a.u, b, t, d) : T(0);
      y[i] = 0;
    }
    __syncwarp();
    for (int64_t n0 = 0; n0 < a.N; n0 += lane.lanes) {
      const int64_t n = n0 + lane.state;
      const bool active = real && n < a.N;
      Num<T, C> A{}, h{};
      if (active) {
        A = number<C>(a.A, d * a.A.d + n * a.A.n);
        h = carried.get(b, n, d);
        if (to.checkpoints) checkpoint<T, C>(to.checkpoints, a, b, chunk, chunks).put(0, n, d, h);
      }
      for (int i = 0; i < steps; ++i) {
        const uint8_t kind = kinds ? kinds[first + i] : uint8_t(kContinue);
        if (kind == kPadding) continue;
        if (kind == kReset) h = {};
        T term = 0;
        if (active) {
          const int64_t t = a.time(first + i);
          h = decay(dt[i], A) * h + scaled(in[i], number<C>(a.Bt, coefficient_at(a, a.Bt, b, t, d, n)));
          term = real_of_product(number<C>(a.Ct, coefficient_at(a, a.Ct, b, t, d, n)), h);
        }
        term = sum_lanes(term, lane.lanes);
        if (lane.state == 0) y[i] += term;
      }
      if (active) carried.put(b, n, d, h);
    }
    __syncwarp();
    for (int i = lane.state; i < steps && real; i += lane.lanes) {
      const int64_t t = a.time(first + i);
      T v = 0;
      if (!kinds || kinds[first + i] != kPadding) {
        v = C ? 2 * y[i] : y[i];
        if (a.skip.data) v += a.skip.at(d * a.skip.d) * stream_at(a.u, b, t, d);
        if (a.z.data) {
          const T z = stream_at(a.z, b, t, d);
          v *= z * math::sigmoid(z);
        }
      }
      to.out.put(b * to.out.b + t * to.out.t + d * to.out.d, v);
    }
    __syncwarp();
  }
  if (to.last.data)
    for (int64_t n = lane.state; n < a.N && real; n += lane.lanes)
      put_number(to.last, b * to.last.b + d * to.last.d + n * to.last.n, carried.get(b, n, d));
}

// How the backward pass cuts the channels: tiles lie within a group; a warp walks through its tile `channels` at a time.
struct Tiling {
  int lanes, channels;          // lanes per channel; channels at a time
  int64_t size, tiles;          // channels of a tile; tiles of a group
};
template <class T> struct Partials {
  T *dB, *dC;                   // (B, G, tiles, L, N planes), if they vary in time
  T *dA, *constant_dB, *constant_dC;   // (B, N, planes, D)
  T *g;                         // (B, N, planes, D): dL/dh between chunks
  T *dD, *dbias;                // (B, D)
};

template <class T, bool C> class BackwardWarp {
 public:
  using N = Num<T, C>;
  static constexpr int kPlanes = C ? 2 : 1, kRows = 6;
  const ScanArgs<T>& a;
  const ScanGradients<T>& grad;
  const Partials<T>& p;
  const Tiling& tiling;
  Lanes lane;
  int64_t b, group, tile, d = 0, chunks;
  bool real = false, first_pass = true;
  const uint8_t* kinds;
  T *dt, *in, *dy, *y, *s, *w;   // [step] of the lane's channel, in shared memory
  T sum_D = 0, sum_bias = 0;

  HIPPOGRAD_DEVICE BackwardWarp(const ScanArgs<T>& a_, const ScanGradients<T>& grad_, const Partials<T>& p_, const Tiling& tiling_, int64_t task, T* memory)
      : a(a_), grad(grad_), p(p_), tiling(tiling_), lane(tiling_.lanes), b(task / tiling_.tiles / a_.G), group(task / tiling_.tiles % a_.G),
        tile(task % tiling_.tiles), chunks((a_.L + kChunk - 1) / kChunk), kinds(a_.kinds ? a_.kinds + b * a_.L : nullptr) {
    dt = memory + lane.channel * kRows * kChunk;
    in = dt + kChunk, dy = in + kChunk, y = dy + kChunk, s = y + kChunk, w = s + kChunk;
  }

  HIPPOGRAD_DEVICE void run() {
    const int64_t group_size = a.D / a.G, end = min((tile + 1) * tiling.size, group_size);
    for (int64_t c = tile * tiling.size; c < end; c += tiling.channels) {
      d = group * group_size + c + lane.channel;
      real = lane.channel < tiling.channels && c + lane.channel < end;
      begin();
      for (int64_t chunk = chunks - 1; chunk >= 0; --chunk) run_chunk(chunk);
      finish();
      first_pass = false;
    }
  }

 private:
  HIPPOGRAD_DEVICE uint8_t kind(int64_t step) const { return kinds ? kinds[step] : uint8_t(kContinue); }
  HIPPOGRAD_DEVICE Carried<T, C> carried(T* data) const { return {data, a.D, a.N}; }

  HIPPOGRAD_DEVICE void begin() {
    sum_D = sum_bias = 0;
    for (int64_t n = lane.state; n < a.N && real; n += lane.lanes) {
      carried(p.g).put(b, n, d, grad.dlast.data ? number<C>(grad.dlast, b * grad.dlast.b + d * grad.dlast.d + n * grad.dlast.n) : N{});
      carried(p.dA).put(b, n, d, N{});
      if (a.constant_B) carried(p.constant_dB).put(b, n, d, N{});
      if (a.constant_C) carried(p.constant_dC).put(b, n, d, N{});
    }
  }
  HIPPOGRAD_DEVICE void finish() {
    sum_D = sum_lanes(sum_D, lane.lanes);
    sum_bias = sum_lanes(sum_bias, lane.lanes);
    if (!real) return;
    if (lane.state == 0) p.dD[b * a.D + d] = sum_D, p.dbias[b * a.D + d] = sum_bias;
    if (grad.dinitial.data)
      for (int64_t n = lane.state; n < a.N; n += lane.lanes)
        put_number(grad.dinitial, b * grad.dinitial.b + d * grad.dinitial.d + n * grad.dinitial.n, carried(p.g).get(b, n, d));
  }

  HIPPOGRAD_DEVICE void run_chunk(int64_t chunk) {
    const int64_t first = chunk * kChunk;
    const int steps = int(min(int64_t(kChunk), a.L - first));
    for (int i = lane.state; i < steps; i += lane.lanes) prepare(first, i);
    __syncwarp();
    for (int64_t n0 = 0; n0 < a.N; n0 += lane.lanes) run_states(chunk, n0 + lane.state, steps);
    __syncwarp();
    for (int i = lane.state; i < steps && real; i += lane.lanes) finish_step(first, i);
    __syncwarp();
  }
  HIPPOGRAD_DEVICE void prepare(int64_t first, int i) {
    const int64_t t = a.time(first + i);
    T step = 0, input = 0, g = 0;
    if (real && kind(first + i) != kPadding) {
      step = raw_step(a, b, t, d);
      if (a.softplus) step = math::softplus(step);
      input = step * stream_at(a.u, b, t, d);
      if (grad.dout.data) g = stream_at(grad.dout, b, t, d);
      if (a.z.data) {
        const T z = stream_at(a.z, b, t, d);
        g *= z * math::sigmoid(z);
      }
    }
    dt[i] = step, in[i] = input, dy[i] = C ? 2 * g : g;
    y[i] = s[i] = w[i] = 0;
  }
  // From the sums over states to du, ddelta, dz and the channel's dD, dbias.
  HIPPOGRAD_DEVICE void finish_step(int64_t first, int i) {
    const int64_t t = a.time(first + i);
    T du = 0, ddelta = 0, dz = 0;
    if (kind(first + i) != kPadding) {
      const T u = stream_at(a.u, b, t, d), g = C ? dy[i] / 2 : dy[i];
      T out = C ? 2 * y[i] : y[i];
      du = dt[i] * s[i];
      ddelta = w[i] + u * s[i];
      if (a.skip.data) {
        const T skip = a.skip.at(d * a.skip.d);
        out += skip * u;
        du += skip * g;
        sum_D += u * g;
      }
      if (a.softplus) ddelta *= math::sigmoid(raw_step(a, b, t, d));
      sum_bias += ddelta;
      if (a.z.data && grad.dout.data) {
        const T z = stream_at(a.z, b, t, d), sigmoid = math::sigmoid(z);
        dz = out * stream_at(grad.dout, b, t, d) * (sigmoid + z * sigmoid * (T(1) - sigmoid));
      }
    }
    if (grad.du.data) grad.du.put(b * grad.du.b + t * grad.du.t + d * grad.du.d, du);
    if (grad.ddelta.data) grad.ddelta.put(b * grad.ddelta.b + t * grad.ddelta.t + d * grad.ddelta.d, ddelta);
    if (grad.dz.data) grad.dz.put(b * grad.dz.b + t * grad.dz.t + d * grad.dz.d, dz);
  }

  // One state per lane through the steps of a chunk, forward and back.
  HIPPOGRAD_DEVICE void run_states(int64_t chunk, int64_t n, int steps) {
    const bool active = real && n < a.N;
    const int64_t first = chunk * kChunk;
    N kept_a[kChunk], kept_p[kChunk];   // a_t and a_t h_{t-1}: local memory
    N A{}, h{}, g{}, dA{}, dB_sum{}, dC_sum{};
    if (active) {
      A = number<C>(a.A, d * a.A.d + n * a.A.n);
      h = checkpoint<T, C>(const_cast<T*>(grad.checkpoints), a, b, chunk, chunks).get(0, n, d);
      g = carried(p.g).get(b, n, d), dA = carried(p.dA).get(b, n, d);
      if (a.constant_B) dB_sum = carried(p.constant_dB).get(b, n, d);
      if (a.constant_C) dC_sum = carried(p.constant_dC).get(b, n, d);
    }
    for (int i = 0; i < steps; ++i) {
      const uint8_t what = kind(first + i);
      if (what == kPadding || !active) continue;
      if (what == kReset) h = {};
      kept_a[i] = decay(dt[i], A);
      kept_p[i] = kept_a[i] * h;
      h = kept_p[i] + scaled(in[i], number<C>(a.Bt, coefficient_at(a, a.Bt, b, a.time(first + i), d, n)));
    }
    for (int i = steps - 1; i >= 0; --i) {
      const uint8_t what = kind(first + i);
      const int64_t t = a.time(first + i);
      N dB{}, dC{};
      if (what != kPadding) {
        T y_term = 0, s_term = 0, w_term = 0;
        if (active) {
          const N B = number<C>(a.Bt, coefficient_at(a, a.Bt, b, t, d, n)), Ct = number<C>(a.Ct, coefficient_at(a, a.Ct, b, t, d, n));
          h = kept_p[i] + scaled(in[i], B);
          g = g + scaled(dy[i], conj(Ct));
          dB = scaled(in[i], g), dC = scaled(dy[i], conj(h));
          const N wt = g * conj(kept_p[i]);
          y_term = real_of_product(Ct, h);
          s_term = real_of_product(conj(B), g);
          w_term = real_of_product(conj(A), wt);
          dA = dA + scaled(dt[i], wt);
          g = g * conj(kept_a[i]);
          if (what == kReset) g = {};
        }
        y_term = sum_lanes(y_term, lane.lanes), s_term = sum_lanes(s_term, lane.lanes), w_term = sum_lanes(w_term, lane.lanes);
        if (lane.state == 0) y[i] += y_term, s[i] += s_term, w[i] += w_term;
      }
      if (a.constant_B) dB_sum = dB_sum + dB;
      else add_row(p.dB, t, n, dB);
      if (a.constant_C) dC_sum = dC_sum + dC;
      else add_row(p.dC, t, n, dC);
    }
    if (!active) return;
    carried(p.g).put(b, n, d, g);
    carried(p.dA).put(b, n, d, dA);
    if (a.constant_B) carried(p.constant_dB).put(b, n, d, dB_sum);
    if (a.constant_C) carried(p.constant_dC).put(b, n, d, dC_sum);
  }
  // Adds the sum over the warp's channels to the warp's row.
  HIPPOGRAD_DEVICE void add_row(T* rows, int64_t t, int64_t n, N v) {
    v.re = sum_across(v.re, lane.lanes);
    if constexpr (C) v.im = sum_across(v.im, lane.lanes);
    if (lane.channel != 0 || n >= a.N) return;
    T* to = rows + ((((b * a.G + group) * tiling.tiles + tile) * a.L + t) * a.N + n) * kPlanes;
    to[0] = first_pass ? v.re : to[0] + v.re;
    if constexpr (C) to[1] = first_pass ? v.im : to[1] + v.im;
  }
};

template <class T, bool C>
__global__ void __launch_bounds__(32 * kWarps) scan_backward(ScanArgs<T> a, ScanGradients<T> grad, Partials<T> partials, Tiling tiling) {
  extern __shared__ double shared_memory[];
  const int64_t task = int64_t(blockIdx.x) * kWarps + threadIdx.x / 32;
  if (task >= a.B * a.G * tiling.tiles) return;
  T* memory = reinterpret_cast<T*>(shared_memory) + int64_t(threadIdx.x / 32) * (32 / tiling.lanes) * BackwardWarp<T, C>::kRows * kChunk;
  BackwardWarp<T, C>(a, grad, partials, tiling, task, memory).run();
}

int lanes_for(int64_t N) {
  int lanes = 4;
  while (lanes < 32 && lanes < N) lanes *= 2;
  return lanes;
}

// Tiles as small as 512 MB of partial sums allow: many warps, each with few channels.
Tiling tiling_for(int64_t B, int64_t L, int64_t D, int64_t G, int64_t N, size_t bytes_of_state) {
  Tiling t;
  t.lanes = lanes_for(N);
  const int64_t group_size = D / G;
  t.channels = int(std::min<int64_t>(32 / t.lanes, group_size));
  const double bytes_per_tile = 2.0 * double(B) * double(L) * double(G) * double(N) * double(bytes_of_state);
  t.size = t.channels;
  while (t.size < group_size && bytes_per_tile * double((group_size + t.size - 1) / t.size) > 512e6) t.size *= 2;
  t.tiles = (group_size + t.size - 1) / t.size;
  return t;
}

template <class T>
ScanArgs<T> scan_args(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray initial_state,
                      const kernels::ScanOptions& options, const uint8_t* kinds) {
  const bool constant_B = Bt.dim() == 2, constant_C = Ct.dim() == 2;
  const int64_t G = !constant_B ? Bt.shape()[2] : !constant_C ? Ct.shape()[2] : 1;
  return {u.shape()[0], u.shape()[1], u.shape()[2], std::max<int64_t>(G, 1), A.shape()[1], options.delta_softplus, options.reverse, constant_B, constant_C,
          input<T>(u, "btd"), input<T>(delta, "btd"), input<T>(A, "dn"), input<T>(Bt, constant_B ? "dn" : "btgn"),
          input<T>(Ct, constant_C ? "dn" : "btgn"), input<T>(D, "d"), input<T>(z, "btd"), input<T>(delta_bias, "d"), input<T>(initial_state, "bdn"), kinds};
}

template <class F> void by_number(CArray u, CArray A, F&& f) {
  visit(FloatTypes{}, compute_dtype(u.dtype()), "selective_scan", [&]<class T>() {
    if (is_complex(A.dtype())) f.template operator()<T, true>();
    else f.template operator()<T, false>();
  });
}

void forward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray initial_state, CArray seq_idx,
             kernels::ScanOptions options, MArray out, MArray last_state, MArray checkpoints) {
  if (!seq_idx.defined() && fast_scan_forward(u, delta, A, Bt, Ct, D, z, delta_bias, initial_state, options, out, last_state, checkpoints)) return;
  const StepKinds kinds(seq_idx, u.shape()[0], u.shape()[1], options.reverse);
  by_number(u, A, [&]<class T, bool C>() {
    const auto args = scan_args<T>(u, delta, A, Bt, Ct, D, z, delta_bias, initial_state, options, kinds.get());
    const ScanOutputs<T> to{output<T>(out, "btd"), output<T>(last_state, "bdn"), checkpoints.defined() ? checkpoints.data<T>() : nullptr};
    if (args.B * args.D == 0) return;
    const int lanes = lanes_for(args.N);
    const Workspace carried(size_t(args.B * args.N * args.D) * sizeof(Num<T, C>));
    const int64_t warps = args.B * ((args.D + 32 / lanes - 1) / (32 / lanes));
    launch("selective_scan", scan_forward<T, C>, blocks_for(warps, kWarps), 32 * kWarps, size_t(kWarps * (32 / lanes) * 3 * kChunk) * sizeof(T), args, to,
           Carried<T, C>{carried.as<T>(), args.D, args.N}, lanes);
  });
}

void backward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray initial_state, CArray seq_idx,
              kernels::ScanOptions options, CArray checkpoints, CArray dout, CArray dlast_state, MArray du, MArray ddelta, MArray dA, MArray dBt, MArray dCt,
              MArray dD, MArray dz, MArray ddelta_bias, MArray dinitial_state) {
  if (!seq_idx.defined() && fast_scan_backward(u, delta, A, Bt, Ct, D, z, delta_bias, initial_state, options, checkpoints, dout, dlast_state, du, ddelta, dA,
                                               dBt, dCt, dD, dz, ddelta_bias, dinitial_state))
    return;
  const StepKinds kinds(seq_idx, u.shape()[0], u.shape()[1], options.reverse);
  by_number(u, A, [&]<class T, bool C>() {
    const auto a = scan_args<T>(u, delta, A, Bt, Ct, D, z, delta_bias, initial_state, options, kinds.get());
    ScanGradients<T> grad{checkpoints.data<T>(), input<T>(dout, "btd"), input<T>(dlast_state, "bdn"), output<T>(du, "btd"), output<T>(ddelta, "btd"),
                          output<T>(dA, "dn"), output<T>(dBt, a.constant_B ? "dn" : "btgn"), output<T>(dCt, a.constant_C ? "dn" : "btgn"),
                          output<T>(dD, "d"), output<T>(dz, "btd"), output<T>(ddelta_bias, "d"), output<T>(dinitial_state, "bdn")};
    const int64_t planes = C ? 2 : 1, row = a.N * planes, states = a.B * row * a.D, channels = a.B * a.D;
    const Tiling tiling = tiling_for(a.B, a.L, a.D, a.G, a.N, sizeof(Num<T, C>));
    const int64_t rows = a.B * a.G * tiling.tiles * a.L * row, groups = a.B * a.G * a.L * row;
    const Workspace row_memory(size_t((a.constant_B ? 0 : rows) + (a.constant_C ? 0 : rows)) * sizeof(T)), state_memory(size_t(4 * states + 2 * channels) * sizeof(T));
    Partials<T> p;
    p.dB = row_memory.as<T>(), p.dC = p.dB + (a.constant_B ? 0 : rows);
    p.g = state_memory.as<T>(), p.dA = p.g + states, p.constant_dB = p.dA + states, p.constant_dC = p.constant_dB + states;
    p.dD = p.constant_dC + states, p.dbias = p.dD + channels;
    const int64_t tasks = a.B * a.G * tiling.tiles;
    if (tasks > 0)
      launch("selective_scan_bwd", scan_backward<T, C>, blocks_for(tasks, kWarps), 32 * kWarps,
             size_t(kWarps * (32 / tiling.lanes) * BackwardWarp<T, C>::kRows * kChunk) * sizeof(T), a, grad, p, tiling);
    const auto add_batches = [&](const char* name, const T* partial, const Output<T>& to, int64_t of_row) {
      if (to.data) for_each(name, of_row * a.D, AddBatches<T>{a.B, a.D, of_row, of_row == 1 ? 1 : planes, partial, to});
    };
    const auto add_coefficients = [&](const char* name, bool constant, const T* rows_of, const T* constants, const Output<T>& to) {
      if (constant) add_batches(name, constants, to, row);
      else if (to.data) for_each(name, groups, AddTiles<T>{a.L, a.G, tiling.tiles, row, planes, rows_of, to});
    };
    add_batches("selective_scan_dA", p.dA, grad.dA, row);
    add_coefficients("selective_scan_dB", a.constant_B, p.dB, p.constant_dB, grad.dB);
    add_coefficients("selective_scan_dC", a.constant_C, p.dC, p.constant_dC, grad.dC);
    add_batches("selective_scan_dD", p.dD, grad.dD, 1);
    add_batches("selective_scan_dbias", p.dbias, grad.dbias, 1);
  });
}

const Bind b0(kernels::selective_scan_fwd, DeviceKind::CUDA, forward, kTakesBf16);
const Bind b1(kernels::selective_scan_bwd, DeviceKind::CUDA, backward, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
