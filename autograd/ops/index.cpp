// Indexing: reading and writing at positions given by integer tensors. Each op's adjoint is an op of this file:
//   index_select  <->  index_select_adjoint (adds rows into zeros)
//   gather        <->  gather_adjoint       (adds elements into zeros)
//   index_add, index_copy, scatter, scatter_add: the gradient of src is read at the positions it was written to.
// The kernels check the indices (tensor/kernels/index.h). Sums run in the order of the index: same bits for any thread count.
#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/index.h"

namespace hippograd {
namespace {

std::vector<DType> moved_dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
Input index_of(Shape shape, std::vector<double> v) { return values(shape, std::move(v)).dtype(DType::i64); }

// x as (O, N, I): the dimensions before dim, dim, and those after it. A 0-dim tensor has one row.
Shape row_shape(const Shape& shape, int dim) {
  Shape rows{1, 1, 1};
  for (int d = 0; d < shape.size(); ++d) rows[d < dim ? 0 : d == dim ? 1 : 2] *= shape[d];
  return rows;
}
Array as_rows(const Array& x, int dim) { return x.contiguous().view(row_shape(x.shape(), dim)); }

Shape with_size(Shape shape, int dim, int64_t n) {
  if (!shape.empty()) shape[dim] = n;
  return shape;
}

void check_index_dtype(const char* op, const Array& index) {
  if (index.dtype() != DType::i64 && index.dtype() != DType::i32)
    fail<DtypeError>(op, ": Expected dtype int32 or int64 for index, got ", index.dtype());
}

// The kernels read contiguous i64.
Array plain_index(const Array& index) { return index.to(DType::i64).contiguous(); }

// The rules of index_select, index_add and index_copy: index (K,) or 0-dim.
void check_vector(const char* op, const Array& index) {
  check_index_dtype(op, index);
  if (index.dim() > 1) fail<IndexError>(op, ": Index is supposed to be a vector, but got dim: ", index.dim());
}

// ---- rows ----

//   y[o, k, i] = x[o, index[k], i]
struct IndexSelect {
  static constexpr auto name = "index_select", doc = "the slices of a dimension at the positions in a vector of indices";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    const int d = normalize_dim(dim, x[0].dim(), name);
    check_vector(name, x[1]);
    if (x[0].dim() == 0 && x[1].numel() != 1) fail<IndexError>(name, ": Index to scalar can have only 1 value, got ", x[1].numel(), " value(s)");
    return {out(with_size(x[0].shape(), d, x[1].numel()), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    const int d = normalize_dim(dim, x[0].dim(), name);
    const Array index = plain_index(x[1]);
    Array y = empty(infer(x)[0].shape, x[0].dtype(), x[0].device()), rows = y.view(row_shape(y.shape(), d));
    kernels::take_rows(as_rows(x[0], d), index, {name, d}, rows);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const;
  static std::vector<bool> differentiable() { return {true, false}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(IndexSelect{1}, {{2, 4, 3}, index_of({5}, {3, 0, 0, 2, 3})}).bench({{512, 768}, integers({4096}, 0, 4)}),
            sample(IndexSelect{-2}, {{3, 2}, index_of({}, {1})}, "0-dim index"), sample(IndexSelect{0}, {normal({}), index_of({1}, {0})}, "scalar"),
            sample(IndexSelect{0}, {{3, 2}, index_of({0}, {})}, "no index"), sample(IndexSelect{0}, {{2, 0}, index_of({1}, {1})}, "empty rows")};
  }
  static ErrorSamples errors() {
    return {error(IndexSelect{0}, {{3, 2}, index_of({2}, {0, 3})}, "index out of range in self"),
            error(IndexSelect{0}, {{3, 2}, index_of({1}, {-1})}, "index out of range in self"),
            error(IndexSelect{0}, {{3, 2}, index_of({1, 1}, {0})}, "Index is supposed to be a vector"),
            error(IndexSelect{0}, {{3, 2}, {2}}, "Expected dtype int32 or int64 for index")};
  }
};

//   y = 0;  y[o, index[k], i] += x[o, k, i]      (x: as the output of index_select; rows of index `skip` are left out)
struct IndexSelectAdjoint {
  static constexpr auto name = "index_select_adjoint", doc = "adds slices into a tensor of zeros at the positions in a vector of indices";
  static constexpr bool differentiable_backward = true;
  Shape shape;
  int64_t dim = 0, skip = -1;

