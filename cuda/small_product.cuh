#pragma once
// d (m, n) = a (m, k) b (k, n) in f32 where the product is small: what counts is how many SMs work and how soon they have
// their numbers. Where the operands come from is the business of loaders: matrices (gemm_small.cu), pictures (conv_small.cu).
//
// A block of four groups of 64 threads makes 32 x 32 elements of d. Tiles 32 deep go to shared memory by asynchronous copies,
// three in flight (all of k = 96); each group takes a quarter of each depth, 4 x 4 sums per thread, read by 16 bytes.
// Where the tiles of d are few and k is long (weight gradients), up to eight blocks share k: they form a cluster and add their
// sums through each other's shared memory, in the order of k. All of this is a function of the shape alone.
//
// In shared memory a tile lies either with k along its rows of 32 + 4 floats (the 4 keep reads of eight rows on different
// banks) or with rows of the operand along k.
//
//   loader    static constexpr bool kAlongK;  State begin(first row);  void fetch(State, float* tile, first k)
//   store     State begin(column);  void operator()(State, row, column, value);
//             and, where the sums of a's rows over k are wanted too (the gradient of a bias), void row_sum(row, value)
#include <cooperative_groups.h>
#include <cuda_pipeline.h>

#include "cuda/launch.cuh"

namespace hippograd::cuda {

namespace small {

inline constexpr int kRows = 32, kColumns = 32, kDepth = 32, kStages = 3, kGroups = 4, kThreads = 256, kMaxShare = 8;
inline constexpr int kSumStride = kColumns + 4;   // of partial sums; behind the columns the sum of the row of a

template <bool AlongK, int Rows> struct Tile {
  static constexpr int kStride = AlongK ? kDepth + 4 : Rows, kFloats = AlongK ? Rows * kStride : kDepth * kStride;
  // The four rows of thread t.
  HIPPOGRAD_DEVICE static int row(int t, int i) { return AlongK ? t + i * (Rows / 4) : 4 * t + i; }
  // v[i][q] = element (row i of thread t, p + q)
  HIPPOGRAD_DEVICE static void read(const float* tile, int t, int p, float (&v)[4][4]) {
#pragma unroll
    for (int u = 0; u < 4; ++u) {
      const float4 f = *reinterpret_cast<const float4*>(AlongK ? tile + row(t, u) * kStride + p : tile + (p + u) * kStride + 4 * t);
      const float four[4] = {f.x, f.y, f.z, f.w};
#pragma unroll
      for (int w = 0; w < 4; ++w) (AlongK ? v[u][w] : v[w][u]) = four[w];
    }
  }
};

// One float of a tile; zero where `inside` is false.
HIPPOGRAD_DEVICE void copy_float(float* to, const float* from, bool inside, const float* valid) {
  __pipeline_memcpy_async(to, inside ? from : valid, 4, inside ? 0 : 4);
}

// Blocks: `share` in a row for every tile of d (a cluster), tiles by rows of d; blockIdx.y is given to the loaders' owner.
template <bool RowSums, class LoadA, class LoadB, class Store>
HIPPOGRAD_DEVICE void product(const LoadA& load_a, const LoadB& load_b, const Store& store, int64_t m, int64_t n, int64_t k, int share) {
  using A = Tile<LoadA::kAlongK, kRows>;
  using B = Tile<LoadB::kAlongK, kColumns>;
  constexpr int kStage = A::kFloats + B::kFloats, kPart = kRows * kSumStride;
  static_assert(kStages * kStage >= kGroups * kPart);
  __shared__ alignas(16) float memory[kStages * kStage];
  const int part = int(blockIdx.x) % share, tile = int(blockIdx.x) / share, tiles_n = int((n + kColumns - 1) / kColumns);
  const int64_t i0 = int64_t(tile / tiles_n) * kRows, j0 = int64_t(tile % tiles_n) * kColumns;
  const int steps = int((k + kDepth - 1) / kDepth), each = (steps + share - 1) / share;
  const int begin = min(part * each, steps), end = min(begin + each, steps);
  const int thread = int(threadIdx.x);

  auto state_a = load_a.begin(i0);
  auto state_b = load_b.begin(j0);
  const auto fetch = [&](int step) {
    if (step < end) {
      float* stage = memory + (step - begin) % kStages * kStage;
      load_a.fetch(state_a, stage, int64_t(step) * kDepth);
      load_b.fetch(state_b, stage + A::kFloats, int64_t(step) * kDepth);
    }
    __pipeline_commit();
  };
  for (int s = 0; s < kStages - 1; ++s) fetch(begin + s);
  const int64_t column = j0 + thread % kColumns;   // that this thread writes
  const auto to = store.begin(min(column, n - 1));

  const int group = thread / 64, tx = thread % 8, ty = thread % 64 / 8;
  const bool sums_rows = RowSums && j0 == 0;
  float sum[4][4] = {}, row_sum[4] = {};
  for (int step = begin; step < end; ++step) {
    __pipeline_wait_prior(kStages - 2);
    __syncthreads();
    fetch(step + kStages - 1);
    const float* stage = memory + (step - begin) % kStages * kStage;
#pragma unroll
    for (int p = 0; p < kDepth / kGroups; p += 4) {
      float x[4][4], y[4][4];
      A::read(stage, ty, group * (kDepth / kGroups) + p, x);
      B::read(stage + A::kFloats, tx, group * (kDepth / kGroups) + p, y);
#pragma unroll
      for (int q = 0; q < 4; ++q)
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j) sum[i][j] = fmaf(x[i][q], y[j][q], sum[i][j]);
      if (sums_rows) {
#pragma unroll
        for (int i = 0; i < 4; ++i) row_sum[i] += (x[i][0] + x[i][1]) + (x[i][2] + x[i][3]);
      }
    }
  }
  __pipeline_wait_prior(0);
  __syncthreads();

