// Indexing with several integer and boolean tensors at once, x[i, :, mask], by NumPy's and PyTorch's rules:
//   - a mask stands for the coordinates of its True elements, one index vector per dimension it covers;
//   - index tensors broadcast together to a shape B, which replaces the dimensions they index; if those are not neighbours,
//     B comes first.
// The indexed dimensions are moved together and seen as one of N rows; the indices become one linear index into it. Then
// reading is index_select and writing is index_copy or index_add (index.cpp), which have the gradients.
#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/index.h"

namespace hippograd {
namespace {

bool is_mask(const Tensor& t) { return t.dtype() == DType::b8 || t.dtype() == DType::u8; }
Input index_of(Shape shape, std::vector<double> v) { return values(shape, std::move(v)).dtype(DType::i64); }

// The coordinates of the elements that are not zero, (count, rank), in row-major order.
struct Nonzero {
  static constexpr auto name = "nonzero", doc = "the coordinates of the elements that are not zero, one row each";

  Outs infer(ArrayIn x) const {
    Out y = out({0, x[0].dim()}, DType::i64);
    y.unknown = true;
    return {y};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array values = (is_half(x[0].dtype()) ? x[0].to(DType::f32) : x[0]).contiguous();
    Array count = empty({}, DType::i64, values.device());
    kernels::count_true(values, count);
    Array y = empty({count.item<int64_t>(), x[0].dim()}, DType::i64, values.device());
    kernels::nonzero(values, y);
    return y;
  }
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<bool> differentiable() { return {false}; }
  static Samples samples() {
    return {sample(Nonzero{}, {booleans({3, 4})}), sample(Nonzero{}, {values({3}, {0, 2, -1})}), sample(Nonzero{}, {booleans({})}, "0-dim"),
            sample(Nonzero{}, {booleans({0, 2})}, "empty")};
  }
  static ErrorSamples errors() { return {}; }
};

// sum_k index_k * stride_k over the dimensions `sizes`, row-major; negative indices count from the end.
struct LinearIndex {
  static constexpr auto name = "linear_index", doc = "positions in a row-major block of the given sizes, from one index per dimension";
  Shape sizes, dims;      // dims: what error messages call each dimension