  Outs infer(ArrayIn x) const {
    const int d = normalize_dim(dim, shape.size(), name);
    check_vector(name, x[1]);
    const Shape expected = with_size(shape, d, x[1].numel());
    if (!(x[0].shape() == expected)) fail<ShapeError>(name, ": input must be ", expected, ", got ", x[0].shape());
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    const int d = normalize_dim(dim, shape.size(), name);
    const Array index = plain_index(x[1]);
    Array y = zeros(shape, x[0].dtype(), x[0].device()), rows = y.view(row_shape(shape, d));
    kernels::add_rows(as_rows(x[0], d), index, {name, d}, skip, rows);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    if (skip >= 0) dy = index_fill(dy, dim, Tensor(full({1}, double(skip), DType::i64, dy.device())), 0.0);
    return {index_select(dy, dim, s.x(1)), {}};
  }
  static std::vector<bool> differentiable() { return {true, false}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(IndexSelectAdjoint{{2, 4, 3}, 1}, {{2, 5, 3}, index_of({5}, {3, 0, 0, 2, 3})}),
            sample(IndexSelectAdjoint{{4, 3}, 0, 2}, {{5, 3}, index_of({5}, {3, 0, 2, 2, 3})}, "rows left out"),
            sample(IndexSelectAdjoint{{}, 0}, {normal({}), index_of({1}, {0})}, "scalar"),
            sample(IndexSelectAdjoint{{3, 2}, 0}, {{0, 2}, index_of({0}, {})}, "nothing to add")};
  }
  static ErrorSamples errors() {
    return {error(IndexSelectAdjoint{{3, 2}, 0}, {{1, 2}, index_of({1}, {3})}, "index out of range in self"),
            error(IndexSelectAdjoint{{3, 2}, 0}, {{2, 2}, index_of({1}, {0})}, "input must be (1, 2), got (2, 2)")};
  }
};
Tensors IndexSelect::backward(Saved& s, Tensor dy) const { return {apply(IndexSelectAdjoint{s.in(0).shape, dim}, {dy, s.x(1)}), {}}; }

// The embedding of tokens: rows of a table.      y[.., i] = weight[index[..], i]      (..., I)
// The gradient of row `padding` is zero (-1: no such row).
struct Embedding {
  static constexpr auto name = "embedding", doc = "rows of a table at the positions of an integer tensor of any shape";
  static constexpr bool differentiable_backward = true;
  int64_t padding = -1;

