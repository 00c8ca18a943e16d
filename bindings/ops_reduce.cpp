// Reductions, scans along a dimension, sorting.
#include <map>

#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

using Dims = std::optional<Shape>;
Shape all_if_none(const Dims& dim) { return dim.value_or(Shape{}); }
py::object object(PyObject* stolen) {
  if (!stolen) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(stolen);
}
py::object one(const Tensor& t) { return object(wrap(t)); }
py::object several(const Tensors& list) { return object(tuple_of(list)); }

using Reduction = Tensor (*)(const Tensor&, const Shape&, bool);
using TypedReduction = Tensor (*)(const Tensor&, const Shape&, bool, std::optional<DType>);
template <Reduction f> Tensor reduced(const Tensor& x, Dims dim, bool keepdim) { return f(x, all_if_none(dim), keepdim); }
template <TypedReduction f> Tensor reduced_as(const Tensor& x, Dims dim, bool keepdim, std::optional<DType> dtype) {
  return f(x, all_if_none(dim), keepdim, dtype);
}

Definition& named(const char* function, const char* argument) {
  static auto* all = new std::map<std::string, Definition>;
  Definition& d = (*all)[function];
  if (d.name.empty()) d.name = function, d.parameters = {{argument}};
  return d;
}
// max(x); max(x, dim, keepdim) -> (values, indices); max(x, other): elementwise
using Whole = Tensor (*)(const Tensor&);
using Along = Tensors (*)(const Tensor&, int64_t, bool);
using Elementwise = Tensor (*)(const Tensor&, const Tensor&);
template <Whole whole, Along along, Elementwise elementwise>
py::object extreme(const Tensor& x, py::object dim, bool keepdim, py::object other) {
  const py::object second = other.is_none() ? dim : other;
  if (second.is_none()) return one(whole(x));
  if (is_tensor(second.ptr())) return one(elementwise(x, as_tensor(second.ptr())));
  return several(along(x, integer(second.ptr(), {named("max", "dim"), 0}), keepdim));
}
template <Whole whole, Along along> py::object middle(const Tensor& x, std::optional<int64_t> dim, bool keepdim) {
  return dim ? several(along(x, *dim, keepdim)) : one(whole(x));
}

// var(x), var(x, False), var(x, dim, unbiased), var(x, dim, correction=...)
struct Spread { Shape dims; double correction; };
Spread spread(const py::object& dim, bool unbiased, const std::optional<double>& correction) {
  if (PyBool_Check(dim.ptr())) return {{}, dim.ptr() == Py_True ? 1.0 : 0.0};
  return {dim.is_none() ? Shape{} : sizes(dim.ptr(), {named("var", "dim"), 0}), correction.value_or(unbiased ? 1 : 0)};
}
using Variance = Tensor (*)(const Tensor&, const Shape&, double, bool);
using VarianceMean = Tensors (*)(const Tensor&, const Shape&, double, bool);
template <Variance f> py::object variance(const Tensor& x, py::object dim, bool unbiased, bool keepdim, std::optional<double> correction) {
  const Spread s = spread(dim, unbiased, correction);
  return one(f(x, s.dims, s.correction, keepdim));
}
template <VarianceMean f> py::object variance_mean(const Tensor& x, py::object dim, bool unbiased, bool keepdim, std::optional<double> correction) {
  const Spread s = spread(dim, unbiased, correction);
  return several(f(x, s.dims, s.correction, keepdim));
}

py::object quantiles(const Tensor& x, py::object q, std::optional<int64_t> dim, bool keepdim, std::string_view interpolation) {
  if (is_tensor(q.ptr())) return one(quantile(x, as_tensor(q.ptr()), dim, keepdim, interpolation));
  return one(quantile(x, real_number(q.ptr(), {named("quantile", "q"), 0}), dim, keepdim, interpolation));
}
py::object nan_quantiles(const Tensor& x, py::object q, std::optional<int64_t> dim, bool keepdim, std::string_view interpolation) {
  if (is_tensor(q.ptr())) return one(nanquantile(x, as_tensor(q.ptr()), dim, keepdim, interpolation));
  const Tensor value(scalar(real_number(q.ptr(), {named("nanquantile", "q"), 0}), x.dtype()));
  return one(nanquantile(x, value, dim, keepdim, interpolation));
}
py::object those_asked_for(const Tensors& parts) {
  Tensors given;
  for (const Tensor& t : parts)
    if (t.defined()) given.push_back(t);
  return given.size() == 1 ? one(given[0]) : several(given);
}
}  // namespace

