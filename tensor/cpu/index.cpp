#include "tensor/kernels/index.h"

#include <cstring>
#include <vector>

#include "tensor/cpu/loops.h"

namespace hippograd {
namespace kernels {
constinit decltype(flip) flip{"flip", kNativeHalf};
constinit decltype(tri) tri{"tri", kNativeHalf};
constinit decltype(add_index) add_index{"add_index", kWidenHalfAndKeep};
constinit decltype(count_true) count_true{"count_true"};
constinit decltype(nonzero) nonzero{"nonzero"};
constinit decltype(take_rows) take_rows{"take_rows", kNativeHalf};
constinit decltype(put_rows) put_rows{"put_rows", kNativeHalf};
constinit decltype(add_rows) add_rows{"add_rows", kWidenHalfAndKeep};
constinit decltype(gather) gather{"gather", kNativeHalf};
constinit decltype(scatter) scatter{"scatter", kWidenHalfAndKeep};
constinit decltype(search_sorted) search_sorted{"search_sorted"};
constinit decltype(histogram) histogram{"histogram", kWidenHalfAndKeep};

void bad_index(IndexSite site, int64_t value, int64_t size, std::string_view note) {
  std::string who;
  if (site.op) who = cat(site.op, ": index out of range in self: ");
  fail<IndexError>(who, "index ", value, " is out of bounds for dimension ", site.dim, " with size ", size, note);
}
}  // namespace kernels

namespace {

using kernels::IndexSite;

// Calls f with an unsigned integer type of the element's size: for kernels that only move elements.
struct Bytes16 { uint64_t lo, hi; };
template <class F> void visit_bytes(DType t, F&& f) {
  switch (itemsize(t)) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<Bytes16>();
  }
}

void flip_cpu(CArray x, uint32_t dims, MArray y) {   // reads x through negative strides, from its far corner
  Shape strides = x.strides();
  int64_t corner = 0;
  for (int d = 0; d < x.dim(); ++d) {
    if (!(dims >> d & 1)) continue;
    corner += std::max<int64_t>(x.shape()[d] - 1, 0) * strides[d];
    strides[d] = -strides[d];
  }
  const Array reversed(x.storage(), x.shape(), strides, x.offset() + corner, x.dtype());
  kernels::copy(reversed, y);
}

void tri_cpu(CArray x, int64_t diagonal, bool upper, MArray y) {
  const int64_t cols = y.shape().back(), rows = y.shape()[y.dim() - 2], matrices = cols && rows ? y.numel() / (rows * cols) : 0;
  kernels::copy(x, y);
  const size_t bytes = size_t(itemsize(y.dtype()));
  char* base = static_cast<char*>(y.raw());
  parallel_for(matrices * rows, double(y.numel()) * 0.1, [&](int64_t r) {
    // row i keeps the columns [keep, cols) of an upper triangle, [0, keep) of a lower one
    const int64_t i = r % rows, keep = std::clamp<int64_t>(i + diagonal + (upper ? 0 : 1), 0, cols);
    char* row = base + size_t(r * cols) * bytes;
    if (upper) std::memset(row, 0, size_t(keep) * bytes);
    else std::memset(row + size_t(keep) * bytes, 0, size_t(cols - keep) * bytes);
  });
}

// ---- indices ----

// Throws unless every element of index lies in [low, n).
void require_within(IndexSite site, CArray index, int64_t low, int64_t n) {
  const cpu::StridedLoop<1> loop({&index});
  const int64_t step = loop.row_strides()[0];
  const int64_t* p = index.data<int64_t>();
  loop.for_rows_serial([&](const auto& at, int64_t length) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t k = p[at[0] + i * step];
      if (k < low || k >= n) kernels::bad_index(site, k, n);
    }
  });
}

void add_index_cpu(CArray index, IndexSite site, int64_t n, int64_t stride, MArray y) {
  require_within(site, index, -n, n);
  const cpu::StridedLoop<2> loop({&y, &index});
  const auto [ys, xs] = loop.row_strides();
  const int64_t* from = index.data<int64_t>();
  int64_t* to = y.data<int64_t>();
  loop.for_rows(0.5, [&, ys = ys, xs = xs](const auto& at, int64_t length) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t k = from[at[1] + i * xs];
      to[at[0] + i * ys] += stride * (k < 0 ? k + n : k);
    }
  });
}

