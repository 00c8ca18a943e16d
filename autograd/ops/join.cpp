// Ops that lay elements out anew: joining, padding, reversing, triangles.
#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/copy.h"
#include "tensor/kernels/index.h"

namespace hippograd {
namespace {

std::vector<DType> linear_dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }

//   y = [x_0 | x_1 | ...] along dim        dx_k = the k-th part of dy
struct Cat {
  static constexpr auto name = "cat", doc = "the inputs one after the other along a dimension";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    if (x.size() == 0) fail<ValueError>(name, ": expected a non-empty list of Tensors");
    if (x[0].dim() == 0) fail<ShapeError>(name, ": zero-dimensional tensor (at position 0) cannot be concatenated");
    const int d = normalize_dim(dim, x[0].dim(), name);
    Shape shape = x[0].shape();
    shape[d] = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      if (x[k].dim() != x[0].dim())
        fail<ShapeError>(name, ": Tensors must have same number of dimensions: got ", x[0].dim(), " and ", x[k].dim());
      for (int i = 0; i < shape.size(); ++i)
        if (i != d && x[k].shape()[i] != shape[i])
          fail<ShapeError>(name, ": Sizes of tensors must match except in dimension ", d, ". Expected size ", shape[i], " but got size ",
                           x[k].shape()[i], " for tensor number ", k, " in the list.");
      if (x[k].dtype() != x[0].dtype()) fail<DtypeError>(name, ": tensor number ", k, " is ", x[k].dtype(), ", the first is ", x[0].dtype());
      shape[d] += x[k].shape()[d];
    }
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(infer(x)[0].shape, x[0].dtype(), x[0].device());
    int64_t start = 0;
    for (size_t k = 0; k < x.size(); ++k) {
      Array part = y.slice(dim, start, start + x[k].size(dim));
      kernels::copy(x[k], part);
      start += x[k].size(dim);
    }
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensors parts(size_t(s.input_count()));
    int64_t start = 0;
    for (int k = 0; k < s.input_count(); ++k) {
      const Shape& shape = s.in(k).shape;
      const int64_t n = shape[normalize_dim(dim, shape.size(), name)];
      if (s.needs(k)) parts[size_t(k)] = slice(dy, dim, start, start + n);
      start += n;
    }
    return parts;
  }
  static std::vector<DType> dtypes() { return linear_dtypes(); }
  static Samples samples() {
    return {sample(Cat{1}, {{2, 3}, {2, 1}, {2, 2}}).bench({{2048, 96}, {2048, 96}}), sample(Cat{-2}, {{0, 2}, {3, 2}}, "an empty part"),
            sample(Cat{0}, {{1}}, "one part")};
  }
  static ErrorSamples errors() {
    return {error(Cat{0}, {{2, 3}, {2, 4}}, "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 4"),
            error(Cat{0}, {{2, 3}, {2}}, "Tensors must have same number of dimensions"),
            error(Cat{0}, {normal({}), normal({})}, "zero-dimensional tensor (at position 0) cannot be concatenated"),
            error(Cat{2}, {{2, 3}}, "Dimension out of range (expected to be in range of [-2, 1], but got 2)")};
  }
};

//   y = x with some dimensions reversed: its own adjoint
struct Flip {
  static constexpr auto name = "flip", doc = "the input with the order of some dimensions reversed";
  static constexpr bool differentiable_backward = true;
  Shape dims;

  uint32_t mask(int rank) const {
    uint32_t m = 0;
    for (int64_t d : dims) {
      const uint32_t bit = 1u << normalize_dim(d, rank, name);
      if (m & bit) fail<ValueError>(name, ": dim ", d, " appears multiple times in the list of dims");
      m |= bit;
    }
    return m;
  }
  Outs infer(ArrayIn x) const { return mask(x[0].dim()), Outs{like(x[0])}; }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty_like(x[0]);
    kernels::flip(x[0], mask(x[0].dim()), y);
    return y;
  }
  Tensor backward(Saved&, Tensor dy) const { return flip(dy, dims); }
  static std::vector<DType> dtypes() { return linear_dtypes(); }
  static Samples samples() {
    return {sample(Flip{{0, -1}}, {{2, 3, 4}}).bench({{64, 3, 64, 64}}), sample(Flip{{1}}, {{2, 0}}, "empty"), sample(Flip{{}}, {{3}}, "no dims"),
            sample(Flip{{0}}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(Flip{{0, -2}}, {{2, 3}}, "appears multiple times in the list of dims"), error(Flip{{2}}, {{2, 3}}, "Dimension out of range")};
  }
};

