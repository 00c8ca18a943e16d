// Functions that are written in other functions: no kernel, no op, no derivative of their own.
#include <limits>

#include "autograd/broadcast.h"
#include "autograd/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

Tensor flat(const Tensor& x) { return reshape(x, {x.numel()}); }
Tensor constant(const Shape& shape, double value, const Tensor& like) { return Tensor(full(shape, value, like.dtype(), like.device())); }
Tensor counting(int64_t n, Device device) {   // made on the device, which need not wait for a copy
  Array y = empty({n}, DType::i64, device);
  kernels::arange(0, 1, y);
  return Tensor(y);
}

template <class F> Tensors each(const Tensors& tensors, F&& f) {
  Tensors r;
  for (const Tensor& t : tensors) r.push_back(f(t));
  return r;
}

}  // namespace

// ---- shapes ----

Tensor ravel(const Tensor& input) { return flat(input); }
Tensor expand_as(const Tensor& input, const Tensor& other) { return expand(input, other.shape()); }
Tensor broadcast_to(const Tensor& input, const Shape& size) { return expand(input, size); }
Tensors broadcast_tensors(const Tensors& tensors) { return tensors.empty() ? tensors : broadcast_tensors("broadcast_tensors", tensors); }
Tensor mH(const Tensor& input) { return conj(mT(input)); }

Tensor atleast_1d(const Tensor& input) { return input.dim() == 0 ? reshape(input, {1}) : input; }
Tensor atleast_2d(const Tensor& input) { return input.dim() < 2 ? unsqueeze(atleast_1d(input), 0) : input; }
Tensor atleast_3d(const Tensor& input) { return input.dim() < 3 ? unsqueeze(atleast_2d(input), -1) : input; }

Tensor hstack(const Tensors& tensors) {
  if (tensors.empty()) fail<ValueError>("hstack: hstack expects a non-empty TensorList");
  const Tensors t = each(tensors, atleast_1d);
  return cat(t, t[0].dim() == 1 ? 0 : 1);
}
Tensor vstack(const Tensors& tensors) {
  if (tensors.empty()) fail<ValueError>("vstack: vstack expects a non-empty TensorList");
  return cat(each(tensors, atleast_2d), int64_t(0));
}
Tensor dstack(const Tensors& tensors) {
  if (tensors.empty()) fail<ValueError>("dstack: dstack expects a non-empty TensorList");
  return cat(each(tensors, atleast_3d), int64_t(2));
}
Tensor column_stack(const Tensors& tensors) {
  if (tensors.empty()) fail<ValueError>("column_stack: column_stack expects a non-empty TensorList");
  return hstack(each(tensors, [](const Tensor& t) { return t.dim() <= 1 ? reshape(t, {t.numel(), 1}) : t; }));
}

static Tensors equal_parts(const char* op, const Tensor& input, int64_t sections, int64_t dim, int min_rank) {
  if (input.dim() < min_rank) fail<ShapeError>(op, ": torch.", op, " requires a tensor with at least ", min_rank, " dimension, but got a tensor with ", input.dim(), " dimensions!");
  if (sections <= 0 || input.size(dim) % sections != 0)
    fail<ValueError>(op, ": torch.", op, " attempted to split along dimension ", dim, ", but the size of the dimension ", input.size(dim),
                     " is not divisible by the split_size ", sections, "!");
  return tensor_split(input, sections, dim);
}
Tensors hsplit(const Tensor& input, int64_t sections) { return equal_parts("hsplit", input, sections, input.dim() == 1 ? 0 : 1, 1); }
Tensors vsplit(const Tensor& input, int64_t sections) { return equal_parts("vsplit", input, sections, 0, 2); }
Tensors dsplit(const Tensor& input, int64_t sections) { return equal_parts("dsplit", input, sections, 2, 3); }

// ---- reordering ----

Tensor fliplr(const Tensor& input) {
  if (input.dim() < 2) fail<ShapeError>("fliplr: Input must be >= 2-d.");
  return flip(input, {1});
}
Tensor flipud(const Tensor& input) {
  if (input.dim() < 1) fail<ShapeError>("flipud: Input must be >= 1-d.");
  return flip(input, {0});
}

Tensor rot90(const Tensor& input, int64_t k, const Shape& dims) {
  if (dims.size() != 2) fail<ValueError>("rot90: expected total rotation dims == 2, but got dims = ", dims.size());
  if (input.dim() < 2) fail<ShapeError>("rot90: expected total dims >= 2, but got total dims = ", input.dim());
  const int a = normalize_dim(dims[0], input.dim(), "rot90"), b = normalize_dim(dims[1], input.dim(), "rot90");
  if (a == b) fail<ValueError>("rot90: expected rotation dims to be different, but got dim0 = ", dims[0], " and dim1 = ", dims[1]);
  switch ((k % 4 + 4) % 4) {
    case 1: return transpose(flip(input, {b}), a, b);
    case 2: return flip(input, {a, b});
    case 3: return transpose(flip(input, {a}), a, b);
    default: return clone(input);
  }
}

