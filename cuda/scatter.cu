// Sums and other joins at given positions: add_rows and scatter (tensor/kernels/index.h), without atomics on floats.
//
// The pairs (destination, k) are sorted by destination; equal destinations form runs, in the order of k. The sorted list is cut
// into chunks of fixed length. One thread joins the elements of one column in a chunk, run by run. A run that lies in one
// chunk goes straight to its destination; the parts of longer runs go to scratch (`head`: of a run that began in an earlier
// chunk; `tail`: of one that begins here and goes on) and a second kernel joins them in order. The tree depends on shapes and
// indices alone. Few elements are joined one by one instead, as on the CPU.
// Bytes moved: src and the touched rows of y once, the sort's 16 bytes per pair and pass (8 bits of the row number).
#include "cuda/bad_index.h"
#include "cuda/radix_sort.h"
#include "cuda/words.cuh"

namespace hippograd::cuda {
namespace {

using kernels::IndexSite;
using kernels::Scatter;

template <class T> HIPPOGRAD_DEVICE T product(T a, T b) {
  if constexpr (std::is_arithmetic_v<T>) return T(a * b);
  else return T(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
}
struct Add { template <class T> HIPPOGRAD_DEVICE T operator()(T a, T b) const { return T(a + b); } };
struct AnyJoin {   // the branch is the same for a whole launch
  Scatter how;
  template <class T> HIPPOGRAD_DEVICE T operator()(T a, T b) const {
    if (how == Scatter::Add) return Add()(a, b);
    if (how == Scatter::Mul) return product(a, b);
    if constexpr (std::is_arithmetic_v<T>) {
      if (how == Scatter::Max) return b > a || b != b ? b : a;   // NaN wins
      if (how == Scatter::Min) return b < a || b != b ? b : a;
    }
    return b;   // Set: the last wins
  }
};

// ---- sorted by destination ----

// src (O, K, I), y (O, N, I): element (o, k, i) of src belongs to (o, key, i) of y. W: how pairs are numbered.
template <class T, class W> struct Runs {
  using C = compute_t<T>;
  const W* keys;        // (K) sorted
  const W* places;      // (K) the k of each
  W dropped;            // the key of elements that go nowhere
  const T* src;
  T* y;
  C *head, *tail;       // (O, chunks, I)
  int64_t count, chunk, chunks, inner, src_outer, y_outer;
  FastDivision by_groups, by_chunks;   // threads: (O, chunks, groups of V columns)
};

template <class T, int V> HIPPOGRAD_DEVICE void load_columns(const T* p, compute_t<T>* v) {
  const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(p);
#pragma unroll
  for (int j = 0; j < V; ++j) v[j] = load(pack.v[j]);
}
template <class T, int V, class Join> HIPPOGRAD_DEVICE void join_into(T* p, const compute_t<T>* v, Join join) {
  auto& pack = *reinterpret_cast<Pack<T, V>*>(p);
  Pack<T, V> out = pack;
#pragma unroll
  for (int j = 0; j < V; ++j) store(out.v[j], join(load(out.v[j]), v[j]));
  pack = out;
}

template <class T, class W, int V, class Join> struct JoinChunks {
  using C = compute_t<T>;
  Runs<T, W> r;
  Join join;

  HIPPOGRAD_DEVICE void operator()(int64_t t) const {
    int64_t group = t;
    int64_t c = r.by_groups.split(group);
    const int64_t o = r.by_chunks.split(c), column = group * V, first = c * r.chunk;
    const int64_t last = first + r.chunk < r.count ? first + r.chunk : r.count;
    const T* src = r.src + o * r.src_outer + column;
    C acc[V];
    W run = r.keys[first];
    bool began_before = first > 0 && r.keys[first - 1] == run;
    load_columns<T, V>(src + int64_t(r.places[first]) * r.inner, acc);
    constexpr int kAhead = 4;   // rows on their way at once
    for (int64_t p = first + 1; p < last; p += kAhead) {
      W key[kAhead];
      C v[kAhead][V];
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        const int64_t at = p + u < last ? p + u : last - 1;
        key[u] = r.keys[at];
        load_columns<T, V>(src + int64_t(r.places[at]) * r.inner, v[u]);
      }
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        if (p + u >= last) break;
        const bool next = key[u] != run;
        if (next) {
          finish(run, acc, began_before, false, o, c, column);
          run = key[u];
          began_before = false;
        }
#pragma unroll
        for (int j = 0; j < V; ++j) acc[j] = next ? v[u][j] : join(acc[j], v[u][j]);
      }
    }
    finish(run, acc, began_before, last < r.count && r.keys[last] == run, o, c, column);
  }
  HIPPOGRAD_DEVICE void finish(W run, const C* acc, bool began_before, bool goes_on, int64_t o, int64_t c, int64_t column) const {
    if (run == r.dropped) return;
    if (!began_before && !goes_on) {
      join_into<T, V>(r.y + o * r.y_outer + int64_t(run) * r.inner + column, acc, join);
      return;
    }
    C* part = (began_before ? r.head : r.tail) + (o * r.chunks + c) * r.inner + column;
#pragma unroll
    for (int j = 0; j < V; ++j) part[j] = acc[j];
  }
};

template <class T, class W, int V, class Join> struct JoinParts {
  using C = compute_t<T>;
  Runs<T, W> r;
  Join join;

  HIPPOGRAD_DEVICE void operator()(int64_t t) const {
    int64_t group = t;
    int64_t c = r.by_groups.split(group);
    const int64_t o = r.by_chunks.split(c), column = group * V, first = c * r.chunk, last = first + r.chunk;
    if (last >= r.count) return;                                       // nothing goes on after the last chunk
    const W run = r.keys[last - 1];
    if (run == r.dropped || r.keys[last] != run || (first > 0 && r.keys[first - 1] == run)) return;   // no run begins here and goes on
    int64_t low = last, high = r.count;                                // the run's end, by bisection
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (r.keys[middle] == run) low = middle + 1;
      else high = middle;
    }
    const int64_t end = (low + r.chunk - 1) / r.chunk;                 // chunks c .. end - 1
    C acc[V];
    const int64_t base = (o * r.chunks + c) * r.inner + column;
#pragma unroll
    for (int j = 0; j < V; ++j) acc[j] = r.tail[base + j];
#pragma unroll 8
    for (int64_t k = 1; k < end - c; ++k)
#pragma unroll
      for (int j = 0; j < V; ++j) acc[j] = join(acc[j], r.head[base + k * r.inner + j]);
    join_into<T, V>(r.y + o * r.y_outer + int64_t(run) * r.inner + column, acc, join);
  }
};

