// Pooling and resampling (tensor/kernels/pool.h). One thread per output; the adjoints gather: one thread per input walks the
// windows that hold it, in the order of the CPU's sums.
//
// The tables of the windows travel as a kernel argument (so nothing is copied from the host and a step can be captured) and
// from there to shared memory; tables beyond 300 windows are first written to device memory by launches of such arguments.
// Bytes: 2 x 2 max pooling of f32 reads 16 and writes 4 + 8 per output.
#include "tensor/kernels/pool.h"

#include <limits>
#include <vector>

#include "cuda/launch.cuh"

namespace hippograd::cuda {
namespace {

constexpr int kNear = 300;                    // windows in an argument: 3.6 of the 4 KB that always fit
constexpr int kThreads = 256;

struct Window { int32_t begin, end, count; };
struct Axes {                                 // windows of depth, height and width, one after the other in the table
  int windows[3], first[3], step[3];
  Divider by_windows[3];
  bool sorted[3];                             // begin and end do not decrease
  int total = 0;
};
// i % size; i becomes i / size. In 32 bits where i allows.
HIPPOGRAD_DEVICE int take_digit(int64_t& i, int size, const Divider& by) {
  if (i < (int64_t(1) << 31)) {
    const uint32_t q = by.quotient(uint32_t(i)), digit = uint32_t(i) - q * by.d;
    i = q;
    return int(digit);
  }
  const int digit = int(i % size);
  i /= size;
  return digit;
}
struct Near { Window window[kNear]; };
struct Table {
  Axes axes;
  Near near;
  const Window* far;                          // in place of `near`, if not null
};

__global__ void store_windows(Near from, int count, Window* to) {
  for (int i = threadIdx.x; i < count; i += blockDim.x) to[i] = from.window[i];
}

// Holds the device memory of a long table until the launch that uses it is enqueued.
class HostTable {
 public:
  explicit HostTable(const PoolWindows& w) : windows_(gather(w)), far_(size_t(table.axes.total > kNear ? table.axes.total : 0) * sizeof(Window)) {
    table.far = far_.as<Window>();
    for (int begin = 0; begin < table.axes.total; begin += kNear) {
      const int count = std::min(kNear, table.axes.total - begin);
      std::copy_n(windows_.begin() + begin, count, table.near.window);
      if (table.far) launch("pool_windows", store_windows, 1, 128, 0, table.near, count, far_.as<Window>() + begin);
    }
  }
  size_t shared() const { return table.far ? 0 : size_t(table.axes.total) * sizeof(Window); }
  Table table;