Tensor roll(const Tensor& input, const Shape& shifts, const Shape& dims) {
  if (shifts.empty()) fail<ValueError>("roll: `shifts` required");
  if (dims.empty() && shifts.size() == 1) return reshape(roll(flat(input), shifts, {0}), input.shape());
  if (dims.size() != shifts.size())
    fail<ValueError>("roll: shifts and dimensions must align. shifts: ", shifts.size(), ", dims:", dims.size());
  Tensor y = input;
  for (int k = 0; k < dims.size(); ++k) {
    if (y.numel() == 0 || y.dim() == 0) continue;
    const int64_t n = y.size(dims[k]), shift = (shifts[k] % n + n) % n;
    if (shift) y = cat({slice(y, dims[k], n - shift, n), slice(y, dims[k], 0, n - shift)}, dims[k]);
  }
  return y.same(input) ? clone(input) : y;
}

// ---- repetition ----

Tensor repeat(const Tensor& input, const Shape& sizes) {
  const int extra = sizes.size() - input.dim();
  if (extra < 0)
    fail<ShapeError>("repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got ", sizes, " for ", input.shape());
  Shape once, many, result;                                    // each dimension as (copies, elements)
  for (int d = 0; d < sizes.size(); ++d) {
    const int64_t n = d < extra ? 1 : input.shape()[d - extra];
    if (sizes[d] < 0) fail<ValueError>("repeat: Trying to create tensor with negative dimension ", sizes[d] * n, " from repeats ", sizes);
    if (sizes[d] != 1) {
      once.push_back(1);
      many.push_back(sizes[d]);
    }
    once.push_back(n);
    many.push_back(n);
    result.push_back(sizes[d] * n);
  }
  return reshape(clone(expand(reshape(input, once), many)), result);
}

Tensor tile(const Tensor& input, const Shape& dims) {
  Shape sizes(std::max(0, input.dim() - dims.size()), 1);
  for (int64_t d : dims) sizes.push_back(d);
  return repeat(input, sizes);
}

Tensor repeat_interleave(const Tensor& input, int64_t repeats, std::optional<int64_t> dim) {
  if (repeats < 0) fail<ValueError>("repeat_interleave: repeats must be non-negative");
  const Tensor x = dim ? atleast_1d(input) : flat(input);
  const int d = dim ? normalize_dim(*dim, x.dim(), "repeat_interleave") : 0;
  Shape many = x.shape(), result = x.shape();
  many.insert(d + 1, repeats);
  result[d] *= repeats;
  return reshape(clone(expand(unsqueeze(x, d + 1), many)), result);
}

Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim) {
  const Tensor x = dim ? atleast_1d(input) : flat(input);
  const int d = dim ? normalize_dim(*dim, x.dim(), "repeat_interleave") : 0;
  if (repeats.dim() > 1) fail<ShapeError>("repeat_interleave: repeats has to be 0-dim or 1-dim tensor, got ", repeats.shape());
  const std::vector<int64_t> counts = to_vector<int64_t>(repeats.array());
  if (counts.size() == 1) return repeat_interleave(input, counts[0], dim);
  if (int64_t(counts.size()) != x.size(d))
    fail<ShapeError>("repeat_interleave: repeats must have the same size as input along dim, but got repeats.size(0) = ", int64_t(counts.size()),
                     " and input.size(", d, ") = ", x.size(d));
  std::vector<int64_t> index;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] < 0) fail<ValueError>("repeat_interleave: repeats can not be negative, got ", counts[i]);
    index.insert(index.end(), size_t(counts[i]), int64_t(i));
  }
  return index_select(x, d, Tensor(from_vector(index, {int64_t(index.size())}).to(input.device())));
}

// ---- diagonals and grids ----

Tensor diag(const Tensor& input, int64_t diagonal) {
  if (input.dim() == 1) return diag_embed(input, diagonal);
  if (input.dim() == 2) return clone(hippograd::diagonal(input, diagonal));
  fail<ShapeError>("diag: diag(): Supports 1D or 2D tensors. Got ", input.dim(), "D");
}
Tensor diagflat(const Tensor& input, int64_t offset) { return diag_embed(flat(input), offset); }