// The chunk's length: long enough to keep the scratch small, short enough to keep the device busy.
int64_t chunk_length(int64_t count, int64_t threads_per_element) {
  int64_t chunk = 8;
  while (chunk < 128 && count * threads_per_element / chunk > 1 << 18) chunk *= 2;
  return chunk;
}

// Sorts the pairs and joins their elements into y.
template <int V, class T, class W, class Join>
void join_sorted(const char* name, W* (&keys)[2], W* (&places)[2], int64_t count, uint64_t dropped, const T* src, T* y, int64_t outer, int64_t inner,
                 int64_t y_rows, Join join) {
  radix_sort_pairs(keys, places, count, 0, bits_for(dropped));
  const int64_t groups = inner / V, chunk = chunk_length(count, groups * outer), chunks = (count + chunk - 1) / chunk;
  const int64_t threads = outer * chunks * groups;
  const Workspace parts(size_t(2 * outer * chunks * inner) * sizeof(compute_t<T>));
  auto* head = parts.as<compute_t<T>>();
  const Runs<T, W> runs{keys[0],     places[0], W(dropped), src,           y,        head, head + outer * chunks * inner, count, chunk, chunks, inner,
                        count * inner, y_rows * inner, {groups, threads}, {chunks, threads}};
  for_each(name, threads, JoinChunks<T, W, V, Join>{runs, join});
  if (chunks > 1) for_each(name, threads, JoinParts<T, W, V, Join>{runs, join});
}

