#include "tensor/cpu/conv_raw.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/gemm_vec.h"
#include "tensor/cpu/transpose.h"
#include "tensor/parallel.h"
#include "tensor/storage.h"

namespace hippograd::cpu {
namespace {

constexpr double kForkFlops = 2e6;             // about 20 us on one core
constexpr int64_t kPanelPixels = 32;           // tiles of pixels are multiples of the width of a panel of B
constexpr int64_t kPatchBytes = 256 * 1024;    // patches of a tile, meant for L2
constexpr int64_t kBackwardChannels = 32;     // backward: at most so many input channels per task
constexpr int64_t kThinRows = 64;              // dW with at most so many rows of patches is split over the pictures ...
constexpr int64_t kThinParts = 8;              // ... into at most so many partial sums

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Calls f(task) for every task.
template <class F>
void run_tasks(int64_t tasks, double flops, int threads, F f) {
  const int team = threads <= 1 || flops < kForkFlops ? 1 : static_cast<int>(std::clamp<int64_t>(tasks, 1, threads));
  parallel_tasks(tasks, team, [&](int64_t t, int) { f(t); });
}

double flops_of(const Conv2dShape& s) {
  return 2.0 * static_cast<double>(s.batch * s.out_channels) * static_cast<double>(s.out_pixels()) *
         static_cast<double>(s.group_in() * s.taps());
}

// Buffer of the calling thread, kept between calls.
template <class T>
T* buffer(int64_t count) {
  thread_local std::unique_ptr<T[]> data;
  thread_local int64_t size = 0;
  if (size < count) {
    size = 0;
    data.reset(new T[static_cast<size_t>(count)]);
    size = count;
  }
  return data.get();
}

// ---- Loops over a run of pixels: y has stride 1, x has stride `step` (1 and 2 by SIMD registers). -------------

// f(q, n) for n <= lanes elements from q on.
template <class T, class F>
inline void for_each_register(int64_t length, F f) {
  for (int64_t q = 0; q < length; q += Vec<T>::lanes) f(q, static_cast<int>(std::min<int64_t>(Vec<T>::lanes, length - q)));
}

// y[q] = x[q step]
template <class T>
inline void copy_run(T* y, const T* x, int64_t step, int64_t length) {
  using V = Vec<T>;
  if (step == 1) {
    for_each_register<T>(length, [&](int64_t q, int n) { V::store(y + q, V::load(x + q, n), n); });
  } else if (step == 2) {
    for_each_register<T>(length, [&](int64_t q, int n) { V::store(y + q, V::load_even(x + 2 * q, n), n); });
  } else {
    for (int64_t q = 0; q < length; ++q) y[q] = x[q * step];
  }
}

// y[q] += a x[q step]
template <class T>
inline void add_scaled_run(T* y, T a, const T* x, int64_t step, int64_t length) {
  using V = Vec<T>;
  const V factor = V::broadcast(a);
  if (step == 1) {
    for_each_register<T>(length, [&](int64_t q, int n) {
      V::store(y + q, V::fma(factor, V::load(x + q, n), V::load(y + q, n)), n);
    });
  } else if (step == 2) {
    for_each_register<T>(length, [&](int64_t q, int n) {
      V::store(y + q, V::fma(factor, V::load_even(x + 2 * q, n), V::load(y + q, n)), n);
    });
  } else {
    for (int64_t q = 0; q < length; ++q) y[q] += a * x[q * step];
  }
}

// x[q step] += a y[q]
template <class T>
inline void scatter_scaled_run(T* x, int64_t step, T a, const T* y, int64_t length) {
  if (step == 1) return add_scaled_run(x, a, y, 1, length);
  for (int64_t q = 0; q < length; ++q) x[q * step] += a * y[q];
}

// x[q step] += y[q]
template <class T>
inline void scatter_run(T* x, int64_t step, const T* y, int64_t length) {
  using V = Vec<T>;
  if (step == 1) {
    for_each_register<T>(length, [&](int64_t q, int n) { V::store(x + q, V::add(V::load(x + q, n), V::load(y + q, n)), n); });
  } else if (step == 2) {
    for_each_register<T>(length, [&](int64_t q, int n) { V::add_even(x + 2 * q, V::load(y + q, n), n); });
  } else {
    for (int64_t q = 0; q < length; ++q) x[q * step] += y[q];
  }
}

// Outputs [begin, end) along one axis whose input position out * stride + offset lies inside [0, size).
struct Range {
  int64_t begin, end;
  Range(int64_t outputs, int64_t size, int64_t stride, int64_t offset) {
    begin = offset >= 0 ? 0 : std::min(outputs, ceil_div(-offset, stride));
    end = size > offset ? std::min(outputs, ceil_div(size - offset, stride)) : 0;
    end = std::max(begin, end);
  }
};

// Output pixels next to each other in one row of Y, seen through one tap: pixel q < length has its patch element at
// cols[at + q]. It is x[from + q stride_w] for begin <= q < end and padding elsewhere. So for the first channel; the others
// follow in steps of taps() rows of cols and of one plane of x.
struct Run {
  int64_t at, from, begin, end, length;
};

// The runs of the pixels [p0, p0 + count). A row of cols is one (channel, i, j), `ld` apart. Kept until the thread's next call.
const std::vector<Run>& runs_of(const Conv2dShape& s, int64_t p0, int64_t count, int64_t ld) {
  thread_local std::vector<Run> runs;
  runs.clear();
  const int64_t ow = s.out_w();
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t top = i * s.dilation_h - s.pad_h;
    for (int64_t j = 0; j < s.kernel_w; ++j) {
      const int64_t left = j * s.dilation_w - s.pad_w;
      const Range inside(ow, s.width, s.stride_w, left);
      int64_t oy = p0 / ow, ox = p0 % ow;
      for (int64_t p = 0; p < count; ++oy, ox = 0) {
        const int64_t length = std::min(ow - ox, count - p), iy = oy * s.stride_h + top;
        const bool row_inside = iy >= 0 && iy < s.height;
        const int64_t begin = row_inside ? std::clamp<int64_t>(inside.begin - ox, 0, length) : length;
        const int64_t end = row_inside ? std::clamp<int64_t>(inside.end - ox, begin, length) : length;
        runs.push_back({(i * s.kernel_w + j) * ld + p, iy * s.width + ox * s.stride_w + left, begin, end, length});
        p += length;
      }
    }
  }
  return runs;
}

// cols (channels * taps, count) = patches of x around the output pixels [p0, p0 + count). Channel by channel: its plane of x
// stays in L1 while all taps read it.
template <class T>
void im2col(const Conv2dShape& s, const T* x, int64_t channels, int64_t p0, int64_t count, T* cols, int64_t ld) {
  const std::vector<Run>& runs = runs_of(s, p0, count, ld);
  for (int64_t c = 0; c < channels; ++c, x += s.height * s.width, cols += s.taps() * ld) {
    for (const Run& r : runs) {
      T* const to = cols + r.at;
      for (int64_t q = 0; q < r.begin; ++q) to[q] = 0;
      copy_run(to + r.begin, x + (r.from + r.begin * s.stride_w), s.stride_w, r.end - r.begin);
      for (int64_t q = r.end; q < r.length; ++q) to[q] = 0;
    }
  }
}

// The adjoint of im2col: adds the patches to dx.
template <class T>
void col2im_add(const Conv2dShape& s, const T* cols, int64_t ld, int64_t channels, int64_t p0, int64_t count, T* dx) {
  const std::vector<Run>& runs = runs_of(s, p0, count, ld);
  for (int64_t c = 0; c < channels; ++c, dx += s.height * s.width, cols += s.taps() * ld) {
    for (const Run& r : runs) scatter_run(dx + (r.from + r.begin * s.stride_w), s.stride_w, cols + r.at + r.begin, r.end - r.begin);
  }
}

// ---- Depthwise: one input channel per group ------------------------------------------------------------------

bool is_depthwise(const Conv2dShape& s) { return s.group_in() == 1; }

// Calls f(tap, output offset, length, input offset) for the part of every row of Y that tap (i, j) reaches.
template <class F>
void for_each_row_of_tap(const Conv2dShape& s, F f) {
  for (int64_t i = 0; i < s.kernel_h; ++i) {
    const int64_t top = i * s.dilation_h - s.pad_h;
    const Range rows(s.out_h(), s.height, s.stride_h, top);
    for (int64_t j = 0; j < s.kernel_w; ++j) {
      const int64_t left = j * s.dilation_w - s.pad_w;
      const Range cols(s.out_w(), s.width, s.stride_w, left);
      for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
        f(i * s.kernel_w + j, oy * s.out_w() + cols.begin, cols.end - cols.begin,
          (oy * s.stride_h + top) * s.width + cols.begin * s.stride_w + left);
      }
    }
  }
}

