// Convolutions (tensor/kernels/conv.h) as products of matrices. With the patches of a chunk of images
//     cols (K, n, P)_kip = x_i c (y s + u d - p) (x s + v d - p)      K = C KH KW, k = (c, u, v)     P = OH OW, p = (y, x)
// one group of channels is (K and O here per group)
//     y_i (O, P) = w (O, K) cols_i (K, P)        dcols_i (K, P) = w^T dy_i (O, P)        dw (O, K) = dy (O, n P) cols^T (n P, K)
// and dx adds up dcols by the adjoint of the patches, gathered: one thread per pixel. A chunk of patches fits the L2 cache,
// so that the product reads it there. Kernels of one pixel that move by one need no patches: cols is x itself.
// Sums are in fp32 for bf16; dcols and sums over several chunks stay in fp32 memory.
#include "cuda/conv.h"

#include "cuda/gemm.h"
#include "cuda/launch.cuh"
#include "cuda/words.cuh"

namespace hippograd::cuda {
namespace {

constexpr int64_t kChunkBytes = int64_t(32) << 20;
constexpr int64_t kMaxGroups = 8;             // more launches per chunk than these: the direct kernels

// One plane of patches: what taps (u, v) of channel c see. Indices below 2^31.
struct Patches {
  int channels, height, width, taps_h, taps_w, out_w;
  int stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
  uint32_t pixels;                            // of an output plane
  Divider by_width, by_taps, by_taps_w, by_inner;
  bool image_first;                           // rows are (image, k), else (k, image)

