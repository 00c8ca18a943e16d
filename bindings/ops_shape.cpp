// Views, shapes, copies, joining, splitting and indexing along a dimension.
#include <map>

#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

const Definition& named(const char* name, const char* argument) {   // for messages of arguments that have several forms
  static auto* all = new std::map<std::pair<const char*, const char*>, Definition>;
  Definition& d = (*all)[{name, argument}];
  if (d.name.empty()) d.name = name, d.parameters = {{argument}};
  return d;
}
Shape ints(const py::object& o, const char* function, const char* argument) { return sizes(o.ptr(), {named(function, argument), 0}); }
std::vector<int64_t> int_vector(const py::object& o, const char* function, const char* argument) {
  return From<std::vector<int64_t>>::get(o.ptr(), {named(function, argument), 0});
}
bool is_int(const py::object& o) { return is_integer(o.ptr()); }

// view(2, 3), view((2, 3)), view(dtype)
Tensor view_any(const Tensor& x, py::object shape) {
  if (!PyTuple_Check(shape.ptr()) && !PyList_Check(shape.ptr())) {
    const DType t = dtype(shape.ptr(), {named("view", "size"), 0});
    const Array& a = x.array();
    if (itemsize(t) != itemsize(x.dtype()))
      fail<ValueError>("view: a view as ", t, " of a ", x.dtype(), " tensor needs elements of the same size here");
    return Tensor(Array(a.storage(), a.shape(), a.strides(), a.offset(), t));
  }
  return view(x, ints(shape, "view", "size"));
}
Tensor expand_to(const Tensor& x, const Shape& size) {
  const int missing = size.size() - x.dim();
  for (int d = 0; d < size.size(); ++d)
    if (size[d] == -1 && d < missing)
      fail<ShapeError>("expand: The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension ", d);
  return expand(x, size);
}
// Copies of the input side by side: a new dimension before each one, expanded, and merged with it.
Tensor repeated(const Tensor& x, const Shape& repeats) {
  if (repeats.size() < x.dim())
    fail<ShapeError>("repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor: got ", repeats, " for ", x.shape());
  Tensor y = x;
  while (y.dim() < repeats.size()) y = unsqueeze(y, 0);
  Shape apart, copies, merged;
  for (int d = 0; d < repeats.size(); ++d) {
    if (repeats[d] < 0) fail<ShapeError>("repeat: Trying to create tensor with negative dimension ", repeats[d]);
    apart.push_back(1);
    apart.push_back(y.size(d));
    copies.push_back(repeats[d]);
    copies.push_back(y.size(d));
    merged.push_back(repeats[d] * y.size(d));
  }
  if (apart.size() <= Shape::kMaxRank) return clone(reshape(expand(reshape(y, apart), copies), merged));
  for (int d = 0; d < repeats.size(); ++d) y = cat(Tensors(size_t(repeats[d]), y), d);
  return y;
}
Tensor squeezed(const Tensor& x, py::object dim) {
  return dim.is_none() ? squeeze(x) : squeeze(x, ints(dim, "squeeze", "dim"));
}
Tensors splits(const Tensor& x, py::object size, int64_t dim) {
  return is_int(size) ? split(x, integer(size.ptr(), {named("split", "split_size"), 0}), dim) : split(x, int_vector(size, "split", "split_size"), dim);
}
Tensors tensor_splits(const Tensor& x, py::object parts, int64_t dim) {
  return is_int(parts) ? tensor_split(x, integer(parts.ptr(), {named("tensor_split", "indices_or_sections"), 0}), dim)
                       : tensor_split(x, int_vector(parts, "tensor_split", "indices_or_sections"), dim);
}
Tensor scattered(const Tensor& x, int64_t dim, const Tensor& index, py::object src, py::object value, py::object reduce) {
  const py::object what = src.is_none() ? value : src;
  if (!reduce.is_none()) {                                  // reduce="add" or "multiply"
    const std::string_view name = From<std::string_view>::get(reduce.ptr(), {named("scatter", "reduce"), 0});
    if (name != "add" && name != "multiply") raise(PyExc_RuntimeError, "reduce argument must be either add or multiply.");
    const Tensor values = is_tensor(what.ptr()) ? as_tensor(what.ptr())
                                                : Tensor(full(index.shape(), real_number(what.ptr(), {named("scatter", "value"), 0}), x.dtype()));
    return scatter_reduce(x, dim, index, values, name == "add" ? "sum" : "prod");
  }
  if (is_tensor(what.ptr())) return scatter(x, dim, index, as_tensor(what.ptr()));
  return scatter(x, dim, index, real_number(what.ptr(), {named("scatter", "value"), 0}));
}
}  // namespace