template <class T>
void depthwise_forward(const Conv2dShape& s, const T* x, const T* weight, const T* bias, T* y, int threads) {
  const int64_t plane = s.height * s.width, pixels = s.out_pixels();
  run_tasks(s.batch * s.out_channels, flops_of(s), threads, [&](int64_t task) {
    const int64_t n = task / s.out_channels, o = task % s.out_channels;
    const T* in = x + (n * s.in_channels + o / s.group_out()) * plane;
    const T* w = weight + o * s.taps();
    T* out = y + task * pixels;
    std::fill_n(out, pixels, bias ? bias[o] : T(0));
    for_each_row_of_tap(s, [&](int64_t tap, int64_t to, int64_t length, int64_t from) {
      add_scaled_run(out + to, w[tap], in + from, s.stride_w, length);
    });
  });
}

template <class T>
void depthwise_backward_input(const Conv2dShape& s, const T* dy, const T* weight, T* dx, int threads) {
  const int64_t plane = s.height * s.width, pixels = s.out_pixels(), per = s.group_out();
  run_tasks(s.batch * s.in_channels, flops_of(s), threads, [&](int64_t task) {
    const int64_t n = task / s.in_channels, c = task % s.in_channels;
    T* out = dx + task * plane;
    std::fill_n(out, plane, T(0));
    for (int64_t o = c * per; o < (c + 1) * per; ++o) {
      const T* grad = dy + (n * s.out_channels + o) * pixels;
      for_each_row_of_tap(s, [&](int64_t tap, int64_t to, int64_t length, int64_t from) {
        scatter_scaled_run(out + from, s.stride_w, weight[o * s.taps() + tap], grad + to, length);
      });
    }
  });
}