  // `inner`: the number of rows that share the outer index.
  Patches(const ConvSizes& s, int64_t inner, bool images_outside)
      : channels(int(s.channels)), height(int(s.height)), width(int(s.width)), taps_h(int(s.taps_h)), taps_w(int(s.taps_w)), out_w(int(s.out_w)),
        stride_h(int(s.stride[0])), stride_w(int(s.stride[1])), padding_h(int(s.padding[0])), padding_w(int(s.padding[1])),
        dilation_h(int(s.dilation[0])), dilation_w(int(s.dilation[1])), pixels(uint32_t(s.out_pixels())), by_width(uint32_t(s.out_w)),
        by_taps(uint32_t(s.taps())), by_taps_w(uint32_t(s.taps_w)), by_inner(uint32_t(inner)), image_first(images_outside) {}
};

// A row of patches for every blockDim.y; x: pixels.
template <class T> __global__ void im2col_kernel(Patches g, const T* __restrict__ x, T* __restrict__ cols, uint32_t rows) {
  for (uint32_t row = blockIdx.x * blockDim.y + threadIdx.y; row < rows; row += gridDim.x * blockDim.y) {
    const uint32_t outer = g.by_inner.quotient(row), inner = row - outer * g.by_inner.d;
    const uint32_t image = g.image_first ? outer : inner, k = g.image_first ? inner : outer;
    const uint32_t c = g.by_taps.quotient(k), tap = k - c * g.by_taps.d, u = g.by_taps_w.quotient(tap), v = tap - u * g.by_taps_w.d;
    const T* plane = x + (int64_t(image) * g.channels + c) * g.height * g.width;
    T* to = cols + int64_t(row) * g.pixels;
    const int top = int(u) * g.dilation_h - g.padding_h, left = int(v) * g.dilation_w - g.padding_w;
    for (uint32_t p = blockIdx.y * blockDim.x + threadIdx.x; p < g.pixels; p += gridDim.y * blockDim.x) {
      const uint32_t q = g.by_width.quotient(p);
      const int y = int(q) * g.stride_h + top, z = int(p - q * g.by_width.d) * g.stride_w + left;
      const bool inside = y >= 0 && y < g.height && z >= 0 && z < g.width;
      to[p] = inside ? plane[int64_t(y) * g.width + z] : T{};
    }
  }
}

template <class From, class T> struct Col2im {
  Patches g;
  PlaceDivider place;
  int out_h;
  int64_t image_step, k_step;                 // of cols, in elements
  const From* cols;
  T* x;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const PlaceDivider::Place at = place(uint32_t(i));
    const int left = at.column + g.padding_w, top = at.row + g.padding_h;
    const From* mine = cols + at.image * image_step + int64_t(at.channel) * g.taps_h * g.taps_w * k_step;
    compute_t<T> sum{};
    for (int u = 0; u < g.taps_h; ++u) {
      const int y = output_at(top - u * g.dilation_h, g.stride_h, out_h);
      if (y < 0) continue;
      for (int v = 0; v < g.taps_w; ++v) {
        const int z = output_at(left - v * g.dilation_w, g.stride_w, g.out_w);
        if (z >= 0) sum = compute_t<T>(sum + load(mine[(u * g.taps_w + v) * k_step + y * g.out_w + z]));
      }
    }
    store(x[i], sum);
  }
};

template <class T> struct FillChannels {      // y (N, O, P) = b (O)
  const T* b;
  T* y;
  int64_t pixels, channels;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { y[i] = b[i / pixels % channels]; }
};
template <class T> struct Round {
  const float* from;
  T* to;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { store(to[i], from[i]); }
};

// How many images a chunk holds; `per_image` elements of all patches.
int64_t chunk_of(const ConvSizes& s, int64_t per_image, int64_t size) {
  const int64_t rows = s.channels * s.taps();
  if (rows >= kIndices || s.out_pixels() >= kIndices || s.channels * s.pixels() >= kIndices || s.outputs >= kIndices)
    fail<ShapeError>("conv2d: a picture of ", s.height, " x ", s.width, " under ", rows, " taps is too large for CUDA: rows of patches and pixels are ",
                     "counted below 2^31");
  const int64_t by_memory = kChunkBytes / std::max<int64_t>(per_image * size, 1);
  const int64_t by_rows = (kIndices - 1) / std::max<int64_t>({rows, s.outputs, s.channels * s.pixels(), 1});
  return std::max<int64_t>(1, std::min({by_memory, by_rows, s.images}));
}

// cols for `count` images from image `first` on.
template <class T> void im2col_images(const ConvSizes& s, const T* x, int64_t count, bool image_first, T* cols) {
  const int64_t k = s.channels * s.taps(), rows = k * count;
  if (rows * s.out_pixels() == 0) return;
  const Patches g(s, image_first ? k : count, image_first);
  unsigned across = 32;
  while (across < 256 && across < s.out_pixels()) across *= 2;
  const unsigned down = 256 / across;
  const dim3 grid(blocks_for(rows, int(down), 1 << 20), blocks_for(s.out_pixels(), int(across) * 4, 4096));
  launch("im2col", im2col_kernel<T>, grid, dim3(across, down), 0, g, x, cols, uint32_t(rows));
}
template <class From, class T> void col2im_images(const ConvSizes& s, const From* cols, int64_t count, bool image_first, T* x) {
  const int64_t pixels = s.out_pixels(), rows = s.channels * s.taps();
  const Col2im<From, T> gather{Patches(s, 1, image_first), PlaceDivider(s.width, s.height, s.channels), int(s.out_h),
                               image_first ? rows * pixels : pixels, image_first ? pixels : count * pixels, cols, x};
  for_each("col2im", count * s.channels * s.pixels(), gather);
}
// (n, O, P) -> (O, n, P)
template <class T> void channels_outside(const ConvSizes& s, const T* y, int64_t count, T* to) {
  ConvSizes plain = s;
  plain.channels = s.outputs, plain.height = s.out_h, plain.width = s.out_w, plain.taps_h = plain.taps_w = 1;
  for (int a : {0, 1}) plain.stride[a] = 1, plain.padding[a] = 0, plain.dilation[a] = 1;
  im2col_images(plain, y, count, false, to);
}

bool is_pointwise(const ConvSizes& s) {
  return s.taps() == 1 && s.stride[0] == 1 && s.stride[1] == 1 && s.padding[0] == 0 && s.padding[1] == 0;
}
bool is_direct(const ConvSizes& s) { return s.groups > kMaxGroups || (s.groups > 1 && (s.group_in() == 1 || s.group_out() == 1)); }

// y_i (O, P) = w (O, K) cols_i for `count` images and every group; a column of cols continues after cols_row, an image after cols_step.
template <class T>
void multiply_patches(const ConvSizes& s, const T* w, const T* cols, int64_t cols_row, int64_t cols_step, int64_t count, bool accumulate, T* y) {
  const int64_t k = s.group_in() * s.taps(), o = s.group_out(), pixels = s.out_pixels();
  for (int64_t group = 0; group < s.groups; ++group) {
    Gemm g;
    g.type = g.result = dtype_of<T>;
    g.m = o, g.n = pixels, g.k = k, g.batch = count;
    g.a = w + group * o * k, g.a_row = k, g.a_col = 1;
    g.b = cols + group * k * cols_row, g.b_row = cols_row, g.b_col = 1, g.b_step = cols_step;
    g.d = y + group * o * pixels, g.d_row = pixels, g.d_step = s.outputs * pixels;
    g.accumulate = accumulate;
    gemm(g);
  }
}

template <class T> void forward(const ConvSizes& s, const T* x, const T* w, const T* b, T* y) {
  if constexpr (std::is_same_v<T, float>) {
    if (conv2d_small(s, x, w, b, y)) return;
  }
  const int64_t pixels = s.out_pixels(), rows = s.channels * s.taps();
  // The bias is there before the product, which is added to it in fp32: rounded once.
  if (b) for_each("conv2d_bias", s.images * s.outputs * pixels, FillChannels<T>{b, y, pixels, s.outputs});
  if (is_pointwise(s)) return multiply_patches(s, w, x, pixels, rows * pixels, s.images, b != nullptr, y);
  const int64_t chunk = chunk_of(s, rows * pixels, sizeof(T));
  const Workspace cols(size_t(chunk * rows * pixels) * sizeof(T));
  for (int64_t first = 0; first < s.images; first += chunk) {
    const int64_t count = std::min(chunk, s.images - first);
    im2col_images(s, x + first * s.channels * s.pixels(), count, false, cols.as<T>());
    multiply_patches(s, w, cols.as<T>(), count * pixels, pixels, count, b != nullptr, y + first * s.outputs * pixels);
  }
}

template <class T> void input_gradient(const ConvSizes& s, const T* dy, const T* w, T* dx) {
  using Sum = compute_t<T>;
  const int64_t k = s.group_in() * s.taps(), o = s.group_out(), pixels = s.out_pixels(), rows = s.channels * s.taps();
  const bool pointwise = is_pointwise(s);
  const int64_t chunk = pointwise ? s.images : chunk_of(s, rows * pixels, sizeof(Sum));
  const Workspace cols(pointwise ? 0 : size_t(chunk * rows * pixels) * sizeof(Sum));
  for (int64_t first = 0; first < s.images; first += chunk) {
    const int64_t count = std::min(chunk, s.images - first);
    for (int64_t group = 0; group < s.groups; ++group) {
      Gemm g;
      g.type = dtype_of<T>, g.result = pointwise ? dtype_of<T> : dtype_of<Sum>;
      g.m = k, g.n = pixels, g.k = o, g.batch = count;
      g.a = w + group * o * k, g.a_row = 1, g.a_col = k;
      g.b = dy + (first * s.outputs + group * o) * pixels, g.b_row = pixels, g.b_col = 1, g.b_step = s.outputs * pixels;
      if (pointwise) g.d = dx + group * k * pixels, g.d_row = pixels, g.d_step = rows * pixels;
      else g.d = cols.as<Sum>() + group * k * count * pixels, g.d_row = count * pixels, g.d_step = pixels;
      gemm(g);
    }
    if (!pointwise) col2im_images(s, static_cast<const Sum*>(cols.as<Sum>()), count, false, dx + first * s.channels * s.pixels());
  }
}

template <class T> void weight_gradient(const ConvSizes& s, const T* x, const T* dy, T* dw) {
  if constexpr (std::is_same_v<T, float>) {
    if (conv2d_weight_small(s, x, dy, dw)) return;
  }
  using Sum = compute_t<T>;
  const int64_t k = s.group_in() * s.taps(), o = s.group_out(), pixels = s.out_pixels(), rows = s.channels * s.taps();
  const int64_t chunk = chunk_of(s, (rows + s.outputs) * pixels, sizeof(T));
  const bool apart = chunk < s.images && !std::is_same_v<T, Sum>;   // sums of several chunks: fp32 until the end
  const Workspace cols(size_t(chunk * rows * pixels) * sizeof(T)), turned(size_t(chunk * s.outputs * pixels) * sizeof(T));
  const Workspace total(apart ? size_t(s.outputs * k) * sizeof(Sum) : 0);
  for (int64_t first = 0; first < s.images; first += chunk) {
    const int64_t count = std::min(chunk, s.images - first), terms = count * pixels;
    im2col_images(s, x + first * s.channels * s.pixels(), count, false, cols.as<T>());
    channels_outside(s, dy + first * s.outputs * pixels, count, turned.as<T>());
    for (int64_t group = 0; group < s.groups; ++group) {
      Gemm g;
      g.type = dtype_of<T>, g.result = apart ? dtype_of<Sum> : dtype_of<T>;
      g.m = o, g.n = k, g.k = terms;
      g.a = turned.as<T>() + group * o * terms, g.a_row = terms, g.a_col = 1;
      g.b = cols.as<T>() + group * k * terms, g.b_row = 1, g.b_col = terms;
      g.d_row = k, g.accumulate = first > 0;
      if (apart) g.d = total.as<Sum>() + group * o * k;
      else g.d = dw + group * o * k;
      gemm(g);
    }
  }
  if constexpr (!std::is_same_v<T, Sum>) {
    if (apart) for_each("conv2d_round", s.outputs * k, Round<T>{total.as<Sum>(), dw});
  }
}

void zero(MArray y) { check(cudaMemsetAsync(y.raw(), 0, size_t(y.numel() * itemsize(y.dtype())), stream()), "conv2d"); }

void conv2d(const ConvGeometry& g, CArray x, CArray w, CArray b, MArray y) {
  if (y.numel() == 0) return;
  const ConvSizes s(g, x.shape(), w.shape(), y.shape());
  if (is_direct(s)) return conv2d_direct(s, x, w, b, y);
  visit(FloatBf16{}, x.dtype(), "conv2d", [&]<class T>() {
    forward(s, x.data<T>(), w.data<T>(), b.defined() ? b.data<T>() : nullptr, y.data<T>());
  });
}
void conv2d_input(const ConvGeometry& g, CArray dy, CArray w, MArray dx) {
  if (dx.numel() == 0) return;
  if (dy.numel() == 0 || w.numel() == 0) return zero(dx);
  const ConvSizes s(g, dx.shape(), w.shape(), dy.shape());
  if (is_direct(s)) return conv2d_input_direct(s, dy, w, dx);
  visit(FloatBf16{}, dy.dtype(), "conv2d", [&]<class T>() { input_gradient(s, dy.data<T>(), w.data<T>(), dx.data<T>()); });
}
void conv2d_weight(const ConvGeometry& g, CArray x, CArray dy, MArray dw) {
  if (dw.numel() == 0) return;
  if (dy.numel() == 0 || x.numel() == 0) return zero(dw);
  const ConvSizes s(g, x.shape(), dw.shape(), dy.shape());
  if (is_direct(s)) return conv2d_weight_direct(s, x, dy, dw);
  visit(FloatBf16{}, dy.dtype(), "conv2d", [&]<class T>() { weight_gradient(s, x.data<T>(), dy.data<T>(), dw.data<T>()); });
}

// ---- patches as such: cols (N, C, KH, KW, OH, OW) ----
ConvSizes sizes_of(const ConvGeometry& g, const Shape& x, const Shape& cols) {
  return {g, x, {1, x[1], cols[2], cols[3]}, {x[0], 1, cols[4], cols[5]}};
}
// f(first image, count) for ranges whose rows are counted below 2^31.
template <class F> void for_image_ranges(const ConvSizes& s, F f) {
  const int64_t chunk = chunk_of(s, 0, 1);
  for (int64_t first = 0; first < s.images; first += chunk) f(first, std::min(chunk, s.images - first));
}
// Patches are copied, so words of the size of an element do.
template <class Word> void im2col_words(const ConvSizes& s, CArray x, MArray cols) {
  const int64_t patch = s.channels * s.taps() * s.out_pixels(), picture = s.channels * s.pixels();
  const Word* from = static_cast<const Word*>(x.raw());
  Word* to = static_cast<Word*>(cols.raw());
  for_image_ranges(s, [&](int64_t first, int64_t count) { im2col_images(s, from + first * picture, count, true, to + first * patch); });
}
void im2col(const ConvGeometry& g, CArray x, MArray cols) {
  if (cols.numel() == 0) return;
  if (x.numel() == 0) return zero(cols);
  const ConvSizes s = sizes_of(g, x.shape(), cols.shape());
  by_word_size(size_t(itemsize(x.dtype())), [&]<class Word>() { im2col_words<Word>(s, x, cols); });
}
void col2im(const ConvGeometry& g, CArray cols, MArray x) {
  if (x.numel() == 0) return;
  if (cols.numel() == 0) return zero(x);
  const ConvSizes s = sizes_of(g, x.shape(), cols.shape());
  const int64_t patch = s.channels * s.taps() * s.out_pixels(), picture = s.channels * s.pixels();
  visit(Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t, bool, bfloat16>{}, x.dtype(), "col2im", [&]<class T>() {
    for_image_ranges(s, [&](int64_t first, int64_t count) {
      col2im_images(s, cols.data<T>() + first * patch, count, true, x.data<T>() + first * picture);
    });
  });
}

const Bind b0(kernels::conv2d, DeviceKind::CUDA, conv2d, kTakesBf16);
const Bind b1(kernels::conv2d_input, DeviceKind::CUDA, conv2d_input, kTakesBf16);
const Bind b2(kernels::conv2d_weight, DeviceKind::CUDA, conv2d_weight, kTakesBf16);
const Bind b3(kernels::im2col, DeviceKind::CUDA, im2col, kTakesHalves);
const Bind b4(kernels::col2im, DeviceKind::CUDA, col2im, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
