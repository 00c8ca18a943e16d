#pragma once
// Matrix products.
#include "tensor/kernel.h"

namespace hippograd::kernels {

//   y_rij = sum over the batches s that r stands for, and over p, of a_sip b_spj,  + bias_j
//   a (S..., m, k)   b (S..., k, n)   bias (n,) or undefined   y (R..., m, n),  R_d = S_d, or 1 where products are added up
// One dtype: f32 f64 c64 c128 i64 i32 u8 (integers wrap around). a and b have any strides, 0 in batches they do not depend
// on; bias and y are contiguous. conj_a, conj_b: take the complex conjugate of that operand. k = 0 gives the bias or zeros.
// The bits of a product do not depend on the number of threads, nor on the layout of a and b.
extern constinit Kernel<void(CArray a, bool conj_a, CArray b, bool conj_b, CArray bias, MArray y)> matmul;

// The gradients of y = x w^T + b in its parameters:  dw (N, K)_nk = sum_m dy_mn x_mk   db (N,)_n = sum_m dy_mn
//   dy (M, N)   x (M, K), all contiguous.  Floating and complex; w and b are taken as they are, not conjugated.
extern constinit Kernel<void(CArray dy, CArray x, MArray dw, MArray db)> linear_grad_weight;

}  // namespace hippograd::kernels

namespace hippograd {
// Whether products of f32 matrices on CUDA may round their operands to tf32 (10 bits of mantissa; sums stay in fp32): about
// eight times faster, relative error 1e-3 instead of 1e-6. Off unless allowed. The CPU has no such mode.
bool tf32_allowed();
void allow_tf32(bool allowed);
}  // namespace hippograd