template <class T>
void depthwise_backward_weight(const Conv2dShape& s, const T* x, const T* dy, T* dweight, int threads) {
  const int64_t plane = s.height * s.width, pixels = s.out_pixels();
  run_tasks(s.out_channels, flops_of(s), threads, [&](int64_t o) {
    using V = Vec<T>;
    const int64_t step = s.stride_w;
    std::vector<V> sums(static_cast<size_t>(s.taps()), V::zero());  // one register of partial sums per tap
    for (int64_t n = 0; n < s.batch; ++n) {
      const T* in = x + (n * s.in_channels + o / s.group_out()) * plane;
      const T* grad = dy + (n * s.out_channels + o) * pixels;
      for_each_row_of_tap(s, [&](int64_t tap, int64_t to, int64_t length, int64_t from) {
        V& sum = sums[static_cast<size_t>(tap)];
        for_each_register<T>(length, [&](int64_t q, int n) {
          const T* source = in + from + q * step;
          V x;
          if (step == 1) {
            x = V::load(source, n);
          } else if (step == 2) {
            x = V::load_even(source, n);
          } else {
            T picked[V::lanes] = {};
            for (int i = 0; i < n; ++i) picked[i] = source[i * step];
            x = V::load(picked);
          }
          sum = V::fma(V::load(grad + to + q, n), x, sum);
        });
      });
    }
    for (int64_t tap = 0; tap < s.taps(); ++tap) {
      T lanes[V::lanes], total = 0;
      V::store(lanes, sums[static_cast<size_t>(tap)]);
      for (T lane : lanes) total += lane;
      dweight[o * s.taps() + tap] = total;
    }
  });
}