  Outs infer(ArrayIn x) const {
    Dims d(name);
    d("weight", x[1], "N D");
    if (x[0].dtype() != DType::i64 && x[0].dtype() != DType::i32)
      fail<DtypeError>(name, ": Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got ",
                       x[0].dtype(), " instead");
    Shape shape = x[0].shape();
    shape.push_back(d["D"]);
    return {out(shape, x[1].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    const int64_t count = x[0].numel(), width = x[1].size(1);
    const Array index = plain_index(x[0]).view({count});
    Array y = empty(infer(x)[0].shape, x[1].dtype(), x[1].device()), rows = y.view({1, count, width});
    kernels::take_rows(as_rows(x[1], 0), index, {name, 0}, rows);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor index = s.x(0);
    const Shape& table = s.in(1).shape;
    return {{}, apply(IndexSelectAdjoint{table, 0, padding}, {reshape(dy, {index.numel(), table[1]}), reshape(index, {index.numel()})})};
  }
  static std::vector<bool> differentiable() { return {false, true}; }
  static Samples samples() {
    return {sample(Embedding{}, {index_of({2, 3}, {4, 0, 1, 1, 1, 4}), {5, 3}}).bench({integers({32, 256}, 0, 8192), {8192, 512}}),
            sample(Embedding{}, {index_of({}, {1}), {2, 3}}, "0-dim index"), sample(Embedding{}, {index_of({0}, {}), {2, 3}}, "no index")};
  }
  static ErrorSamples errors() {
    return {error(Embedding{}, {index_of({2}, {0, 5}), {5, 3}}, "index out of range in self"),
            error(Embedding{}, {{2}, {5, 3}}, "to have one of the following scalar types: Long, Int"),
            error(Embedding{}, {index_of({1}, {0}), {5}}, "weight must be (N, D), got (5,)")};
  }
};

// Shared by index_add and index_copy: input (.., N, ..)  index (K,)  source (.., K, ..).
Outs infer_row_update(const char* name, int64_t dim, ArrayIn x) {
  const int d = normalize_dim(dim, x[0].dim(), name);
  check_vector(name, x[1]);
  if (x[2].dtype() != x[0].dtype())
    fail<DtypeError>(name, ": self and source expected to have the same dtype, but got (self) ", x[0].dtype(), " and (source) ", x[2].dtype());
  const Shape expected = with_size(x[0].shape(), d, x[1].numel());
  if (!(x[2].shape() == expected)) fail<ShapeError>(name, ": source must be ", expected, ", got ", x[2].shape());
  return {like(x[0])};
}

//   y = x;  y[o, index[k], i] += alpha source[o, k, i]
struct IndexAdd {
  static constexpr auto name = "index_add", doc = "the input with slices added at the positions in a vector of indices";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const { return infer_row_update(name, dim, x); }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    const int d = normalize_dim(dim, x[0].dim(), name);
    const Array index = plain_index(x[1]);
    Array y = x[0].clone(), rows = y.view(row_shape(y.shape(), d));
    kernels::add_rows(as_rows(x[2], d), index, {name, d}, -1, rows);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensor source;
    if (s.needs(2)) source = index_select(dy, dim, s.x(1));
    return {dy, {}, source};
  }
  static std::vector<bool> differentiable() { return {true, false, true}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(IndexAdd{1}, {{2, 4}, index_of({3}, {1, 3, 1}), {2, 3}}), sample(IndexAdd{0}, {{4, 2}, index_of({0}, {}), {0, 2}}, "nothing to add"),
            sample(IndexAdd{0}, {normal({}), index_of({1}, {0}), normal({})}, "scalar")};
  }
  static ErrorSamples errors() {
    return {error(IndexAdd{0}, {{2, 4}, index_of({1}, {2}), {1, 4}}, "index out of range in self"),
            error(IndexAdd{0}, {{2, 4}, index_of({1}, {1}), {2, 4}}, "source must be (1, 4), got (2, 4)")};
  }
};

//   y = x;  y[o, index[k], i] = source[o, k, i]
struct IndexCopy {
  static constexpr auto name = "index_copy", doc = "the input with slices replaced at the positions in a vector of indices";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const { return infer_row_update(name, dim, x); }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    const int d = normalize_dim(dim, x[0].dim(), name);
    const Array index = plain_index(x[1]);
    Array y = x[0].clone(), rows = y.view(row_shape(y.shape(), d));
    kernels::put_rows(as_rows(x[2], d), index, {name, d}, rows);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensors g(3);
    if (s.needs(0)) g[0] = index_fill(dy, dim, s.x(1), 0.0);
    if (s.needs(2)) g[2] = index_select(dy, dim, s.x(1));
    return g;
  }
  static std::vector<bool> differentiable() { return {true, false, true}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(IndexCopy{1}, {{2, 4}, index_of({3}, {1, 3, 0}), {2, 3}}), sample(IndexCopy{0}, {{4, 2}, index_of({0}, {}), {0, 2}}, "nothing to copy"),
            sample(IndexCopy{0}, {normal({}), index_of({1}, {0}), normal({})}, "scalar")};
  }
  static ErrorSamples errors() {
    return {error(IndexCopy{0}, {{2, 4}, index_of({1}, {-1}), {1, 4}}, "index out of range in self"),
            error(IndexCopy{0}, {{2, 4}, index_of({1}, {1}), {4}}, "source must be (1, 4), got (4,)")};
  }
};

