#pragma once
// Matrix products of the CUDA backend on raw memory: what matmul, the convolutions and others are built from.
//
//   d_s = a_s b_s  + bias  (+ d_s)     s = 0 .. batch - 1     a_s (m, k)   b_s (k, n)   bias (n,), for every row   d_s (m, n)
//
// Element (i, j) of a_s lies at a + s a_step + i a_row + j a_col, in elements; steps may be 0, d has unit columns. Floating types
// go to cuBLASLt (cuda/gemm.cpp) where it takes the layout, small f32 products and the rest to kernels of our own
// (cuda/gemm_small.cu, cuda/gemm_tiled.cu).
// Sums: f32 and complex64 in fp32, or with the operands rounded to tf32 if allow_tf32(true) was called; bf16 and f16 in fp32,
// rounded once; f64 and complex128 in fp64; integers wrap around.
#include <cstdint>

#include "tensor/array.h"

namespace hippograd::cuda {

struct Gemm {
  DType type = DType::f32;        // of a, b and bias
  DType result = DType::f32;      // of d: `type`, or f32 where `type` is bf16
  int64_t m = 0, n = 0, k = 0, batch = 1;
  const void *a = nullptr, *b = nullptr, *bias = nullptr;
  void* d = nullptr;
  int64_t a_row = 0, a_col = 0, b_row = 0, b_col = 0, d_row = 0;
  int64_t a_step = 0, b_step = 0, d_step = 0;
  bool conj_a = false, conj_b = false, accumulate = false;
};

void gemm(const Gemm& g);          // on the current stream
// False: not a small f32 product in aligned packs (nothing was launched). row_sums (m,): also the sums over k of a's rows.
bool gemm_small(const Gemm& g, float* row_sums = nullptr);
bool gemm_cublas(const Gemm& g);   // false: cuBLASLt has no kernel for this type or layout (nothing was launched)
void gemm_tiled(const Gemm& g);    // any strides, any type
void add_bias(const Gemm& g);      // d_sij += bias_j, nothing else; f64 and complex
void conjugate(Array& x);          // in place, any strides

// How cuBLASLt sees a matrix (rows, cols): in memory the columns lie one after the other, `ld` apart (or, transposed, the rows).
struct BlasMatrix {
  bool valid, transposed;
  int64_t ld;
};
BlasMatrix blas_matrix(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride);
// Whether gemm_cublas takes operands with these strides.
inline bool blas_strides(int64_t rows, int64_t cols, int64_t row_stride, int64_t col_stride) {
  return blas_matrix(rows, cols, row_stride, col_stride).valid;
}

}  // namespace hippograd::cuda
