// Indexing (tensor/kernels/index.h), but for the sums at equal positions (cuda/scatter.cu). All of it moves bytes: one thread
// per word of the output, words of up to 16 bytes. A bad index is reported (cuda/errors.h), read as 0 and not written.
#include "tensor/kernels/index.h"

#include "cuda/bad_index.h"
#include "cuda/convert.cuh"
#include "cuda/words.cuh"

namespace hippograd::cuda {
namespace {

using kernels::IndexSite;

void flip(CArray x, uint32_t dims, MArray y) {   // reads x through negative strides, from its far corner
  Shape strides = x.strides();
  int64_t corner = 0;
  for (int d = 0; d < x.dim(); ++d) {
    if (!(dims >> d & 1)) continue;
    corner += (x.shape()[d] > 0 ? x.shape()[d] - 1 : 0) * strides[d];
    strides[d] = -strides[d];
  }
  kernels::copy(Array(x.storage(), x.shape(), strides, x.offset() + corner, x.dtype()), y);
}

template <class W> struct Triangle {
  const W* x;
  W* y;
  FastDivision by_cols, by_rows;
  int64_t diagonal;
  bool upper;
  HIPPOGRAD_DEVICE void operator()(int64_t i, const Walk<2>::Offsets& o) const {
    int64_t column = i;
    int64_t row = by_cols.split(column);
    by_rows.split(row);
    const int64_t above = column - row - diagonal;
    y[o.of[0]] = (upper ? above >= 0 : above <= 0) ? x[o.of[1]] : W{};
  }
};
void tri(CArray x, int64_t diagonal, bool upper, MArray y) {
  const int64_t cols = y.shape().back(), rows = y.shape()[y.dim() - 2], n = y.numel();
  by_word_size(size_t(itemsize(y.dtype())), [&]<class W>() {
    walk_elements("tri", Walk<2>({&y, &x}, true),   // y's own order: the linear index gives row and column
                  Triangle<W>{static_cast<const W*>(x.raw()), static_cast<W*>(y.raw()), {cols, n}, {rows, n}, diagonal, upper});
  });
}

// ---- indices ----

struct AddIndex {
  const int64_t* index;
  int64_t* y;
  int64_t n, stride;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t i, const Walk<2>::Offsets& o) const {
    const int64_t k = index[o.of[1]];
    int64_t& to = y[o.of[0]];
    if (k < -n || k >= n) {
      site.report(i, k);
      to = -(int64_t(1) << 62);   // stays negative, whatever the other dimensions add
    } else {
      to += stride * (k < 0 ? k + n : k);
    }
  }
};
void add_index(CArray index, IndexSite site, int64_t n, int64_t stride, MArray y) {
  walk_elements("add_index", Walk<2>({&y, &index}), AddIndex{index.data<int64_t>(), y.data<int64_t>(), n, stride, index_site(site, n)});
}

template <class T> __global__ void count_true_kernel(Walk<1> walk, const T* x, unsigned long long* total) {
  __shared__ unsigned long long scratch[32];
  unsigned long long mine = 0;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < walk.numel; i += int64_t(gridDim.x) * blockDim.x)
    mine += convert<bool>(x[walk.at(i).of[0]]);
  mine = block_join(mine, 0ull, scratch, Plus());
  if (threadIdx.x == 0 && mine) atomicAdd(total, mine);   // an integer: the order does not matter
}
void count_true(CArray x, MArray count) {
  auto* total = reinterpret_cast<unsigned long long*>(count.data<int64_t>());
  check(cudaMemsetAsync(total, 0, sizeof(*total), stream()), "count_nonzero");
  if (x.numel() == 0) return;
  visit(NumericTypes{}, x.dtype(), "count_nonzero", [&]<class T>() {
    launch("count_nonzero", count_true_kernel<T>, persistent_blocks(x.numel(), 1024), 256, 0, Walk<1>({&x}), x.data<T>(), total);
  });
}

// nonzero in three steps: each warp counts its 1024 elements, one block turns the counts into offsets, each warp writes.
constexpr int kPerWarp = 1024;