// ---- elements along a dimension ----

// index must have x's rank and reach no further than x, except along dim.
void check_element_index(const char* op, const Array& index, const Shape& shape, int dim, const char* what) {
  if (index.dtype() != DType::i64 && index.dtype() != DType::i32) fail<DtypeError>(op, ": ", op, "(): Expected dtype int64 for index, got ", index.dtype());
  if (std::max(index.dim(), 1) != std::max(shape.size(), 1))
    fail<ShapeError>(op, ": Index tensor must have the same number of dimensions as ", what, " tensor: got ", index.shape(), " and ", shape);
  for (int d = 0; d < std::min(index.dim(), shape.size()); ++d)
    if (d != dim && index.shape()[d] > shape[d])
      fail<ShapeError>(op, ": Size does not match at dimension ", d, " expected index ", index.shape(), " to be no larger than ", what, " ", shape,
                       " apart from dimension ", dim);
}

//   y[i][j][k] = x[i][index[i][j][k]][k]      (dim = 1)
struct Gather {
  static constexpr auto name = "gather", doc = "elements picked along a dimension, one index per element of the output";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    check_element_index(name, x[1], x[0].shape(), normalize_dim(dim, x[0].dim(), name), "input");
    return {out(x[1].shape(), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    const int d = normalize_dim(dim, x[0].dim(), name);
    const Array index = plain_index(x[1]);
    Array y = empty(x[1].shape(), x[0].dtype(), x[0].device());
    kernels::gather(x[0], d, index, name, y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const;
  static std::vector<bool> differentiable() { return {true, false}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(Gather{1}, {{2, 3}, index_of({2, 4}, {0, 2, 2, 1, 1, 0, 0, 0})}).bench({{4096, 256}, integers({4096, 64}, 0, 3)}),
            sample(Gather{0}, {{3, 2, 2}, index_of({1, 2, 1}, {2, 0})}, "index smaller than the input"),
            sample(Gather{-1}, {normal({}), index_of({}, {0})}, "scalars"), sample(Gather{0}, {{3}, index_of({0}, {})}, "no index")};
  }
  static ErrorSamples errors() {
    return {error(Gather{0}, {{3}, index_of({1}, {3})}, "index 3 is out of bounds for dimension 0 with size 3"),
            error(Gather{0}, {{3}, index_of({1}, {-1})}, "index -1 is out of bounds for dimension 0 with size 3"),
            error(Gather{0}, {{3, 2}, index_of({1}, {0})}, "Index tensor must have the same number of dimensions as input tensor"),
            error(Gather{0}, {{3, 1}, index_of({1, 2}, {0, 0})}, "Size does not match at dimension 1"),
            error(Gather{0}, {{3}, {1}}, "Expected dtype int64 for index")};
  }
};

//   y = 0;  y[i][index[i][j][k]][k] += x[i][j][k]
struct GatherAdjoint {
  static constexpr auto name = "gather_adjoint", doc = "adds elements into a tensor of zeros, one index along a dimension per element";
  static constexpr bool differentiable_backward = true;
  Shape shape;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    check_element_index(name, x[1], shape, normalize_dim(dim, shape.size(), name), "output");
    Dims d(name);
    d("input", x[0], "...")("index", x[1], "...");
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    const int d = normalize_dim(dim, shape.size(), name);
    const Array index = plain_index(x[1]);
    Array y = zeros(shape, x[0].dtype(), x[0].device());
    kernels::scatter(kernels::Scatter::Add, x[0], d, index, name, y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const { return {gather(dy, dim, s.x(1)), {}}; }
  static std::vector<bool> differentiable() { return {true, false}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(GatherAdjoint{{2, 3}, 1}, {{2, 4}, index_of({2, 4}, {0, 2, 2, 1, 1, 0, 0, 0})}),
            sample(GatherAdjoint{{}, 0}, {normal({}), index_of({}, {0})}, "scalars"), sample(GatherAdjoint{{3}, 0}, {{0}, index_of({0}, {})}, "no index")};
  }
  static ErrorSamples errors() { return {error(GatherAdjoint{{3}, 0}, {{1}, index_of({1}, {3})}, "index 3 is out of bounds for dimension 0")}; }
};
Tensors Gather::backward(Saved& s, Tensor dy) const { return {apply(GatherAdjoint{s.in(0).shape, dim}, {dy, s.x(1)}), {}}; }

// Shared by the scatter ops: input, index, src. src may be larger than index; only the part below index is used.
Outs infer_scatter(const char* name, int64_t dim, ArrayIn x) {
  const int d = normalize_dim(dim, x[0].dim(), name);
  check_element_index(name, x[1], x[0].shape(), d, "self");
  check_element_index(name, x[1], x[2].shape(), -1, "src");
  if (x[2].dtype() != x[0].dtype()) fail<DtypeError>(name, ": ", name, "(): Expected self.dtype to be equal to src.dtype, got ", x[0].dtype(), " and ", x[2].dtype());
  return {like(x[0])};
}
Array below(Array src, const Shape& index) {   // the part of src that index covers
  for (int d = 0; d < index.size(); ++d) src = src.slice(d, 0, index[d]);
  return src;
}
Array scattered(kernels::Scatter op, const char* name, int64_t dim, ArrayIn x) {
  const int d = normalize_dim(dim, x[0].dim(), name);
  const Array index = plain_index(x[1]);
  Array y = x[0].clone();
  kernels::scatter(op, below(x[2], x[1].shape()), d, index, name, y);
  return y;
}
// The gradient of src: read where it was written; zero beyond index.
Tensor source_gradient(const Tensor& dy, int64_t dim, const Tensor& index, const Shape& src) {
  Tensor g = gather(dy, dim, index);
  std::vector<int64_t> padding;
  for (int d = src.size() - 1; d >= 0; --d) padding.insert(padding.end(), {0, src[d] - index.shape()[d]});
  return g.shape() == src ? g : pad(g, padding);
}

//   y = x;  y[i][index[i][j][k]][k] = src[i][j][k]
struct Scatter {
  static constexpr auto name = "scatter", doc = "the input with elements replaced, one index along a dimension per element of src";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const { return infer_scatter(name, dim, x); }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    return scattered(kernels::Scatter::Set, name, dim, x);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensors g(3);
    if (s.needs(0)) g[0] = scatter(dy, dim, s.x(1), 0.0);
    if (s.needs(2)) g[2] = source_gradient(dy, dim, s.x(1), s.in(2).shape);
    return g;
  }
  static std::vector<bool> differentiable() { return {true, false, true}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(Scatter{1}, {{2, 4}, index_of({2, 2}, {0, 3, 2, 1}), {2, 2}}), sample(Scatter{0}, {{3, 2}, index_of({1, 2}, {2, 0}), {2, 3}}, "larger src"),
            sample(Scatter{0}, {normal({}), index_of({}, {0}), normal({})}, "scalars"), sample(Scatter{0}, {{3}, index_of({0}, {}), {0}}, "no index")};
  }
  static ErrorSamples errors() {
    return {error(Scatter{0}, {{3}, index_of({1}, {3}), {1}}, "index 3 is out of bounds for dimension 0 with size 3"),
            error(Scatter{0}, {{3}, index_of({2}, {0, 1}), {1}}, "to be no larger than src")};
  }
};