 private:
  std::vector<Window> gather(const PoolWindows& w) {
    std::vector<Window> all;
    for (int a = 0; a < 3; ++a) {
      const PoolAxis& axis = w.axis[a];
      table.axes.windows[a] = int(axis.begin.size());
      table.axes.by_windows[a] = Divider(uint32_t(std::max<size_t>(axis.begin.size(), 1)));
      table.axes.first[a] = int(all.size());
      table.axes.step[a] = int(axis.step);
      table.axes.sorted[a] = true;
      for (size_t i = 0; i < axis.begin.size(); ++i) {
        if (axis.end[i] > std::numeric_limits<int32_t>::max()) fail<ShapeError>("pool: an axis of ", axis.end[i], " elements is too long");
        all.push_back({int32_t(axis.begin[i]), int32_t(axis.end[i]), i < axis.count.size() ? int32_t(axis.count[i]) : 1});
        if (i > 0 && (axis.begin[i] < axis.begin[i - 1] || axis.end[i] < axis.end[i - 1])) table.axes.sorted[a] = false;
      }
    }
    table.axes.total = int(all.size());
    return all;
  }
  std::vector<Window> windows_;
  Workspace far_;
};

HIPPOGRAD_DEVICE const Window* windows_in_reach(const Table& t, Window* shared) {
  if (t.far) return t.far;
  for (int i = threadIdx.x; i < t.axes.total; i += blockDim.x) shared[i] = t.near.window[i];
  __syncthreads();
  return shared;
}

struct Volume {                               // of the input
  int depth, height, width;
  Divider by_depth, by_height, by_width;
  explicit Volume(const Shape& s) {
    for (int d = 1; d < 4; ++d)
      if (s[d] > std::numeric_limits<int32_t>::max()) fail<ShapeError>("pool: an axis of ", s[d], " elements is too long");
    depth = int(s[1]), height = int(s[2]), width = int(s[3]);
    by_depth = Divider(uint32_t(depth)), by_height = Divider(uint32_t(height)), by_width = Divider(uint32_t(width));
  }
  HIPPOGRAD_DEVICE int64_t elements() const { return int64_t(depth) * height * width; }
};

// The three windows of output `i` (planes, OD, OH, OW).
struct Place {
  int64_t plane;
  Window w[3];
  HIPPOGRAD_DEVICE Place(const Axes& axes, const Window* windows, int64_t i) {
#pragma unroll
    for (int a = 2; a >= 0; --a) {
      w[a] = windows[axes.first[a] + take_digit(i, axes.windows[a], axes.by_windows[a])];
    }
    plane = i;
  }
};
// f(position in the plane) for every element of the window.
template <class F> HIPPOGRAD_DEVICE void for_each_element(const Axes& axes, const Volume& v, const Place& at, F f) {
  for (int a = at.w[0].begin; a < at.w[0].end; a += axes.step[0])
    for (int b = at.w[1].begin; b < at.w[1].end; b += axes.step[1])
      for (int c = at.w[2].begin; c < at.w[2].end; c += axes.step[2]) f((int64_t(a) * v.height + b) * v.width + c);
}

template <class T>
__global__ void __launch_bounds__(kThreads) max_pool_kernel(Table t, Volume v, const T* __restrict__ x, T* __restrict__ y, int64_t* __restrict__ index, int64_t n) {
  extern __shared__ Window shared[];
  const Window* windows = windows_in_reach(t, shared);
  const int64_t plane_size = v.elements();
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < n; i += int64_t(gridDim.x) * kThreads) {
    const Place at(t.axes, windows, i);
    const T* plane = x + at.plane * plane_size;
    compute_t<T> best = -std::numeric_limits<compute_t<T>>::infinity();
    int64_t where = -1;
    for_each_element(t.axes, v, at, [&](int64_t q) {
      const compute_t<T> value = load(plane[q]);
      if (where < 0 || value > best || (value != value && best == best)) best = value, where = q;
    });
    store(y[i], best);
    index[i] = where;
  }
}

HIPPOGRAD_DEVICE int64_t divisor_of(int64_t divisor, const Window& d, const Window& h, const Window& w) {
  return divisor ? divisor : int64_t(d.count) * h.count * w.count;
}

template <class T>
__global__ void __launch_bounds__(kThreads) avg_pool_kernel(Table t, Volume v, int64_t divisor, const T* __restrict__ x, T* __restrict__ y, int64_t n) {
  extern __shared__ Window shared[];
  const Window* windows = windows_in_reach(t, shared);
  const int64_t plane_size = v.elements();
  for (int64_t i = int64_t(blockIdx.x) * kThreads + threadIdx.x; i < n; i += int64_t(gridDim.x) * kThreads) {
    const Place at(t.axes, windows, i);
    const T* plane = x + at.plane * plane_size;
    compute_t<T> sum = 0;
    for_each_element(t.axes, v, at, [&](int64_t q) { sum += load(plane[q]); });
    store(y[i], sum / compute_t<T>(divisor_of(divisor, at.w[0], at.w[1], at.w[2])));
  }
}

// The windows along one axis that may hold position p: from `first` on, as long as `more`.
struct Holders {
  const Window* w;
  int count, step;
  bool sorted;
  int32_t p;
  int first = 0;
  HIPPOGRAD_DEVICE Holders(const Axes& axes, const Window* windows, int a, int32_t position)
      : w(windows + axes.first[a]), count(axes.windows[a]), step(axes.step[a]), sorted(axes.sorted[a]), p(position) {
    int last = sorted ? count : 0;            // the first window that ends behind p
    while (first < last) {
      const int middle = (first + last) / 2;
      if (w[middle].end > p) last = middle;
      else first = middle + 1;
    }
  }
  HIPPOGRAD_DEVICE bool more(int i) const { return i < count && (!sorted || w[i].begin <= p); }
  HIPPOGRAD_DEVICE bool holds(int i) const { return w[i].begin <= p && p < w[i].end && (p - w[i].begin) % step == 0; }
};

template <class T>
__global__ void __launch_bounds__(kThreads) avg_pool_input_kernel(Table t, Volume v, int64_t divisor, const T* __restrict__ dy, T* __restrict__ dx, int64_t n) {
  extern __shared__ Window shared[];
  const Window* windows = windows_in_reach(t, shared);
  const int64_t outputs = int64_t(t.axes.windows[0]) * t.axes.windows[1] * t.axes.windows[2];
  for (int64_t q = int64_t(blockIdx.x) * kThreads + threadIdx.x; q < n; q += int64_t(gridDim.x) * kThreads) {
    int64_t rest = q;
    const int c = take_digit(rest, v.width, v.by_width), b = take_digit(rest, v.height, v.by_height), a = take_digit(rest, v.depth, v.by_depth);
    const T* plane = dy + rest * outputs;
    const Holders da(t.axes, windows, 0, a), ha(t.axes, windows, 1, b), wa(t.axes, windows, 2, c);
    compute_t<T> sum = 0;
    for (int i = da.first; da.more(i); ++i) {
      if (!da.holds(i)) continue;
      for (int j = ha.first; ha.more(j); ++j) {
        if (!ha.holds(j)) continue;
        for (int k = wa.first; wa.more(k); ++k)
          if (wa.holds(k))
            sum += load(plane[(int64_t(i) * ha.count + j) * wa.count + k]) / compute_t<T>(divisor_of(divisor, da.w[i], ha.w[j], wa.w[k]));
      }
    }
    store(dx[q], sum);
  }
}

void max_pool(const PoolWindows& w, CArray x, MArray y, MArray index) {
  const int64_t n = y.numel();
  if (n == 0) return;
  const HostTable t(w);
  visit(FloatBf16{}, x.dtype(), "max_pool", [&]<class T>() {
    launch("max_pool", max_pool_kernel<T>, persistent_blocks(n, kThreads), kThreads, t.shared(), t.table, Volume(x.shape()), x.data<T>(), y.data<T>(),
           index.data<int64_t>(), n);
  });
}
void avg_pool(const PoolWindows& w, int64_t divisor, CArray x, MArray y) {
  const int64_t n = y.numel();
  if (n == 0) return;
  const HostTable t(w);
  visit(FloatBf16{}, x.dtype(), "avg_pool", [&]<class T>() {
    launch("avg_pool", avg_pool_kernel<T>, persistent_blocks(n, kThreads), kThreads, t.shared(), t.table, Volume(x.shape()), divisor, x.data<T>(),
           y.data<T>(), n);
  });
}
void avg_pool_input(const PoolWindows& w, int64_t divisor, CArray dy, MArray dx) {
  const int64_t n = dx.numel();
  if (n == 0) return;
  const HostTable t(w);
  visit(FloatBf16{}, dy.dtype(), "avg_pool", [&]<class T>() {
    launch("avg_pool_input", avg_pool_input_kernel<T>, persistent_blocks(n, kThreads), kThreads, t.shared(), t.table, Volume(dx.shape()), divisor,
           dy.data<T>(), dx.data<T>(), n);
  });
}

// ---- resampling ----
template <class T> struct ResampleElement {
  const T* x;
  const int64_t* index;
  const double* weight;
  T* y;
  int64_t n, m, b, taps;
  HIPPOGRAD_DEVICE void operator()(int64_t e) const {
    const int64_t q = e % b, i = e / b % m, a = e / b / m;
    T sum = 0;
    for (int64_t k = 0; k < taps; ++k) sum += T(weight[i * taps + k]) * x[(a * n + index[i * taps + k]) * b + q];
    y[e] = sum;
  }
};

// range[r] = the first tap with index r, and one past the last; empty if there is none. One warp for each r.
__global__ void tap_ranges(const int64_t* __restrict__ index, int64_t count, int64_t n, int64_t* __restrict__ range) {
  const int lane = threadIdx.x % 32;
  for (int64_t r = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) / 32; r < n; r += int64_t(gridDim.x) * blockDim.x / 32) {
    long long first = count, last = 0;
    for (int64_t t = lane; t < count; t += 32)
      if (index[t] == r) first = min(first, (long long)t), last = t + 1;
    first = warp_join(first, [](long long u, long long v) { return min(u, v); });
    last = warp_join(last, [](long long u, long long v) { return max(u, v); });
    if (lane == 0) range[2 * r] = first, range[2 * r + 1] = last;
  }
}
template <class T> struct ResampleInputElement {
  const T* dy;
  const int64_t *index, *range;
  const double* weight;
  T* dx;
  int64_t n, m, b, taps;
  HIPPOGRAD_DEVICE void operator()(int64_t e) const {
    const int64_t q = e % b, r = e / b % n, a = e / b / n;
    T sum = 0;
    for (int64_t t = range[2 * r]; t < range[2 * r + 1]; ++t)
      if (index[t] == r) sum += T(weight[t]) * dy[(a * m + t / taps) * b + q];
    dx[e] = sum;
  }
};