void count_true_cpu(CArray x, MArray count) {
  int64_t total = 0;
  visit(NumericTypes{}, x.dtype(), "count_nonzero", [&]<class T>() {
    const cpu::StridedLoop<1> loop({&x});
    const int64_t step = loop.row_strides()[0];
    const T* p = x.data<T>();
    loop.for_rows_serial([&](const auto& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) total += p[at[0] + i * step] != T(0);
    });
  });
  *count.data<int64_t>() = total;
}

void nonzero_cpu(CArray x, MArray y) {
  const int rank = x.dim();
  const Shape strides = contiguous_strides(x.shape());
  int64_t* to = y.data<int64_t>();
  visit(NumericTypes{}, x.dtype(), "nonzero", [&]<class T>() {
    const T* p = x.data<T>();
    for (int64_t i = 0, n = x.numel(); i < n; ++i) {
      if (p[i] == T(0)) continue;
      for (int d = 0; d < rank; ++d) *to++ = i / strides[d] % x.shape()[d];
    }
  });
}

// ---- rows ----

struct Rows { int64_t outer, rows, inner; };
Rows rows_of(const Array& x) { return {x.shape()[0], x.shape()[1], x.shape()[2]}; }

void take_rows_cpu(CArray x, CArray index, IndexSite site, MArray y) {
  const auto [outer, n, inner] = rows_of(x);
  require_within(site, index, 0, n);
  const int64_t count = index.numel(), block = std::clamp<int64_t>(4096 / std::max<int64_t>(inner, 1), 1, 4096);
  const int64_t blocks = (count + block - 1) / block;
  const int64_t* at = index.data<int64_t>();
  visit_bytes(x.dtype(), [&, n = n, inner = inner]<class T>() {
    const T* from = static_cast<const T*>(x.raw());
    T* to = static_cast<T*>(y.raw());
    parallel_for(outer * blocks, double(y.numel()) * 0.3 + double(outer * count), [&](int64_t task) {
      const int64_t o = task / blocks, first = task % blocks * block, last = std::min(first + block, count);
      if (inner == 1) {
        const T* const line = from + o * n;
        T* const out = to + o * count;
        for (int64_t k = first; k < last; ++k) out[k] = line[at[k]];
        return;
      }
      for (int64_t k = first; k < last; ++k)
        std::memcpy(static_cast<void*>(to + (o * count + k) * inner), from + (o * n + at[k]) * inner, size_t(inner) * sizeof(T));
    });
  });
}

void put_rows_cpu(CArray src, CArray index, IndexSite site, MArray y) {
  const auto [outer, n, inner] = rows_of(y);
  require_within(site, index, 0, n);
  const int64_t count = index.numel();
  const int64_t* at = index.data<int64_t>();
  const size_t bytes = size_t(inner * itemsize(y.dtype()));
  const char* from = static_cast<const char*>(src.raw());
  char* to = static_cast<char*>(y.raw());
  parallel_for(outer, double(src.numel()) * 0.3, [&, n = n](int64_t o) {
    for (int64_t k = 0; k < count; ++k) std::memcpy(to + size_t(o * n + at[k]) * bytes, from + size_t(o * count + k) * bytes, bytes);
  });
}

// Positions of index ordered by destination (stable counting sort): starts[r] .. starts[r + 1] write to row r.
struct ByDestination {
  std::vector<int64_t> order, starts, used;   // used: the destinations that occur
  ByDestination(const int64_t* index, int64_t count, int64_t rows, int64_t skip) : order(size_t(count)), starts(size_t(rows) + 1) {
    for (int64_t k = 0; k < count; ++k) ++starts[size_t(index[k]) + 1];
    for (int64_t r = 0; r < rows; ++r) {
      if (starts[size_t(r) + 1] > 0 && r != skip) used.push_back(r);
      starts[size_t(r) + 1] += starts[size_t(r)];
    }
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    for (int64_t k = 0; k < count; ++k) order[size_t(next[size_t(index[k])]++)] = k;
  }
};

