#pragma once
// Reductions along dimensions:  x (2, 3, 4)  y (1, 3, 1)  y_0j0 = sum_ik x_ijk.  y has x's rank and is reduced over every
// dimension in which it has size 1 and x has more. Any strides of x; y of `sum` too, the other outputs are contiguous.
// Floats are joined in blocks of at most 512 in their own precision, the blocks in double precision; the order depends on
// shapes and strides only, never on the number of threads.
#include "tensor/kernel.h"

namespace hippograd::kernels {

// Same dtype: f32 f64 c64 c128 i64 (cast other integers and bool to i64 first); a half x may have an f32 y. An empty sum is 0.
extern constinit Kernel<void(CArray x, MArray y)> sum;
// y = sum / number of elements, rounded once. Floating and complex; a half x may have an f32 y.
extern constinit Kernel<void(CArray x, MArray y)> mean;
// An empty product is 1. Dtypes as sum.
extern constinit Kernel<void(CArray x, MArray y)> prod;
// The greatest (least) element; NaN wins. Real, integer and bool; x not empty where y is not.
extern constinit Kernel<void(CArray x, bool least, MArray y)> extreme;
// y (bool): any element is not 0 (all elements are not 0). Any dtype.
extern constinit Kernel<void(CArray x, bool all, MArray y)> any;
// y (i64): how many elements are not 0. Any dtype.
extern constinit Kernel<void(CArray x, MArray y)> count_nonzero;
// mean and m2 = sum |x - mean|^2 (real), in two passes with the rounding of the mean taken out. Floating and complex.
extern constinit Kernel<void(CArray x, MArray mean, MArray m2)> moments;
// y = log sum exp(x), with the greatest element taken out; an empty sum gives -inf. f32 f64.
extern constinit Kernel<void(CArray x, MArray y)> logsumexp;
// y = (sum |x|^p)^(1/p) (real); p = 0 counts the elements that are not 0; p = inf, -inf: the greatest, least |x| (then x is
// not empty where y is not). Floating and complex.
extern constinit Kernel<void(CArray x, double p, MArray y)> norm;

// values, index (i64): the greatest (least) element along `dim` and its first position; the first NaN wins. Both have size 1
// along dim, where x is not empty. Real, integer and bool.
extern constinit Kernel<void(CArray x, int dim, bool least, MArray values, MArray index)> arg_extreme;

}  // namespace hippograd::kernels
