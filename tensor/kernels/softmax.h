#pragma once
// Softmax and its logarithm along the last dimension. Arrays contiguous (..., C), f32 or f64; outputs may alias inputs.
//
//   softmax      y_c = exp(x_c - m) / s       m = max_k x_k,  s = sum_k exp(x_k - m)
//   log          y_c = (x_c - m) - log(s)
// A NaN in a row gives a row of NaN; so does a row of -inf only (0 / 0), as in PyTorch.
#include "tensor/kernel.h"

namespace hippograd::kernels {

extern constinit Kernel<void(bool log, CArray x, MArray y)> softmax_fwd;
// softmax: dx = y (dy - sum_k y_k dy_k)       log: dx = dy - exp(y) sum_k dy_k
extern constinit Kernel<void(bool log, CArray y, CArray dy, MArray dx)> softmax_bwd;

}  // namespace hippograd::kernels
