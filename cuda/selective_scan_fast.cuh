#pragma once
// What the fast selective scan kernels share: how threads, channels and states meet, tiles of 32 steps in shared memory, the
// small functions. Real f32 states, f32 or bf16 streams with unit stride along the channels, N = 4, 8, 16, 32, 64.
//
// A thread owns two neighbouring channels and four states of each; N / 4 lanes share a channel pair, so that a warp holds
// 256 / N channels and B and C are read from shared memory once for both channels. Time runs in tiles of 32 steps: raw streams
// arrive by cp.async one tile ahead; dt = softplus(delta + bias) and dt u are computed once per (channel, step) by all threads;
// then the warps scan. Steps past the end have dt = 0: they change nothing.
#include "cuda/selective_scan.h"

namespace hippograd::cuda {

// Streams share dtype and have unit stride along D; B and C are f32 with rows of N contiguous numbers (16-byte aligned).
struct FastScan {
  int64_t B, L, D, G, N;
  bool softplus, reverse;
  struct Stream {
    const void* data = nullptr;
    int64_t b = 0, t = 0;     // strides in elements
  };
  Stream u, delta, z, dout;
  struct Coefficients {
    const float* data = nullptr;
    int64_t b = 0, t = 0, g = 0;
  };
  Coefficients Bt, Ct;
  Input<float> A, skip, bias;
  int64_t steps, splits;      // L is cut into `splits` pieces of `steps` steps, a multiple of 32
  HIPPOGRAD_DEVICE int time(int step) const { return reverse ? int(L) - 1 - step : step; }
  HIPPOGRAD_DEVICE int64_t chunks() const { return (L + kScanChunk - 1) / kScanChunk; }
};

constexpr int kStates = 4, kPair = 2, kTileSteps = int(kScanChunk);   // per thread: states, channels
constexpr float kLn2 = 0.693147180559945309f, kLog2e = 1.44269504088896341f;

template <int N> struct Layout {
  static constexpr int kLanes = N / kStates;                        // that share a channel pair
  static constexpr int kGroups = 32 / kLanes;                       // channel pairs of a warp
  static constexpr int kWarps = kLanes < 8 ? kLanes : 8, kThreads = 32 * kWarps;
  static constexpr int kPairs = kWarps * kGroups, kChannels = kPair * kPairs;   // of a block: 64, or 32 for N = 64
  static constexpr int kTwins = kLanes > 8 ? kLanes / 8 - 1 : 0;    // bits of `state` that halving_sum over 8 values leaves equal
  int lane, warp, state, group, pair;                               // state: the lane's states are 4 state ... + 3
  HIPPOGRAD_DEVICE Layout() {
    lane = threadIdx.x % 32, warp = threadIdx.x / 32, state = lane % kLanes, group = lane / kLanes, pair = warp * kGroups + group;
  }
};

// ---- elementary functions: relative error 4e-7, plus |x| 6e-8 from rounding the exponent x log2(e) ----
HIPPOGRAD_DEVICE float power_of_2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
HIPPOGRAD_DEVICE float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
HIPPOGRAD_DEVICE float quick_sigmoid(float x) { return reciprocal(1.f + power_of_2(-kLog2e * x)); }
// max(x, 0) + log(1 + e), e = exp(-|x|) in (0, 1]; log(1 + e) / e by a polynomial (minimax fit, error 3e-8), so that the tail
// of small e keeps its digits. The exponential keeps denormals for the same reason.
HIPPOGRAD_DEVICE float quick_softplus(float x) {
  const float e = exp2f(-kLog2e * fabsf(x));
  float p = 0.00523253717f;
  p = fmaf(p, e, -0.0295046102f), p = fmaf(p, e, 0.0782249272f), p = fmaf(p, e, -0.136631593f), p = fmaf(p, e, 0.191059664f);
  p = fmaf(p, e, -0.248429716f), p = fmaf(p, e, 0.333190948f), p = fmaf(p, e, -0.499994934f), p = fmaf(p, e, 0.99999994f);
  return fmaf(p, e, fmaxf(x, 0.f));   // e is NaN if x is
}

// ---- shared memory ----
HIPPOGRAD_DEVICE void copy16_async(void* to, const void* from, bool valid) {   // if not valid, zeros, and `from` is not read
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(uint32_t(__cvta_generic_to_shared(to))), "l"(from), "r"(valid ? 16 : 0));
}
HIPPOGRAD_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;"); }
HIPPOGRAD_DEVICE void wait_for_copies() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

