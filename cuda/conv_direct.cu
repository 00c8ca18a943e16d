// Convolutions by the definition, for depthwise ones and many small groups: every output, input or weight has one thread (or
// block) that adds up its terms in one order. Depthwise 3 x 3 in f32: x and y are read and written once, the nine taps of
// neighbouring outputs meet in the L1 cache.
#include "cuda/conv.h"
#include "cuda/launch.cuh"

namespace hippograd::cuda {
namespace {

template <class T> struct Forward {
  ConvSizes s;
  const T *x, *w, *b;
  T* y;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t line = i / s.out_w, plane = line / s.out_h, image = plane / s.outputs, o = plane % s.outputs, per_group = s.group_in();
    const int64_t left = i % s.out_w * s.stride[1] - s.padding[1], top = line % s.out_h * s.stride[0] - s.padding[0];
    const T* planes = x + (image * s.channels + o / s.group_out() * per_group) * s.pixels();
    const T* weights = w + o * per_group * s.taps();
    compute_t<T> sum = b ? load(b[o]) : 0;
    for (int64_t c = 0; c < per_group; ++c)
      for (int64_t u = 0; u < s.taps_h; ++u) {
        const int64_t row = top + u * s.dilation[0];
        if (row < 0 || row >= s.height) continue;
        for (int64_t v = 0; v < s.taps_w; ++v) {
          const int64_t col = left + v * s.dilation[1];
          if (col < 0 || col >= s.width) continue;
          sum += load(weights[(c * s.taps_h + u) * s.taps_w + v]) * load(planes[(c * s.height + row) * s.width + col]);
        }
      }
    store(y[i], sum);
  }
};

// The output (0 <= q < count) whose tap lies at `position` = q stride, or -1.
HIPPOGRAD_DEVICE int64_t output_at(int64_t position, int64_t stride, int64_t count) {
  if (position < 0) return -1;
  const int64_t q = stride == 1 ? position : position / stride;
  return q * stride == position && q < count ? q : -1;
}

template <class T> struct InputGradient {
  ConvSizes s;
  const T *dy, *w;
  T* dx;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t line = i / s.width, plane = line / s.height, image = plane / s.channels, c = plane % s.channels, per_group = s.group_in();
    const int64_t left = i % s.width + s.padding[1], top = line % s.height + s.padding[0], group = c / per_group, out = s.group_out();
    compute_t<T> sum = 0;
    for (int64_t o = group * out; o < (group + 1) * out; ++o) {
      const T* weights = w + (o * per_group + c % per_group) * s.taps();
      const T* from = dy + (image * s.outputs + o) * s.out_pixels();
      for (int64_t u = 0; u < s.taps_h; ++u) {
        const int64_t row = output_at(top - u * s.dilation[0], s.stride[0], s.out_h);
        if (row < 0) continue;
        for (int64_t v = 0; v < s.taps_w; ++v) {
          const int64_t col = output_at(left - v * s.dilation[1], s.stride[1], s.out_w);
          if (col >= 0) sum += load(weights[u * s.taps_w + v]) * load(from[row * s.out_w + col]);
        }
      }
    }
    store(dx[i], sum);
  }
};

constexpr int kThreads = 256;

// Block (weight, slice): its part of sum over images and pixels of dy x. The slices are added up by SumSlices.
template <class T>
__global__ void __launch_bounds__(kThreads) weight_kernel(ConvSizes s, const T* __restrict__ x, const T* __restrict__ dy, int64_t slices,
                                                          compute_t<T>* __restrict__ partial, int64_t weights) {
  using S = compute_t<T>;
  __shared__ S scratch[kThreads / 32];
  const int64_t per_group = s.group_in(), terms = s.images * s.out_pixels();
  for (int64_t work = blockIdx.x; work < weights * slices; work += gridDim.x) {
    const int64_t slice = work / weights, k = work % weights;
    const int64_t v = k % s.taps_w, u = k / s.taps_w % s.taps_h, c = k / s.taps() % per_group, o = k / s.taps() / per_group;
    const int64_t channel = o / s.group_out() * per_group + c;
    S sum = 0;
    for (int64_t t = terms * slice / slices + threadIdx.x; t < terms * (slice + 1) / slices; t += kThreads) {
      const int64_t image = t / s.out_pixels(), p = t % s.out_pixels();
      const int64_t row = p / s.out_w * s.stride[0] + u * s.dilation[0] - s.padding[0];
      const int64_t col = p % s.out_w * s.stride[1] + v * s.dilation[1] - s.padding[1];
      if (row < 0 || row >= s.height || col < 0 || col >= s.width) continue;
      sum += load(dy[(image * s.outputs + o) * s.out_pixels() + p]) * load(x[(image * s.channels + channel) * s.pixels() + row * s.width + col]);
    }
    sum = block_join(sum, S(0), scratch, Plus{});
    if (threadIdx.x == 0) partial[slice * weights + k] = sum;
    __syncthreads();
  }
}
template <class T> struct SumSlices {
  const compute_t<T>* partial;
  T* dw;
  int64_t slices, weights;
  HIPPOGRAD_DEVICE void operator()(int64_t k) const {
    compute_t<T> sum = 0;
    for (int64_t slice = 0; slice < slices; ++slice) sum += partial[slice * weights + k];
    store(dw[k], sum);
  }
};

}  // namespace

void conv2d_direct(const ConvSizes& s, CArray x, CArray w, CArray b, MArray y) {
  visit(FloatBf16{}, x.dtype(), "conv2d", [&]<class T>() {
    for_each("conv2d", y.numel(), Forward<T>{s, x.data<T>(), w.data<T>(), b.defined() ? b.data<T>() : nullptr, y.data<T>()});
  });
}
void conv2d_input_direct(const ConvSizes& s, CArray dy, CArray w, MArray dx) {
  visit(FloatBf16{}, dy.dtype(), "conv2d", [&]<class T>() {
    for_each("conv2d_input", dx.numel(), InputGradient<T>{s, dy.data<T>(), w.data<T>(), dx.data<T>()});
  });
}
void conv2d_weight_direct(const ConvSizes& s, CArray x, CArray dy, MArray dw) {
  const int64_t weights = dw.numel(), terms = s.images * s.out_pixels();
  const int64_t slices = std::max<int64_t>(1, std::min<int64_t>(terms / 2048, 4096 / std::max<int64_t>(weights, 1)));   // of the shape alone
  visit(FloatBf16{}, dy.dtype(), "conv2d", [&]<class T>() {
    const Workspace partial(size_t(slices * weights) * sizeof(compute_t<T>));
    launch("conv2d_weight", weight_kernel<T>, blocks_for(slices * weights, 1, 1 << 20), kThreads, 0, s, x.data<T>(), dy.data<T>(), slices,
           partial.as<compute_t<T>>(), weights);
    for_each("conv2d_weight_sum", weights, SumSlices<T>{partial.as<compute_t<T>>(), dw.data<T>(), slices, weights});
  });
}

}  // namespace hippograd::cuda
