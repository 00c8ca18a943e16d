// Convolutions by the definition, for depthwise ones and many small groups: every output, input or weight has one thread (or
// block) that adds up its terms in one order. Depthwise 3 x 3 in f32: x and y are read and written once, the nine taps of
// neighbouring outputs meet in the L1 cache. Launches take as many images as are counted below 2^31 elements.
#include "cuda/conv.h"

namespace hippograd::cuda {
namespace {

struct Sizes {                                // in 32 bits
  int channels, height, width, outputs, taps_h, taps_w, out_h, out_w, group_in, group_out;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  explicit Sizes(const ConvSizes& s)
      : channels(int(s.channels)), height(int(s.height)), width(int(s.width)), outputs(int(s.outputs)), taps_h(int(s.taps_h)), taps_w(int(s.taps_w)),
        out_h(int(s.out_h)), out_w(int(s.out_w)), group_in(int(s.group_in())), group_out(int(s.group_out())), stride_h(int(s.stride[0])),
        stride_w(int(s.stride[1])), padding_h(int(s.padding[0])), padding_w(int(s.padding[1])), dilation_h(int(s.dilation[0])),
        dilation_w(int(s.dilation[1])) {}
};

template <class T> struct Forward {
  Sizes s;
  PlaceDivider place;
  const T *x, *w, *b;
  T* y;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const PlaceDivider::Place at = place(uint32_t(i));
    const int left = at.column * s.stride_w - s.padding_w, top = at.row * s.stride_h - s.padding_h;
    const T* plane = x + (int64_t(at.image) * s.channels + at.channel / s.group_out * s.group_in) * s.height * s.width;
    const T* weight = w + int64_t(at.channel) * s.group_in * s.taps_h * s.taps_w;
    compute_t<T> sum = b ? load(b[at.channel]) : 0;
    for (int c = 0; c < s.group_in; ++c, plane += int64_t(s.height) * s.width) {
      for (int u = 0; u < s.taps_h; ++u) {
        const int row = top + u * s.dilation_h;
        for (int v = 0; v < s.taps_w; ++v, ++weight) {
          const int col = left + v * s.dilation_w;
          if (row >= 0 && row < s.height && col >= 0 && col < s.width) sum += load(*weight) * load(plane[int64_t(row) * s.width + col]);
        }
      }
    }
    store(y[i], sum);
  }
};

template <class T> struct InputGradient {
  Sizes s;
  PlaceDivider place;
  const T *dy, *w;
  T* dx;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const PlaceDivider::Place at = place(uint32_t(i));
    const int left = at.column + s.padding_w, top = at.row + s.padding_h, group = at.channel / s.group_in;
    compute_t<T> sum = 0;
    for (int o = group * s.group_out; o < (group + 1) * s.group_out; ++o) {
      const T* weight = w + (int64_t(o) * s.group_in + at.channel - group * s.group_in) * s.taps_h * s.taps_w;
      const T* from = dy + (int64_t(at.image) * s.outputs + o) * s.out_h * s.out_w;
      for (int u = 0; u < s.taps_h; ++u) {
        const int row = output_at(top - u * s.dilation_h, s.stride_h, s.out_h);
        if (row < 0) continue;
        for (int v = 0; v < s.taps_w; ++v) {
          const int col = output_at(left - v * s.dilation_w, s.stride_w, s.out_w);
          if (col >= 0) sum += load(weight[u * s.taps_w + v]) * load(from[int64_t(row) * s.out_w + col]);
        }
      }
    }
    store(dx[i], sum);
  }
};

constexpr int kThreads = 256;

