// Products of small f32 matrices, of which a small model makes a hundred in a step: (2048, 96) (96, 96) is 0.6 us of
// arithmetic, so what counts is how many SMs work and how soon they have their numbers.
//
// A block of two groups of 128 threads makes 64 x 32 elements of d. Tiles 32 deep go to shared memory by asynchronous copies,
// three in flight (all of k = 96); the groups take the two halves of each depth, 4 x 4 sums per thread, read by 16 bytes.
// Where the tiles of d are few and k is long (weight gradients), up to eight blocks share k: they form a cluster and add their
// sums through each other's shared memory, in the order of k. All of this is a function of shape and alignment alone.
//
// The tile of an operand lies in shared memory as in memory: k along rows of 32 + 4 floats (the 4 keep reads of eight rows on
// different banks), or rows of a along k.
#include <cooperative_groups.h>
#include <cuda_pipeline.h>

#include "cuda/gemm.h"
#include "cuda/launch.cuh"
#include "tensor/kernels/matmul.h"

namespace hippograd::cuda {
namespace {

constexpr int kRows = 64, kColumns = 32, kDepth = 32, kStages = 3, kThreads = 256, kMaxShare = 8;
constexpr int kSumStride = kColumns + 1;

template <bool AlongK, int Rows> struct Tile {
  static constexpr int kStride = AlongK ? kDepth + 4 : Rows, kFloats = AlongK ? Rows * kStride : kDepth * kStride;

  // x(first + r, k0 + p) = x[(first + r) stride + k0 + p] or, not AlongK, x[(k0 + p) stride + first + r]; zeros outside.
  HIPPOGRAD_DEVICE static void fetch(float* tile, const float* x, int64_t stride, int64_t first, int64_t rows, int64_t k0, int64_t k) {
    constexpr int kAcross = (AlongK ? kDepth : Rows) / 4, kPacks = Rows * kDepth / 4;
#pragma unroll
    for (int e = threadIdx.x; e < kPacks; e += kThreads) {
      const int line = e / kAcross, at = e % kAcross * 4;
      const int64_t r = first + (AlongK ? line : at), p = k0 + (AlongK ? at : line);
      const bool inside = r < rows && p < k;
      __pipeline_memcpy_async(tile + line * kStride + at, inside ? x + (AlongK ? r * stride + p : p * stride + r) : x, 16, inside ? 0 : 16);
    }
  }
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

// The block's part of one product: `share` blocks in a row (a cluster) take the steps of k in turn.
template <bool AlongA, bool AlongB> __global__ void __launch_bounds__(kThreads) small_kernel(Gemm g, int share) {
  using A = Tile<AlongA, kRows>;
  using B = Tile<AlongB, kColumns>;
  constexpr int kStage = A::kFloats + B::kFloats;
  static_assert(kStages * kStage >= kRows * kSumStride);
  __shared__ alignas(16) float memory[kStages * kStage];
  const int part = blockIdx.x % share, tile = blockIdx.x / share, tiles_n = int((g.n + kColumns - 1) / kColumns);
  const int64_t i0 = int64_t(tile / tiles_n) * kRows, j0 = int64_t(tile % tiles_n) * kColumns;
  const float *a = static_cast<const float*>(g.a) + blockIdx.y * g.a_step, *b = static_cast<const float*>(g.b) + blockIdx.y * g.b_step;
  const int steps = int((g.k + kDepth - 1) / kDepth), each = (steps + share - 1) / share;
  const int begin = min(part * each, steps), end = min(begin + each, steps);

  const auto fetch = [&](int step) {
    if (step < end) {
      float* stage = memory + (step - begin) % kStages * kStage;
      A::fetch(stage, a, AlongA ? g.a_row : g.a_col, i0, g.m, int64_t(step) * kDepth, g.k);
      B::fetch(stage + A::kFloats, b, AlongB ? g.b_col : g.b_row, j0, g.n, int64_t(step) * kDepth, g.k);
    }
    __pipeline_commit();
  };
  for (int s = 0; s < kStages - 1; ++s) fetch(begin + s);

  const int group = threadIdx.x / 128, tx = threadIdx.x % 8, ty = threadIdx.x % 128 / 8;
  float sum[4][4] = {};
  for (int step = begin; step < end; ++step) {
    __pipeline_wait_prior(kStages - 2);
    __syncthreads();
    fetch(step + kStages - 1);
    const float* stage = memory + (step - begin) % kStages * kStage;
#pragma unroll
    for (int p = 0; p < kDepth / 2; p += 4) {
      float x[4][4], y[4][4];
      A::read(stage, ty, group * (kDepth / 2) + p, x);
      B::read(stage + A::kFloats, tx, group * (kDepth / 2) + p, y);
#pragma unroll
      for (int q = 0; q < 4; ++q)
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j) sum[i][j] = fmaf(x[i][q], y[j][q], sum[i][j]);
    }
  }
  __pipeline_wait_prior(0);
  __syncthreads();

  // The sums of the two groups, in shared memory.
  float* total = memory;
  for (int turn = 0; turn < 2; ++turn) {
    if (group == turn) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          float& to = total[A::row(ty, i) * kSumStride + B::row(tx, j)];
          to = turn == 0 ? sum[i][j] : to + sum[i][j];
        }
    }
    __syncthreads();
  }

#if __CUDA_ARCH__ >= 900
  const auto cluster = cooperative_groups::this_cluster();
  if (share > 1) cluster.sync();
#endif
  for (int e = kRows * kColumns / share * part + threadIdx.x; e < kRows * kColumns / share * (part + 1); e += kThreads) {
    const int i = e / kColumns, j = e % kColumns;
    float value = 0;
#if __CUDA_ARCH__ >= 900
    if (share > 1) {
      for (int from = 0; from < share; ++from) value += *cluster.map_shared_rank(total + i * kSumStride + j, from);
    } else {
      value = total[i * kSumStride + j];
    }
#else
    value = total[i * kSumStride + j];
#endif
    if (i0 + i >= g.m || j0 + j >= g.n) continue;
    if (g.bias) value += static_cast<const float*>(g.bias)[j0 + j];
    float& to = static_cast<float*>(g.d)[blockIdx.y * g.d_step + (i0 + i) * g.d_row + j0 + j];
    to = g.accumulate ? to + value : value;
  }
#if __CUDA_ARCH__ >= 900
  if (share > 1) cluster.sync();   // the others' memory is read until here
#endif
}

