#pragma once
// What the ways of computing a convolution share (cuda/conv.cu, conv_small.cu, conv_direct.cu).
#include "cuda/launch.cuh"
#include "tensor/kernels/conv.h"

namespace hippograd::cuda {

inline constexpr int64_t kIndices = int64_t(1) << 31;   // elements of a plane, and of what one launch works on, are counted below

// Sizes of  y (N, O, OH, OW) = conv(x (N, C, H, W), w (O, C / groups, KH, KW)).
struct ConvSizes {
  int64_t images, channels, height, width, outputs, taps_h, taps_w, out_h, out_w, groups;
  int64_t stride[2], padding[2], dilation[2];
  ConvSizes(const ConvGeometry& g, const Shape& x, const Shape& w, const Shape& y)
      : images(x[0]), channels(x[1]), height(x[2]), width(x[3]), outputs(w[0]), taps_h(w[2]), taps_w(w[3]), out_h(y[2]), out_w(y[3]),
        groups(g.groups), stride{g.stride[0], g.stride[1]}, padding{g.padding[0], g.padding[1]}, dilation{g.dilation[0], g.dilation[1]} {}
  __host__ __device__ int64_t group_in() const { return channels / groups; }
  __host__ __device__ int64_t group_out() const { return outputs / groups; }
  __host__ __device__ int64_t taps() const { return taps_h * taps_w; }
  __host__ __device__ int64_t pixels() const { return height * width; }
  __host__ __device__ int64_t out_pixels() const { return out_h * out_w; }
  // The same for other images.
  ConvSizes with_images(int64_t count) const {
    ConvSizes s = *this;
    s.images = count;
    return s;
  }
};

// Digits of an index below 2^31 whose last ones count to `columns`, `rows`, `channels`.
struct PlaceDivider {
  Divider by_columns, by_rows, by_channels;
  PlaceDivider(int64_t columns, int64_t rows, int64_t channels) : by_columns(uint32_t(columns)), by_rows(uint32_t(rows)), by_channels(uint32_t(channels)) {}
  struct Place { int column, row, channel; uint32_t image; };
  HIPPOGRAD_DEVICE Place operator()(uint32_t i) const {
    const uint32_t line = by_columns.quotient(i), plane = by_rows.quotient(line), image = by_channels.quotient(plane);
    return {int(i - line * by_columns.d), int(line - plane * by_rows.d), int(plane - image * by_channels.d), image};
  }
};

// The output (0 <= q < count) whose tap lies at `position` = q stride, or -1.
HIPPOGRAD_DEVICE int output_at(int position, int stride, int count) {
  if (position < 0) return -1;
  const int q = stride == 1 ? position : position / stride;
  return q * stride == position && q < count ? q : -1;
}

// In one launch without an array of patches, f32; false: not a small convolution (nothing was launched).
bool conv2d_small(const ConvSizes& s, const float* x, const float* w, const float* b, float* y);
bool conv2d_weight_small(const ConvSizes& s, const float* x, const float* dy, float* dw);

// By the definition: for depthwise convolutions and many small groups, where products of matrices would be thin.
void conv2d_direct(const ConvSizes& s, CArray x, CArray w, CArray b, MArray y);
void conv2d_input_direct(const ConvSizes& s, CArray dy, CArray w, MArray dx);
void conv2d_weight_direct(const ConvSizes& s, CArray x, CArray dy, MArray dw);

}  // namespace hippograd::cuda
