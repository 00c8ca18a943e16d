// Fast backward selective scan (see selective_scan_fast.cuh); equations in tensor/cpu/scan_raw.h.
//
// Tiles of 32 steps from the last to the first. From the state that forward saved: a sweep forward that leaves h every four
// steps in shared memory; then, four steps at a time from the end, a_t and p_t = a_t h_{t-1} again into registers and back:
//   g = dy C + g     h = dt u B + p     w = g p     dC += dy h     dB += g dt u     dA += dt w     y += C h   s += B g   v += A w
//   g *= a           du = dt s + D dy   ddelta = (v + u s) softplus'                dz = dout y silu'
// y, s, v: halving exchanges over the lanes of a channel. dB, dC: summed over the thread's two channels at once, over the channels
// of a warp by halving exchanges, over the warps of a block in shared memory, over blocks and batches by further kernels, always
// in the order of the indices: no atomics. About 180 instructions per warp and step: 0.36 ms of issue at (8, 2048, 2048, 16);
// memory 0.22 ms (f32). Split sequences: g is carried over the pieces as forward carries h.
#include <optional>

#include "cuda/selective_scan_fast.cuh"
#include "cuda/selective_scan_fast.h"
#include "cuda/selective_scan_prepare.cuh"

namespace hippograd::cuda {
namespace {

template <int N> constexpr int kFlush = N <= 16 ? 16 : N == 32 ? 16 : 8;   // steps between sums of dB, dC over the warps

template <class S, int N> struct Memory {
  StreamTile<S, N> u, delta, z, dout;
  CoefficientTile<N> B, C;
  PairTile<N> dt, dy;         // dy: dout silu(z)
  float2 kept[kTileSteps / 4][kStates][Layout<N>::kThreads];   // h of both channels every four steps
  float sums[Layout<N>::kWarps][kFlush<N>][2 * N];             // dB, dC of the warps
};

struct Gradients {
  const float* checkpoints;   // (B, chunks, N, D)
  const float* start;         // (B, splits, N, D): g behind each piece; or null
  Input<float> dlast;
  void *du, *ddelta, *dz;     // (B, L, D) contiguous, in the streams' dtype; dz: if there is a z
  float *dB, *dC;             // (B, G, tiles, L, N)
  float *dA, *dD, *dbias;     // (B splits, N, D), (B splits, D)
  Output<float> dinitial;
  float *ends, *dt_sums;      // of the pass over pieces
};

template <class S, int N, bool kStateOnly> class BackwardBlock {
  using Where = Layout<N>;
  const FastScan& a;
  const Gradients& grad;
  Memory<S, N>& memory;
  Where at;
  int64_t b, split, d0, d, group, tile_row;
  bool real;
  float rate[kPair][kStates], h[kPair][kStates], g[kPair][kStates], dA[kPair][kStates];
  float2 bias, own_bias, skip, sum_D{0, 0}, sum_bias{0, 0}, dt_sum{0, 0};
  StreamFetcher<S, N> u, delta, z, dout;
  CoefficientFetcher<N> B, C;

 public:
  HIPPOGRAD_DEVICE BackwardBlock(const FastScan& a_, const Gradients& grad_, Memory<S, N>& memory_)
      : a(a_), grad(grad_), memory(memory_), b(blockIdx.z), split(blockIdx.y), d0(int64_t(blockIdx.x) * Where::kChannels) {
    d = d0 + kPair * at.pair;
    real = d < a.D;
    const int64_t group_size = a.D / a.G, tiles = (group_size + Where::kChannels - 1) / Where::kChannels;
    group = d0 / group_size;
    tile_row = (b * a.G + group) * tiles + (d0 - group * group_size) / Where::kChannels;
    bias = own_bias = skip = {0, 0};
    const int64_t column = d0 + kPair * (threadIdx.x % Where::kPairs);   // of the pairs that this thread prepares
    if (a.bias.data && column < a.D) bias = {a.bias.at(column * a.bias.d), a.bias.at((column + 1) * a.bias.d)};
    if (a.bias.data && real) own_bias = {a.bias.at(d * a.bias.d), a.bias.at((d + 1) * a.bias.d)};
    if (a.skip.data && real) skip = {a.skip.at(d * a.skip.d), a.skip.at((d + 1) * a.skip.d)};
    load_gradients();
  }
  HIPPOGRAD_DEVICE void run() {
    const int begin = int(split * a.steps), end = int(min(begin + a.steps, a.L));
    int first = begin + (end - begin - 1) / kTileSteps * kTileSteps;
    start_fetching(first);
    fetch(int(a.L) - first);
    for (; first >= begin; first -= kTileSteps) {
      if (!kStateOnly) load_states(first / kTileSteps);
      wait_for_copies();
      __syncthreads();
      prepare(int(a.L) - first);
      __syncthreads();
      const int fours = (min(kTileSteps, end - first) + 3) / 4;
      if (kStateOnly) {
        for (int step = 4 * fours - 1; step >= 0; --step) carry_back(step);
      } else {
        for (int j = 0; j < fours; ++j) sweep_four(j, j + 1 < fours);
        for (int j = fours - 1; j >= 0; --j) {
          back_four(first, 4 * j);
          if (4 * j % kFlush<N> == 0) flush(first, 4 * j, end);
        }
      }
      __syncthreads();
      if (first > begin) fetch(int(a.L) - first + kTileSteps);
    }
    finish();
  }

 private:
  HIPPOGRAD_DEVICE int64_t state_offset(int64_t row, int i) const { return (row * N + kStates * at.state + i) * a.D + d; }
  HIPPOGRAD_DEVICE void load_gradients() {
#pragma unroll
    for (int i = 0; i < kStates; ++i)
#pragma unroll
      for (int r = 0; r < kPair; ++r) {
        const int64_t n = kStates * at.state + i;
        rate[r][i] = real ? a.A.at((d + r) * a.A.d + n * a.A.n) * kLog2e : 0.f;
        dA[r][i] = g[r][i] = h[r][i] = 0;
        if (kStateOnly || !real) continue;
        if (grad.start) g[r][i] = grad.start[state_offset(b * a.splits + split, i) + r];
        else if (grad.dlast.data) g[r][i] = grad.dlast.at(b * grad.dlast.b + (d + r) * grad.dlast.d + n * grad.dlast.n);
      }
  }
  HIPPOGRAD_DEVICE void load_states(int64_t chunk) {
    if (!real) return;
#pragma unroll
    for (int i = 0; i < kStates; ++i) {
      const float2 pair = *reinterpret_cast<const float2*>(grad.checkpoints + state_offset(b * a.chunks() + chunk, i));
      h[0][i] = pair.x, h[1][i] = pair.y;
    }
  }
  HIPPOGRAD_DEVICE void start_fetching(int first) {
    delta.start(a, rows_of<S>(a.delta, b, d0), a.delta.t, first, a.D - d0);
    if (a.dout.data) dout.start(a, rows_of<S>(a.dout, b, d0), a.dout.t, first, a.D - d0);
    if (a.z.data) z.start(a, rows_of<S>(a.z, b, d0), a.z.t, first, a.D - d0);
    u.start(a, rows_of<S>(a.u, b, d0), a.u.t, first, a.D - d0);
    B.start(a, rows_of(a.Bt, b, group), a.Bt.t, first, N);
    C.start(a, rows_of(a.Ct, b, group), a.Ct.t, first, N);
  }
  HIPPOGRAD_DEVICE void fetch(int left) {
    delta.fetch(memory.delta, left), delta.advance(-1);
    C.fetch(memory.C, left), C.advance(-1);
    if (a.dout.data) dout.fetch(memory.dout, left), dout.advance(-1);
    if (a.z.data) z.fetch(memory.z, left), z.advance(-1);
    if (!kStateOnly) {
      u.fetch(memory.u, left), u.advance(-1);
      B.fetch(memory.B, left), B.advance(-1);
    }
    commit_copies();
  }
  HIPPOGRAD_DEVICE void prepare(int left) {
    constexpr int kRows = Where::kThreads / Where::kPairs;   // steps of a pass
    const int p = threadIdx.x % Where::kPairs, row = threadIdx.x / Where::kPairs;
#pragma unroll 4
    for (int step = row; step < kTileSteps; step += kRows) {
      float2 dt = memory.delta.pair(step, p), dy{0, 0};
      dt.x += bias.x, dt.y += bias.y;
      if (a.softplus) dt = {quick_softplus(dt.x), quick_softplus(dt.y)};
      if (a.dout.data) {
        dy = memory.dout.pair(step, p);
        if (a.z.data) {
          const float2 z_t = memory.z.pair(step, p);
          dy.x *= z_t.x * quick_sigmoid(z_t.x), dy.y *= z_t.y * quick_sigmoid(z_t.y);
        }
      }
      if (step >= left) dt = dy = {0, 0};
      memory.dt.put(step, p, dt);
      memory.dy.put(step, p, dy);
    }
  }
  HIPPOGRAD_DEVICE void carry_back(int step) {
    const float2 dt = memory.dt.pair(step, at.pair), dy = memory.dy.pair(step, at.pair);
    const float4 Cs = memory.C.states(step, at.state);
    const float C_t[kStates] = {Cs.x, Cs.y, Cs.z, Cs.w};
#pragma unroll
    for (int r = 0; r < kPair; ++r)
#pragma unroll
      for (int i = 0; i < kStates; ++i) g[r][i] = fmaf(r ? dy.y : dy.x, C_t[i], g[r][i]) * power_of_2((r ? dt.y : dt.x) * rate[r][i]);
    dt_sum.x += dt.x, dt_sum.y += dt.y;
  }
  HIPPOGRAD_DEVICE float2 input_of(int step, float2 dt) const {
    const float2 u_t = memory.u.pair(step, at.pair);
    return {dt.x * u_t.x, dt.y * u_t.y};
  }
  HIPPOGRAD_DEVICE void sweep_four(int j, bool go_on) {
#pragma unroll
    for (int i = 0; i < kStates; ++i) memory.kept[j][i][threadIdx.x] = {h[0][i], h[1][i]};
    if (!go_on) return;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float2 dt = memory.dt.pair(4 * j + k, at.pair), in = input_of(4 * j + k, dt);
      const float4 Bs = memory.B.states(4 * j + k, at.state);
      const float B_t[kStates] = {Bs.x, Bs.y, Bs.z, Bs.w};
#pragma unroll
      for (int r = 0; r < kPair; ++r)
#pragma unroll
        for (int i = 0; i < kStates; ++i)
          h[r][i] = fmaf(power_of_2((r ? dt.y : dt.x) * rate[r][i]), h[r][i], (r ? in.y : in.x) * B_t[i]);
    }
  }
  HIPPOGRAD_DEVICE void back_four(int first, int step) {
    float decay[4][kPair][kStates], p[4][kPair][kStates];   // a_t, a_t h_{t-1}
#pragma unroll
    for (int i = 0; i < kStates; ++i) {
      const float2 pair = memory.kept[step / 4][i][threadIdx.x];
      h[0][i] = pair.x, h[1][i] = pair.y;
    }
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float2 dt = memory.dt.pair(step + k, at.pair), in = input_of(step + k, dt);
      const float4 Bs = memory.B.states(step + k, at.state);
      const float B_t[kStates] = {Bs.x, Bs.y, Bs.z, Bs.w};
#pragma unroll
      for (int r = 0; r < kPair; ++r)
#pragma unroll
        for (int i = 0; i < kStates; ++i) {
          decay[k][r][i] = power_of_2((r ? dt.y : dt.x) * rate[r][i]);
          p[k][r][i] = decay[k][r][i] * h[r][i];
          h[r][i] = fmaf(r ? in.y : in.x, B_t[i], p[k][r][i]);
        }
    }
    float y[4 * kPair], s[4 * kPair], v[4 * kPair];   // [step][channel]
#pragma unroll
    for (int k = 3; k >= 0; --k) {
      const float2 dt = memory.dt.pair(step + k, at.pair), dy = memory.dy.pair(step + k, at.pair), in = input_of(step + k, dt);
      const float4 Bs = memory.B.states(step + k, at.state), Cs = memory.C.states(step + k, at.state);
      const float B_t[kStates] = {Bs.x, Bs.y, Bs.z, Bs.w}, C_t[kStates] = {Cs.x, Cs.y, Cs.z, Cs.w};
      float dBC[2 * kStates];
#pragma unroll
      for (int i = 0; i < 2 * kStates; ++i) dBC[i] = 0;
#pragma unroll
      for (int r = 0; r < kPair; ++r) {
        const float dt_r = r ? dt.y : dt.x, dy_r = r ? dy.y : dy.x, in_r = r ? in.y : in.x;
        float sum_y = 0, sum_s = 0, sum_v = 0;
#pragma unroll
        for (int i = 0; i < kStates; ++i) {
          const float state = fmaf(in_r, B_t[i], p[k][r][i]), grad_state = fmaf(dy_r, C_t[i], g[r][i]), w = grad_state * p[k][r][i];
          sum_y = fmaf(C_t[i], state, sum_y);
          sum_s = fmaf(B_t[i], grad_state, sum_s);
          sum_v = fmaf(rate[r][i], w, sum_v);
          dA[r][i] = fmaf(dt_r, w, dA[r][i]);
          dBC[i] = fmaf(in_r, grad_state, dBC[i]);
          dBC[kStates + i] = fmaf(dy_r, state, dBC[kStates + i]);
          g[r][i] = grad_state * decay[k][r][i];
        }
        y[k * kPair + r] = sum_y, s[k * kPair + r] = sum_s, v[k * kPair + r] = sum_v;
      }
      keep_coefficients(step + k, dBC);
    }
    finish_four(first, step, y, s, v);
  }
  // dB and dC of one step over the channel pairs of the warp.
  HIPPOGRAD_DEVICE void keep_coefficients(int step, float (&dBC)[2 * kStates]) {
    constexpr int kRounds = log2_of(Where::kGroups), kLeft = halved(2 * kStates, kRounds), kTwins = kRounds > 3 ? Where::kLanes * ((1 << (kRounds - 3)) - 1) : 0;
    const int begin = halving_sum<2 * kStates, 16, Where::kLanes>(dBC, at.lane);
    if (at.lane & kTwins) return;   // lanes that hold what another one holds
    float* to = &memory.sums[at.warp][0][begin / kStates * N + kStates * at.state + begin % kStates];   // dB of four states, dC of four states
#pragma unroll
    for (int i = 0; i < kLeft; ++i) to[unsigned(step) % kFlush<N> * (2 * N) + i] = dBC[i];
  }
  // kFlush steps from `step` on: over the warps, to the rows of this block.
  HIPPOGRAD_DEVICE void flush(int first, int step, int end) {
    __syncthreads();
    for (int i = int(threadIdx.x); i < kFlush<N> * 2 * N; i += Where::kThreads) {
      const int k = i / (2 * N), column = i % (2 * N);
      if (first + step + k >= end) break;
      float sum = 0;
#pragma unroll
      for (int w = 0; w < Where::kWarps; ++w) sum += memory.sums[w][k][column];
      const int64_t row = (tile_row * a.L + a.time(first + step + k)) * N;
      if (column < N) grad.dB[row + column] = sum;
      else grad.dC[row + column - N] = sum;
    }
    __syncthreads();
  }
  struct Finished { float du, ddelta, dz; };
  HIPPOGRAD_DEVICE Finished finished(float y, float s, float v, float u, float raw, float dt, float dy, float z, float dout, float skip_d) const {
    Finished f;
    f.du = fmaf(dt, s, skip_d * dy);
    f.ddelta = fmaf(kLn2, v, u * s);   // v was summed with A log2(e)
    if (a.softplus) f.ddelta *= quick_sigmoid(raw);
    const float sigmoid = quick_sigmoid(z);
    f.dz = dout * fmaf(skip_d, u, y) * fmaf(z * sigmoid, 1 - sigmoid, sigmoid);
    return f;
  }
  HIPPOGRAD_DEVICE void finish_four(int first, int step, float (&y)[4 * kPair], float (&s)[4 * kPair], float (&v)[4 * kPair]) {
    constexpr int kLeft = halved(4 * kPair, log2_of(Where::kLanes));
    const int begin = halving_sum<4 * kPair, Where::kLanes / 2, 1>(y, at.state);
    halving_sum<4 * kPair, Where::kLanes / 2, 1>(s, at.state);
    halving_sum<4 * kPair, Where::kLanes / 2, 1>(v, at.state);
    if (!real || at.state & Where::kTwins) return;   // another lane holds the same
#pragma unroll
    for (int k = 0; k < (kLeft + 1) / 2; ++k) {
      const int t = step + begin / 2 + k;
      if (first + t >= a.L) break;
      const int64_t to = (b * a.L + a.time(first + t)) * a.D + d;
      const float2 u_t = memory.u.pair(t, at.pair), raw = memory.delta.pair(t, at.pair), dt = memory.dt.pair(t, at.pair), dy = memory.dy.pair(t, at.pair);
      float2 z_t{0, 0}, dout_t{0, 0};
      if (a.z.data) z_t = memory.z.pair(t, at.pair);
      if (a.dout.data) dout_t = memory.dout.pair(t, at.pair);
      if constexpr (kLeft >= 2) {
        const Finished f = finished(y[2 * k], s[2 * k], v[2 * k], u_t.x, raw.x + own_bias.x, dt.x, dy.x, z_t.x, dout_t.x, skip.x);
        const Finished e = finished(y[2 * k + 1], s[2 * k + 1], v[2 * k + 1], u_t.y, raw.y + own_bias.y, dt.y, dy.y, z_t.y, dout_t.y, skip.y);
        sum_D.x = fmaf(u_t.x, dy.x, sum_D.x), sum_D.y = fmaf(u_t.y, dy.y, sum_D.y);
        sum_bias.x += f.ddelta, sum_bias.y += e.ddelta;
        put_pair(grad.du, to, f.du, e.du);
        put_pair(grad.ddelta, to, f.ddelta, e.ddelta);
        if (a.z.data) put_pair(grad.dz, to, f.dz, e.dz);
      } else {
        const bool odd = begin & 1;
        const Finished f = odd ? finished(y[0], s[0], v[0], u_t.y, raw.y + own_bias.y, dt.y, dy.y, z_t.y, dout_t.y, skip.y)
                               : finished(y[0], s[0], v[0], u_t.x, raw.x + own_bias.x, dt.x, dy.x, z_t.x, dout_t.x, skip.x);
        (odd ? sum_D.y : sum_D.x) += odd ? u_t.y * dy.y : u_t.x * dy.x;
        (odd ? sum_bias.y : sum_bias.x) += f.ddelta;
        store(static_cast<S*>(grad.du)[to + odd], f.du);
        store(static_cast<S*>(grad.ddelta)[to + odd], f.ddelta);
        if (a.z.data) store(static_cast<S*>(grad.dz)[to + odd], f.dz);
      }
    }
  }
  HIPPOGRAD_DEVICE static void put_pair(void* to, int64_t at, float x, float y) {
    Pack<S, 2> both;
    store(both.v[0], x);
    store(both.v[1], y);
    store_pack(static_cast<S*>(to) + at, both);
  }
  HIPPOGRAD_DEVICE void finish() {
    float totals[4] = {sum_D.x, sum_D.y, sum_bias.x, sum_bias.y};
    if (!kStateOnly) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (at.state & Where::kTwins) totals[i] = 0;
        totals[i] = sum_lanes(totals[i], Where::kLanes);
      }
    }
    if (!real) return;
    const int64_t piece = b * a.splits + split;
    if (kStateOnly) {
#pragma unroll
      for (int i = 0; i < kStates; ++i) *reinterpret_cast<float2*>(grad.ends + state_offset(piece, i)) = {g[0][i], g[1][i]};
      if (at.state == 0) *reinterpret_cast<float2*>(grad.dt_sums + piece * a.D + d) = dt_sum;
      return;
    }
    if (at.state == 0) {
      *reinterpret_cast<float2*>(grad.dD + piece * a.D + d) = {totals[0], totals[1]};
      *reinterpret_cast<float2*>(grad.dbias + piece * a.D + d) = {totals[2], totals[3]};
    }
