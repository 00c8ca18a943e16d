// Fast forward selective scan (see selective_scan_fast.cuh).
//
// Per (channel, step, state): one multiply and one ex2 for the decay, a multiply and an FMA for the state, an FMA for y. y is
// summed over the lanes of a channel four steps at a time by halving exchanges, so that each lane finishes steps of its own:
// D u, the gate, the store. Bytes: 4 streams once (with z), states every 32 steps. Bound at (8, 2048, 2048, 16): issue, about 65
// instructions per warp and step: 0.14 ms; exponentials 0.16 ms of the special-function unit; memory 0.06 (bf16), 0.13 (f32).
//
// Where the channels do not fill the device, L is split: (1) every piece finds its end state from 0 and its sum of dt, (2) the
// pieces are joined in order, one exponential per piece and state, (3) every piece runs from its true start.
#include "cuda/selective_scan_fast.cuh"
#include "cuda/selective_scan_fast.h"
#include "cuda/selective_scan_prepare.cuh"

namespace hippograd::cuda {
namespace {

template <class S, int N> struct Stage {
  StreamTile<S, N> u, delta, z;
  CoefficientTile<N> B, C;
};
template <class S, int N> struct Memory {
  Stage<S, N> stage[2];
  PairTile<N> dt, input;      // input: dt u
};

struct ForwardOutputs {
  void* out;
  int64_t out_b, out_t;
  Output<float> last;
  float* checkpoints;         // (B, chunks, N, D)
  // Pieces: start (B, splits, N, D) states, or null; in pass (1) the end states and sums of dt (B, splits, D).
  const float* start;
  Input<float> initial;
  float *ends, *dt_sums;
};

template <class S, int N, bool kStateOnly> class ForwardBlock {
  using Where = Layout<N>;
  const FastScan& a;
  const ForwardOutputs& to;
  Memory<S, N>& memory;
  Where at;
  int64_t b, split, d0, d, group;   // d: the first of the thread's two channels
  bool real;
  float rate[kPair][kStates], h[kPair][kStates];   // A log2(e)
  float2 bias, skip, dt_sum{0, 0};
  StreamFetcher<S, N> u, delta, z;
  CoefficientFetcher<N> B, C;

 public:
  HIPPOGRAD_DEVICE ForwardBlock(const FastScan& a_, const ForwardOutputs& to_, Memory<S, N>& memory_)
      : a(a_), to(to_), memory(memory_), b(blockIdx.z), split(blockIdx.y), d0(int64_t(blockIdx.x) * Where::kChannels) {
    d = d0 + kPair * at.pair;
    real = d < a.D;
    group = d0 / (a.D / a.G);
    bias = skip = {0, 0};
    const int64_t column = d0 + kPair * (threadIdx.x % Where::kPairs);   // of the pairs that this thread prepares
    if (a.bias.data && column < a.D) bias = {a.bias.at(column * a.bias.d), a.bias.at((column + 1) * a.bias.d)};
    if (a.skip.data && real) skip = {a.skip.at(d * a.skip.d), a.skip.at((d + 1) * a.skip.d)};
    load_states();
  }
  HIPPOGRAD_DEVICE void run() {
    const int begin = int(split * a.steps), end = int(min(begin + a.steps, a.L));
    start_fetching(begin);
    if (begin < end) fetch(memory.stage[0], int(a.L) - begin);
    for (int first = begin; first < end; first += kTileSteps) {
      const int stage = (first - begin) / kTileSteps & 1;
      wait_for_copies();
      __syncthreads();
      if (first + kTileSteps < end) fetch(memory.stage[stage ^ 1], int(a.L) - first - kTileSteps);
      prepare(memory.stage[stage], int(a.L) - first);
      __syncthreads();
      if (!kStateOnly && to.checkpoints && real) save(first / kTileSteps);
      const int steps = min(kTileSteps, end - first);
      for (int step = 0; step < steps; step += 4) scan_four(memory.stage[stage], first, step);
    }
    finish();
  }

 private:
  HIPPOGRAD_DEVICE void load_states() {
#pragma unroll
    for (int i = 0; i < kStates; ++i)
#pragma unroll
      for (int r = 0; r < kPair; ++r) {
        const int64_t n = kStates * at.state + i;
        rate[r][i] = real ? a.A.at((d + r) * a.A.d + n * a.A.n) * kLog2e : 0.f;
        h[r][i] = 0;
        if (kStateOnly || !real) continue;
        if (to.start) h[r][i] = to.start[((b * a.splits + split) * N + n) * a.D + d + r];
        else if (to.initial.data) h[r][i] = to.initial.at(b * to.initial.b + (d + r) * to.initial.d + n * to.initial.n);
      }
  }
  HIPPOGRAD_DEVICE void start_fetching(int first) {
    u.start(a, rows_of<S>(a.u, b, d0), a.u.t, first, a.D - d0);
    delta.start(a, rows_of<S>(a.delta, b, d0), a.delta.t, first, a.D - d0);
    if (a.z.data) z.start(a, rows_of<S>(a.z, b, d0), a.z.t, first, a.D - d0);
    B.start(a, rows_of(a.Bt, b, group), a.Bt.t, first, N);
    C.start(a, rows_of(a.Ct, b, group), a.Ct.t, first, N);
  }
  HIPPOGRAD_DEVICE void fetch(Stage<S, N>& s, int left) {
    u.fetch(s.u, left), u.advance(1);
    delta.fetch(s.delta, left), delta.advance(1);
    B.fetch(s.B, left), B.advance(1);
    if (!kStateOnly) {
      C.fetch(s.C, left), C.advance(1);
      if (a.z.data) z.fetch(s.z, left), z.advance(1);
    }
    commit_copies();
  }
  HIPPOGRAD_DEVICE void prepare(const Stage<S, N>& s, int left) {
    constexpr int kRows = Where::kThreads / Where::kPairs;   // steps of a pass
    const int p = threadIdx.x % Where::kPairs, row = threadIdx.x / Where::kPairs;
#pragma unroll 4
    for (int step = row; step < kTileSteps; step += kRows) {
      float2 dt = s.delta.pair(step, p);
      const float2 u_t = s.u.pair(step, p);
      dt.x += bias.x, dt.y += bias.y;
      if (a.softplus) dt = {quick_softplus(dt.x), quick_softplus(dt.y)};
      if (step >= left) dt = {0, 0};
      memory.dt.put(step, p, dt);
      memory.input.put(step, p, {dt.x * u_t.x, dt.y * u_t.y});
    }
  }
  HIPPOGRAD_DEVICE void save(int64_t chunk) {
#pragma unroll
    for (int i = 0; i < kStates; ++i)
      *reinterpret_cast<float2*>(to.checkpoints + ((b * a.chunks() + chunk) * N + kStates * at.state + i) * a.D + d) = {h[0][i], h[1][i]};
  }
  HIPPOGRAD_DEVICE void scan_four(const Stage<S, N>& s, int first, int step) {
    float y[4 * kPair];   // [step][channel]
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float2 dt = memory.dt.pair(step + k, at.pair), in = memory.input.pair(step + k, at.pair);
      const float4 Bs = s.B.states(step + k, at.state);
      const float4 Cs = kStateOnly ? float4{} : s.C.states(step + k, at.state);
      const float B_t[kStates] = {Bs.x, Bs.y, Bs.z, Bs.w}, C_t[kStates] = {Cs.x, Cs.y, Cs.z, Cs.w};
#pragma unroll
      for (int r = 0; r < kPair; ++r) {
        const float step_dt = r ? dt.y : dt.x, input = r ? in.y : in.x;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < kStates; ++i) {
          h[r][i] = fmaf(power_of_2(step_dt * rate[r][i]), h[r][i], input * B_t[i]);
          sum = fmaf(C_t[i], h[r][i], sum);
        }
        y[k * kPair + r] = sum;
      }
      if (kStateOnly) dt_sum.x += dt.x, dt_sum.y += dt.y;
    }
    if (!kStateOnly) store_four(s, first, step, y);
  }
  // Sums over the lanes of a channel pair; each lane finishes what it is left with: whole pairs of some steps, or one channel.
  HIPPOGRAD_DEVICE void store_four(const Stage<S, N>& s, int first, int step, float (&y)[4 * kPair]) {
    constexpr int kLeft = halved(4 * kPair, log2_of(Where::kLanes));
    const int begin = halving_sum<4 * kPair, Where::kLanes / 2, 1>(y, at.state);
    if (!real || at.state & Where::kTwins) return;   // another lane holds the same
    S* out = static_cast<S*>(to.out) + b * to.out_b + d;
#pragma unroll
    for (int k = 0; k < (kLeft + 1) / 2; ++k) {
      const int t = step + begin / 2 + k;
      if (first + t >= a.L) break;
      const float2 u_t = s.u.pair(t, at.pair);
      S* row = out + a.time(first + t) * to.out_t;
      float2 z_t{0, 0};
      if (a.z.data) z_t = s.z.pair(t, at.pair);
      if constexpr (kLeft >= 2) {
        Pack<S, 2> both;
        store(both.v[0], finished(y[2 * k], skip.x, u_t.x, z_t.x));
        store(both.v[1], finished(y[2 * k + 1], skip.y, u_t.y, z_t.y));
        store_pack(row, both);
      } else {
        const bool odd = begin & 1;
        store(row[odd], finished(y[0], odd ? skip.y : skip.x, odd ? u_t.y : u_t.x, odd ? z_t.y : z_t.x));
      }
    }
  }
  HIPPOGRAD_DEVICE float finished(float y, float skip_d, float u, float z) const {
    y = fmaf(skip_d, u, y);
    return a.z.data ? y * z * quick_sigmoid(z) : y;
  }
  HIPPOGRAD_DEVICE void finish() {
    if (!real) return;
    if constexpr (kStateOnly) {
#pragma unroll
      for (int i = 0; i < kStates; ++i)
        *reinterpret_cast<float2*>(to.ends + ((b * a.splits + split) * N + kStates * at.state + i) * a.D + d) = {h[0][i], h[1][i]};
      if (at.state == 0) *reinterpret_cast<float2*>(to.dt_sums + (b * a.splits + split) * a.D + d) = dt_sum;
    } else if (to.last.data && split == a.splits - 1) {
#pragma unroll
      for (int i = 0; i < kStates; ++i)
#pragma unroll
        for (int r = 0; r < kPair; ++r) to.last.put(b * to.last.b + (d + r) * to.last.d + (kStates * at.state + i) * to.last.n, h[r][i]);
    }
  }
};