// dbias[o] = sum of dy over pictures and pixels: one double chain of plane sums per channel.
template <class T>
void backward_bias(const Conv2dShape& s, const T* dy, T* dbias, int threads) {
  const int64_t pixels = s.out_pixels();
  const double work = 4.0 * static_cast<double>(s.batch * s.out_channels * pixels);
  run_tasks(s.out_channels, work, threads, [&](int64_t o) {
    double total = 0;
    for (int64_t n = 0; n < s.batch; ++n) {
      const T* grad = dy + (n * s.out_channels + o) * pixels;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t q = 0; q < pixels; ++q) sum += static_cast<double>(grad[q]);
      total += sum;
    }
    dbias[o] = static_cast<T>(total);
  });
}

// A 1 x 1 kernel that visits every pixel once: the patches are the picture itself.
bool is_pointwise(const Conv2dShape& s) {
  return s.taps() == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_h == 0 && s.pad_w == 0;
}

// Channels of the group that one task of a backward pass takes: more tasks than threads, if there are so many.
int64_t channel_block(const Conv2dShape& s, int64_t others, int threads) {
  const int64_t want = ceil_div(2 * int64_t{threads}, std::max<int64_t>(others, 1));
  return std::min(kBackwardChannels, ceil_div(s.group_in(), std::min(want, s.group_in())));
}

// Pixels of a backward tile, so that the patches of a block of channels stay in L2: as few tiles as fit, of nearly equal length.
// Tiles decide the order of sums, so this depends on the shape only, not on the block that a number of threads leads to.
template <class T>
int64_t tile_pixels(const Conv2dShape& s, int64_t pixels) {
  const int64_t rows = std::min(kBackwardChannels, s.group_in()) * s.taps();
  const int64_t fit = std::max<int64_t>(kPatchBytes / (static_cast<int64_t>(sizeof(T)) * rows) / kPanelPixels, 2);
  const int64_t panels = std::max<int64_t>(ceil_div(pixels, kPanelPixels), 1);
  return ceil_div(panels, ceil_div(panels, fit)) * kPanelPixels;
}

}  // namespace

template <class T>
void conv2d_forward(const Conv2dShape& s, const T* x, const T* weight, const T* bias, T* y, int threads) {
  if (s.batch * s.out_channels * s.out_pixels() == 0) return;
  if (is_depthwise(s)) return depthwise_forward(s, x, weight, bias, y, threads);
  const int64_t pixels = s.out_pixels(), depth = s.group_in() * s.taps(), plane = s.height * s.width;
  const bool pointwise = is_pointwise(s);
  // Patches in rows of 256 bytes: the product reads them where they lie instead of packing them once more. A picture that is
  // its own patches is packed, and longer tiles spread that over more rows.
  const int64_t fit = kPatchBytes / (static_cast<int64_t>(sizeof(T)) * depth) / kPanelPixels * kPanelPixels;
  const int64_t tile = pointwise ? std::clamp<int64_t>(fit, 4 * kPanelPixels, 16 * kPanelPixels) : 256 / static_cast<int64_t>(sizeof(T));
  const int64_t parts = ceil_div(pixels, tile);
  run_tasks(s.batch * s.groups * parts, flops_of(s), threads, [&](int64_t task) {
    const int64_t part = task % parts, group = task / parts % s.groups, n = task / parts / s.groups;
    const T* in = x + (n * s.in_channels + group * s.group_in()) * plane;
    const int64_t o = group * s.group_out(), p0 = part * tile, count = std::min(tile, pixels - p0);
    T* out = y + (n * s.out_channels + o) * pixels + p0;
    GemmArgs<T> args{s.group_out(), count, depth, weight + o * depth, depth, 1, in + p0, pixels, 1, out, pixels};
    if (!pointwise) {
      T* cols = buffer<T>(depth * tile);
      im2col(s, in, s.group_in(), p0, count, cols, tile);
      args.b = cols;
      args.b_row = tile;
    }
    if (bias) {
      for (int64_t r = 0; r < s.group_out(); ++r) std::fill_n(out + r * pixels, count, bias[o + r]);
      args.accumulate = true;
    }
    gemm(args, 1);
  });
}

