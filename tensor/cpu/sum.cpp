// Sums over dimensions. Dimensions are sorted by the strides of x and merged, then split in kept ones (y moves) and reduced
// ones (y stays). The innermost dimension decides:
//   reduced: an output is a sum of rows that lie in memory;
//   kept:    512 neighbouring outputs are accumulated side by side, row upon row.
// Few outputs over much data: the rows are cut into pieces (by shape alone) summed in parallel, then added in order.
#include <complex>
#include <vector>

#include "tensor/cpu/loops.h"
#include "tensor/kernels/reduce.h"

namespace hippograd {
namespace kernels {
constinit decltype(sum) sum{"sum"};
}

namespace {

constexpr int64_t kBlock = 512;      // elements summed in their own precision before double takes over
constexpr int64_t kRows = 32;        // the same, for rows upon rows
constexpr int64_t kPiece = 65536;    // elements of one piece of a split reduction

template <class T> struct Wide { using type = T; };
template <> struct Wide<float> { using type = double; };
template <> struct Wide<complex64> { using type = complex128; };
template <class T> using Total = typename Wide<T>::type;

// Sum of n <= kBlock elements: 32 partial sums side by side (so that they vectorise), then a tree.
template <class T> T sum_block(const T* x, int64_t stride, int64_t n) {
  constexpr int kLanes = 32;
  if (n < kLanes / 2) {
    T total{};
    for (int64_t i = 0; i < n; ++i) total += x[i * stride];
    return total;
  }
  T lane[kLanes] = {};
  int64_t i = 0;
  if (stride == 1) {
    for (; i + kLanes <= n; i += kLanes)
#pragma omp simd
      for (int j = 0; j < kLanes; ++j) lane[j] += x[i + j];
  } else {
    for (; i + kLanes <= n; i += kLanes)
      for (int j = 0; j < kLanes; ++j) lane[j] += x[(i + j) * stride];
  }
  for (int j = 0; i < n; ++i, ++j) lane[j] += x[i * stride];
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) lane[j] += lane[j + half];
  return lane[0];
}
template <class T> Total<T> sum_row(const T* x, int64_t stride, int64_t n) {
  Total<T> total{};
  for (int64_t i = 0; i < n; i += kBlock) total += Total<T>(sum_block(x + i * stride, stride, std::min(kBlock, n - i)));
  return total;
}

struct Dim { int64_t size, x, y; };

// The plan of one reduction: kept and reduced dimensions outside of the innermost one, which is `row`.
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
    int64_t at = 0;
    for (int d = reduced_rank - 1; d >= 0; r /= reduced[d].size, --d) at += r % reduced[d].size * reduced[d].x;
    return at;
  }
  std::pair<int64_t, int64_t> kept_offset(int64_t k) const {   // in x and in y
    int64_t x = 0, y = 0;
    for (int d = kept_rank - 1; d >= 0; k /= kept[d].size, --d) {
      x += k % kept[d].size * kept[d].x;
      y += k % kept[d].size * kept[d].y;
    }
    return {x, y};
  }
};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How many pieces a reduction of `units` units of `cost` elements each is cut into, when there are `outputs` tasks anyway.
int64_t pieces_of(int64_t units, int64_t cost, int64_t tasks) {
  if (tasks >= 64) return 1;
  return std::clamp<int64_t>(units * cost / kPiece, 1, std::min<int64_t>(units, 64));
}

// The innermost dimension is summed. A unit is one row, or a part of one long row.
template <class T> void sum_rows(const Plan& p, const T* x, T* y) {
  constexpr int64_t kUnit = 16 * kBlock;
  const int64_t per_row = ceil_div(p.row.size, kUnit), units = p.reduced_count * per_row;
  const int64_t pieces = pieces_of(units, std::min(p.row.size, kUnit), p.kept_count);
  std::vector<Total<T>> partial(size_t(p.kept_count * pieces));
  const double cost = double(p.kept_count) * double(p.reduced_count) * double(p.row.size) * 0.15 * double(sizeof(T)) / 4;
  const int64_t tasks = p.kept_count * pieces, per_task = std::max<int64_t>(1, kUnit * pieces / (units * p.row.size / per_row + 1));
  parallel_for(ceil_div(tasks, per_task), cost + double(tasks) * 5, [&](int64_t group) {
    for (int64_t t = group * per_task; t < std::min(tasks, (group + 1) * per_task); ++t) {
      const T* from = x + p.kept_offset(t / pieces).first;
      const int64_t piece = t % pieces, end = units * (piece + 1) / pieces;
      Total<T> total{};
      for (int64_t u = units * piece / pieces; u < end; ++u) {
        const int64_t start = u % per_row * kUnit;
        total += sum_row(from + p.reduced_offset(u / per_row) + start * p.row.x, p.row.x, std::min(kUnit, p.row.size - start));
      }
      partial[size_t(t)] = total;
    }
  });
  for (int64_t k = 0; k < p.kept_count; ++k) {
    Total<T> total = partial[size_t(k * pieces)];
    for (int64_t i = 1; i < pieces; ++i) total += partial[size_t(k * pieces + i)];
    y[p.kept_offset(k).second] = T(total);
  }
}