//   y = x;  y[i][index[i][j][k]][k] += src[i][j][k]
struct ScatterAdd {
  static constexpr auto name = "scatter_add", doc = "the input with elements added, one index along a dimension per element of src";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const { return infer_scatter(name, dim, x); }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    return scattered(kernels::Scatter::Add, name, dim, x);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensor src;
    if (s.needs(2)) src = source_gradient(dy, dim, s.x(1), s.in(2).shape);
    return {dy, {}, src};
  }
  static std::vector<bool> differentiable() { return {true, false, true}; }
  static std::vector<DType> dtypes() { return moved_dtypes(); }
  static Samples samples() {
    return {sample(ScatterAdd{1}, {{2, 4}, index_of({2, 3}, {0, 3, 0, 1, 1, 1}), {2, 3}}).bench({{4096, 256}, integers({4096, 64}, 0, 4), {4096, 64}}),
            sample(ScatterAdd{0}, {{3, 2}, index_of({1, 2}, {2, 0}), {2, 3}}, "larger src"),
            sample(ScatterAdd{0}, {normal({}), index_of({}, {0}), normal({})}, "scalars"), sample(ScatterAdd{0}, {{3}, index_of({0}, {}), {0}}, "no index")};
  }
  static ErrorSamples errors() {
    return {error(ScatterAdd{0}, {{3}, index_of({1}, {-1}), {1}}, "index -1 is out of bounds for dimension 0 with size 3"),
            error(ScatterAdd{0}, {{3, 1}, index_of({1, 2}, {0, 1}), {1, 2}}, "to be no larger than self")};
  }
};