template <class T, class F> HIPPOGRAD_DEVICE void for_true(const T* x, int64_t n, F&& f) {   // f(element, place in the warp's list)
  const int64_t first = (int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32) * kPerWarp;
  const unsigned lane = threadIdx.x & 31;
  int seen = 0;
  constexpr int kAhead = 8;   // loads on their way together
  for (int step = 0; step < kPerWarp; step += 32 * kAhead) {
    bool yes[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      const int64_t i = first + step + 32 * u + lane;
      yes[u] = i < n && convert<bool>(x[i]);
    }
#pragma unroll
    for (int u = 0; u < kAhead; ++u) {
      const unsigned votes = __ballot_sync(kFullWarp, yes[u]);
      if (yes[u]) f(first + step + 32 * u + lane, seen + __popc(votes & ((1u << lane) - 1)));
      seen += __popc(votes);
    }
  }
}
struct LastPlace {
  int* count;
  HIPPOGRAD_DEVICE void operator()(int64_t, int place) const { *count = place + 1; }
};
template <class T> __global__ void count_in_warps(const T* x, int64_t n, int64_t* counts, int64_t warps) {
  const int64_t warp = int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  int mine = 0;
  for_true(x, n, LastPlace{&mine});
  mine = warp_join(mine, [](int a, int b) { return a > b ? a : b; });
  if ((threadIdx.x & 31) == 0 && warp < warps) counts[warp] = mine;
}
// counts -> the sum of those before; one block.
__global__ void exclusive_scan(int64_t* counts, int64_t n) {
  __shared__ int64_t sums[1024];
  const int64_t piece = (n + blockDim.x - 1) / blockDim.x, first = threadIdx.x * piece, last = first + piece < n ? first + piece : n;
  int64_t mine = 0;
  for (int64_t i = first; i < last; ++i) mine += counts[i];
  sums[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    const int64_t before = threadIdx.x >= step ? sums[threadIdx.x - step] : 0;
    __syncthreads();
    sums[threadIdx.x] += before;
    __syncthreads();
  }
  int64_t running = sums[threadIdx.x] - mine;
  for (int64_t i = first; i < last; ++i) {
    const int64_t count = counts[i];
    counts[i] = running;
    running += count;
  }
}
struct Sizes { int rank; int64_t of[Shape::kMaxRank]; };
struct WriteCoordinates {
  Sizes sizes;
  int64_t* y;
  HIPPOGRAD_DEVICE void operator()(int64_t i, int place) const {
    int64_t* row = y + int64_t(place) * sizes.rank;
    for (int d = sizes.rank - 1; d >= 0; --d) {
      row[d] = i % sizes.of[d];
      i /= sizes.of[d];
    }
  }
};
template <class T> __global__ void write_coordinates(const T* x, int64_t n, const int64_t* starts, int64_t warps, Sizes sizes, int64_t* y) {
  const int64_t warp = int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (warp < warps) for_true(x, n, WriteCoordinates{sizes, y + starts[warp] * sizes.rank});
}
void nonzero(CArray x, MArray y) {
  const int64_t n = x.numel(), warps = (n + kPerWarp - 1) / kPerWarp;
  if (y.numel() == 0) return;
  Sizes sizes{x.dim(), {}};
  for (int d = 0; d < x.dim(); ++d) sizes.of[d] = x.shape()[d];
  const Workspace counts(size_t(warps) * sizeof(int64_t));
  visit(NumericTypes{}, x.dtype(), "nonzero", [&]<class T>() {
    launch("nonzero", count_in_warps<T>, blocks_for(warps, 8), 256, 0, x.data<T>(), n, counts.as<int64_t>(), warps);
    launch("nonzero", exclusive_scan, 1, 1024, 0, counts.as<int64_t>(), warps);
    launch("nonzero", write_coordinates<T>, blocks_for(warps, 8), 256, 0, x.data<T>(), n, counts.as<int64_t>(), warps, sizes, y.data<int64_t>());
  });
}

// ---- rows: x (O, N, I)  index (K,)  y (O, K, I); a row is `width` words ----

