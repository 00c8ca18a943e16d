#include "tensor/shape.h"

#include <fmt/format.h>

namespace hippograd {

void append(std::string& s, double x) { s += fmt::format("{}", x); }

std::string Shape::str() const {
  std::string s = "(";
  for (int i = 0; i < rank_; ++i) s += (i ? ", " : "") + std::to_string(dims_[i]);
  return s + (rank_ == 1 ? ",)" : ")");
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

int normalize_dim(int64_t dim, int rank, std::string_view op) {
  const int64_t r = std::max(rank, 1);  // a scalar accepts 0 and -1, as in PyTorch
  if (dim < -r || dim >= r)
    fail<IndexError>(op, ": Dimension out of range (expected to be in range of [", -r, ", ", r - 1, "], but got ", dim, ")");
  return int(dim < 0 ? dim + r : dim);
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view op) {
  const int rank = std::max(a.size(), b.size());
  Shape out(rank, 1);
  for (int i = 1; i <= rank; ++i) {
    const int64_t x = i <= a.size() ? a[a.size() - i] : 1, y = i <= b.size() ? b[b.size() - i] : 1;
    if (x != y && x != 1 && y != 1)
      fail<ShapeError>(op, ": The size of tensor a (", x, ") must match the size of tensor b (", y,
                       ") at non-singleton dimension ", rank - i, "; the shapes are ", a, " and ", b);
    out[rank - i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace hippograd
