#pragma once
// Reductions along dimensions.
#include "tensor/kernel.h"

namespace hippograd::kernels {

// y = x summed over every dimension in which y has size 1 and x has more:  x (2, 3, 4)  y (1, 3, 1)  y_0j0 = sum_ik x_ijk.
// Same number of dimensions and same dtype: f32 f64 c64 c128 i64 (cast other integers and bool to i64 first). Any strides.
// Floats are added in blocks of at most 512 in their own precision, the blocks in double precision; the order depends on
// shapes and strides only, never on the number of threads. An empty sum is 0.
extern constinit Kernel<void(CArray x, MArray y)> sum;

}  // namespace hippograd::kernels