template <class S, int N, bool kStateOnly> __global__ void __launch_bounds__(Layout<N>::kThreads) forward_kernel(FastScan a, ForwardOutputs to) {
  extern __shared__ __align__(128) unsigned char bytes[];
  ForwardBlock<S, N, kStateOnly>(a, to, *reinterpret_cast<Memory<S, N>*>(bytes)).run();
}

template <class S, int N> void launch_forward(FastScan a, ForwardOutputs to) {
  const dim3 grid(blocks_for(a.D, Layout<N>::kChannels), unsigned(a.splits), unsigned(a.B));
  const int64_t states = a.B * a.splits * N * a.D;
  const Workspace memory(a.splits > 1 ? size_t(2 * states + a.B * a.splits * a.D) * sizeof(float) : 0);
  if (a.splits > 1) {
    to.ends = memory.as<float>(), to.dt_sums = to.ends + 2 * states;
    float* start = to.ends + states;
    launch("selective_scan_ends", forward_kernel<S, N, true>, grid, Layout<N>::kThreads, sizeof(Memory<S, N>), a, to);
    for_each("selective_scan_join", a.B * N * a.D, JoinPieces{a.D, N, a.splits, a.A, to.initial, to.ends, to.dt_sums, start, false});
    to.start = start;
  }
  launch("selective_scan_fast", forward_kernel<S, N, false>, grid, Layout<N>::kThreads, sizeof(Memory<S, N>), a, to);
}

}  // namespace

bool fast_scan_forward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray initial_state,
                       const kernels::ScanOptions& options, MArray out, MArray last_state, MArray checkpoints) {
  const Prepared p(u, delta, A, Bt, Ct, D, z, delta_bias, options, Array());
  if (!p.taken) return false;
  Array dense_out = has_channel_rows(out) && out.dtype() == p.dtype ? out : empty(out.shape(), p.dtype, out.device());
  const ForwardOutputs to{dense_out.raw(), dense_out.strides()[0], dense_out.strides()[1], output<float>(last_state, "bdn"),
                          checkpoints.defined() ? checkpoints.data<float>() : nullptr, nullptr, input<float>(initial_state, "bdn"), nullptr, nullptr};
  by_stream_and_states(p.dtype, p.scan.N, [&]<class S, int N>() { launch_forward<S, N>(p.scan, to); });
  if (dense_out.storage() != out.storage()) kernels::copy(dense_out, out);
  return true;
}

}  // namespace hippograd::cuda