template <class T>
void conv2d_backward_input(const Conv2dShape& s, const T* dy, const T* weight, T* dx, int threads) {
  const int64_t plane = s.height * s.width;
  if (s.batch * s.in_channels * plane == 0) return;
  if (is_depthwise(s)) return depthwise_backward_input(s, dy, weight, dx, threads);
  const int64_t pixels = s.out_pixels(), depth = s.group_in() * s.taps();
  // A task owns a block of input channels of one picture, so nobody else adds to its part of dx.
  const int64_t block = channel_block(s, s.batch * s.groups, threads), blocks = ceil_div(s.group_in(), block);
  const int64_t tile = tile_pixels<T>(s, pixels);
  run_tasks(s.batch * s.groups * blocks, flops_of(s), threads, [&](int64_t task) {
    const int64_t c0 = task % blocks * block, group = task / blocks % s.groups, n = task / blocks / s.groups;
    const int64_t channels = std::min(block, s.group_in() - c0), rows = channels * s.taps(), o = group * s.group_out();
    T* out = dx + (n * s.in_channels + group * s.group_in() + c0) * plane;
    std::fill_n(out, channels * plane, T(0));
    T* cols = buffer<T>(rows * tile);
    for (int64_t p0 = 0; p0 < pixels; p0 += tile) {  // cols (rows, count) = W^T (rows, O') dY (O', count)
      const int64_t count = std::min(tile, pixels - p0);
      gemm<T>({rows, count, s.group_out(), weight + o * depth + c0 * s.taps(), 1, depth,
               dy + (n * s.out_channels + o) * pixels + p0, pixels, 1, cols, tile},
              1);
      col2im_add(s, cols, tile, channels, p0, count, out);
    }
  });
}

namespace {

// dY with the channels of a group together and all pictures one after another: (groups, N pixels, O').
template <class T>
std::unique_ptr<Storage> gradient_by_pixels(const Conv2dShape& s, const T* dy, int threads) {
  const int64_t pixels = s.out_pixels(), O = s.group_out();
  auto space = std::make_unique<Storage>(Device{}, static_cast<size_t>(s.batch * s.out_channels * pixels) * sizeof(T));
  T* const to = static_cast<T*>(space->data());
  run_tasks(s.batch * s.groups, 8.0 * static_cast<double>(s.batch * s.out_channels * pixels), threads, [&](int64_t task) {
    const int64_t n = task / s.groups, group = task % s.groups;
    transpose(to + (group * s.batch + n) * pixels * O, O, dy + task * O * pixels, pixels, O, pixels);
  });
  return space;
}

// dW (O', rows) = sum over the pixels [begin, end) of all pictures of dY cols^T, for `channels` input channels of a group, the
// first being c0; `gradient` is that of the group, by pixels. `ld` is the stride of the rows of dW.
//
// Computed as its transpose, cols (rows, pixels) dY^T (pixels, O'): both factors can be read where they lie.
template <class T>
void weight_of_pixels(const Conv2dShape& s, const T* x, const T* gradient, int64_t group, int64_t c0, int64_t channels, int64_t begin,
                      int64_t end, T* dweight, int64_t ld) {
  const int64_t pixels = s.out_pixels(), plane = s.height * s.width, rows = channels * s.taps(), O = s.group_out();
  const int64_t tile = tile_pixels<T>(s, end - begin), cols_row = tile + kPanelPixels / 2;   // rows in different cache sets
  T* const cols = buffer<T>(rows * (cols_row + O));
  T* const sums = cols + rows * cols_row;   // (rows, O')
  for (int64_t k0 = begin; k0 < end; k0 += tile) {
    const int64_t stop = std::min(end, k0 + tile);
    for (int64_t p = k0; p < stop;) {   // picture by picture
      const int64_t n = p / pixels, count = std::min((n + 1) * pixels, stop) - p;
      im2col(s, x + (n * s.in_channels + group * s.group_in() + c0) * plane, channels, p % pixels, count, cols + (p - k0), cols_row);
      p += count;
    }
    GemmArgs<T> args{rows, O, stop - k0, cols, cols_row, 1, gradient + k0 * O, O, 1, sums, O};
    args.accumulate = k0 > begin;
    gemm(args, 1);
  }
  transpose(dweight, ld, sums, O, rows, O);
}

// Few rows of patches (the stem of a network): a block of channels would be too thin for the registers. Instead each task takes
// all channels of a share of the pictures; the shares depend on the shape only and are added in order.
template <class T>
void thin_backward_weight(const Conv2dShape& s, const T* x, const T* gradient, T* dweight, int threads) {
  const int64_t depth = s.group_in() * s.taps(), O = s.group_out(), size = s.out_channels * depth, pixels = s.out_pixels();
  const int64_t parts = std::min(s.batch, kThinParts);
  std::vector<T> sums(static_cast<size_t>(size * (parts - 1)));
  run_tasks(s.groups * parts, flops_of(s), threads, [&](int64_t task) {
    const int64_t part = task % parts, group = task / parts;
    T* own = (part == 0 ? dweight : sums.data() + (part - 1) * size) + group * O * depth;
    weight_of_pixels(s, x, gradient + group * s.batch * pixels * O, group, 0, s.group_in(), s.batch * part / parts * pixels,
                     s.batch * (part + 1) / parts * pixels, own, depth);
  });
  for (int64_t part = 1; part < parts; ++part) {
    const T* share = sums.data() + (part - 1) * size;
    for (int64_t i = 0; i < size; ++i) dweight[i] += share[i];
  }
}

}  // namespace

