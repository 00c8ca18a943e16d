#pragma once
// Loops of the reductions. Dimensions are sorted by the strides of x and merged, then split in kept ones (y moves) and reduced
// ones (y stays). The innermost dimension decides:
//   reduced: an output joins rows that lie in memory;
//   kept:    512 neighbouring outputs are accumulated side by side, row upon row.
// Few outputs over much data: the rows are cut into pieces (by shape alone) reduced in parallel, then joined in order.
//
// A reduction is a Join (what is done with two values: Plus, Times, Greatest, ...) over a Map (what is taken of each element
// first: itself, its square, exp(x - c) with a constant c per output, ...), both applied to blocks of at most 512 elements.
#include <Eigen/Core>
#include <complex>
#include <vector>

#include "tensor/cpu/loops.h"

namespace hippograd::cpu {

constexpr int64_t kBlock = 512;      // elements joined in their own precision before double takes over
constexpr int64_t kRows = 32;        // the same, for rows upon rows
constexpr int64_t kSplit = 65536;    // elements of one piece of a split reduction

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// ---- joins ----

template <class T> struct Wide { using type = T; };
template <> struct Wide<float> { using type = double; };
template <> struct Wide<complex64> { using type = complex128; };

template <class T> struct Plus {
  using Value = T;
  using Total = typename Wide<T>::type;
  template <class U> static U none() { return U{}; }
  template <class U> static U join(U a, U b) { return a + b; }
};
template <class T> struct Times {
  using Value = T;
  using Total = typename Wide<T>::type;
  template <class U> static U none() { return U(1); }
  template <class U> static U join(U a, U b) { return a * b; }
};
template <class T> struct Greatest {      // NaN wins
  using Value = T;
  using Total = T;
  template <class U> static U none() {
    return std::numeric_limits<U>::has_infinity ? -std::numeric_limits<U>::infinity() : std::numeric_limits<U>::lowest();
  }
  template <class U> static U join(U a, U b) { return bool((b > a) | (b != b)) ? b : a; }
};
template <class T> struct Least {
  using Value = T;
  using Total = T;
  template <class U> static U none() {
    return std::numeric_limits<U>::has_infinity ? std::numeric_limits<U>::infinity() : std::numeric_limits<U>::max();
  }
  template <class U> static U join(U a, U b) { return bool((b < a) | (b != b)) ? b : a; }
};
struct Or {
  using Value = bool;
  using Total = bool;
  template <class U> static U none() { return false; }
  template <class U> static U join(U a, U b) { return a | b; }
};
struct And {
  using Value = bool;
  using Total = bool;
  template <class U> static U none() { return true; }
  template <class U> static U join(U a, U b) { return a & b; }
};

// ---- maps: functors on Eigen arrays x (elements) and c (constants) ----

struct Itself {};

template <class T> using Vector = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T> using ConstVector = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

// n elements from x, mapped; in `buffer` unless they can be read where they are.
template <class Value, class Map, class In, class C>
const Value* mapped(const Map& map, const In* x, int64_t stride, int64_t n, const C& constant, In* copy, Value* buffer) {
  const In* from = x;
  if (stride != 1) {
    for (int64_t i = 0; i < n; ++i) copy[i] = x[i * stride];
    from = copy;
  }
  if constexpr (std::is_same_v<Map, Itself>) return from;
  else {
    Vector<Value>(buffer, n) = map(ConstVector<In>(from, n), constant);
    return buffer;
  }
}

// ---- the plan of one reduction ----

struct Dim { int64_t size, x, y; };

// Kept and reduced dimensions outside of the innermost one, which is `row`.
struct Plan {
  std::array<Dim, Shape::kMaxRank> kept, reduced;
  int kept_rank = 0, reduced_rank = 0;
  int64_t kept_count = 1, reduced_count = 1;
  Dim row{1, 0, 0};
  bool row_is_reduced = true;