void bind_reduce() {
  def("sum(input, dim=None, keepdim=False, *, dtype=None)", reduced_as<sum>);
  def("mean(input, dim=None, keepdim=False, *, dtype=None)", reduced_as<mean>);
  def("nansum(input, dim=None, keepdim=False, *, dtype=None)", reduced_as<nansum>);
  def("nanmean(input, dim=None, keepdim=False, *, dtype=None)", reduced_as<nanmean>);
  def("prod(input, dim=None, keepdim=False, *, dtype=None)", prod);
  def("amax(input, dim=None, keepdim=False)", reduced<amax>);
  def("amin(input, dim=None, keepdim=False)", reduced<amin>);
  def("any(input, dim=None, keepdim=False)", reduced<any>);
  def("all(input, dim=None, keepdim=False)", reduced<all>);
  def("logsumexp(input, dim, keepdim=False)", reduced<logsumexp>);
  def("count_nonzero(input, dim=None)", [](const Tensor& x, Dims dim) { return count_nonzero(x, all_if_none(dim)); });
  def("aminmax(input, *, dim=None, keepdim=False) -> (min, max)", aminmax);
  def("max(input, dim=None, keepdim=False, *, other=None) -> (values, indices)", extreme<max, max, maximum>);
  def("min(input, dim=None, keepdim=False, *, other=None) -> (values, indices)", extreme<min, min, minimum>);
  def("argmax(input, dim=None, keepdim=False)", argmax);
  def("argmin(input, dim=None, keepdim=False)", argmin);
  def("var(input, dim=None, unbiased=True, keepdim=False, *, correction=None)", variance<var>);
  def("std(input, dim=None, unbiased=True, keepdim=False, *, correction=None)", variance<hippograd::std>);
  def("var_mean(input, dim=None, unbiased=True, keepdim=False, *, correction=None)", variance_mean<var_mean>);
  def("std_mean(input, dim=None, unbiased=True, keepdim=False, *, correction=None)", variance_mean<std_mean>);
  def_function("_vector_norm(input, ord=2.0, dim=None, keepdim=False, *, dtype=None)",
               [](const Tensor& x, double ord, Dims dim, bool keepdim, std::optional<DType> dtype) { return vector_norm(x, ord, all_if_none(dim), keepdim, dtype); });
  def("cumsum(input, dim, *, dtype=None)", cumsum);
  def("cumprod(input, dim, *, dtype=None)", cumprod);
  def("cummax(input, dim) -> (values, indices)", cummax);
  def("cummin(input, dim) -> (values, indices)", cummin);
  def("logcumsumexp(input, dim)", logcumsumexp);
  def("diff(input, n=1, dim=-1, prepend=None, append=None)", diff);
  def_function("trapezoid(y, x=None, *, dx=1.0, dim=-1)", trapezoid);
  another_name("trapezoid", {"trapz"});
  def("scatter_reduce(input, dim, index, src, reduce, *, include_self=True)", scatter_reduce);
  in_place_twins({"cumsum", "cumprod", "scatter_reduce"});

  def("sort(input, dim=-1, descending=False, stable=False) -> (values, indices)",
      [](const Tensor& x, int64_t dim, bool descending, bool) { return sort(x, dim, descending); });
  def("argsort(input, dim=-1, descending=False, stable=False)", [](const Tensor& x, int64_t dim, bool descending, bool) { return argsort(x, dim, descending); });
  def("msort(input)", msort);
  def("topk(input, k, dim=-1, largest=True, sorted=True) -> (values, indices)",
      [](const Tensor& x, int64_t k, int64_t dim, bool largest, bool) { return topk(x, k, dim, largest); });
  def("kthvalue(input, k, dim=-1, keepdim=False) -> (values, indices)", kthvalue);
  def("median(input, dim=None, keepdim=False) -> (values, indices)", middle<median, median>);
  def("nanmedian(input, dim=None, keepdim=False) -> (values, indices)", middle<nanmedian, nanmedian>);
  def("mode(input, dim=-1, keepdim=False) -> (values, indices)", mode);
  def("quantile(input, q, dim=None, keepdim=False, *, interpolation='linear')", quantiles);
  def("nanquantile(input, q, dim=None, keepdim=False, *, interpolation='linear')", nan_quantiles);
  def("unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None)",
      [](const Tensor& x, bool, bool inverse, bool counts, std::optional<int64_t> dim) { return those_asked_for(unique(x, inverse, counts, dim)); });
  def("unique_consecutive(input, return_inverse=False, return_counts=False, dim=None)",
      [](const Tensor& x, bool inverse, bool counts, std::optional<int64_t> dim) { return those_asked_for(unique_consecutive(x, inverse, counts, dim)); });
}

}  // namespace hippograd::python
