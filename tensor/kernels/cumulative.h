#pragma once
// Running reductions along one dimension. Any strides; all arrays of one shape (0-dim: a line of one element).
#include "tensor/kernel.h"

namespace hippograd::kernels {

// y_j = sum (or product) of x_0 ... x_j along dim; reverse: of x_j ... x_last. Accumulated in double precision.
// f32 f64 c64 c128 i64.
extern constinit Kernel<void(CArray x, int dim, bool reverse, MArray y)> cumsum;
extern constinit Kernel<void(CArray x, int dim, MArray y)> cumprod;
// values_j = max (min) of x_0 ... x_j, index its place: the last of equal ones; after a NaN, NaN. Real, integer, bool.
extern constinit Kernel<void(CArray x, int dim, bool least, MArray values, MArray index)> cum_extreme;
// y_j = log sum_{i <= j} exp(x_i). f32 f64.
extern constinit Kernel<void(CArray x, int dim, MArray y)> logcumsumexp;
// dx_i = exp(x_i) sum_{j >= i} dy_j exp(-y_j), without overflow.
extern constinit Kernel<void(CArray x, CArray y, CArray dy, int dim, MArray dx)> logcumsumexp_bwd;

}  // namespace hippograd::kernels