// One stream of a tile, [step][channel]; rows are padded so that four steps of eight pairs lie in different banks.
template <class S, int N> struct StreamTile {
  S at[kTileSteps][Layout<N>::kChannels + 16];
  HIPPOGRAD_DEVICE float2 pair(int step, int p) const {
    if constexpr (sizeof(S) == 2) {
      const uint32_t w = *reinterpret_cast<const uint32_t*>(&at[step][2 * p]);
      return {__uint_as_float(w << 16), __uint_as_float(w & 0xffff0000u)};
    } else {
      return *reinterpret_cast<const float2*>(&at[step][2 * p]);
    }
  }
};
template <int N> struct CoefficientTile {   // B or C
  float at[kTileSteps][N];
  HIPPOGRAD_DEVICE float4 states(int step, int state) const { return *reinterpret_cast<const float4*>(&at[step][4 * state]); }
};
// Brings rows of kWidth numbers into tiles, in chunks of 16 bytes; a thread has one chunk of every kRows-th row, so that from tile
// to tile only a pointer moves. Rows past the end and channels past D become zeros (their addresses are not read).
template <class S, int N, int kWidth> class Fetcher {
  static constexpr int kPer = 16 / int(sizeof(S)), kChunks = kWidth / kPer, kRows = Layout<N>::kThreads / kChunks;
  const S* from = nullptr;
  int64_t stride = 0;         // from step to step
  int row = 0, column = 0;
  bool real = false;

 public:
  // `rows`: the matrix of the steps, step 0 first in memory unless reversed; `first`: the step that the next tile begins with.
  HIPPOGRAD_DEVICE void start(const FastScan& a, const S* rows, int64_t stride_t, int first, int64_t width) {
    row = int(threadIdx.x) / kChunks, column = int(threadIdx.x) % kChunks * kPer;
    stride = a.reverse ? -stride_t : stride_t;
    from = rows + a.time(first + row) * stride_t + column;
    real = column < width && row < kTileSteps;
  }
  template <class Tile> HIPPOGRAD_DEVICE void fetch(Tile& tile, int left) const {   // `left`: steps from the tile's first on
    S* to = &tile.at[row][column];
#pragma unroll
    for (int pass = 0; pass < (kTileSteps + kRows - 1) / kRows; ++pass)
      if (kRows <= kTileSteps || row < kTileSteps)
        copy16_async(to + pass * kRows * int(sizeof(tile.at[0]) / sizeof(S)), from + pass * kRows * stride, real && row + pass * kRows < left);
  }
  HIPPOGRAD_DEVICE void advance(int tiles) { from += tiles * kTileSteps * stride; }
};
template <class S, int N> using StreamFetcher = Fetcher<S, N, Layout<N>::kChannels>;
template <int N> using CoefficientFetcher = Fetcher<float, N, N>;
template <class S> HIPPOGRAD_DEVICE const S* rows_of(const FastScan::Stream& x, int64_t b, int64_t d) { return static_cast<const S*>(x.data) + b * x.b + d; }
HIPPOGRAD_DEVICE const float* rows_of(const FastScan::Coefficients& x, int64_t b, int64_t group) { return x.data + b * x.b + group * x.g; }

template <int N> struct PairTile {   // [step][channel], f32
  float at[kTileSteps][Layout<N>::kChannels];
  HIPPOGRAD_DEVICE float2 pair(int step, int p) const { return *reinterpret_cast<const float2*>(&at[step][2 * p]); }
  HIPPOGRAD_DEVICE void put(int step, int p, float2 x) { *reinterpret_cast<float2*>(&at[step][2 * p]) = x; }
};

// ---- sums over lanes ----
// v[K] of every lane; lanes that differ in the bits `bit`, bit / 2, ... `last` are summed. While there is more than one value a
// round halves them: a lane with the bit set keeps the upper half. What is left are the sums of values first ... first + left - 1.
template <int K, int kBit, int kLast> HIPPOGRAD_DEVICE int halving_sum(float (&v)[K], int lane) {
  int first = 0;
  int left = K;
#pragma unroll
  for (int bit = kBit; bit >= kLast; bit /= 2) {
    if (left > 1) {
      left /= 2;
      const bool upper = lane & bit;
#pragma unroll
      for (int i = 0; i < left; ++i) {
        const float keep = upper ? v[i + left] : v[i], give = upper ? v[i] : v[i + left];
        v[i] = keep + __shfl_xor_sync(kFullWarp, give, bit);
      }
      first += upper ? left : 0;
    } else {
      v[0] += __shfl_xor_sync(kFullWarp, v[0], bit);
    }
  }
  return first;
}
constexpr int halved(int values, int rounds) { return rounds == 0 || values == 1 ? values : halved(values / 2, rounds - 1); }
constexpr int log2_of(int x) { return x <= 1 ? 0 : 1 + log2_of(x / 2); }

}  // namespace hippograd::cuda
