// Matrix products on the CPU: the seam through which every product passes (matmul, linear, conv2d, attention).
//
//   C[i,j] = (accumulate ? C[i,j] : 0) + alpha * sum_p A[i,p] B[p,j] + bias[j]     A (m,k)   B (k,n)   C (m,n)
//
// Raw pointers, arbitrary element strides: a transposed operand is a pair of swapped strides, never a copy made
// by the caller. C has unit stride along its rows. C must not overlap A, B or bias.
//
// Guarantees
// - Every element is one chain of fused multiply-adds over p = 0, 1, ... (cut into blocks of p that depend on k
//   only). So the bits do not depend on the number of threads, on m and n, on the batch, nor on the strides.
// - C is never read unless accumulate is set: it may hold NaN or be uninitialised. NaN and infinity in A and B
//   propagate as in the formula (no product is skipped because a factor is zero).
// - k = 0 gives the bias or zero (or leaves C with accumulate); m = 0, n = 0 or batch = 0 does nothing.
//
// Three rungs of one ladder: Naive (the definition), Eigen, Tiled (ours, the default; see gemm_tiled.cpp).
// Only Tiled gives the guarantee on bits.
#pragma once

#include <cstdint>

namespace hippograd::cpu {

enum class GemmKernel : int { Naive, Eigen, Tiled };

template <class T>
struct GemmArgs {
  int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  int64_t a_row = 0, a_col = 0;  // strides of A (m,k), in elements
  const T* b = nullptr;
  int64_t b_row = 0, b_col = 0;  // strides of B (k,n)
  T* c = nullptr;
  int64_t c_row = 0;         // stride of the rows of C (m,n); its columns have stride 1
  const T* bias = nullptr;   // (n) or null
  bool accumulate = false;   // add to C instead of overwriting it
  T alpha = T(1);
};

// One product, by at most `threads` threads. T: float, double, std::complex<float>, std::complex<double>.
// No conjugation is applied. The integer dtypes int64_t, int32_t and uint8_t wrap around on overflow.
template <class T>
void gemm(const GemmArgs<T>& args, int threads, GemmKernel kernel = GemmKernel::Tiled);

// `batch` products; operand t of product s lies at t + s * t_batch (0 shares one A or B between all).
template <class T>
void gemm_batched(const GemmArgs<T>& args, int64_t batch, int64_t a_batch, int64_t b_batch, int64_t c_batch,
                  int threads, GemmKernel kernel = GemmKernel::Tiled);

// ---- The rungs, called by gemm_batched. Use them directly only to test or to time them. --------------------

template <class T>
void gemm_naive(const GemmArgs<T>& args);

template <class T>  // float, double
void gemm_eigen(const GemmArgs<T>& args);

template <class T>  // float, double
void gemm_tiled(const GemmArgs<T>& args, int64_t batch, int64_t a_batch, int64_t b_batch, int64_t c_batch,
                int threads);

}  // namespace hippograd::cpu