struct CheckIndex {   // of rows without elements
  const int64_t* index;
  int64_t n;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t k) const {
    if (index[k] < 0 || index[k] >= n) site.report(k, index[k]);
  }
};
template <class W> struct TakeRows {
  const W* x;
  const int64_t* index;
  W* y;
  int64_t n, total;
  FastDivision by_width, by_count;
  FaultSite site;
};
// Four words per thread: their indices, then the words themselves, are on their way together.
template <class W> __global__ void __launch_bounds__(256) take_rows_kernel(TakeRows<W> t) {
  constexpr int kWords = 4;
  const int64_t first = int64_t(blockIdx.x) * (256 * kWords) + threadIdx.x;
  int64_t row[kWords], from[kWords], k[kWords];
#pragma unroll
  for (int u = 0; u < kWords; ++u) {
    const int64_t i = first + u * 256;
    if (i >= t.total) continue;
    int64_t word = i;
    k[u] = t.by_width.split(word);
    const int64_t outer = t.by_count.split(k[u]);
    row[u] = t.index[k[u]];
    from[u] = outer * t.n * t.by_width.d + word;
  }
  W w[kWords];
#pragma unroll
  for (int u = 0; u < kWords; ++u) {
    w[u] = W{};
    if (first + u * 256 >= t.total) continue;
    if (row[u] >= 0 && row[u] < t.n) w[u] = t.x[from[u] + row[u] * t.by_width.d];
    else t.site.report(k[u], row[u]);
  }
#pragma unroll
  for (int u = 0; u < kWords; ++u)
    if (first + u * 256 < t.total) t.y[first + u * 256] = w[u];
}
void take_rows(CArray x, CArray index, IndexSite site, MArray y) {
  const int64_t bytes = y.shape()[2] * itemsize(y.dtype()), count = index.numel();
  if (y.numel() == 0) return for_each("take_rows", count, CheckIndex{index.data<int64_t>(), x.shape()[1], index_site(site, x.shape()[1])});
  by_word_size(common_word(bytes, x.raw(), y.raw()), [&]<class W>() {
    const int64_t width = bytes / int64_t(sizeof(W)), total = y.shape()[0] * count * width;
    launch("take_rows", take_rows_kernel<W>, blocks_for(total, 1024), 256, 0,
           TakeRows<W>{static_cast<const W*>(x.raw()), index.data<int64_t>(), static_cast<W*>(y.raw()), x.shape()[1], total, {width, total}, {count, total},
                       index_site(site, x.shape()[1])});
  });
}

// The last of those that write to one row wins: the greatest k.
struct FindWinners {
  const int64_t* index;
  long long* winner;
  int64_t n;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t k) const {
    const int64_t row = index[k];
    if (row >= 0 && row < n) atomicMax(&winner[row], (long long)(k));
    else site.report(k, row);
  }
};
template <class W> struct PutRows {
  const W* src;
  const int64_t* index;
  const long long* winner;
  W* y;
  int64_t n;
  FastDivision by_width, by_count;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    int64_t word = i;
    int64_t k = by_width.split(word);
    const int64_t outer = by_count.split(k), row = index[k];
    if (row >= 0 && row < n && winner[row] == k) y[(outer * n + row) * by_width.d + word] = src[i];
  }
};
void put_rows(CArray src, CArray index, IndexSite site, MArray y) {
  const int64_t bytes = y.shape()[2] * itemsize(y.dtype()), count = index.numel(), n = y.shape()[1];
  if (count == 0) return;
  const Workspace winner(size_t(n) * sizeof(long long));
  if (n > 0) check(cudaMemsetAsync(winner.as<void>(), 0xff, size_t(n) * sizeof(long long), stream()), "put_rows");   // -1
  for_each("put_rows", count, FindWinners{index.data<int64_t>(), winner.as<long long>(), n, index_site(site, n)});
  by_word_size(common_word(bytes, src.raw(), y.raw()), [&]<class W>() {
    const int64_t width = bytes / int64_t(sizeof(W)), total = src.shape()[0] * count * width;
    for_each("put_rows", total, PutRows<W>{static_cast<const W*>(src.raw()), index.data<int64_t>(), winner.as<long long>(),
                                           static_cast<W*>(y.raw()), n, {width, total}, {count, total}});
  });
}

// ---- elements along a dimension ----

template <class W> struct Gather {
  const W* x;
  const int64_t* index;
  W* y;
  int64_t n, step;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t i, const Walk<3>::Offsets& o) const {
    const int64_t k = index[o.of[1]];
    W w{};
    if (k >= 0 && k < n) w = x[o.of[2] + k * step];
    else site.report(i, k);
    y[o.of[0]] = w;
  }
};
void gather(CArray x_, int dim, CArray index_, const char* op, MArray y_) {
  const Array x = at_least_1d(x_), index = at_least_1d(index_);
  Array y = at_least_1d(y_);
  Shape strides = x.strides();
  const int64_t step = strides[dim], n = x.shape()[dim];
  strides[dim] = 0;   // the start of each element's line
  const Array lines(x.storage(), index.shape(), strides, x.offset(), x.dtype());
  by_word_size(size_t(itemsize(x.dtype())), [&]<class W>() {
    walk_elements("gather", Walk<3>({&y, &index, &lines}), Gather<W>{static_cast<const W*>(x.raw()), index.data<int64_t>(), static_cast<W*>(y.raw()),
                                                                     n, step, index_site({op, dim}, n)});
  });
}

