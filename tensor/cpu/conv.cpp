#include "tensor/kernels/conv.h"

#include <algorithm>

#include "tensor/cpu/conv_raw.h"
#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(conv2d) conv2d{"conv2d"};
constinit decltype(conv2d_input) conv2d_input{"conv2d_input"};
constinit decltype(conv2d_weight) conv2d_weight{"conv2d_weight"};
constinit decltype(im2col) im2col{"im2col"};
constinit decltype(col2im) col2im{"col2im"};
}  // namespace kernels

namespace {

cpu::Conv2dShape sizes(const ConvGeometry& g, const Shape& x, const Shape& w) {
  return {x[0], x[1], x[2], x[3], w[0], w[2], w[3], g.stride[0], g.stride[1], g.padding[0], g.padding[1], g.dilation[0], g.dilation[1], g.groups};
}
int threads() { return in_parallel() ? 1 : num_threads(); }

void conv2d_cpu(const ConvGeometry& g, CArray x, CArray w, CArray b, MArray y) {
  visit(FloatTypes{}, x.dtype(), "conv2d", [&]<class T>() {
    const cpu::Conv2dShape s = sizes(g, x.shape(), w.shape());
    if (s.group_in() * s.taps() == 0) {   // sums of nothing
      T* p = y.data<T>();
      for (int64_t i = 0, n = y.numel(); i < n; ++i) p[i] = b.defined() ? b.data<T>()[i / s.out_pixels() % s.out_channels] : T(0);
      return;
    }
    cpu::conv2d_forward(s, x.data<T>(), w.data<T>(), b.defined() ? b.data<T>() : nullptr, y.data<T>(), threads());
  });
}
void conv2d_input_cpu(const ConvGeometry& g, CArray dy, CArray w, MArray dx) {
  visit(FloatTypes{}, dy.dtype(), "conv2d", [&]<class T>() {
    cpu::conv2d_backward_input(sizes(g, dx.shape(), w.shape()), dy.data<T>(), w.data<T>(), dx.data<T>(), threads());
  });
}
void conv2d_weight_cpu(const ConvGeometry& g, CArray x, CArray dy, MArray dw) {
  visit(FloatTypes{}, dy.dtype(), "conv2d", [&]<class T>() {
    cpu::conv2d_backward_weight<T>(sizes(g, x.shape(), dw.shape()), x.data<T>(), dy.data<T>(), dw.data<T>(), nullptr, threads());
  });
}

// Calls f(plane, i, j, y, first x, last x, row of the picture): the run of outputs [first, last) of row y whose tap (i, j) lies in
// row `row` of the picture; rows and outputs outside are left out.
template <class F> void for_each_tap(const ConvGeometry& g, const Shape& x, const Shape& cols, F f) {
  const int64_t planes = cols[0] * cols[1], taps_h = cols[2], taps_w = cols[3], out_h = cols[4], out_w = cols[5], height = x[2], width = x[3];
  parallel_for(planes, 0.5 * double(cols.numel()), [&](int64_t plane) {
    for (int64_t i = 0; i < taps_h; ++i) {
      for (int64_t j = 0; j < taps_w; ++j) {
        const int64_t left = j * g.dilation[1] - g.padding[1];   // of the picture, for output 0
        int64_t first = left < 0 ? (-left + g.stride[1] - 1) / g.stride[1] : 0;
        int64_t last = width > left ? std::min(out_w, (width - left + g.stride[1] - 1) / g.stride[1]) : 0;
        first = std::min(first, out_w), last = std::max(first, last);
        for (int64_t y = 0; y < out_h; ++y) {
          const int64_t row = y * g.stride[0] + i * g.dilation[0] - g.padding[0];
          if (row >= 0 && row < height) f(((plane * taps_h + i) * taps_w + j) * out_h + y, first, last, (plane * height + row) * width + left);
        }
      }
    }
  });
}

void im2col_cpu(const ConvGeometry& g, CArray x, MArray cols) {
  visit(NumericTypes{}, x.dtype(), "im2col", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = cols.data<T>();
    const int64_t out_w = cols.shape()[5], step = g.stride[1];
    std::fill_n(to, cols.numel(), T(0));
    for_each_tap(g, x.shape(), cols.shape(), [=](int64_t run, int64_t first, int64_t last, int64_t source) {
      for (int64_t q = first; q < last; ++q) to[run * out_w + q] = from[source + q * step];
    });
  });
}
void col2im_cpu(const ConvGeometry& g, CArray cols, MArray x) {
  visit(NumericTypes{}, x.dtype(), "col2im", [&]<class T>() {
    const T* from = cols.data<T>();
    T* to = x.data<T>();
    const int64_t out_w = cols.shape()[5], step = g.stride[1];
    std::fill_n(to, x.numel(), T(0));
    for_each_tap(g, x.shape(), cols.shape(), [=](int64_t run, int64_t first, int64_t last, int64_t target) {
      for (int64_t q = first; q < last; ++q) to[target + q * step] = T(to[target + q * step] + from[run * out_w + q]);
    });
  });
}

const Bind b0(kernels::conv2d, DeviceKind::CPU, conv2d_cpu);
const Bind b1(kernels::conv2d_input, DeviceKind::CPU, conv2d_input_cpu);
const Bind b2(kernels::conv2d_weight, DeviceKind::CPU, conv2d_weight_cpu);
const Bind b3(kernels::im2col, DeviceKind::CPU, im2col_cpu);
const Bind b4(kernels::col2im, DeviceKind::CPU, col2im_cpu);

}  // namespace
}  // namespace hippograd