  Outs infer(ArrayIn x) const {
    if (int(x.size()) != sizes.size()) fail<ShapeError>(name, ": ", sizes.size(), " indices expected, got ", int64_t(x.size()));
    for (size_t k = 0; k < x.size(); ++k) {
      if (x[k].dtype() != DType::i64 && x[k].dtype() != DType::i32)
        fail<IndexError>(name, ": tensors used as indices must be long, int, byte or bool tensors, got ", x[k].dtype());
      if (!(x[k].shape() == x[0].shape())) fail<ShapeError>(name, ": indices of shapes ", x[0].shape(), " and ", x[k].shape());
    }
    return {out(x[0].shape(), DType::i64)};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Device device = x[0].device();
    Array y = zeros(x[0].shape(), DType::i64, device);
    const Shape strides = contiguous_strides(sizes);
    for (int k = 0; k < sizes.size(); ++k)
      kernels::add_index(x[size_t(k)].to(DType::i64), {nullptr, dims[k]}, sizes[k], strides[k], y);
    return y;
  }
  Tensors backward(Saved& s, Tensor) const { return Tensors(size_t(s.input_count())); }
  static Samples samples() {
    return {sample(LinearIndex{{3, 4}, {0, 1}}, {index_of({2}, {2, -1}), index_of({2}, {-4, 3})}), sample(LinearIndex{{5}, {0}}, {index_of({}, {-1})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(LinearIndex{{3, 4}, {0, 1}}, {index_of({1}, {0}), index_of({1}, {4})}, "index 4 is out of bounds for dimension 1 with size 4"),
            error(LinearIndex{{3}, {2}}, {index_of({1}, {-4})}, "index -4 is out of bounds for dimension 2 with size 3"),
            error(LinearIndex{{3}, {0}}, {values({1}, {1})}, "tensors used as indices must be long, int, byte or bool tensors")};
  }
};
Tensor linear_index(const Tensors& indices, const Shape& sizes, const Shape& dims) { return hippograd::apply(LinearIndex{sizes, dims}, indices); }

// One index per dimension of x; undefined: the whole dimension.
struct Indices {
  Tensor x;              // a mask without dimensions gives x a new dimension of size 1
  Tensors at;
};

Indices without_masks(const char* op, const Tensor& input, const Tensors& indices) {
  Indices r{input, {}};
  for (const Tensor& t : indices) {
    const int d = int(r.at.size());
    if (!t.defined() || !is_mask(t)) {
      r.at.push_back(t);
    } else if (t.dim() == 0) {
      r.x = unsqueeze(r.x, d);
      r.at.push_back(select(nonzero(reshape(t, {1})), 1, 0));
    } else {
      for (int k = 0; k < t.dim(); ++k)
        if (d + k >= r.x.dim() || t.shape()[k] != r.x.shape()[d + k])
          fail<IndexError>(op, ": The shape of the mask ", t.shape(), " at index ", k, " does not match the shape of the indexed tensor ", r.x.shape(),
                           " at index ", d + k);
      const Tensor where = nonzero(t);
      for (int k = 0; k < t.dim(); ++k) r.at.push_back(select(where, 1, k));
    }
  }
  if (int(r.at.size()) > r.x.dim()) fail<IndexError>(op, ": too many indices for tensor of dimension ", input.dim());
  r.at.resize(size_t(r.x.dim()));
  return r;
}

// x[indices] as rows of a permuted x.
struct Lookup {
  Shape order;           // permutation of x's dimensions that makes the indexed ones neighbours
  Shape permuted;        // x's shape in that order
  Shape rows;            // the same as (before, N, after)
  Shape result;          // before..., B..., after...
  Tensor linear;         // (B,) positions in N

  Lookup(const char* op, const Indices& x) {
    Shape indexed, rest, sizes, broadcast;
    Tensors index;
    for (int d = 0; d < x.x.dim(); ++d) (x.at[size_t(d)].defined() ? indexed : rest).push_back(d);
    if (indexed.empty()) fail<IndexError>(op, ": at least one index is needed");
    for (int64_t d : indexed) {
      index.push_back(x.at[size_t(d)]);
      sizes.push_back(x.x.shape()[int(d)]);
    }
    broadcast = common_shape(op, index);
    for (Tensor& t : index) t = expand(t, broadcast);
    const bool neighbours = indexed.back() - indexed[0] + 1 == indexed.size();
    const int before = neighbours ? int(indexed[0]) : 0;
    order = rest;
    for (int k = 0; k < indexed.size(); ++k) order.insert(before + k, indexed[k]);
    rows = {1, sizes.numel(), 1};
    for (int k = 0; k < order.size(); ++k) {
      const int64_t n = x.x.shape()[int(order[k])];
      permuted.push_back(n);
      if (k < before) rows[0] *= n;
      if (k >= before + indexed.size()) rows[2] *= n;
      if (k == before) for (int64_t b : broadcast) result.push_back(b);
      if (k < before || k >= before + indexed.size()) result.push_back(n);
    }
    linear = reshape(linear_index(index, sizes, indexed), {broadcast.numel()});
  }
  Tensor rows_of(const Tensor& x) const { return reshape(permute(x, order), rows); }
  Tensor back(const Tensor& y) const {
    Shape inverse = order;
    for (int k = 0; k < order.size(); ++k) inverse[int(order[k])] = k;
    return permute(reshape(y, permuted), inverse);
  }

 private:
  static Shape common_shape(const char* op, const Tensors& index) {
    Shape shape = index[0].shape();
    try {
      for (const Tensor& t : index) shape = broadcast_shapes(shape, t.shape(), op);
    } catch (const ShapeError&) {
      std::string shapes;
      for (const Tensor& t : index) shapes += cat(shapes.empty() ? "" : ", ", t.shape());
      fail<IndexError>(op, ": shape mismatch: indexing tensors could not be broadcast together with shapes ", shapes);
    }
    return shape;
  }
};

// First position in each row of a sorted sequence where a value can be inserted.
struct SearchSorted {
  static constexpr auto name = "searchsorted", doc = "positions at which values are inserted to keep a sequence sorted";
  bool right = false;

  Outs infer(ArrayIn x) const {
    Dims d(name);
    if (x[0].dim() == 1) return {out(x[1].shape(), DType::i64)};
    bool ok = x[0].dim() == x[1].dim() && x[0].dim() > 0;
    for (int k = 0; ok && k + 1 < x[0].dim(); ++k) ok = x[0].shape()[k] == x[1].shape()[k];
    if (!ok)
      fail<ShapeError>(name, ": boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must "
                       "match, but we got boundaries tensor ", x[0].shape(), " and input value tensor ", x[1].shape());
    d.same_dtype("sorted_sequence", x[0], "input", x[1]);
    return {out(x[1].shape(), DType::i64)};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array sorted = x[0].contiguous(), values = x[1].contiguous();
    Array y = empty(values.shape(), DType::i64, values.device());
    if (y.numel() == 0) return y;
    const int64_t n = sorted.shape().back(), rows = sorted.dim() == 1 ? 1 : values.numel() / values.shape().back();
    const Shape flat{rows, values.numel() / rows};
    Array to = y.view(flat);
    kernels::search_sorted(sorted.view({sorted.dim() == 1 ? 1 : rows, n}), values.view(flat), right, to);
    return y;
  }
  Tensors backward(Saved&, Tensor) const { return Tensors(2); }
  static std::vector<bool> differentiable() { return {false, false}; }
  static Samples samples() {
    return {sample(SearchSorted{false}, {values({4}, {1, 3, 3, 7}), values({2, 3}, {0, 3, 4, 7, 8, 1})}),
            sample(SearchSorted{true}, {values({2, 3}, {1, 3, 5, 2, 4, 6}), values({2, 2}, {3, 6, 0, 4})}, "a sequence per row"),
            sample(SearchSorted{false}, {{0}, {2}}, "empty sequence"), sample(SearchSorted{false}, {values({2}, {1, 2}), {0}}, "no values")};
  }
  static ErrorSamples errors() { return {error(SearchSorted{}, {{2, 3}, {3, 2}}, "the first N-1 dimensions of boundaries tensor")}; }
};

// Counts in `bins` equal intervals of [low, high].
struct Histogram {
  static constexpr auto name = "histc", doc = "how many elements lie in each of equal intervals between two numbers";
  int64_t bins = 100;
  double low = 0, high = 0;

  Outs infer(ArrayIn x) const {
    if (bins <= 0) fail<ValueError>(name, ": bins must be > 0, got ", bins);
    if (!(low < high)) fail<ValueError>(name, ": max must be larger than min, got [", low, ", ", high, "]");
    if (!is_real(x[0].dtype())) fail<DtypeError>(name, ": \"histogram\" not implemented for ", x[0].dtype());
    return {out({bins}, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = zeros({bins}, x[0].dtype(), x[0].device());
    kernels::histogram(x[0].contiguous(), low, high, y);
    return y;
  }
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<bool> differentiable() { return {false}; }
  static Samples samples() {
    return {sample(Histogram{4, 0, 4}, {values({6}, {0.5, 1, 1.5, 4, -1, 9})}), sample(Histogram{2, -1, 1}, {{0}}, "empty")};
  }
  static ErrorSamples errors() {
    return {error(Histogram{0, 0, 1}, {{3}}, "bins must be > 0"), error(Histogram{3, 2, 1}, {{3}}, "max must be larger than min")};
  }
};

int64_t largest(const Array& x) {   // of a not empty i64 tensor
  const std::vector<int64_t> v = to_vector<int64_t>(x);
  return *std::max_element(v.begin(), v.end());
}
int64_t smallest(const Array& x) {
  const std::vector<int64_t> v = to_vector<int64_t>(x);
  return *std::min_element(v.begin(), v.end());
}

}  // namespace

Tensor nonzero(const Tensor& input) { return apply(Nonzero{}, {input}); }
Tensor argwhere(const Tensor& input) { return nonzero(input); }
Tensors where(const Tensor& condition) {
  const Tensor x = condition.dim() == 0 ? reshape(condition, {1}) : condition;
  return unbind(nonzero(x), 1);
}

Tensor index(const Tensor& input, const Tensors& indices) {
  const Indices all = without_masks("index", input, indices);
  const Lookup at("index", all);
  return reshape(index_select(at.rows_of(all.x), 1, at.linear), at.result);
}

Tensor index_put(const Tensor& input, const Tensors& indices, const Tensor& values, bool accumulate) {
  if (values.dtype() != input.dtype())
    fail<DtypeError>("index_put: Index put requires the source and destination dtypes match, got ", input.dtype(), " for the destination and ",
                     values.dtype(), " for the source.");
  const Indices all = without_masks("index_put", input, indices);
  const Lookup at("index_put", all);
  Shape shape = values.shape();
  while (shape.size() > at.result.size() && shape[0] == 1) shape.erase(0);
  bool fits = shape.size() <= at.result.size();
  for (int k = 1; fits && k <= shape.size(); ++k) {
    const int64_t n = shape[shape.size() - k];
    fits = n == 1 || n == at.result[at.result.size() - k];
  }
  if (!fits)
    fail<ShapeError>("index_put: shape mismatch: value tensor of shape ", values.shape(), " cannot be broadcast to indexing result of shape ", at.result);
  const Tensor source = reshape(expand(reshape(values, shape), at.result), {at.rows[0], at.linear.numel(), at.rows[2]});
  const Tensor rows = at.rows_of(all.x);
  const Tensor y = accumulate ? index_add(rows, 1, at.linear, source) : index_copy(rows, 1, at.linear, source);
  return reshape(at.back(y), input.shape());
}

Tensor take(const Tensor& input, const Tensor& index) {
  if (index.dtype() != DType::i64) fail<DtypeError>("take: take(): Expected a long tensor for index, but got ", index.dtype());
  if (input.numel() == 0 && index.numel() > 0) fail<IndexError>("take: take(): tried to take from an empty tensor");
  const Tensor linear = linear_index({index}, {input.numel()}, {0});
  return reshape(index_select(reshape(input, {-1}), 0, reshape(linear, {index.numel()})), index.shape());
}

Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int64_t> dim) {
  if (!dim) return gather(reshape(input, {input.numel()}), 0, reshape(indices, {indices.numel()}));
  if (input.dim() != indices.dim())
    fail<ShapeError>("take_along_dim: torch.take_along_dim(): input and indices should have the same number of dimensions, but got ", input.dim(),
                     " dimensions for input, and ", indices.dim(), " dimensions for indices");
  const int d = normalize_dim(*dim, input.dim(), "take_along_dim");
  Shape x = input.shape(), i = indices.shape();
  if (input.dim() > 0) x[d] = i[d] = 1;
  Shape both = broadcast_shapes(x, i, "take_along_dim"), index_shape = both;
  if (input.dim() > 0) {
    both[d] = input.shape()[d];
    index_shape[d] = indices.shape()[d];
  }
  return gather(expand(input, both), d, expand(indices, index_shape));
}

Tensor masked_select(const Tensor& input, const Tensor& mask) {
  if (mask.dtype() != DType::b8) fail<DtypeError>("masked_select: masked_select: expected BoolTensor for mask, got ", mask.dtype());
  const Shape shape = broadcast_shapes(input.shape(), mask.shape(), "masked_select");
  return reshape(index(expand(input, shape), {expand(mask, shape)}), {-1});
}

Tensor masked_scatter(const Tensor& input, const Tensor& mask, const Tensor& source) {
  if (mask.dtype() != DType::b8) fail<DtypeError>("masked_scatter: masked_scatter_ only supports boolean masks, but got mask with dtype ", mask.dtype());
  if (source.dtype() != input.dtype())
    fail<DtypeError>("masked_scatter: expected self and source to have same dtypes but got ", input.dtype(), " and ", source.dtype());
  const Shape shape = broadcast_shapes(input.shape(), mask.shape(), "masked_scatter");
  const Tensor at = reshape(nonzero(reshape(expand(mask, shape), {-1})), {-1});
  if (at.numel() > source.numel())
    fail<ValueError>("masked_scatter: Number of elements of source < number of ones in mask: ", source.numel(), " < ", at.numel());
  const Tensor from = slice(reshape(source, {source.numel()}), 0, 0, at.numel());
  return reshape(index_copy(reshape(expand(input, shape), {shape.numel()}), 0, at, from), shape);
}

Tensor one_hot(const Tensor& input, int64_t num_classes) {
  if (input.dtype() != DType::i64) fail<DtypeError>("one_hot: one_hot is only applicable to index tensor of type LongTensor, got ", input.dtype());
  if (input.numel() == 0 && num_classes <= 0) fail<ValueError>("one_hot: Can not infer total number of classes from empty tensor.");
  const bool looked_at = input.numel() > 0 && (input.device().is_cpu() || num_classes == -1);   // else scatter reports bad classes
  if (looked_at && smallest(input.array()) < 0) fail<ValueError>("one_hot: Class values must be non-negative.");
  const int64_t top = looked_at ? largest(input.array()) : -1;
  if (num_classes == -1) num_classes = top + 1;
  if (num_classes < 1) fail<ValueError>("one_hot: num_classes should be positive, got ", num_classes);
  if (top >= num_classes) fail<ValueError>("one_hot: Class values must be smaller than num_classes.");
  Shape shape = input.shape();
  shape.push_back(num_classes);
  return scatter(Tensor(zeros(shape, DType::i64, input.device())), -1, unsqueeze(input, -1), 1.0);
}

Tensor bincount(const Tensor& input, const Tensor& weights, int64_t minlength) {
  if (input.dim() != 1 || !is_integer(input.dtype())) fail<ValueError>("bincount: bincount only supports 1-d non-negative integral inputs.");
  if (minlength < 0) fail<ValueError>("bincount: minlength should be >= 0, got ", minlength);
  if (weights.defined() && !(weights.shape() == input.shape())) fail<ShapeError>("bincount: weights should be 1-d and have the same length as input");
  const Tensor at = to(input, DType::i64);
  if (at.numel() > 0 && smallest(at.array()) < 0) fail<ValueError>("bincount: bincount only supports 1-d non-negative integral inputs.");
  const int64_t n = std::max(at.numel() > 0 ? largest(at.array()) + 1 : 0, minlength);
  const DType dtype = !weights.defined() ? DType::i64 : weights.dtype() == DType::f32 ? DType::f32 : DType::f64;
  const Tensor ones = weights.defined() ? to(weights.detach(), dtype) : Tensor(full(at.shape(), 1, dtype, at.device()));
  return index_add(Tensor(zeros({n}, dtype, at.device())), 0, at, ones);
}

Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& input, bool right) {
  const DType dtype = promote(sorted_sequence.dtype(), input.dtype());
  return apply(SearchSorted{right}, {to(sorted_sequence.detach(), dtype), to(input.detach(), dtype)});
}
Tensor bucketize(const Tensor& input, const Tensor& boundaries, bool right) {
  if (boundaries.dim() != 1) fail<ShapeError>("bucketize: boundaries tensor must be 1 dimension, but got dim(", boundaries.dim(), ")");
  return searchsorted(boundaries, input, right);
}

Tensor histc(const Tensor& input, int64_t bins, double min, double max) {
  if (min == max && input.numel() > 0 && is_real(input.dtype())) {
    const std::vector<double> v = to_vector<double>(input.array());
    for (double x : v)
      if (!std::isfinite(x)) fail<ValueError>("histc: range of [nan, nan] or infinite values is not finite");
    const auto [low, high] = std::minmax_element(v.begin(), v.end());
    min = *low;
    max = *high;
  }
  if (min == max) min -= 1, max += 1;
  return apply(Histogram{bins, min, max}, {input.detach()});
}

}  // namespace hippograd