void add_rows_cpu(CArray src, CArray index, IndexSite site, int64_t skip, MArray y) {
  const auto [outer, n, inner] = rows_of(y);
  require_within(site, index, 0, n);
  const int64_t count = index.numel();
  const int64_t* at = index.data<int64_t>();
  visit(NumericTypes{}, y.dtype(), "index_add", [&, outer = outer, n = n, inner = inner]<class T>() {
    const T* from = src.data<T>();
    T* to = y.data<T>();
    const auto add_row = [&](int64_t o, int64_t row, int64_t k) {
      const T* s = from + (o * count + k) * inner;
      T* t = to + (o * n + row) * inner;
#pragma omp simd
      for (int64_t i = 0; i < inner; ++i) t[i] = T(t[i] + s[i]);
    };
    const double cost = double(src.numel()) * 0.5 + double(outer * count);
    if (cost < 20000 || outer >= 16) {         // little work, or enough outer slices to share out
      parallel_for(outer, cost, [&](int64_t o) {
        for (int64_t k = 0; k < count; ++k) if (at[k] != skip) add_row(o, at[k], k);
      });
      return;
    }
    const ByDestination by(at, count, n, skip);
    const int64_t used = int64_t(by.used.size()), block = 16, blocks = (used + block - 1) / block;
    parallel_for(outer * blocks, cost, [&](int64_t task) {
      const int64_t o = task / blocks, first = task % blocks * block, last = std::min(first + block, used);
      for (int64_t u = first; u < last; ++u) {
        const size_t row = size_t(by.used[size_t(u)]);
        for (int64_t i = by.starts[row]; i < by.starts[row + 1]; ++i) add_row(o, int64_t(row), by.order[size_t(i)]);
      }
    });
  });
}

// ---- elements along a dimension ----

// a, cut to `shape` (its own size along dim does not matter), with stride 0 along dim.
Array without_dim(const Array& a, const Shape& shape, int dim) {
  Shape strides = a.strides();
  strides[dim] = 0;
  return Array(a.storage(), shape, strides, a.offset(), a.dtype());
}

// A scalar is a vector of one element here.
Array at_least_1d(const Array& a) { return a.dim() == 0 ? a.unsqueeze(0) : a; }

void gather_cpu(CArray x_, int dim, CArray index_, const char* op, MArray y_) {
  const Array x = at_least_1d(x_), index = at_least_1d(index_), y = at_least_1d(y_);
  require_within({op, dim}, index, 0, x.shape()[dim]);
  const Array lines = without_dim(x, index.shape(), dim);
  const cpu::StridedLoop<3> loop({&y, &index, &lines});
  const auto [ys, is, xs] = loop.row_strides();
  const int64_t step = x.strides()[dim];
  const int64_t* at_index = index.data<int64_t>();
  visit_bytes(x.dtype(), [&, ys = ys, is = is, xs = xs]<class T>() {
    const T* from = static_cast<const T*>(x.raw());
    T* to = static_cast<T*>(const_cast<Array&>(y).raw());
    loop.for_rows(1.0, [&](const auto& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) to[at[0] + i * ys] = from[at[2] + i * xs + at_index[at[1] + i * is] * step];
    });
  });
}

template <kernels::Scatter kOp, class T> void merge(T& to, T x) {
  using enum kernels::Scatter;
  if constexpr (kOp == Set) to = x;
  else if constexpr (kOp == Add) to = T(to + x);
  else if constexpr (kOp == Mul) to = T(to * x);
  else if constexpr (kOp == Max) to = x > to || x != x ? x : to;   // NaN wins
  else to = x < to || x != x ? x : to;
}

// Lines along dim, side by side; each line is one thread's and is walked in order.
template <kernels::Scatter kOp, class T> void scatter_lines(CArray src, int dim, CArray index, MArray y) {
  if (index.numel() == 0) return;
  const int64_t length = index.shape()[dim];
  const Array from_lines = src.slice(dim, 0, 1), index_lines = index.slice(dim, 0, 1), to_lines = without_dim(y, index_lines.shape(), dim);
  const cpu::StridedLoop<3> loop({&from_lines, &index_lines, &to_lines});
  const auto [ss, is, ys] = loop.row_strides();
  const int64_t s_step = src.strides()[dim], i_step = index.strides()[dim], y_step = y.strides()[dim];
  const T* from = src.data<T>();
  const int64_t* at_index = index.data<int64_t>();
  T* to = y.data<T>();
  const bool along_memory = s_step < ss;       // the line itself is the fast direction
  loop.for_rows(double(length), [&, ss = ss, is = is, ys = ys](const auto& at, int64_t lanes) {
    const auto one = [&](int64_t j, int64_t lane) {
      const int64_t k = at_index[at[1] + lane * is + j * i_step];
      merge<kOp>(to[at[2] + lane * ys + k * y_step], from[at[0] + lane * ss + j * s_step]);
    };
    if (along_memory) {
      for (int64_t lane = 0; lane < lanes; ++lane) for (int64_t j = 0; j < length; ++j) one(j, lane);
    } else {
      for (int64_t j = 0; j < length; ++j) for (int64_t lane = 0; lane < lanes; ++lane) one(j, lane);
    }
  });
}

