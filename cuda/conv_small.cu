// Small f32 convolutions as products whose patches are gathered on the way to shared memory (cuda/small_product.cuh), without
// an array of patches: one launch each.
//   y (O, q) = w (O, k) x(k, q) + b          dw (O, k) = dy (O, q) x(k, q)^T          k = (c, u, v)   q = (image, y, x)
#include "cuda/conv.h"
#include "cuda/small_product.cuh"

namespace hippograd::cuda {
namespace {

using namespace small;

struct Picture {                               // sizes in 32 bits; everything is counted below 2^31
  int channels, height, width, outputs, pixels, k, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  Divider by_pixels, by_width, by_taps, by_taps_w;
  explicit Picture(const ConvSizes& s)
      : channels(int(s.channels)), height(int(s.height)), width(int(s.width)), outputs(int(s.outputs)), pixels(int(s.out_pixels())),
        k(int(s.channels * s.taps())), stride_h(int(s.stride[0])), stride_w(int(s.stride[1])), padding_h(int(s.padding[0])),
        padding_w(int(s.padding[1])), dilation_h(int(s.dilation[0])), dilation_w(int(s.dilation[1])), by_pixels(uint32_t(pixels)),
        by_width(uint32_t(s.out_w)), by_taps(uint32_t(s.taps())), by_taps_w(uint32_t(s.taps_w)) {}