// The innermost dimension is kept: blocks of columns, rows added one upon the other.
template <class T> void sum_columns(const Plan& p, const T* x, T* y) {
  const int64_t blocks = ceil_div(p.row.size, kBlock), tasks = p.kept_count * blocks;
  const int64_t pieces = pieces_of(p.reduced_count, std::min(p.row.size, kBlock), tasks);
  std::vector<Total<T>> partial(pieces > 1 ? size_t(p.kept_count * p.row.size * pieces) : 0);
  const auto store = [&](int64_t k, int64_t column, int64_t n, const Total<T>* total) {
    T* to = y + p.kept_offset(k).second + column * p.row.y;
    for (int64_t j = 0; j < n; ++j) to[j * p.row.y] = T(total[j]);
  };
  const double cost = double(p.kept_count) * double(p.reduced_count) * double(p.row.size) * 0.2 * double(sizeof(T)) / 4;
  parallel_for(tasks * pieces, cost, [&](int64_t t) {
    const int64_t piece = t % pieces, k = t / pieces / blocks, column = t / pieces % blocks * kBlock;
    const int64_t n = std::min(kBlock, p.row.size - column), end = p.reduced_count * (piece + 1) / pieces;
    const T* from = x + p.kept_offset(k).first + column * p.row.x;
    alignas(64) T block[kBlock];
    alignas(64) Total<T> total[kBlock];
    std::fill_n(total, n, Total<T>{});
    for (int64_t r = p.reduced_count * piece / pieces; r < end;) {
      std::fill_n(block, n, T{});
      for (const int64_t stop = std::min(end, r + kRows); r < stop; ++r) {
        const T* row = from + p.reduced_offset(r);
        if (p.row.x == 1) {
#pragma omp simd
          for (int64_t j = 0; j < n; ++j) block[j] += row[j];
        } else {
          for (int64_t j = 0; j < n; ++j) block[j] += row[j * p.row.x];
        }
      }
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) total[j] += Total<T>(block[j]);
    }
    if (pieces == 1) store(k, column, n, total);
    else std::copy_n(total, n, &partial[size_t((piece * p.kept_count + k) * p.row.size + column)]);
  });
  if (pieces == 1) return;
  const int64_t outputs = p.kept_count * p.row.size;
  for (int64_t piece = 1; piece < pieces; ++piece)
    for (int64_t j = 0; j < outputs; ++j) partial[size_t(j)] += partial[size_t(piece * outputs + j)];
  for (int64_t k = 0; k < p.kept_count; ++k) store(k, 0, p.row.size, &partial[size_t(k * p.row.size)]);
}

void sum_cpu(CArray x, MArray y) {
  if (x.dim() != y.dim()) fail<ShapeError>("sum: input of shape ", x.shape(), " and output of shape ", y.shape(), " differ in rank");
  for (int d = 0; d < x.dim(); ++d)
    if (y.shape()[d] != 1 && y.shape()[d] != x.shape()[d]) fail<ShapeError>("sum: cannot sum ", x.shape(), " to ", y.shape());
  if (x.dtype() != y.dtype()) fail<DtypeError>("sum: input is ", x.dtype(), ", output ", y.dtype());
  visit(Types<float, double, complex64, complex128, int64_t>{}, x.dtype(), "sum", [&]<class T>() {
    if (y.numel() == 0) return;
    T* to = y.data<T>();
    if (x.numel() == 0) {
      const cpu::StridedLoop<1> loop({&y});
      loop.for_rows_serial([&](const auto& at, int64_t n) {
        for (int64_t i = 0; i < n; ++i) to[at[0] + i * loop.row_strides()[0]] = T{};
      });
      return;
    }
    const Plan plan(x, y);
    if (plan.row_is_reduced) sum_rows(plan, x.data<T>(), to);
    else sum_columns(plan, x.data<T>(), to);
  });
}

const Bind b0(kernels::sum, DeviceKind::CPU, sum_cpu);

}  // namespace
}  // namespace hippograd