template <class W> struct RowKeys {
  const int64_t* index;
  W *keys, *places;
  int64_t n, skip;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t k) const {
    const int64_t row = index[k];
    const bool exists = row >= 0 && row < n;
    if (!exists) site.report(k, row);
    keys[k] = W(exists && row != skip ? row : n);
    places[k] = W(k);
  }
};
template <int V, class W, class T>
void add_rows_sorted(const T* src, const int64_t* index, int64_t count, int64_t n, int64_t skip, T* y, int64_t outer, int64_t inner, FaultSite site) {
  const Workspace pairs(size_t(4 * count) * sizeof(W));
  W* memory = pairs.as<W>();
  W *keys[2] = {memory, memory + count}, *places[2] = {memory + 2 * count, memory + 3 * count};
  for_each("add_rows", count, RowKeys<W>{index, keys[0], places[0], n, skip, site});
  if (outer * inner > 0) join_sorted<V>("add_rows", keys, places, count, uint64_t(n), src, y, outer, inner, n, Add());
}

// One thread per column adds one by one, in the order of k.
template <class T> struct AddColumn {
  const T* src;
  const int64_t* index;
  T* y;
  int64_t count, n, skip;
  FastDivision by_inner;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t t) const {
    int64_t i = t;
    const int64_t o = by_inner.split(i);
    for (int64_t k = 0; k < count; ++k) {
      const int64_t row = index[k];
      if (row < 0 || row >= n) {
        site.report(k, row);
        continue;
      }
      if (row == skip) continue;
      T& to = y[(o * n + row) * by_inner.d + i];
      to = Add()(to, src[(o * count + k) * by_inner.d + i]);
    }
  }
};

void add_rows(CArray src, CArray index, IndexSite where, int64_t skip, MArray y) {
  const int64_t outer = y.shape()[0], n = y.shape()[1], inner = y.shape()[2], count = index.numel(), columns = outer * inner;
  if (count == 0) return;
  const FaultSite site = index_site(where, n);
  const int64_t* at = index.data<int64_t>();
  visit(Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t, bool, bfloat16>{}, y.dtype(), "index_add", [&]<class T>() {
    const T* from = src.data<T>();
    T* to = y.data<T>();
    constexpr bool is_half = !std::is_same_v<T, compute_t<T>>;   // sums are rounded to it once, at the end
    if constexpr (!is_half)
      if (columns > 0 && (count <= 16 || (columns >= 16384 && count <= 128)))
        return for_each("add_rows", columns, AddColumn<T>{from, at, to, count, n, skip, {inner, columns}, site});
    if (count >= int64_t(1) << 31 || n >= int64_t(UINT32_MAX))
      return add_rows_sorted<1, uint64_t>(from, at, count, n, skip, to, outer, inner, site);
    if constexpr (std::is_floating_point_v<T> || is_half)
      if (inner % kPack<T> == 0 && aligned16(from) && aligned16(to))
        return add_rows_sorted<kPack<T>, uint32_t>(from, at, count, n, skip, to, outer, inner, site);
    add_rows_sorted<1, uint32_t>(from, at, count, n, skip, to, outer, inner, site);
  });
}

// ---- scatter: lines along a dimension ----

