// What a tensor is: sizes, strides, memory, dtype and device, and conversions between them. Settings of the library.
#include "autograd/check.h"
#include "autograd/ops.h"
#include "autograd/sample.h"
#include "bindings/node.h"
#include "tensor/accelerator.h"
#include "tensor/backend.h"
#include "tensor/build_info.h"
#include "tensor/kernels/matmul.h"
#include "tensor/parallel.h"

namespace hippograd::python {
namespace {

py::object size_or_one(const Shape& all, const py::object& dim, int rank, const char* what) {
  static Definition named;
  if (named.name.empty()) named.name = what, named.parameters = {{"input"}, {"dim"}};
  if (dim.is_none()) return {};
  return py::int_(all[normalize_dim(integer(dim.ptr(), {named, 1}), rank, what)]);
}
py::object size(const Tensor& t, py::object dim) {
  const py::object one = size_or_one(t.shape(), dim, t.dim(), "size");
  return one ? one : py::reinterpret_steal<py::object>(size_object(t.shape()));
}
py::object stride(const Tensor& t, py::object dim) {
  const Shape& s = t.array().strides();
  if (const py::object one = size_or_one(s, dim, t.dim(), "stride")) return one;
  py::tuple all(s.size());
  for (int i = 0; i < s.size(); ++i) all[i] = s[i];
  return all;
}
Tensor cast(const Tensor& t, DType d) { return t.dtype() == d ? t : to(t, d); }
template <DType d> Tensor cast_to(const Tensor& t) { return cast(t, d); }
Tensor moved(const Tensor& t, Device d) { return to(t, d); }

// to(dtype), to(device), to(device, dtype), to(other), with copy=
Tensor to_any(const Tensor& t, py::object a, py::object b, bool copy, py::object dtype_name, py::object device_name, bool non_blocking) {
  static Definition named;
  if (named.name.empty()) named.name = "to", named.parameters.resize(6, Parameter{"dtype or device"});
  std::optional<DType> type;
  Device where = t.device();
  const auto take = [&](const py::object& o) {
    if (o.is_none()) return;
    if (PyBool_Check(o.ptr())) return void(non_blocking = non_blocking || o.ptr() == Py_True);
    if (is_tensor(o.ptr())) type = as_tensor(o.ptr()).dtype(), where = as_tensor(o.ptr()).device();
    else if (PyUnicode_Check(o.ptr()) || PyLong_Check(o.ptr()) || py::isinstance<Device>(o)) where = device(o.ptr(), {named, 1});
    else type = dtype(o.ptr(), {named, 1});
  };
  for (const py::object& o : {a, b, dtype_name, device_name}) take(o);
  std::optional<NonBlocking> free_to_go_on;
  if (non_blocking) free_to_go_on.emplace();
  const Tensor r = moved(cast(t, type.value_or(t.dtype())), where);
  return copy && r.same(t) ? clone(r) : r;
}
const char* type_name(DType t) {   // the names of PyTorch's old tensor types
  constexpr const char* names[kDTypes] = {"Float", "Double", "ComplexFloat", "ComplexDouble", "Long", "Int", "Bool", "Byte", "BFloat16", "Half"};
  return names[int(t)];
}
py::object type(const Tensor& t, py::object target) {
  static Definition named;
  if (named.name.empty()) named.name = "type", named.parameters.resize(2, Parameter{"dtype"});
  if (target.is_none()) return py::str(std::string("hippograd.") + type_name(t.dtype()) + "Tensor");
  if (PyUnicode_Check(target.ptr())) {
    const std::string text = target.cast<std::string>();
    for (int i = 0; i < kDTypes; ++i)
      if (text.ends_with(std::string(".") + type_name(DType(i)) + "Tensor")) return py::reinterpret_steal<py::object>(wrap(cast(t, DType(i))));
    raise(PyExc_ValueError, "invalid type: '" + text + "'");
  }
  if (py::hasattr(target, "_dtype")) target = target.attr("_dtype");   // hippograd.FloatTensor
  return py::reinterpret_steal<py::object>(wrap(cast(t, dtype(target.ptr(), {named, 1}))));
}

py::dict describe(const OpEntry& op) {
  py::list dtypes;
  for (DType t : op.dtypes) dtypes.append(py::reinterpret_steal<py::object>(dtype_object(t)));
  py::dict d;
  d["name"] = op.name;
  d["doc"] = op.doc;
  d["dtypes"] = dtypes;
  d["has_reference"] = op.has_reference;
  d["differentiable_backward"] = op.differentiable_backward;
  d["is_view"] = op.is_view;
  return d;
}
const OpEntry& entry(const std::string& name) {
  for (const OpEntry& op : op_table())
    if (op.name == name) return op;
  fail<ValueError>("op table: no op named '", name, "'");
}
// The samples of an op as (label, inputs, outputs): run with fresh inputs of the given dtype.
py::list run_samples(std::string name, std::optional<DType> dtype, int64_t seed) {
  const OpEntry& op = entry(name);
  const DType t = dtype.value_or(op.dtypes.empty() ? DType::f32 : op.dtypes[0]);
  Generator g{uint64_t(seed)};
  py::list list;
  for (const Sample& s : op.samples()) {
    Tensors inputs;
    for (const Input& i : s.inputs) inputs.push_back(Tensor(i.make(t, g)));
    const Tensors outputs = s.run(inputs);
    list.append(py::make_tuple(s.label, py::reinterpret_steal<py::object>(tuple_of(inputs)), py::reinterpret_steal<py::object>(tuple_of(outputs))));
  }
  return list;
}
// What each check of autograd/check.h says about an op: [(check, "" or what is wrong)].
py::list check_op(std::string name) {
  const OpEntry& op = entry(name);
  py::list list;
  for (const Check check : kChecks) {
    std::string why;
    {
      py::gil_scoped_release unlocked;
      why = run_check(op, check);
    }
    list.append(py::make_tuple(hippograd::name(check), why));
  }
  return list;
}
}  // namespace

void bind_inspect(py::module_& m) {
  def_method("size(input, dim=None)", size);
  def_method("stride(input, dim=None)", stride);
  def_method("dim(input)", [](const Tensor& t) { return int64_t(t.dim()); });
  another_name("dim", {"ndimension"});
  def("numel(input)", [](const Tensor& t) { return t.numel(); });
  def_method("nelement(input)", [](const Tensor& t) { return t.numel(); });
  def_method("element_size(input)", [](const Tensor& t) { return int64_t(itemsize(t.dtype())); });
  def_method("storage_offset(input)", [](const Tensor& t) { return t.array().offset(); });
  def_method("data_ptr(input)", [](const Tensor& t) { return int64_t(reinterpret_cast<intptr_t>(t.array().raw())); });
  def_method("_storage_ptr(input)", [](const Tensor& t) { return int64_t(reinterpret_cast<intptr_t>(t.array().storage()->data())); });
  def_method("_storage_bytes(input)", [](const Tensor& t) { return int64_t(t.array().storage()->bytes()); });
  def_method("is_contiguous(input)", [](const Tensor& t) { return t.array().is_contiguous(); });
  def("is_floating_point(input)", [](const Tensor& t) { return is_real(t.dtype()); });
  def("is_complex(input)", [](const Tensor& t) { return is_complex(t.dtype()); });
  def("is_signed(input)", [](const Tensor& t) { return t.dtype() != DType::u8 && t.dtype() != DType::b8; });
  def_method("_is_view(input)", [](const Tensor& t) { return t.impl()->base.defined(); });

  def_method("to(input, target=None, second=None, copy=False, *, dtype=None, device=None, non_blocking=False)", to_any);
  def_method("type(input, dtype=None)", type);
  def_method("float(input)", cast_to<DType::f32>);
  def_method("double(input)", cast_to<DType::f64>);
  def_method("half(input)", cast_to<DType::f16>);
  def_method("bfloat16(input)", cast_to<DType::bf16>);
  def_method("long(input)", cast_to<DType::i64>);
  def_method("int(input)", cast_to<DType::i32>);
  def_method("bool(input)", cast_to<DType::b8>);
  def_method("byte(input)", cast_to<DType::u8>);
  def_method("cfloat(input)", cast_to<DType::c64>);
  def_method("cdouble(input)", cast_to<DType::c128>);
  def_method("cpu(input)", [](const Tensor& t) { return moved(t, Device{}); });
  def_method("cuda(input, device=None, non_blocking=False)", [](const Tensor& t, std::optional<Device> d, bool non_blocking) {
    std::optional<NonBlocking> free_to_go_on;
    if (non_blocking) free_to_go_on.emplace();
    return moved(t, d.value_or(Device{DeviceKind::CUDA, 0}));
  });

  def_function("get_default_dtype()", [] { return default_dtype(); });
  def_function("set_default_dtype(d)", [](DType d) {
    if (!is_real(d)) raise(PyExc_TypeError, "only floating-point types are supported as the default type");
    set_default_dtype(d);
  });
  def_function("promote_types(type1, type2)", [](DType a, DType b) { return promote(a, b); });
  def_function("get_num_threads()", [] { return int64_t(num_threads()); });
  def_function("set_num_threads(n)", [](int64_t n) { set_num_threads(int(n)); });
  def_function("_allow_tf32(mode)", [](bool allowed) { allow_tf32(allowed); });
  def_function("_tf32_allowed()", [] { return tf32_allowed(); });
  def_function("_why_unavailable()", [] { return why_unavailable(DeviceKind::CUDA); });
  def_function("memory_stats()", [] {
    const AllocatorStats s = allocator_stats();
    py::dict d;
    d["in_use"] = s.in_use;
    d["peak"] = s.peak;
    d["cached"] = s.cached;
    return py::object(d);
  });
  def_function("reset_peak_memory_stats()", [] { allocator_reset_peak(); });
  def_function("empty_cache()", [] { allocator_empty_cache(); });
  def_function("op_table()", [] {
    py::list list;
    for (const OpEntry& op : op_table()) list.append(describe(op));
    return py::object(list);
  });
  def_function("_check_op(name)", [](std::string name) { return py::object(check_op(name)); });
  def_function("run_samples(name, dtype=None, seed=0)",
               [](std::string name, std::optional<DType> dtype, int64_t seed) { return py::object(run_samples(name, dtype, seed)); });
  (void)m;
}

}  // namespace hippograd::python