  // Each group leaves its sums in shared memory.
  float* mine = memory + group * kPart;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float* line = mine + A::row(ty, i) * kSumStride;
    if constexpr (LoadB::kAlongK) {
#pragma unroll
      for (int j = 0; j < 4; ++j) line[B::row(tx, j)] = sum[i][j];
    } else {
      *reinterpret_cast<float4*>(line + 4 * tx) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
    }
    if (sums_rows && tx == 0) line[kColumns] = row_sum[i];
  }
  __syncthreads();
  const auto of_groups = [&](int at) { return (memory[at] + memory[at + kPart]) + (memory[at + 2 * kPart] + memory[at + 3 * kPart]); };

  if (share == 1) {
#pragma unroll
    for (int i = thread / kColumns; i < kRows; i += kThreads / kColumns) {
      const float value = of_groups(i * kSumStride + thread % kColumns);
      if (i0 + i < m && column < n) store(to, i0 + i, column, value);
    }
    if constexpr (RowSums)
      if (sums_rows && thread < kRows && i0 + thread < m) store.row_sum(i0 + thread, of_groups(thread * kSumStride + kColumns));
    return;
  }
#if __CUDA_ARCH__ >= 900
  // The blocks of a cluster: every element is the sum of their sums in order.
  const auto cluster = cooperative_groups::this_cluster();
#pragma unroll
  for (int i = thread / kColumns; i < kRows; i += kThreads / kColumns) {
    const int at = i * kSumStride + thread % kColumns;
    memory[at] = of_groups(at);
  }
  if (sums_rows && thread < kRows) memory[thread * kSumStride + kColumns] = of_groups(thread * kSumStride + kColumns);
  cluster.sync();
  const auto of_cluster = [&](int at) {
    float value = 0;
#pragma unroll 8
    for (int from = 0; from < share; ++from) value += *cluster.map_shared_rank(memory + at, from);
    return value;
  };
  const int own = kRows * kColumns / share;          // elements of each block
  for (int e = own * part + thread; e < own * (part + 1); e += kThreads) {
    const int i = e / kColumns;
    const float value = of_cluster(i * kSumStride + e % kColumns);
    if (i0 + i < m && column < n) store(to, i0 + i, column, value);
  }
  if constexpr (RowSums)
    if (sums_rows && part == 0 && thread < kRows && i0 + thread < m) store.row_sum(i0 + thread, of_cluster(thread * kSumStride + kColumns));
  cluster.sync();                                    // the others' memory is read until here
#endif
}

}  // namespace small

// How a small product is launched, or that it is not small.
struct SmallPlan {
  bool fits = false;
  unsigned tiles = 0;
  int share = 1;
  SmallPlan(int64_t m, int64_t n, int64_t k, int64_t batch) {
    using namespace small;
    constexpr int64_t kMostWork = 40'000'000;   // multiplications: beyond, cuBLAS's larger tiles win
    if (m < 1 || n < 1 || k < 1 || batch < 1 || batch > 65535 || m > kMostWork || n > kMostWork || k > kMostWork) return;
    if (batch * m > kMostWork / n || batch * m * n > kMostWork / k) return;
    const int64_t count = (m + kRows - 1) / kRows * ((n + kColumns - 1) / kColumns), steps = (k + kDepth - 1) / kDepth;
    if (2 * m * n < count * kRows * kColumns && count * batch > 132) return;   // mostly empty tiles, and more than one for each SM
    if (properties().major >= 9)
      while (share < kMaxShare && count * batch * share * 2 <= 264 && steps >= share * 4) share *= 2;
    tiles = unsigned(count);
    fits = steps <= 24 * share;
  }
};
template <class... P, class... Args> void launch_small(const char* name, void (*kernel)(P...), const SmallPlan& plan, int64_t batch, const Args&... args) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(plan.tiles * unsigned(plan.share), unsigned(batch));
  config.blockDim = small::kThreads;
  config.stream = stream();
  cudaLaunchAttribute cluster;
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {unsigned(plan.share), 1, 1};
  config.attrs = &cluster;
  config.numAttrs = plan.share > 1 ? 1 : 0;
  note_launch(reinterpret_cast<const void*>(kernel));
  check(cudaLaunchKernelEx(&config, kernel, args...), name);
}

}  // namespace hippograd::cuda