//   y = x;  y[i][index[i][j][k]][k] = max, min or product of itself and src[i][j][k]
// Extremes share dy among the elements equal to them. Products leave one factor out: y / factor where nothing is 0; of a single
// zero factor the product of the others; 0 where there are more zeros.
struct ScatterReduce {
  static constexpr auto name = "scatter_reduce", doc = "the input combined with src by product, maximum or minimum, one index along a dimension per element";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;
  kernels::Scatter op = kernels::Scatter::Max;

  Outs infer(ArrayIn x) const { return infer_scatter(name, dim, x); }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1, 2);
    Array y = scattered(op, name, dim, x);
    s.output(y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), index = s.x(1), src = used(s.x(2), index), y = s.y(0);
    Tensor dx, dsrc;
    if (op == kernels::Scatter::Mul) {
      const Tensor x_zero = eq(x, 0.0), src_zero = eq(src, 0.0);
      const Tensor zeros_in = scatter_add(to(x_zero, DType::i64), dim, index, to(src_zero, DType::i64));
      const Tensor others = scatter_extreme_or_product(masked_fill(x, x_zero, 1.0), dim, index, masked_fill(src, src_zero, 1.0), "prod");
      const Tensor for_zero = mul(dy, masked_fill(others, gt(zeros_in, 1.0), 0.0)), for_rest = mul(dy, masked_fill(others, gt(zeros_in, 0.0), 0.0));
      dx = where(x_zero, for_zero, div(for_rest, masked_fill(x, x_zero, 1.0)));
      dsrc = where(src_zero, gather(for_zero, dim, index), div(gather(for_rest, dim, index), masked_fill(src, src_zero, 1.0)));
    } else {
      const Tensor x_equal = to(eq(x.detach(), y.detach()), dy.dtype()), src_equal = to(eq(src.detach(), gather(y.detach(), dim, index)), dy.dtype());
      const Tensor share = div(dy, scatter_add(x_equal, dim, index, src_equal));
      dx = mul(share, x_equal);
      dsrc = mul(gather(share, dim, index), src_equal);
    }
    return {dx, {}, padded(dsrc, s.in(2).shape)};
  }
  static std::vector<bool> differentiable() { return {true, false, true}; }
  static Samples samples() {
    using enum kernels::Scatter;
    const Input index = index_of({2, 3}, {0, 3, 0, 1, 1, 1});
    return {sample(ScatterReduce{1, Max}, {values({2, 4}, {0.1, 2, -1, 0.5, 0.3, -0.2, 4, 1}), index, values({2, 3}, {3, 0.2, -3, 1.5, 0.6, -0.9})}),
            sample(ScatterReduce{1, Min}, {values({2, 4}, {0.1, 2, -1, 0.5, 0.3, -0.2, 4, 1}), index, values({2, 3}, {3, 0.2, -3, 1.5, 0.6, -0.9})}, "least"),
            sample(ScatterReduce{1, Mul}, {{2, 4}, index, {2, 3}}, "product"), sample(ScatterReduce{0, Mul}, {{3, 2}, index_of({1, 2}, {2, 0}), {2, 3}}, "larger src")};
  }
  static ErrorSamples errors() { return {error(ScatterReduce{0, kernels::Scatter::Max}, {{3}, index_of({1}, {3}), {1}}, "index 3 is out of bounds for dimension 0")}; }

 private:
  static Tensor used(const Tensor& src, const Tensor& index) {   // the part of src that index covers
    Tensor part = src;
    for (int d = 0; d < src.dim(); ++d)
      if (part.shape()[d] != index.shape()[d]) part = slice(part, d, 0, index.shape()[d]);
    return part;
  }
  static Tensor padded(const Tensor& g, const Shape& shape) {
    std::vector<int64_t> padding;
    for (int d = shape.size() - 1; d >= 0; --d) padding.insert(padding.end(), {0, shape[d] - g.shape()[d]});
    return g.shape() == shape ? g : pad(g, padding);
  }
};

}  // namespace