// One thread per line, in order.
template <class T> struct ScatterLine {
  const T* src;
  const int64_t* index;
  T* y;
  int64_t length, src_step, index_step, y_step, n;
  AnyJoin join;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t line, const Walk<3>::Offsets& o) const {
    constexpr int kAhead = 8;   // indices and elements on their way together
    for (int64_t j = 0; j < length; j += kAhead) {
      int64_t k[kAhead];
      T v[kAhead];
#pragma unroll
      for (int u = 0; u < kAhead; ++u)
        if (j + u < length) k[u] = index[o.of[1] + (j + u) * index_step], v[u] = src[o.of[0] + (j + u) * src_step];
#pragma unroll
      for (int u = 0; u < kAhead; ++u) {
        if (j + u >= length) continue;
        if (k[u] < 0 || k[u] >= n) {
          site.report(line * length + j + u, k[u]);
          continue;
        }
        T& to = y[o.of[2] + k[u] * y_step];
        to = join(to, v[u]);
      }
    }
  }
};
// The destination of an element of index is its offset in y's memory.
struct ElementKeys {
  const int64_t* index;
  uint32_t *keys, *places;
  int64_t n, step;
  uint32_t dropped;
  FaultSite site;
  HIPPOGRAD_DEVICE void operator()(int64_t i, const Walk<2>::Offsets& o) const {
    const int64_t k = index[o.of[0]];
    const bool exists = k >= 0 && k < n;
    if (!exists) site.report(i, k);
    keys[i] = exists ? uint32_t(o.of[1] + k * step) : dropped;
    places[i] = uint32_t(i);
  }
};
template <class T> void scatter_sorted(AnyJoin join, CArray src_, int dim, CArray index, CArray lines, MArray y, int64_t limit, FaultSite site) {
  const Array src = src_.contiguous();
  const int64_t count = index.numel();
  const Workspace pairs(size_t(4 * count) * sizeof(uint32_t));
  auto* memory = pairs.as<uint32_t>();
  uint32_t *keys[2] = {memory, memory + count}, *places[2] = {memory + 2 * count, memory + 3 * count};
  // In index's row-major order the elements of one line come in the order of j.
  walk_elements("scatter", Walk<2>({&index, &lines}, true),
                ElementKeys{index.data<int64_t>(), keys[0], places[0], y.shape()[dim], y.strides()[dim], uint32_t(limit), site});
  join_sorted<1>("scatter", keys, places, count, uint64_t(limit), src.data<T>(), y.data<T>(), 1, 1, limit, join);
}

// a, cut to `shape` (its own size along dim does not matter), with stride 0 along dim.
Array without_dim(const Array& a, const Shape& shape, int dim) {
  Shape strides = a.strides();
  strides[dim] = 0;
  return Array(a.storage(), shape, strides, a.offset(), a.dtype());
}

void scatter(Scatter how, CArray src_, int dim, CArray index_, const char* op, MArray y_) {
  const Array src = at_least_1d(src_), index = at_least_1d(index_);
  Array y = at_least_1d(y_);
  if (is_complex(y.dtype()) && (how == Scatter::Max || how == Scatter::Min)) unsupported_dtype("scatter_reduce amax, amin", y.dtype());
  if (index.numel() == 0) return;
  const int64_t length = index.shape()[dim], lines = index.numel() / length, n = y.shape()[dim];
  const FaultSite site = index_site({op, dim}, n);
  int64_t limit = 1;   // beyond y's last element
  for (int d = 0; d < y.dim(); ++d) limit += (y.shape()[d] - 1) * y.strides()[d];
  const bool sorted = length > 64 && lines < 16384 && index.numel() < int64_t(1) << 31 && limit < int64_t(UINT32_MAX) && n > 0;
  visit(NumericTypes{}, y.dtype(), "scatter", [&]<class T>() {
    if (sorted) return scatter_sorted<T>({how}, src, dim, index, without_dim(y, index.shape(), dim), y, limit, site);
    const Array from_lines = src.slice(dim, 0, 1), index_lines = index.slice(dim, 0, 1), to_lines = without_dim(y, index_lines.shape(), dim);
    walk_elements("scatter", Walk<3>({&from_lines, &index_lines, &to_lines}),
                  ScatterLine<T>{src.data<T>(), index.data<int64_t>(), y.data<T>(), length, src.strides()[dim], index.strides()[dim], y.strides()[dim],
                                 n, {how}, site});
  });
}

const Bind b0(kernels::add_rows, DeviceKind::CUDA, add_rows, kTakesBf16);
const Bind b1(kernels::scatter, DeviceKind::CUDA, scatter);

}  // namespace
}  // namespace hippograd::cuda