Tensor block_diag(const Tensors& tensors) {
  if (tensors.empty()) fail<ValueError>("block_diag: needs at least one tensor");
  Tensors rows;
  int64_t total = 0, before = 0;
  for (const Tensor& t : tensors) {
    if (t.dim() > 2) fail<ShapeError>("block_diag: Input tensors must have 2 or fewer dimensions. Got ", t.dim(), " dimensions");
    total += atleast_2d(t).size(1);
  }
  const DType dtype = result_type(tensors);
  for (const Tensor& t : tensors) {
    const Tensor block = to(atleast_2d(t), dtype);
    const int64_t n = block.size(1);
    rows.push_back(pad(block, {before, total - before - n}));
    before += n;
  }
  return cat(rows, int64_t(0));
}

Tensors meshgrid(const Tensors& tensors, std::string_view indexing) {
  if (tensors.empty()) fail<ValueError>("meshgrid: meshgrid expects a non-empty TensorList");
  if (indexing != "ij" && indexing != "xy") fail<ValueError>("meshgrid: torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: ", indexing);
  const bool swap = indexing == "xy" && tensors.size() >= 2;   // the first two dimensions change places
  Shape shape;
  for (const Tensor& t : tensors) {
    if (t.dim() > 1) fail<ShapeError>("meshgrid: torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: ", t.shape());
    shape.push_back(t.numel());
  }
  if (swap) std::swap(shape[0], shape[1]);
  Tensors grids;
  for (int k = 0; k < int(tensors.size()); ++k) {
    Shape place(shape.size(), 1);
    place[swap && k < 2 ? 1 - k : k] = tensors[size_t(k)].numel();
    grids.push_back(expand(reshape(tensors[size_t(k)], place), shape));
  }
  return grids;
}

Tensor cartesian_prod(const Tensors& tensors) {
  if (tensors.size() == 1) return tensors[0];
  return stack(each(meshgrid(tensors), flat), 1);
}

// ---- parts replaced ----

Tensor slice_scatter(const Tensor& input, const Tensor& src, int64_t dim, int64_t start, int64_t stop, int64_t step) {
  const Tensor at = slice(Tensor(counting(input.size(dim), input.device())), 0, start, stop, step);
  return index_copy(input, dim, at, src);
}
Tensor select_scatter(const Tensor& input, const Tensor& src, int64_t dim, int64_t index) {
  const int64_t n = input.size(dim);
  if (index < -n || index >= n) fail<IndexError>("select_scatter: index ", index, " is out of bounds for dimension ", dim, " with size ", n);
  const int64_t at = index < 0 ? index + n : index;
  return slice_scatter(input, unsqueeze(src, normalize_dim(dim, input.dim(), "select_scatter")), dim, at, at + 1);
}
Tensor diagonal_scatter(const Tensor& input, const Tensor& src, int64_t offset, int64_t dim1, int64_t dim2) {
  const Tensor places = diagonal(reshape(counting(input.numel(), input.device()), input.shape()), offset, dim1, dim2);
  if (!(places.shape() == src.shape()))
    fail<ShapeError>("diagonal_scatter: expected src to have a size equal to the diagonal of self, ", places.shape(), ", got ", src.shape());
  return reshape(index_copy(flat(input), 0, flat(places), flat(src)), input.shape());
}

// ---- differences and sums ----

Tensor diff(const Tensor& input, int64_t n, int64_t dim, const Tensor& prepend, const Tensor& append) {
  if (input.dim() == 0) fail<ShapeError>("diff: diff expects input to be at least one-dimensional");
  if (n < 0) fail<ValueError>("diff: order must be non-negative but got ", n);
  Tensors parts;
  for (const Tensor* t : {&prepend, &input, &append}) if (t->defined()) parts.push_back(*t);
  Tensor y = parts.size() > 1 ? cat(parts, dim) : input;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t size = y.size(dim);
    const Tensor later = slice(y, dim, 1, size), earlier = slice(y, dim, 0, std::max<int64_t>(size - 1, 0));
    y = y.dtype() == DType::b8 ? logical_xor(later, earlier) : sub(later, earlier);
  }
  return y;
}

Tensor trapezoid(const Tensor& y, const Tensor& x, double dx, int64_t dim) {
  const int64_t n = y.size(dim);
  const Tensor pairs = add(slice(y, dim, 1, n), slice(y, dim, 0, std::max<int64_t>(n - 1, 0)));
  if (!x.defined()) return mul(sum(pairs, {dim}), dx / 2);
  Tensor widths = diff(x, 1, x.dim() == 1 ? 0 : dim);
  if (x.dim() == 1 && y.dim() > 1) {
    Shape shape(y.dim(), 1);
    shape[normalize_dim(dim, y.dim(), "trapezoid")] = widths.numel();
    widths = reshape(widths, shape);
  }
  return div(sum(mul(pairs, widths), {dim}), 2.0);
}

// ---- scatter with a reduction ----