// Block (slice, weight): its part of sum over images and pixels of dy x. SumSlices adds the parts up.
template <class T>
__global__ void __launch_bounds__(kThreads) weight_kernel(Sizes s, int64_t images, Divider by_pixels, Divider by_width, const T* __restrict__ x,
                                                          const T* __restrict__ dy, int64_t slices, compute_t<T>* __restrict__ partial, int64_t weights) {
  using S = compute_t<T>;
  __shared__ S scratch[kThreads / 32];
  const int64_t pixels = int64_t(s.out_h) * s.out_w, terms = images * pixels;
  for (int64_t work = blockIdx.x; work < weights * slices; work += gridDim.x) {
    const int64_t slice = work / weights, k = work % weights;
    const int tap = int(k % (s.taps_h * s.taps_w)), c = int(k / (s.taps_h * s.taps_w) % s.group_in), o = int(k / (s.taps_h * s.taps_w) / s.group_in);
    const int top = tap / s.taps_w * s.dilation_h - s.padding_h, left = tap % s.taps_w * s.dilation_w - s.padding_w;
    const int64_t begin = terms * slice / slices, end = terms * (slice + 1) / slices, first = begin / pixels;
    const T* dy_plane = dy + (first * s.outputs + o) * pixels;
    const T* x_plane = x + (first * s.channels + o / s.group_out * s.group_in + c) * s.height * s.width;
    S sum = 0;
    for (uint32_t t = uint32_t(begin - first * pixels) + threadIdx.x; t < end - first * pixels; t += kThreads) {
      const uint32_t image = by_pixels.quotient(t), p = t - image * by_pixels.d, line = by_width.quotient(p);
      const int row = int(line) * s.stride_h + top, col = int(p - line * by_width.d) * s.stride_w + left;
      if (row < 0 || row >= s.height || col < 0 || col >= s.width) continue;
      sum += load(dy_plane[int64_t(image) * s.outputs * pixels + p]) * load(x_plane[int64_t(image) * s.channels * s.height * s.width + int64_t(row) * s.width + col]);
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

// f(first image, count), `per_image` elements each, below 2^31 together.
template <class F> void for_image_ranges(const ConvSizes& s, int64_t per_image, F f) {
  if (per_image >= kIndices || s.channels * s.pixels() >= kIndices || s.outputs * s.out_pixels() >= kIndices / 2 || s.group_in() * s.taps() >= kIndices)
    fail<ShapeError>("conv2d: a picture of ", s.channels, " x ", s.height, " x ", s.width, " is too large for CUDA: its elements are counted below 2^31");
  const int64_t chunk = std::max<int64_t>(1, (kIndices - 1) / std::max<int64_t>(per_image, 1));
  for (int64_t first = 0; first < s.images; first += chunk) f(first, std::min(chunk, s.images - first));
}

}  // namespace

void conv2d_direct(const ConvSizes& s, CArray x, CArray w, CArray b, MArray y) {
  visit(FloatBf16{}, x.dtype(), "conv2d", [&]<class T>() {
    const int64_t in = s.channels * s.pixels(), out = s.outputs * s.out_pixels();
    for_image_ranges(s, out, [&](int64_t first, int64_t count) {
      const PlaceDivider place(s.out_w, s.out_h, s.outputs);
      for_each("conv2d", count * out, Forward<T>{Sizes(s), place, x.data<T>() + first * in, w.data<T>(), b.defined() ? b.data<T>() : nullptr,
                                                 y.data<T>() + first * out});
    });
  });
}
void conv2d_input_direct(const ConvSizes& s, CArray dy, CArray w, MArray dx) {
  visit(FloatBf16{}, dy.dtype(), "conv2d", [&]<class T>() {
    const int64_t in = s.channels * s.pixels(), out = s.outputs * s.out_pixels();
    for_image_ranges(s, in, [&](int64_t first, int64_t count) {
      const PlaceDivider place(s.width, s.height, s.channels);
      for_each("conv2d_input", count * in, InputGradient<T>{Sizes(s), place, dy.data<T>() + first * out, w.data<T>(), dx.data<T>() + first * in});
    });
  });
}
void conv2d_weight_direct(const ConvSizes& s, CArray x, CArray dy, MArray dw) {
  for_image_ranges(s, 0, [](int64_t, int64_t) {});   // the limits
  const int64_t weights = dw.numel(), terms = s.images * s.out_pixels();
  const int64_t wanted = std::min<int64_t>(terms / 2048, 4096 / std::max<int64_t>(weights, 1));   // of the shape alone
  const int64_t slices = std::max<int64_t>({1, wanted, terms >> 29});                             // of fewer than 2^31 terms each
  visit(FloatBf16{}, dy.dtype(), "conv2d", [&]<class T>() {
    const Workspace partial(size_t(slices * weights) * sizeof(compute_t<T>));
    launch("conv2d_weight", weight_kernel<T>, blocks_for(slices * weights, 1, 1 << 20), kThreads, 0, Sizes(s), s.images,
           Divider(uint32_t(s.out_pixels())), Divider(uint32_t(s.out_w)), x.data<T>(), dy.data<T>(), slices, partial.as<compute_t<T>>(), weights);
    for_each("conv2d_weight_sum", weights, SumSlices<T>{partial.as<compute_t<T>>(), dw.data<T>(), slices, weights});
  });
}

}  // namespace hippograd::cuda
