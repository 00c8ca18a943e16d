#pragma once
// Walking several strided arrays of one shape together: dimensions that lie next to each other in every array are merged,
// then rows (runs along the innermost dimension) are handed out, in parallel where it pays.
#include <algorithm>
#include <array>

#include "tensor/array.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {

template <int N> class StridedLoop {
 public:
  using Offsets = std::array<int64_t, N>;

  // The first array leads: dimensions are ordered by its strides, largest outside.
  explicit StridedLoop(const std::array<const Array*, N>& arrays) {
    const Shape& shape = arrays[0]->shape();
    numel_ = shape.numel();
    for (int d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) continue;
      Dim dim{shape[d], {}};
      for (int k = 0; k < N; ++k) dim.stride[k] = arrays[k]->strides()[d];
      dims_[rank_++] = dim;
    }
    std::stable_sort(dims_.begin(), dims_.begin() + rank_, [](const Dim& a, const Dim& b) { return a.stride[0] > b.stride[0]; });
    int kept = 0;   // merge dimension d + 1 into d where it continues d's run in all arrays
    for (int d = 0; d < rank_; ++d) {
      const bool joins = kept > 0 && [&] {
        for (int k = 0; k < N; ++k) if (dims_[kept - 1].stride[k] != dims_[d].stride[k] * dims_[d].size) return false;
        return true;
      }();
      if (joins) {
        dims_[kept - 1].size *= dims_[d].size;
        dims_[kept - 1].stride = dims_[d].stride;
      } else {
        dims_[kept++] = dims_[d];
      }
    }
    rank_ = kept;
    if (rank_ == 0) dims_[rank_++] = Dim{1, {}};
  }

  int64_t row_length() const { return dims_[rank_ - 1].size; }
  const Offsets& row_strides() const { return dims_[rank_ - 1].stride; }

  // f(offsets, n): n elements from these offsets with row_strides(). `ns` estimates the cost of one element.
  template <class F> void for_rows(double ns, F&& f) const {
    if (numel_ == 0) return;
    constexpr int64_t kPiece = 8192;                                 // elements per call at most, about one L1
    const int64_t length = row_length(), pieces = (length + kPiece - 1) / kPiece, rows = numel_ / length;
    const int64_t units = rows * pieces, per_task = std::max<int64_t>(1, kPiece / length);
    const int64_t tasks = (units + per_task - 1) / per_task;
    parallel_for(tasks, double(numel_) * ns, [&](int64_t t) {
      for (int64_t u = t * per_task; u < std::min(units, (t + 1) * per_task); ++u) {
        const int64_t start = u % pieces * kPiece;
        Offsets at = row(u / pieces);
        for (int k = 0; k < N; ++k) at[k] += start * dims_[rank_ - 1].stride[k];
        f(at, std::min(kPiece, length - start));
      }
    });
  }
  // The same, in order and on this thread.
  template <class F> void for_rows_serial(F&& f) const {
    if (numel_ == 0) return;
    for (int64_t r = 0, rows = numel_ / row_length(); r < rows; ++r) f(row(r), row_length());
  }

 private:
  struct Dim { int64_t size; Offsets stride; };
  Offsets row(int64_t r) const {
    Offsets at{};
    for (int d = rank_ - 2; d >= 0; --d) {
      const int64_t i = r % dims_[d].size;
      r /= dims_[d].size;
      for (int k = 0; k < N; ++k) at[k] += i * dims_[d].stride[k];
    }
    return at;
  }
  std::array<Dim, Shape::kMaxRank + 1> dims_;
  int rank_ = 0;
  int64_t numel_ = 0;
};

}  // namespace hippograd::cpu