void bind_shape() {
  def("as_strided(input, size, stride, storage_offset=None)",
      [](const Tensor& x, const Shape& size, const Shape& stride, std::optional<int64_t> offset) {
        return as_strided(x, size, stride, offset.value_or(x.array().offset()));
      });
  def("select(input, dim, index)", select);
  def_method("view(input, *size)", view_any);
  def("reshape(input, *shape)", reshape);
  def_method("view_as(input, other)", view_as);
  def_method("reshape_as(input, other)", reshape_as);
  def("flatten(input, start_dim=0, end_dim=-1)", flatten);
  def("ravel(input)", [](const Tensor& x) { return reshape(contiguous(x), {-1}); });
  def("unflatten(input, dim, sizes)", unflatten);
  def("permute(input, *dims)", permute);
  def("transpose(input, dim0, dim1)", transpose);
  another_name("transpose", {"swapaxes", "swapdims"});
  def("t(input)", t);
  def("adjoint(input)", [](const Tensor& x) { return mT(x); });
  def("movedim(input, source, destination)", movedim);
  another_name("movedim", {"moveaxis"});
  def("squeeze(input, dim=None)", squeezed);
  def("unsqueeze(input, dim)", unsqueeze);
  def("narrow(input, dim, start, length)", [](const Tensor& x, int64_t dim, int64_t start, int64_t length) { return narrow(x, dim, start, length); });
  def("diagonal(input, offset=0, dim1=0, dim2=1)", diagonal);
  def("diag_embed(input, offset=0, dim1=-2, dim2=-1)", diag_embed);
  def_method("unfold(input, dimension, size, step)", unfold);
  def("split(input, split_size, dim=0)", splits);
  another_name("split", {"split_with_sizes"});
  def("chunk(input, chunks, dim=0)", chunk);
  def("tensor_split(input, indices_or_sections, dim=0)", tensor_splits);
  def("unbind(input, dim=0)", unbind);
  def("clone(input)", clone);
  def_method("contiguous(input)", contiguous);
  def_function("cat(tensors, dim=0)", [](const Tensors& tensors, int64_t dim) { return cat(tensors, dim); });
  another_name("cat", {"concat", "concatenate"});
  def_function("stack(tensors, dim=0)", [](const Tensors& tensors, int64_t dim) { return stack(tensors, dim); });
  def("flip(input, *dims)", flip);
  def("tril(input, diagonal=0)", tril);
  def("triu(input, diagonal=0)", triu);
  def_function("pad(input, pad, mode='constant', value=0)", [](const Tensor& x, const std::vector<int64_t>& padding, std::string_view mode, std::optional<double> value) {
    return pad(x, padding, mode, value.value_or(0));
  });
  def_method("expand(input, *size)", expand_to);
  def_method("expand_as(input, other)", [](const Tensor& x, const Tensor& other) { return expand(x, other.shape()); });
  def("broadcast_to(input, size)", expand_to);
  def_method("repeat(input, *repeats)", repeated);

  def("index_select(input, dim, index)", index_select);
  def("index_add(input, dim, index, source, *, alpha=1)", [](const Tensor& x, int64_t dim, const Tensor& index, const Tensor& source, double alpha) {
    return index_add(x, dim, index, alpha == 1 ? source : to(mul(source, Tensor::number(alpha)), source.dtype()));
  });
  def("index_copy(input, dim, index, source)", index_copy);
  def("index_fill(input, dim, index, value#)", [](const Tensor& x, int64_t dim, const Tensor& index, const Tensor& value) {
    return index_fill(x, dim, index, value);
  });
  def("gather(input, dim, index, *, sparse_grad=False)", [](const Tensor& x, int64_t dim, const Tensor& index, bool) { return gather(x, dim, index); });
  def("scatter(input, dim, index, src=None, *, value=None, reduce=None)", scattered);
  def("scatter_add(input, dim, index, src)", scatter_add);
  def_function("embedding(weight, indices, padding_idx=-1)", [](const Tensor& weight, const Tensor& indices, int64_t padding_idx) {
    return embedding(indices, weight, padding_idx < 0 ? std::nullopt : std::optional<int64_t>(padding_idx));
  });
  def("index_put(input, indices, values#, accumulate=False)", index_put);
  def("take(input, index)", take);
  def("take_along_dim(input, indices, dim=None)", take_along_dim);
  def("masked_select(input, mask)", masked_select);
  def("masked_scatter(input, mask, source)", masked_scatter);
  def("nonzero(input, *, as_tuple=False)", [](const Tensor& x, bool as_tuple) -> py::object {
    return py::reinterpret_steal<py::object>(as_tuple ? tuple_of(where(x)) : wrap(nonzero(x)));
  });
  def("argwhere(input)", argwhere);
  def_function("one_hot(input, num_classes=-1)", one_hot);
  def("bincount(input, weights=None, minlength=0)", bincount);
  def_function("searchsorted(sorted_sequence, input#, *, out_int32=False, right=False, side=None, sorter=None)",
               [](const Tensor& sorted, const Tensor& x, bool out_int32, bool right, std::optional<std::string> side, const Tensor& sorter) {
                 const Tensor r = searchsorted(sorter.defined() ? gather(sorted, -1, sorter) : sorted, x, right || side == "right");
                 return out_int32 ? to(r, DType::i32) : r;
               });
  def_function("bucketize(input#, boundaries, *, out_int32=False, right=False)", [](const Tensor& x, const Tensor& boundaries, bool out_int32, bool right) {
    const Tensor r = bucketize(x, boundaries, right);
    return out_int32 ? to(r, DType::i32) : r;
  });
  def("histc(input, bins=100, min=0, max=0)", histc);
  in_place_twins({"tril", "masked_scatter", "triu", "index_add", "index_copy", "index_fill", "scatter", "scatter_add"});
}

}  // namespace hippograd::python