template <class T>
void conv2d_backward_weight(const Conv2dShape& s, const T* x, const T* dy, T* dweight, T* dbias, int threads) {
  if (dbias) backward_bias(s, dy, dbias, threads);
  const int64_t depth = s.group_in() * s.taps(), pixels = s.out_pixels(), O = s.group_out();
  if (s.out_channels * depth == 0) return;
  if (s.batch * pixels == 0) {   // sums of nothing
    std::fill_n(dweight, s.out_channels * depth, T(0));
    return;
  }
  if (is_depthwise(s)) return depthwise_backward_weight(s, x, dy, dweight, threads);
  const auto by_pixels = gradient_by_pixels(s, dy, threads);
  const T* const gradient = static_cast<const T*>(by_pixels->data());
  if (depth <= kThinRows && s.batch > 1) return thin_backward_weight(s, x, gradient, dweight, threads);
  // A task owns a block of dW, (output channels) x (input channels, taps), and goes through all pictures and
  // pixels in order: no partial sums, so the split does not show in the result.
  const int64_t block = channel_block(s, s.groups, threads), blocks = ceil_div(s.group_in(), block);
  run_tasks(s.groups * blocks, flops_of(s), threads, [&](int64_t task) {
    const int64_t c0 = task % blocks * block, group = task / blocks;
    weight_of_pixels(s, x, gradient + group * s.batch * pixels * O, group, c0, std::min(block, s.group_in() - c0), 0, s.batch * pixels,
                     dweight + group * O * depth + c0 * s.taps(), depth);
  });
}

#define HIPPOGRAD_CONV2D(T)                                                                          \
  template void conv2d_forward(const Conv2dShape&, const T*, const T*, const T*, T*, int);           \
  template void conv2d_backward_input(const Conv2dShape&, const T*, const T*, T*, int);              \
  template void conv2d_backward_weight(const Conv2dShape&, const T*, const T*, T*, T*, int);
HIPPOGRAD_CONV2D(float)
HIPPOGRAD_CONV2D(double)
#undef HIPPOGRAD_CONV2D

}  // namespace hippograd::cpu