namespace {

// What changes nothing under a reduction.
double neutral(std::string_view reduce, DType dtype) {
  if (reduce == "prod") return 1;
  if (reduce == "sum" || reduce == "mean") return 0;
  const double top = is_floating(dtype) ? std::numeric_limits<double>::infinity()
                     : dtype == DType::i64 ? 9.2e18 : dtype == DType::i32 ? 2147483647 : dtype == DType::u8 ? 255 : 1;
  return reduce == "amin" ? top : is_floating(dtype) || is_integer(dtype) ? (dtype == DType::u8 ? 0 : -top) : 0;
}

}  // namespace

Tensor scatter_reduce(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce, bool include_self) {
  if (reduce != "sum" && reduce != "prod" && reduce != "mean" && reduce != "amax" && reduce != "amin")
    fail<ValueError>("scatter_reduce: reduce argument must be either sum, prod, mean, amax or amin, got ", reduce);
  if (input.dim() == 0) return reshape(scatter_reduce(reshape(input, {1}), 0, reshape(index, {1}), reshape(src, {1}), reduce, include_self), {});
  const Tensor self = include_self ? input : scatter(input, dim, index, neutral(reduce, input.dtype()));
  if (reduce == "sum") return scatter_add(self, dim, index, src);
  if (reduce == "mean") {
    const Tensor ones = constant(index.shape(), 1, input);
    Tensor count = scatter_add(constant(input.shape(), include_self ? 1 : 0, input), dim, index, ones);
    count = masked_fill(count, eq(count, 0.0), 1.0);
    const Tensor total = scatter_add(self, dim, index, src);
    return is_floating(input.dtype()) ? div(total, count) : div(total, count, "floor");
  }
  return scatter_extreme_or_product(self, dim, index, src, reduce);
}

// ---- unique ----

namespace {

// Groups equal neighbours of `count` items: starts[i] tells whether item i differs from the one before it.
Tensors from_groups(const Tensor& starts, bool return_inverse, bool return_counts) {
  const Tensor first = reshape(nonzero(starts), {-1});
  const Tensor group = sub(cumsum(starts, 0), Tensor(full({}, 1, DType::i64, starts.device())));
  return {first, return_inverse ? group : Tensor(), return_counts ? bincount(group) : Tensor()};
}

// Which rows of (n, m) differ from the row above; the first always does.
Tensor row_starts(const Tensor& rows) {
  const int64_t n = rows.size(0);
  if (n == 0) return Tensor(zeros({0}, DType::b8, rows.device()));
  const Tensor changed = any(ne(slice(rows, 0, 1, n), slice(rows, 0, 0, n - 1)), {1});
  return cat({Tensor(full({1}, 1, DType::b8, rows.device())), changed}, 0);
}

struct Slices { Tensor rows; Shape shape; int dim; };           // x with dim first, the rest flattened
Slices slices_of(const char* op, const Tensor& x, std::optional<int64_t> dim) {
  if (!dim) return {reshape(x, {x.numel(), 1}), {x.numel()}, 0};
  const int d = normalize_dim(*dim, x.dim(), op);
  if (x.dim() == 0) return {reshape(x, {1, 1}), {1}, 0};
  const Tensor moved = movedim(x, {d}, {0});
  const int64_t n = moved.size(0);
  return {reshape(moved, {n, n ? x.numel() / n : 0}), moved.shape(), d};
}
Tensor back(const Slices& s, const Tensor& rows) {
  Shape shape = s.shape;
  shape[0] = rows.size(0);
  return movedim(reshape(rows, shape), {0}, {s.dim});
}

}  // namespace

Tensors unique_consecutive(const Tensor& input, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  const Slices s = slices_of("unique_consecutive", input.detach(), dim);
  Tensors groups = from_groups(row_starts(s.rows), return_inverse, return_counts);
  const Tensor output = back(s, index_select(s.rows, 0, groups[0]));
  if (return_inverse && !dim) groups[1] = reshape(groups[1], input.shape());
  return {output, groups[1], groups[2]};
}

Tensors unique(const Tensor& input, bool return_inverse, bool return_counts, std::optional<int64_t> dim) {
  const Slices s = slices_of("unique", input.detach(), dim);
  Tensor order = counting(s.rows.size(0), input.device()), rows = s.rows;
  for (int64_t column = s.rows.size(1) - 1; column >= 0; --column) {   // stable sorts, least significant column first
    const Tensor step = argsort(select(rows, 1, column), 0);
    order = index_select(order, 0, step);
    rows = index_select(rows, 0, step);
  }
  Tensors groups = from_groups(row_starts(rows), true, return_counts);
  const Tensor output = back(s, index_select(rows, 0, groups[0]));
  Tensor inverse;
  if (return_inverse) {
    inverse = index_copy(groups[1], 0, order, groups[1]);
    if (!dim) inverse = reshape(inverse, input.shape());
  }
  return {output, inverse, groups[2]};
}

}  // namespace hippograd