  Plan(const Array& x, const Array& y) {
    std::array<Dim, Shape::kMaxRank> dims;
    int rank = 0;
    for (int d = 0; d < x.dim(); ++d)
      if (x.shape()[d] != 1) dims[rank++] = {x.shape()[d], x.strides()[d], y.shape()[d] == 1 ? -1 : y.strides()[d]};   // -1: reduced
    std::stable_sort(dims.begin(), dims.begin() + rank, [](const Dim& a, const Dim& b) { return a.x > b.x; });
    int n = 0;
    for (int d = 0; d < rank; ++d) {
      Dim& last = dims[n > 0 ? n - 1 : 0];
      const bool same_kind = n > 0 && (last.y < 0) == (dims[d].y < 0);
      if (same_kind && last.x == dims[d].x * dims[d].size && (last.y < 0 || last.y == dims[d].y * dims[d].size))
        last = {last.size * dims[d].size, dims[d].x, dims[d].y};
      else
        dims[n++] = dims[d];
    }
    if (n > 0) {
      row = dims[n - 1];
      row_is_reduced = row.y < 0;
    }
    for (int d = 0; d + 1 < n; ++d) {
      if (dims[d].y < 0) reduced[reduced_rank++] = dims[d], reduced_count *= dims[d].size;
      else kept[kept_rank++] = dims[d], kept_count *= dims[d].size;
    }
  }
  int64_t reduced_offset(int64_t r) const {
    if (reduced_rank == 1) return r * reduced[0].x;
    int64_t at = 0;
    for (int d = reduced_rank - 1; d >= 0; r /= reduced[d].size, --d) at += r % reduced[d].size * reduced[d].x;
    return at;
  }
  std::pair<int64_t, int64_t> kept_offset(int64_t k) const {   // in x and in y
    if (kept_rank == 1) return {k * kept[0].x, k * kept[0].y};
    int64_t x = 0, y = 0;
    for (int d = kept_rank - 1; d >= 0; k /= kept[d].size, --d) {
      x += k % kept[d].size * kept[d].x;
      y += k % kept[d].size * kept[d].y;
    }
    return {x, y};
  }
};

// How many pieces a reduction of `units` units of `cost` elements each is cut into, when there are `tasks` tasks anyway.
inline int64_t pieces_of(int64_t units, int64_t cost, int64_t tasks) {
  if (tasks >= 64) return 1;
  return std::clamp<int64_t>(units * cost / kSplit, 1, std::min<int64_t>(units, 64));
}

// ---- loops ----

// n <= kBlock values: 32 lanes side by side (so that they vectorise), then a tree.
template <class Join, class T> T join_block(const T* x, int64_t n) {
  constexpr int kLanes = 32;
  if (n < kLanes / 2) {
    T total = Join::template none<T>();
    for (int64_t i = 0; i < n; ++i) total = Join::join(total, x[i]);
    return total;
  }
  T lane[kLanes];
  std::fill_n(lane, kLanes, Join::template none<T>());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
#pragma omp simd
    for (int j = 0; j < kLanes; ++j) lane[j] = Join::join(lane[j], x[i + j]);
  for (int j = 0; i < n; ++i, ++j) lane[j] = Join::join(lane[j], x[i]);
#pragma omp simd
  for (int j = 0; j < 16; ++j) lane[j] = Join::join(lane[j], lane[j + 16]);
#pragma omp simd
  for (int j = 0; j < 8; ++j) lane[j] = Join::join(lane[j], lane[j + 8]);
  for (int half = 4; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] = Join::join(lane[j], lane[j + half]);
  return lane[0];
}

// The innermost dimension is reduced. A unit is one row, or a part of one long row.
template <class Join, class Map, class In, class C, class Y>
void reduce_rows(const Plan& p, const Map& map, double ns, const In* x, const C* constants, Y* y) {
  using Value = typename Join::Value;
  using Total = typename Join::Total;
  constexpr int64_t kUnit = 16 * kBlock;
  const int64_t per_row = ceil_div(p.row.size, kUnit), units = p.reduced_count * per_row;
  const int64_t pieces = pieces_of(units, std::min(p.row.size, kUnit), p.kept_count);
  const double cost = double(p.kept_count) * double(p.reduced_count) * double(p.row.size) * ns;
  const int64_t tasks = p.kept_count * pieces, per_task = std::max<int64_t>(1, kUnit * pieces / (units * p.row.size / per_row + 1));
  // one byte per bool: std::vector<bool> packs bits, which threads cannot write side by side
  const std::unique_ptr<Total[]> partial(pieces > 1 ? new Total[size_t(tasks)] : nullptr);
  parallel_for(ceil_div(tasks, per_task), cost + double(tasks) * 5, [&](int64_t group) {
    alignas(64) In copy[kBlock];
    alignas(64) Value buffer[kBlock];
    for (int64_t t = group * per_task; t < std::min(tasks, (group + 1) * per_task); ++t) {
      const auto [x_at, y_at] = p.kept_offset(t / pieces);
      const int64_t piece = t % pieces, end = units * (piece + 1) / pieces;
      const C c = constants ? constants[y_at] : C{};
      Total total = Join::template none<Total>();
      for (int64_t u = units * piece / pieces; u < end; ++u) {
        const int64_t start = u % per_row * kUnit, stop = std::min(start + kUnit, p.row.size);
        const In* from = x + x_at + p.reduced_offset(u / per_row);
        for (int64_t i = start; i < stop; i += kBlock) {
          const int64_t n = std::min(kBlock, stop - i);
          const Value* values = mapped<Value>(map, from + i * p.row.x, p.row.x, n, Eigen::Array<C, Eigen::Dynamic, 1>::Constant(n, c), copy, buffer);
          total = Join::join(total, Total(join_block<Join>(values, n)));
        }
      }
      if (pieces == 1) y[y_at] = Y(total);
      else partial[size_t(t)] = total;
    }
  });
  if (pieces == 1) return;
  for (int64_t k = 0; k < p.kept_count; ++k) {
    Total total = partial[size_t(k * pieces)];
    for (int64_t i = 1; i < pieces; ++i) total = Join::join(total, partial[size_t(k * pieces + i)]);
    y[p.kept_offset(k).second] = Y(total);
  }
}

// The innermost dimension is kept: blocks of columns, rows joined one upon the other.
template <class Join, class Map, class In, class C, class Y>
void reduce_columns(const Plan& p, const Map& map, double ns, const In* x, const C* constants, Y* y) {
  using Value = typename Join::Value;
  using Total = typename Join::Total;
  const int64_t blocks = ceil_div(p.row.size, kBlock), tasks = p.kept_count * blocks;
  const int64_t pieces = pieces_of(p.reduced_count, std::min(p.row.size, kBlock), tasks);
  const int64_t outputs = p.kept_count * p.row.size;
  const std::unique_ptr<Total[]> partial(pieces > 1 ? new Total[size_t(outputs * pieces)] : nullptr);
  const auto store = [&](int64_t k, int64_t column, int64_t n, const Total* total) {
    Y* to = y + p.kept_offset(k).second + column * p.row.y;
    for (int64_t j = 0; j < n; ++j) to[j * p.row.y] = Y(total[j]);
  };
  const double cost = double(p.kept_count) * double(p.reduced_count) * double(p.row.size) * ns;
  parallel_for(tasks * pieces, cost, [&](int64_t t) {
    const int64_t piece = t % pieces, k = t / pieces / blocks, column = t / pieces % blocks * kBlock;
    const int64_t n = std::min(kBlock, p.row.size - column), end = p.reduced_count * (piece + 1) / pieces;
    const auto [x_at, y_at] = p.kept_offset(k);
    const In* from = x + x_at + column * p.row.x;
    alignas(64) In copy[kBlock];
    alignas(64) Value buffer[kBlock], block[kBlock];
    alignas(64) C c[kBlock];
    alignas(64) Total total[kBlock];
    for (int64_t j = 0; constants && j < n; ++j) c[j] = constants[y_at + (column + j) * p.row.y];
    std::fill_n(total, n, Join::template none<Total>());
    for (int64_t r = p.reduced_count * piece / pieces; r < end;) {
      std::fill_n(block, n, Join::template none<Value>());
      for (const int64_t stop = std::min(end, r + kRows); r < stop; ++r) {
        const Value* row = mapped<Value>(map, from + p.reduced_offset(r), p.row.x, n, ConstVector<C>(c, n), copy, buffer);
#pragma omp simd
        for (int64_t j = 0; j < n; ++j) block[j] = Join::join(block[j], row[j]);
      }
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) total[j] = Join::join(total[j], Total(block[j]));
    }
    if (pieces == 1) store(k, column, n, total);
    else std::copy_n(total, n, &partial[size_t(piece * outputs + k * p.row.size + column)]);
  });
  if (pieces == 1) return;
  for (int64_t piece = 1; piece < pieces; ++piece)
    for (int64_t j = 0; j < outputs; ++j) partial[size_t(j)] = Join::join(partial[size_t(j)], partial[size_t(piece * outputs + j)]);
  for (int64_t k = 0; k < p.kept_count; ++k) store(k, 0, p.row.size, &partial[size_t(k * p.row.size)]);
}