  // Element (k, q) is x[offset of q's image + offset of k's channel + row width + column], row and column being sums of both.
  struct Part { int64_t offset; int row, column; };
  HIPPOGRAD_DEVICE Part of_pixel(uint32_t q) const {
    const uint32_t image = by_pixels.quotient(q), p = q - image * by_pixels.d, line = by_width.quotient(p);
    return {int64_t(image) * channels * height * width, int(line) * stride_h - padding_h, int(p - line * by_width.d) * stride_w - padding_w};
  }
  HIPPOGRAD_DEVICE Part of_tap(uint32_t at) const {
    const uint32_t c = by_taps.quotient(at), tap = at - c * by_taps.d, u = by_taps_w.quotient(tap);
    return {int64_t(c) * height * width, int(u) * dilation_h, int(tap - u * by_taps_w.d) * dilation_w};
  }
  HIPPOGRAD_DEVICE void copy(float* to, const float* x, const Part& a, const Part& b, bool inside) const {
    const int row = a.row + b.row, column = a.column + b.column;
    inside = inside && row >= 0 && row < height && column >= 0 && column < width;
    copy_float(to, x + a.offset + b.offset + int64_t(row) * width + column, inside, x);
  }
};

constexpr int kLines = kThreads / kDepth;      // of a tile, that the block fills at a time

// w (O, k), k along memory.
struct WeightLoader {
  static constexpr bool kAlongK = true;
  Picture g;
  const float* w;
  HIPPOGRAD_DEVICE int64_t begin(int64_t first) const { return first; }
  HIPPOGRAD_DEVICE void fetch(int64_t first, float* tile, int64_t k0) const {
    const int at = threadIdx.x % kDepth;
#pragma unroll
    for (int line = threadIdx.x / kDepth; line < kRows; line += kLines)
      copy_float(tile + line * Tile<true, kRows>::kStride + at, w + (first + line) * g.k + k0 + at, first + line < g.outputs && k0 + at < g.k, w);
  }
};
// x(k, q), pixels along the tile's rows: a thread keeps its pixel.
struct PixelLoader {
  static constexpr bool kAlongK = false;
  Picture g;
  const float* x;
  int64_t columns;
  struct State { Picture::Part pixel; bool inside; };
  HIPPOGRAD_DEVICE State begin(int64_t first) const {
    const int64_t q = first + threadIdx.x % kColumns;
    return {g.of_pixel(uint32_t(q < columns ? q : 0)), q < columns};
  }
  HIPPOGRAD_DEVICE void fetch(const State& s, float* tile, int64_t k0) const {
#pragma unroll
    for (int line = threadIdx.x / kColumns; line < kDepth; line += kLines) {
      const bool inside = k0 + line < g.k;
      g.copy(tile + line * kColumns + threadIdx.x % kColumns, x, s.pixel, g.of_tap(uint32_t(inside ? k0 + line : 0)), s.inside && inside);
    }
  }
};
// dy (O, q): q along the tile's rows.
struct GradientLoader {
  static constexpr bool kAlongK = true;
  Picture g;
  const float* dy;
  int64_t terms;
  HIPPOGRAD_DEVICE int64_t begin(int64_t first) const { return first; }
  HIPPOGRAD_DEVICE void fetch(int64_t first, float* tile, int64_t q0) const {
    const int64_t q = q0 + threadIdx.x % kDepth;
    const uint32_t image = g.by_pixels.quotient(uint32_t(q < terms ? q : 0));
    const float* from = dy + (q - int64_t(image) * g.pixels) + (int64_t(image) * g.outputs + first) * g.pixels;
#pragma unroll
    for (int line = threadIdx.x / kDepth; line < kRows; line += kLines)
      copy_float(tile + line * Tile<true, kRows>::kStride + threadIdx.x % kDepth, from + int64_t(line) * g.pixels, q < terms && first + line < g.outputs, dy);
  }
};
// x(k, q)^T: rows of the operand are taps, q lies along the tile's rows. A thread keeps its four taps.
struct TapLoader {
  static constexpr bool kAlongK = true;
  Picture g;
  const float* x;
  int64_t terms;
  struct State { Picture::Part tap[kColumns / kLines]; int64_t first; };
  HIPPOGRAD_DEVICE State begin(int64_t first) const {
    State s;
    s.first = first + threadIdx.x / kDepth;
#pragma unroll
    for (int i = 0; i < kColumns / kLines; ++i) s.tap[i] = g.of_tap(uint32_t(s.first + i * kLines < g.k ? s.first + i * kLines : 0));
    return s;
  }
  HIPPOGRAD_DEVICE void fetch(const State& s, float* tile, int64_t q0) const {
    const int64_t q = q0 + threadIdx.x % kDepth;
    const Picture::Part pixel = g.of_pixel(uint32_t(q < terms ? q : 0));
#pragma unroll
    for (int i = 0; i < kColumns / kLines; ++i)
      g.copy(tile + (threadIdx.x / kDepth + i * kLines) * Tile<true, kColumns>::kStride + threadIdx.x % kDepth, x, s.tap[i], pixel,
             q < terms && s.first + i * kLines < g.k);
  }
};

struct OutputStore {                           // y_image o p, o: row, q = (image, p): column
  Picture g;
  const float* b;
  float* y;
  HIPPOGRAD_DEVICE float* begin(int64_t q) const {
    const uint32_t image = g.by_pixels.quotient(uint32_t(q));
    return y + int64_t(image) * (g.outputs - 1) * g.pixels + q;
  }
  HIPPOGRAD_DEVICE void operator()(float* to, int64_t o, int64_t, float value) const { to[o * g.pixels] = b ? value + b[o] : value; }
};
struct WeightStore {
  Picture g;
  float* dw;
  HIPPOGRAD_DEVICE float* begin(int64_t at) const { return dw + at; }
  HIPPOGRAD_DEVICE void operator()(float* to, int64_t o, int64_t, float value) const { to[o * g.k] = value; }
};

__global__ void __launch_bounds__(kThreads) forward_kernel(Picture g, const float* x, const float* w, const float* b, float* y, int64_t columns, int share) {
  product<false>(WeightLoader{g, w}, PixelLoader{g, x, columns}, OutputStore{g, b, y}, g.outputs, columns, g.k, share);
}
__global__ void __launch_bounds__(kThreads) weight_kernel(Picture g, const float* x, const float* dy, float* dw, int64_t terms, int share) {
  product<false>(GradientLoader{g, dy, terms}, TapLoader{g, x, terms}, WeightStore{g, dw}, g.outputs, g.k, terms, share);
}

bool is_small(const ConvSizes& s) {
  return s.groups == 1 && s.images * std::max({s.channels * s.pixels(), s.outputs * s.out_pixels(), s.out_pixels()}) < kIndices / 2 &&
         s.outputs * s.channels * s.taps() < kIndices / 2;
}

}  // namespace

bool conv2d_small(const ConvSizes& s, const float* x, const float* w, const float* b, float* y) {
  const int64_t columns = s.images * s.out_pixels();
  if (!is_small(s)) return false;
  const SmallPlan plan(s.outputs, columns, s.channels * s.taps(), 1);
  if (!plan.fits) return false;
  launch_small("conv2d", forward_kernel, plan, 1, Picture(s), x, w, b, y, columns, plan.share);
  return true;
}
bool conv2d_weight_small(const ConvSizes& s, const float* x, const float* dy, float* dw) {
  const int64_t terms = s.images * s.out_pixels();
  if (!is_small(s)) return false;
  const SmallPlan plan(s.outputs, s.channels * s.taps(), terms, 1);
  if (!plan.fits) return false;
  launch_small("conv2d_weight", weight_kernel, plan, 1, Picture(s), x, dy, dw, terms, plan.share);
  return true;
}

}  // namespace hippograd::cuda