//   y = x on and above (below) a diagonal, else 0: its own adjoint
struct Triangle {
  static constexpr auto name = "tri", doc = "the upper or lower triangle of the last two dimensions, zeros elsewhere (triu, tril)";
  static constexpr bool differentiable_backward = true;
  bool upper = true;
  int64_t diagonal = 0;

  Outs infer(ArrayIn x) const {
    if (x[0].dim() < 2) fail<ShapeError>(upper ? "triu" : "tril", ": input tensor must have at least 2 dimensions, got ", x[0].shape());
    return {like(x[0])};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty_like(x[0]);
    kernels::tri(x[0], diagonal, upper, y);
    return y;
  }
  Tensor backward(Saved&, Tensor dy) const { return apply(*this, {dy}); }
  static std::vector<DType> dtypes() { return linear_dtypes(); }
  static Samples samples() {
    return {sample(Triangle{true, 0}, {{2, 3, 3}}), sample(Triangle{false, 1}, {{4, 3}}), sample(Triangle{true, -2}, {{4, 2}}),
            sample(Triangle{false, -7}, {{3, 3}}, "nothing left"), sample(Triangle{true, 0}, {{0, 3}}, "empty")};
  }
  static ErrorSamples errors() { return {error(Triangle{true, 0}, {{3}}, "must have at least 2 dimensions")}; }
};

// Padding with a constant: dimension d grows by before[d] and after[d] (not negative).
//   dx = the inner part of dy
struct ConstantPad {
  static constexpr auto name = "constant_pad", doc = "the input framed by a constant";
  static constexpr bool differentiable_backward = true;
  Shape before, after;
  double value = 0;

  Outs infer(ArrayIn x) const {
    if (x[0].dim() != before.size() || x[0].dim() != after.size())
      fail<ShapeError>(name, ": ", before.size(), " amounts given for an input of ", x[0].dim(), " dimensions");
    Shape shape = x[0].shape();
    for (int d = 0; d < shape.size(); ++d) {
      if (before[d] < 0 || after[d] < 0) fail<ValueError>(name, ": amounts must be non-negative, got ", before, " and ", after);
      shape[d] += before[d] + after[d];
    }
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = full(infer(x)[0].shape, value, x[0].dtype(), x[0].device()), inner = y;
    for (int d = 0; d < y.dim(); ++d) inner = inner.slice(d, before[d], before[d] + x[0].shape()[d]);
    kernels::copy(x[0], inner);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Shape& shape = s.in(0).shape;
    for (int d = 0; d < shape.size(); ++d)
      if (before[d] || after[d]) dy = slice(dy, d, before[d], before[d] + shape[d]);
    return dy;
  }
  static std::vector<DType> dtypes() { return linear_dtypes(); }
  static Samples samples() {
    return {sample(ConstantPad{{0, 1}, {2, 0}, 0.5}, {{2, 3}}), sample(ConstantPad{{2}, {1}, 0}, {{0}}, "empty"),
            sample(ConstantPad{{}, {}, 1}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(ConstantPad{{1}, {-1}, 0}, {{3}}, "amounts must be non-negative"), error(ConstantPad{{1}, {1}, 0}, {{3, 3}}, "2 dimensions")};
  }
};

}  // namespace

Tensor stack(const Tensors& tensors, int64_t dim) {
  if (tensors.empty()) fail<ValueError>("stack: stack expects a non-empty TensorList");
  Tensors parts;
  for (size_t k = 0; k < tensors.size(); ++k) {
    if (!(tensors[k].shape() == tensors[0].shape()))
      fail<ShapeError>("stack: stack expects each tensor to be equal size, but got ", tensors[0].shape(), " at entry 0 and ",
                       tensors[k].shape(), " at entry ", k);
    parts.push_back(unsqueeze(tensors[k], normalize_dim(dim, tensors[0].dim() + 1, "stack")));
  }
  return cat(parts, normalize_dim(dim, tensors[0].dim() + 1, "stack"));
}

