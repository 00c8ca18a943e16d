// Products of small f32 matrices, of which a small model makes a hundred in a step: (2048, 96) (96, 96) is 0.6 us of
// arithmetic (cuda/small_product.cuh). Operands come in packs of four floats, along k or along their rows.
#include "cuda/gemm.h"
#include "cuda/small_product.cuh"
#include "tensor/kernels/matmul.h"

namespace hippograd::cuda {
namespace {

using namespace small;

// x(r, p) = x[r stride + p] or, not AlongK, x[p stride + r]; zeros outside (rows, k).
template <bool AlongK, int Rows> struct MatrixLoader {
  static constexpr bool kAlongK = AlongK;
  const float* x;
  int64_t stride, rows, k;
  HIPPOGRAD_DEVICE int64_t begin(int64_t first) const { return first; }
  HIPPOGRAD_DEVICE void fetch(int64_t first, float* tile, int64_t k0) const {
    constexpr int kAcross = (AlongK ? kDepth : Rows) / 4, kPacks = Rows * kDepth / 4;
#pragma unroll
    for (int e = threadIdx.x; e < kPacks; e += kThreads) {
      const int line = e / kAcross, at = e % kAcross * 4;
      const int64_t r = first + (AlongK ? line : at), p = k0 + (AlongK ? at : line);
      const bool inside = r < rows && p < k;
      __pipeline_memcpy_async(tile + line * Tile<AlongK, Rows>::kStride + at, inside ? x + (AlongK ? r * stride + p : p * stride + r) : x, 16, inside ? 0 : 16);
    }
  }
};
struct MatrixStore {
  Gemm g;
  float *d, *sums;
  HIPPOGRAD_DEVICE float begin(int64_t j) const { return g.bias ? static_cast<const float*>(g.bias)[j] : 0.0f; }
  HIPPOGRAD_DEVICE void operator()(float bias, int64_t i, int64_t j, float value) const {
    if (g.bias) value += bias;
    float& to = d[i * g.d_row + j];
    to = g.accumulate ? to + value : value;
  }
  HIPPOGRAD_DEVICE void row_sum(int64_t i, float value) const { sums[i] = value; }
};

template <bool AlongA, bool AlongB, bool RowSums> __global__ void __launch_bounds__(kThreads) small_kernel(Gemm g, float* row_sums, int share) {
  const int64_t s = blockIdx.y;
  const MatrixLoader<AlongA, kRows> a{static_cast<const float*>(g.a) + s * g.a_step, AlongA ? g.a_row : g.a_col, g.m, g.k};
  const MatrixLoader<AlongB, kColumns> b{static_cast<const float*>(g.b) + s * g.b_step, AlongB ? g.b_col : g.b_row, g.n, g.k};
  product<RowSums>(a, b, MatrixStore{g, static_cast<float*>(g.d) + s * g.d_step, row_sums}, g.m, g.n, g.k, share);
}

// How an operand (rows, k) lies: 1 k along memory, 0 rows along memory, -1 not in aligned packs of four.
int direction(const void* x, int64_t rows, int64_t k, int64_t row_stride, int64_t k_stride, int64_t step) {
  if (reinterpret_cast<uintptr_t>(x) % 16 || step % 4) return -1;
  if (k_stride == 1 && row_stride % 4 == 0 && k % 4 == 0) return 1;
  return row_stride == 1 && k_stride % 4 == 0 && rows % 4 == 0 ? 0 : -1;
}

}  // namespace

bool gemm_small(const Gemm& g, float* row_sums) {
  if (g.type != DType::f32 || tf32_allowed()) return false;
  const SmallPlan plan(g.m, g.n, g.k, g.batch);
  if (!plan.fits) return false;
  const int along_a = direction(g.a, g.m, g.k, g.a_row, g.a_col, g.a_step), along_b = direction(g.b, g.n, g.k, g.b_col, g.b_row, g.b_step);
  if (along_a < 0 || along_b < 0) return false;
  if (row_sums) {                              // of the gradient of a linear layer: both operands lie along their rows
    if (along_a || along_b || g.batch != 1) return false;
    launch_small("linear_grad_weight", small_kernel<false, false, true>, plan, 1, g, row_sums, plan.share);
    return true;
  }
  const auto kernel = along_a ? (along_b ? small_kernel<true, true, false> : small_kernel<true, false, false>)
                              : (along_b ? small_kernel<false, true, false> : small_kernel<false, false, false>);
  launch_small("matmul", kernel, plan, g.batch, g, row_sums, plan.share);
  return true;
}

}  // namespace hippograd::cuda