void scatter_cpu(kernels::Scatter how, CArray src_, int dim, CArray index_, const char* op, MArray y_) {
  const Array src = at_least_1d(src_), index = at_least_1d(index_);
  Array y = at_least_1d(y_);
  require_within({op, dim}, index, 0, y.shape()[dim]);
  using enum kernels::Scatter;
  visit(NumericTypes{}, y.dtype(), "scatter", [&]<class T>() {
    switch (how) {
      case Set: return scatter_lines<Set, T>(src, dim, index, y);
      case Add: return scatter_lines<Add, T>(src, dim, index, y);
      case Mul: return scatter_lines<Mul, T>(src, dim, index, y);
      default: break;
    }
    if constexpr (std::is_arithmetic_v<T>) {
      if (how == Max) return scatter_lines<Max, T>(src, dim, index, y);
      return scatter_lines<Min, T>(src, dim, index, y);
    } else {
      unsupported_dtype("scatter_reduce amax, amin", y.dtype());
    }
  });
}

// ---- search ----

template <class T> bool before(T a, T b) { return a < b || (b != b && a == a); }   // NaN is the greatest

void search_sorted_cpu(CArray sorted, CArray x, bool right, MArray y) {
  const int64_t n = sorted.shape()[1], rows = x.shape()[0], cols = x.shape()[1], step = sorted.shape()[0] == 1 ? 0 : n;
  visit(RealTypes{}, x.dtype(), "searchsorted", [&]<class T>() {
    const T* s = sorted.data<T>();
    const T* from = x.data<T>();
    int64_t* to = y.data<int64_t>();
    parallel_for(rows * cols, double(rows * cols) * 20, [&](int64_t i) {
      const T *first = s + i / cols * step, *last = first + n;
      const T* found = right ? std::upper_bound(first, last, from[i], before<T>) : std::lower_bound(first, last, from[i], before<T>);
      to[i] = found - first;
    });
  });
}

void histogram_cpu(CArray x, double low, double high, MArray y) {
  const int64_t bins = y.numel();
  visit(FloatTypes{}, x.dtype(), "histc", [&]<class T>() {
    const T* p = x.data<T>();
    T* to = y.data<T>();
    for (int64_t i = 0, n = x.numel(); i < n; ++i) {
      if (!(p[i] >= T(low) && p[i] <= T(high))) continue;
      const int64_t bin = int64_t((p[i] - T(low)) / (T(high) - T(low)) * T(bins));
      to[std::min(bin, bins - 1)] += T(1);
    }
  });
}

const Bind b0(kernels::flip, DeviceKind::CPU, flip_cpu);
const Bind b1(kernels::tri, DeviceKind::CPU, tri_cpu);
const Bind b2(kernels::add_index, DeviceKind::CPU, add_index_cpu);
const Bind b3(kernels::count_true, DeviceKind::CPU, count_true_cpu);
const Bind b4(kernels::nonzero, DeviceKind::CPU, nonzero_cpu);
const Bind b5(kernels::take_rows, DeviceKind::CPU, take_rows_cpu);
const Bind b6(kernels::put_rows, DeviceKind::CPU, put_rows_cpu);
const Bind b7(kernels::add_rows, DeviceKind::CPU, add_rows_cpu);
const Bind b8(kernels::gather, DeviceKind::CPU, gather_cpu);
const Bind b9(kernels::scatter, DeviceKind::CPU, scatter_cpu);
const Bind b10(kernels::search_sorted, DeviceKind::CPU, search_sorted_cpu);
const Bind b11(kernels::histogram, DeviceKind::CPU, histogram_cpu);

}  // namespace
}  // namespace hippograd