// How an operand (rows, k) lies: 1 k along memory, 0 rows along memory, -1 not in aligned packs of four.
int direction(const void* x, int64_t rows, int64_t k, int64_t row_stride, int64_t k_stride, int64_t step) {
  if (reinterpret_cast<uintptr_t>(x) % 16 || step % 4) return -1;
  if (k_stride == 1 && row_stride % 4 == 0 && k % 4 == 0) return 1;
  return row_stride == 1 && k_stride % 4 == 0 && rows % 4 == 0 ? 0 : -1;
}

}  // namespace

bool gemm_small(const Gemm& g) {
  constexpr int64_t kMostWork = 40'000'000;   // multiplications: beyond, cuBLAS's larger tiles win
  if (g.type != DType::f32 || tf32_allowed() || g.k == 0 || g.batch > 65535) return false;
  if (g.m > kMostWork || g.n > kMostWork || g.k > kMostWork || g.batch * g.m * g.n > kMostWork / g.k) return false;
  const int64_t tiles = (g.m + kRows - 1) / kRows * ((g.n + kColumns - 1) / kColumns), steps = (g.k + kDepth - 1) / kDepth;
  if (2 * g.m * g.n < tiles * kRows * kColumns && tiles * g.batch > 132) return false;   // mostly empty tiles, and more than one for each SM
  const int along_a = direction(g.a, g.m, g.k, g.a_row, g.a_col, g.a_step), along_b = direction(g.b, g.n, g.k, g.b_col, g.b_row, g.b_step);
  if (along_a < 0 || along_b < 0) return false;
  int share = 1;
  if (properties().major >= 9)
    while (share < kMaxShare && tiles * g.batch * share * 2 <= 160 && steps >= share * 4) share *= 2;
  if (steps > 24 * share) return false;
  const auto kernel = along_a ? (along_b ? small_kernel<true, true> : small_kernel<true, false>)
                              : (along_b ? small_kernel<false, true> : small_kernel<false, false>);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(tiles * share), unsigned(g.batch));
  config.blockDim = kThreads;
  config.stream = stream();
  cudaLaunchAttribute cluster;
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {unsigned(share), 1, 1};
  config.attrs = &cluster;
  config.numAttrs = share > 1 ? 1 : 0;
  note_launch(reinterpret_cast<const void*>(kernel));
  check(cudaLaunchKernelEx(&config, kernel, g, share), "matmul");
  return true;
}

}  // namespace hippograd::cuda