void resample(CArray x, CArray index, CArray weight, MArray y) {
  if (y.numel() == 0) return;
  visit(FloatTypes{}, x.dtype(), "resample", [&]<class T>() {
    for_each("resample", y.numel(), ResampleElement<T>{x.data<T>(), index.data<int64_t>(), weight.data<double>(), y.data<T>(), x.shape()[1],
                                                       y.shape()[1], x.shape()[2], index.shape()[1]});
  });
}
void resample_input(CArray dy, CArray index, CArray weight, MArray dx) {
  const int64_t n = dx.shape()[1];
  if (dx.numel() == 0) return;
  const Workspace range(size_t(2 * n) * sizeof(int64_t));
  launch("resample_taps", tap_ranges, blocks_for(n, 8, 1 << 16), 256, 0, index.data<int64_t>(), index.numel(), n, range.as<int64_t>());
  visit(FloatTypes{}, dy.dtype(), "resample", [&]<class T>() {
    for_each("resample_input", dx.numel(), ResampleInputElement<T>{dy.data<T>(), index.data<int64_t>(), range.as<int64_t>(), weight.data<double>(),
                                                                   dx.data<T>(), n, dy.shape()[1], dx.shape()[2], index.shape()[1]});
  });
}

const Bind b0(kernels::max_pool, DeviceKind::CUDA, max_pool, kTakesBf16);
const Bind b1(kernels::avg_pool, DeviceKind::CUDA, avg_pool, kTakesBf16);
const Bind b2(kernels::avg_pool_input, DeviceKind::CUDA, avg_pool_input, kTakesBf16);
const Bind b3(kernels::resample, DeviceKind::CUDA, resample);
const Bind b4(kernels::resample_input, DeviceKind::CUDA, resample_input);

}  // namespace
}  // namespace hippograd::cuda