#pragma unroll
    for (int i = 0; i < kStates; ++i) {
      *reinterpret_cast<float2*>(grad.dA + state_offset(piece, i)) = {dA[0][i], dA[1][i]};
      if (grad.dinitial.data && split == 0)
#pragma unroll
        for (int r = 0; r < kPair; ++r)
          grad.dinitial.put(b * grad.dinitial.b + (d + r) * grad.dinitial.d + (kStates * at.state + i) * grad.dinitial.n, g[r][i]);
    }
  }
};

template <class S, int N, bool kStateOnly> __global__ void __launch_bounds__(Layout<N>::kThreads) backward_kernel(FastScan a, Gradients grad) {
  extern __shared__ __align__(128) unsigned char bytes[];
  BackwardBlock<S, N, kStateOnly>(a, grad, *reinterpret_cast<Memory<S, N>*>(bytes)).run();
}

template <class S, int N> void launch_backward(const FastScan& a, Gradients grad) {
  const dim3 grid(blocks_for(a.D, Layout<N>::kChannels), unsigned(a.splits), unsigned(a.B));
  const int64_t states = a.B * a.splits * N * a.D;
  const Workspace memory(a.splits > 1 ? size_t(2 * states + a.B * a.splits * a.D) * sizeof(float) : 0);
  if (a.splits > 1) {
    grad.ends = memory.as<float>(), grad.dt_sums = grad.ends + 2 * states;
    float* start = grad.ends + states;
    launch("selective_scan_bwd_ends", backward_kernel<S, N, true>, grid, Layout<N>::kThreads, sizeof(Memory<S, N>), a, grad);
    for_each("selective_scan_bwd_join", a.B * N * a.D, JoinPieces{a.D, N, a.splits, a.A, grad.dlast, grad.ends, grad.dt_sums, start, true});
    grad.start = start;
  }
  launch("selective_scan_bwd_fast", backward_kernel<S, N, false>, grid, Layout<N>::kThreads, sizeof(Memory<S, N>), a, grad);
}