Tensor scatter_extreme_or_product(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce) {
  using enum kernels::Scatter;
  return apply(ScatterReduce{dim, reduce == "prod" ? Mul : reduce == "amax" ? Max : Min}, {input, index, src});
}

Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index) { return apply(IndexSelect{dim}, {input, index}); }

Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx) {
  int64_t padding = -1;
  if (padding_idx) {
    const int64_t n = weight.size(0);
    if (*padding_idx < -n || *padding_idx >= n) fail<ValueError>("embedding: Padding_idx must be within num_embeddings: got ", *padding_idx, " for ", n, " rows");
    padding = *padding_idx < 0 ? *padding_idx + n : *padding_idx;
  }
  return apply(Embedding{padding}, {input, weight});
}

Tensor index_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source) {
  return apply(IndexAdd{dim}, {input, index, source});
}
Tensor index_copy(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source) {
  return apply(IndexCopy{dim}, {input, index, source});
}
Tensor index_fill(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& value) {
  if (value.dim() != 0) fail<ShapeError>("index_fill: only supports a 0-dimensional value tensor, but got tensor with ", value.dim(), " dimension(s).");
  const int d = normalize_dim(dim, input.dim(), "index_fill");
  return index_copy(input, dim, index, expand(to(value, input.dtype()), with_size(input.shape(), d, index.numel())));
}
Tensor index_fill(const Tensor& input, int64_t dim, const Tensor& index, double value) {
  return index_fill(input, dim, index, Tensor(full({}, value, input.dtype(), input.device())));
}

Tensor gather(const Tensor& input, int64_t dim, const Tensor& index) { return apply(Gather{dim}, {input, index}); }
Tensor gather_adjoint(const Tensor& dy, const Shape& shape, int64_t dim, const Tensor& index) {
  return apply(GatherAdjoint{shape, dim}, {dy, index});
}
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) { return apply(Scatter{dim}, {input, index, src}); }
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, double value) {
  return scatter(input, dim, index, Tensor(full({}, value, input.dtype(), input.device()).expand(index.shape())));
}
Tensor scatter_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src) {
  return apply(ScatterAdd{dim}, {input, index, src});
}

}  // namespace hippograd
