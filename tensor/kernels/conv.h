#pragma once
// Two-dimensional convolution (cross-correlation) and its two adjoints, all of the trilinear form
//   <Y, conv(X, W)> = sum over n, o, c, y, x, i, j of  Y[n,o,y,x] W[o,c',i,j] X[n, c, y s + i d - p, x s + j d - p]
// Outside of X stand zeros; output channel o sees the input channels c of its group only. All arrays contiguous.
#include "tensor/kernel.h"

namespace hippograd {

struct ConvGeometry {
  int64_t stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1}, groups = 1;
  // Outputs along axis a (0: height, 1: width) of an input of `size` under a kernel of `taps`.
  int64_t outputs(int a, int64_t size, int64_t taps) const {
    return (size + 2 * padding[a] - dilation[a] * (taps - 1) - 1) / stride[a] + 1;
  }
};

namespace kernels {
// x (N, C, H, W)   w (O, C / groups, KH, KW)   b (O,) or undefined   y (N, O, OH, OW).  f32 f64
extern constinit Kernel<void(const ConvGeometry& g, CArray x, CArray w, CArray b, MArray y)> conv2d;
// dx = gradient of <dy, conv(x, w)> with respect to x, overwritten.
extern constinit Kernel<void(const ConvGeometry& g, CArray dy, CArray w, MArray dx)> conv2d_input;
// dw = gradient of <dy, conv(x, w)> with respect to w, overwritten.
extern constinit Kernel<void(const ConvGeometry& g, CArray x, CArray dy, MArray dw)> conv2d_weight;

// Patches: cols (N, C, KH, KW, OH, OW)_ncijyx = x (N, C, H, W)_n c (y s + i d - p) (x s + j d - p), and the adjoint, which adds
// every patch to an image of zeros. Any floating or integer dtype; groups is ignored.
extern constinit Kernel<void(const ConvGeometry& g, CArray x, MArray cols)> im2col;
extern constinit Kernel<void(const ConvGeometry& g, CArray cols, MArray x)> col2im;
}  // namespace kernels

}  // namespace hippograd