// A gradient in the streams' dtype, contiguous: the array itself, or a temporary that is copied back at the end.
struct Target {
  Array dense;
  Array& to;
  Target(MArray x, CArray stream, DType dtype) : to(x) {
    dense = x.defined() && x.is_contiguous() && aligned16(x.raw()) && x.dtype() == dtype ? x : empty(stream.shape(), dtype, stream.device());
  }
  void copy_back() { if (to.defined() && dense.storage() != to.storage()) kernels::copy(dense, to); }
};

}  // namespace

bool fast_scan_backward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray, const kernels::ScanOptions& options,
                        CArray checkpoints, CArray dout, CArray dlast_state, MArray du, MArray ddelta, MArray dA, MArray dBt, MArray dCt, MArray dD, MArray dz,
                        MArray ddelta_bias, MArray dinitial_state) {
  const Prepared p(u, delta, A, Bt, Ct, D, z, delta_bias, options, dout);
  if (!p.taken) return false;
  const FastScan& a = p.scan;
  Target to_u(du, u, p.dtype), to_delta(ddelta, u, p.dtype);
  std::optional<Target> to_z;
  if (z.defined()) to_z.emplace(dz, u, p.dtype);
  const int64_t block = a.N == 64 ? 32 : 64, tiles = (a.D / a.G + block - 1) / block, rows = a.B * a.G * tiles * a.L * a.N, pieces = a.B * a.splits;
  const Workspace row_memory(size_t(2 * rows) * sizeof(float)), sum_memory(size_t(pieces * a.D * (a.N + 2)) * sizeof(float));
  Gradients grad{};
  grad.checkpoints = checkpoints.data<float>();
  grad.dlast = input<float>(dlast_state, "bdn");
  grad.du = to_u.dense.raw(), grad.ddelta = to_delta.dense.raw(), grad.dz = to_z ? to_z->dense.raw() : nullptr;
  grad.dB = row_memory.as<float>(), grad.dC = grad.dB + rows;
  grad.dA = sum_memory.as<float>(), grad.dD = grad.dA + pieces * a.D * a.N, grad.dbias = grad.dD + pieces * a.D;
  grad.dinitial = output<float>(dinitial_state, "bdn");
  by_stream_and_states(p.dtype, a.N, [&]<class S, int N>() { launch_backward<S, N>(a, grad); });

  const auto add_tiles = [&](const char* name, const float* partial, MArray x) {
    if (x.defined()) for_each(name, a.B * a.G * a.L * a.N, AddTiles<float>{a.L, a.G, tiles, a.N, 1, partial, output<float>(x, "btgn")});
  };
  const auto add_pieces = [&](const char* name, const float* partial, MArray x, int64_t row, std::string_view axes) {
    if (x.defined()) for_each(name, row * a.D, AddBatches<float>{pieces, a.D, row, 1, partial, output<float>(x, axes)});
  };
  add_tiles("selective_scan_dB", grad.dB, dBt);
  add_tiles("selective_scan_dC", grad.dC, dCt);
  add_pieces("selective_scan_dA", grad.dA, dA, a.N, "dn");
  add_pieces("selective_scan_dD", grad.dD, dD, 1, "d");
  add_pieces("selective_scan_dbias", grad.dbias, ddelta_bias, 1, "d");
  to_u.copy_back(), to_delta.copy_back();
  if (to_z) to_z->copy_back();
  return true;
}

}  // namespace hippograd::cuda