// y_k = join of map(x_i, constants_k) over the dimensions in which `y` has size 1 and x has more. `y`: geometry of the output,
// which the pointers `to` and `constants` share.
template <class Join, class In, class Map = Itself, class C = In, class Y>
void reduce(const Array& x, const Array& y, Y* to, double ns, const Map& map = {}, const C* constants = nullptr) {
  if (y.numel() == 0) return;
  if (x.numel() == 0) {
    const StridedLoop<1> loop({&y});
    loop.for_rows_serial([&](const auto& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) to[at[0] + i * loop.row_strides()[0]] = Y(Join::template none<typename Join::Total>());
    });
    return;
  }
  const Plan plan(x, y);
  if (plan.row_is_reduced) reduce_rows<Join>(plan, map, ns, x.data<In>(), constants, to);
  else reduce_columns<Join>(plan, map, ns, x.data<In>(), constants, to);
}

// Every slot here: y has x's rank, and in each dimension x's size or 1.
inline void check_reduction(const char* op, const Array& x, const Array& y) {
  bool fits = x.dim() == y.dim();
  for (int d = 0; fits && d < x.dim(); ++d) fits = y.shape()[d] == 1 || y.shape()[d] == x.shape()[d];
  if (!fits) fail<ShapeError>(op, ": cannot reduce ", x.shape(), " to ", y.shape());
}

}  // namespace hippograd::cpu
