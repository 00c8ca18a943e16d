// Two-dimensional convolution (cross-correlation, as in every deep-learning library) on raw pointers.
//
//   Y[n,o,y,x] = bias[o] + sum_{c,i,j} W[o,c,i,j] X[n, g C' + c, y stride + i dilation - pad, x stride + ...]
//
//   X (N, C, H, W)   W (O, C' = C / groups, KH, KW)   bias (O)   Y (N, O, OH, OW)     all contiguous
//   OH = (H + 2 pad - dilation (KH - 1) - 1) / stride + 1;  outside of X stand zeros;  g = o / (O / groups)
//
// Products of patch matrices, tile by tile (im2col never exists as a whole), through tensor/cpu/gemm.h; one
// input channel per group ("depthwise") takes a direct path. Sums run in an order that depends on the shape
// only: the same bits for any number of threads. T: float or double.
#pragma once

#include <cstdint>

namespace hippograd::cpu {

struct Conv2dShape {
  int64_t batch = 0, in_channels = 0, height = 0, width = 0;
  int64_t out_channels = 0, kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;

  int64_t out_h() const { return (height + 2 * pad_h - dilation_h * (kernel_h - 1) - 1) / stride_h + 1; }
  int64_t out_w() const { return (width + 2 * pad_w - dilation_w * (kernel_w - 1) - 1) / stride_w + 1; }
  int64_t out_pixels() const { return out_h() * out_w(); }
  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t taps() const { return kernel_h * kernel_w; }
};

// y is overwritten; bias may be null.
template <class T>
void conv2d_forward(const Conv2dShape& shape, const T* x, const T* weight, const T* bias, T* y, int threads);

// dx = gradient with respect to x, overwritten.
template <class T>
void conv2d_backward_input(const Conv2dShape& shape, const T* dy, const T* weight, T* dx, int threads);

// dweight and dbias (may be null) are overwritten.
template <class T>
void conv2d_backward_weight(const Conv2dShape& shape, const T* x, const T* dy, T* dweight, T* dbias, int threads);

}  // namespace hippograd::cpu