// ---- search ----

template <class T> HIPPOGRAD_DEVICE bool before(T a, T b) { return a < b || (b != b && a == a); }   // NaN is the greatest

template <class T> struct SearchSorted {
  const T* sorted;
  const T* x;
  int64_t* y;
  int64_t n, step;
  FastDivision by_cols;
  bool right;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const T* row = sorted + by_cols.quotient(i) * step;
    const T v = x[i];
    int64_t low = 0, high = n;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      const bool further = right ? !before(v, row[middle]) : before(row[middle], v);
      if (further) low = middle + 1;
      else high = middle;
    }
    y[i] = low;
  }
};
void search_sorted(CArray sorted, CArray x, bool right, MArray y) {
  const int64_t n = sorted.shape()[1], cols = x.shape()[1], total = x.numel();
  visit(RealTypes{}, x.dtype(), "searchsorted", [&]<class T>() {
    for_each("searchsorted", total, SearchSorted<T>{sorted.data<T>(), x.data<T>(), y.data<int64_t>(), n, sorted.shape()[0] == 1 ? 0 : n, {cols, total}, right});
  });
}

// Whole numbers are counted, so the order of the atomics does not matter; each block counts in shared memory first.
template <class T> __global__ void histogram_kernel(const T* x, int64_t n, T low, T high, int64_t bins, bool in_shared, unsigned long long* counts) {
  extern __shared__ unsigned mine[];
  if (in_shared) {
    for (int64_t b = threadIdx.x; b < bins; b += blockDim.x) mine[b] = 0;
    __syncthreads();
  }
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += int64_t(gridDim.x) * blockDim.x) {
    const T v = x[i];
    if (!(v >= low && v <= high)) continue;
    int64_t bin = int64_t((v - low) / (high - low) * T(bins));
    if (bin >= bins) bin = bins - 1;
    if (in_shared) atomicAdd(&mine[bin], 1u);
    else atomicAdd(&counts[bin], 1ull);
  }
  if (!in_shared) return;
  __syncthreads();
  for (int64_t b = threadIdx.x; b < bins; b += blockDim.x)
    if (mine[b]) atomicAdd(&counts[b], (unsigned long long)(mine[b]));
}
template <class T> struct AddCounts {
  const unsigned long long* counts;
  T* y;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { y[i] += T(counts[i]); }
};
void histogram(CArray x, double low, double high, MArray y) {
  const int64_t bins = y.numel(), n = x.numel();
  if (bins == 0 || n == 0) return;
  const Workspace counts(size_t(bins) * sizeof(unsigned long long));
  check(cudaMemsetAsync(counts.as<void>(), 0, size_t(bins) * sizeof(unsigned long long), stream()), "histc");
  const bool in_shared = bins <= 8192;
  visit(FloatTypes{}, x.dtype(), "histc", [&]<class T>() {
    launch("histc", histogram_kernel<T>, persistent_blocks(n, 4096), 256, in_shared ? size_t(bins) * sizeof(unsigned) : 0, x.data<T>(), n, T(low),
           T(high), bins, in_shared, counts.as<unsigned long long>());
    for_each("histc", bins, AddCounts<T>{counts.as<unsigned long long>(), y.data<T>()});
  });
}

const Bind b0(kernels::flip, DeviceKind::CUDA, flip, kTakesHalves);
const Bind b1(kernels::tri, DeviceKind::CUDA, tri, kTakesHalves);
const Bind b2(kernels::add_index, DeviceKind::CUDA, add_index);
const Bind b3(kernels::count_true, DeviceKind::CUDA, count_true);
const Bind b4(kernels::nonzero, DeviceKind::CUDA, nonzero);
const Bind b5(kernels::take_rows, DeviceKind::CUDA, take_rows, kTakesHalves);
const Bind b6(kernels::put_rows, DeviceKind::CUDA, put_rows, kTakesHalves);
const Bind b7(kernels::gather, DeviceKind::CUDA, gather, kTakesHalves);
const Bind b8(kernels::search_sorted, DeviceKind::CUDA, search_sorted);
const Bind b9(kernels::histogram, DeviceKind::CUDA, histogram);

}  // namespace
}  // namespace hippograd::cuda