Tensor flip(const Tensor& input, const Shape& dims) { return apply(Flip{dims}, {input}); }
Tensor triu(const Tensor& input, int64_t diagonal) { return apply(Triangle{true, diagonal}, {input}); }
Tensor tril(const Tensor& input, int64_t diagonal) { return apply(Triangle{false, diagonal}, {input}); }

Tensor cat(const Tensors& tensors, int64_t dim) {
  Tensors parts;
  for (const Tensor& t : tensors)
    if (t.dim() != 1 || t.numel() > 0 || tensors.size() == 1) parts.push_back(t);   // as PyTorch: [] joins anything
  if (parts.empty() && !tensors.empty()) parts.push_back(tensors[0]);
  if (parts.empty()) return hippograd::apply(Cat{dim}, parts);
  const DType dtype = result_type(tensors);
  for (Tensor& part : parts) part = to(part, dtype);
  return hippograd::apply(Cat{dim}, parts);
}

// ---- padding ----

namespace {

// The index along a dimension of n elements that position i in [-before, n + after) reads.
int64_t border(std::string_view mode, int64_t i, int64_t n) {
  if (mode == "replicate") return std::clamp<int64_t>(i, 0, n - 1);
  if (mode == "circular") return (i % n + n) % n;
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;   // reflect
}

Tensor pad_by_index(const Tensor& x, int d, int64_t before, int64_t after, std::string_view mode) {
  const int64_t n = x.shape()[d];
  if (n == 0 && n + before + after > 0) fail<ShapeError>("pad: Expected a non-empty dimension ", d, " to pad in mode ", mode, ", got ", x.shape());
  if (mode == "reflect" && (before >= n || after >= n))
    fail<ShapeError>("pad: Padding size should be less than the corresponding input dimension, but got: padding (", before, ", ", after,
                     ") at dimension ", d, " of input ", x.shape());
  if (mode == "circular" && (before > n || after > n))
    fail<ShapeError>("pad: Padding value causes wrapping around more than once: padding (", before, ", ", after, ") at dimension ", d,
                     " of input ", x.shape());
  Array index = empty({n + before + after}, DType::i64);
  for (int64_t i = 0; i < index.numel(); ++i) index.data<int64_t>()[i] = border(mode, i - before, n);
  return index_select(x, d, index.to(x.device()));
}

}  // namespace

Tensor pad(const Tensor& input, const std::vector<int64_t>& padding, std::string_view mode, double value) {
  if (padding.size() % 2) fail<ValueError>("pad: Padding length must be divisible by 2, got ", padding.size());
  const int pairs = int(padding.size() / 2), rank = input.dim();
  if (pairs > rank)
    fail<ValueError>("pad: Padding length should be less than or equal to two times the input dimension but got padding length ",
                     padding.size(), " and input of dimension ", rank);
  if (mode != "constant" && mode != "reflect" && mode != "replicate" && mode != "circular")
    fail<ValueError>("pad: Unrecognised padding mode ", mode);
  Tensor x = input;
  Shape before(rank, 0), after(rank, 0);
  for (int k = 0; k < pairs; ++k) {
    const int d = rank - 1 - k;
    before[d] = padding[size_t(2 * k)];
    after[d] = padding[size_t(2 * k + 1)];
    const int64_t n = x.shape()[d], start = std::max<int64_t>(-before[d], 0), stop = n - std::max<int64_t>(-after[d], 0);
    if (n + before[d] + after[d] < 0)
      fail<ShapeError>("pad: The input size ", n, ", plus negative padding ", before[d], " and ", after[d],
                       " resulted in a negative output size, which is invalid. Check dimension ", d, " of your input.");
    if (start > 0 || stop < n) x = slice(x, d, start, std::max(start, stop));
    before[d] = std::max<int64_t>(before[d], 0);
    after[d] = std::max<int64_t>(after[d], 0);
  }
  if (mode == "constant") return apply(ConstantPad{before, after, value}, {x});
  for (int d = 0; d < rank; ++d)
    if (before[d] || after[d]) x = pad_by_index(x, d, before[d], after[d], mode);
  return x;
}

}  // namespace hippograd
