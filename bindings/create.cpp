// New tensors: from data, by rule, by chance.
#include <cmath>
#include <numbers>

#include "autograd/ops.h"
#include "bindings/node.h"

namespace hippograd::python {
namespace {

// ---- torch.tensor's rules for nested data ----
struct Nested {
  Shape shape;
  std::vector<py::object> leaves;
};

bool is_list(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o) || PyRange_Check(o); }

void flatten_data(PyObject* o, int depth, Nested& n) {
  if (!is_list(o)) {
    if (depth != n.shape.size()) raise(PyExc_ValueError, "expected sequence of length " + std::to_string(n.shape[depth]) + " at dim " + std::to_string(depth));
    n.leaves.push_back(py::reinterpret_borrow<py::object>(o));
    return;
  }
  const py::object items = py::reinterpret_steal<py::object>(PySequence_Fast(o, "data"));
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(items.ptr());
  if (depth >= n.shape.size()) raise(PyExc_TypeError, "tensor(): not a sequence at every place of the nested data");
  if (count != n.shape[depth])
    raise(PyExc_ValueError, cat("expected sequence of length ", n.shape[depth], " at dim ", depth, " (got ", int64_t(count), ")"));
  for (Py_ssize_t i = 0; i < count; ++i) flatten_data(PySequence_Fast_GET_ITEM(items.ptr(), i), depth + 1, n);
}
Nested nested(PyObject* o) {
  Nested n;
  py::object first = py::reinterpret_borrow<py::object>(o);
  while (is_list(first.ptr())) {
    const Py_ssize_t count = PySequence_Size(first.ptr());
    n.shape.push_back(count);
    if (count == 0) break;
    first = py::reinterpret_steal<py::object>(PySequence_GetItem(first.ptr(), 0));
  }
  flatten_data(o, 0, n);
  return n;
}
bool holds_arrays(PyObject* o) {
  if (!is_list(o) || PyRange_Check(o)) return is_numpy_array(o);
  return PySequence_Size(o) > 0 && holds_arrays(py::reinterpret_steal<py::object>(PySequence_GetItem(o, 0)).ptr());
}

DType dtype_of_leaf(PyObject* o) {
  if (PyFloat_Check(o)) return default_dtype();
  if (PyBool_Check(o)) return DType::b8;
  if (PyLong_Check(o)) return DType::i64;
  if (PyComplex_Check(o)) return complex_of(default_dtype());
  if (is_tensor(o)) {
    if (as_tensor(o).numel() != 1) raise(PyExc_ValueError, "only one element tensors can be converted to Python scalars");
    return as_tensor(o).dtype();
  }
  if (is_numpy_scalar(o)) {
    const py::object a = py::module_::import("numpy").attr("asarray")(py::handle(o));
    return from_numpy(a.ptr(), true).dtype();
  }
  if (o == Py_None) raise(PyExc_RuntimeError, "Could not infer dtype of NoneType");
  raise(PyUnicode_Check(o) ? PyExc_TypeError : PyExc_RuntimeError,
        PyUnicode_Check(o) ? std::string("new(): invalid data type 'str'") : std::string("Could not infer dtype of ") + Py_TYPE(o)->tp_name);
}
DType infer_dtype(const std::vector<py::object>& leaves) {
  if (leaves.empty()) return default_dtype();
  DType t = dtype_of_leaf(leaves[0].ptr());
  for (size_t i = 1; i < leaves.size(); ++i)
    if (const DType u = dtype_of_leaf(leaves[i].ptr()); u != t) t = promote(t, u);
  return t;
}

[[noreturn]] void raise_current() { throw py::error_already_set(); }
double leaf_double(PyObject* o) {
  const double x = PyFloat_AsDouble(o);
  if (x == -1 && PyErr_Occurred()) raise_current();
  return x;
}
int64_t leaf_integer(PyObject* o) {
  const py::object number = py::reinterpret_steal<py::object>(PyLong_Check(o) ? Py_NewRef(o) : PyNumber_Long(o));   // 1.7 -> 1
  if (!number) raise_current();
  const int64_t x = PyLong_AsLongLong(number.ptr());
  if (x == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    raise(PyExc_RuntimeError, "Overflow when unpacking long");
  }
  return x;
}
complex128 leaf_complex(PyObject* o) {
  const Py_complex z = PyComplex_AsCComplex(o);
  if (PyErr_Occurred()) raise_current();
  return {z.real, z.imag};
}
template <class T> T leaf_value(PyObject* o) {
  if constexpr (std::is_same_v<T, bool>) return PyObject_IsTrue(o) == 1;
  else if constexpr (std::is_integral_v<T>) return T(leaf_integer(o));
  else if constexpr (dtype_of<T> == DType::c64 || dtype_of<T> == DType::c128) return T(leaf_complex(o));
  else if constexpr (std::is_same_v<T, double>) return leaf_double(o);
  else return T(float(leaf_double(o)));
}

Tensor requiring(Tensor t, bool requires_grad) {
  if (requires_grad) t.set_requires_grad(true);
  return t;
}
Tensor on_device(const Tensor& t, Device d) { return t.device() == d ? t : Tensor(t.array().to(d)); }

Tensor new_tensor(py::object data, std::optional<DType> dtype, Device device, bool requires_grad) {
  if (is_tensor(data.ptr()) &&
      PyErr_WarnEx(PyExc_UserWarning, "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
                                      "sourceTensor.detach().clone().requires_grad_(True), rather than tensor(sourceTensor).", 1) < 0)
    throw py::error_already_set();
  return requiring(tensor_from_data(data.ptr(), dtype, device), requires_grad);
}
Tensor as_tensor_function(py::object data, std::optional<DType> dtype, std::optional<Device> device) {
  Tensor t;
  if (is_tensor(data.ptr())) t = as_tensor(data.ptr());
  else if (is_numpy_array(data.ptr())) t = from_numpy(data.ptr(), false);
  else if (is_cuda_array(data.ptr())) t = from_cuda_array(data);
  else return tensor_from_data(data.ptr(), dtype, device.value_or(Device{}));
  if (dtype && *dtype != t.dtype()) t = to(t, *dtype);
  return device ? on_device(t, *device) : t;
}

// ---- by rule ----
Tensor filled(const Shape& size, double value, DType t, Device d) { return Tensor(full(size, value, t, d)); }
DType dtype_or_default(std::optional<DType> t) { return t.value_or(default_dtype()); }
void check_sizes(const Shape& size, const char* op) {
  for (int64_t n : size)
    if (n < 0) raise(PyExc_RuntimeError, cat(op, ": Trying to create tensor with negative dimension ", n, ": ", size));
  (void)size.numel();
}
template <auto fill> Tensor factory(const Shape& size, std::optional<DType> dtype, Device device, bool requires_grad) {
  check_sizes(size, "size");
  return requiring(fill(size, dtype_or_default(dtype), device), requires_grad);
}
template <auto fill> Tensor factory_like(const Tensor& input, std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
  return requiring(fill(input.shape(), dtype.value_or(input.dtype()), device.value_or(input.device())), requires_grad);
}
template <auto fill> Tensor factory_new(const Tensor& input, const Shape& size, std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
  check_sizes(size, "size");
  return requiring(fill(size, dtype.value_or(input.dtype()), device.value_or(input.device())), requires_grad);
}
Tensor make_zeros(const Shape& s, DType t, Device d) { return Tensor(zeros(s, t, d)); }
Tensor make_ones(const Shape& s, DType t, Device d) { return filled(s, 1, t, d); }
Tensor make_empty(const Shape& s, DType t, Device d) { return Tensor(empty(s, t, d)); }
Tensor make_rand(const Shape& s, DType t, Device d) { return Tensor(rand_uniform(s, 0, 1, t, default_generator(), d)); }
Tensor make_randn(const Shape& s, DType t, Device d) { return Tensor(rand_normal(s, 0, 1, t, default_generator(), d)); }

// A number's natural dtype: bool, int64, default real or complex.
DType dtype_of_number(PyObject* o) { return is_tensor(o) ? as_tensor(o).dtype() : dtype_of_leaf(o); }
Tensor full_of(const Shape& size, PyObject* value, DType t, Device d) {
  check_sizes(size, "full");
  const Tensor one = tensor_from_data(value, t, d);
  return Tensor(one.array().reshape({}).expand(size).clone());
}

// arange(end), arange(start, end), arange(start, end, step): integers only if all three are.
Tensor arange_of(py::object a, py::object b, py::object c, std::optional<DType> dtype, Device device, bool requires_grad) {
  const bool one = b.is_none();
  const py::object start = one ? py::object(py::int_(0)) : a, end = one ? a : b, step = c.is_none() ? py::object(py::int_(1)) : c;
  const auto integral = [](const py::object& o) { return is_integer(o.ptr()) && !PyFloat_Check(o.ptr()); };
  const bool integers = integral(start) && integral(end) && integral(step);
  const DType t = dtype.value_or(integers ? DType::i64 : default_dtype());
  const double lo = leaf_double(start.ptr()), hi = leaf_double(end.ptr()), by = leaf_double(step.ptr());
  if (by == 0) raise(PyExc_RuntimeError, "step must be nonzero");
  if (!std::isfinite(lo) || !std::isfinite(hi)) raise(PyExc_RuntimeError, cat("unsupported range: ", lo, " -> ", hi));
  if ((hi - lo) / by < 0) raise(PyExc_RuntimeError, "upper bound and larger bound inconsistent with step sign");
  int64_t n;
  Array values;
  if (integers) {
    const int64_t first = leaf_integer(start.ptr()), last = leaf_integer(end.ptr()), stride = leaf_integer(step.ptr());
    n = stride > 0 ? (last - first + stride - 1) / stride : (first - last - stride - 1) / -stride;
    values = empty({n}, DType::i64);
    int64_t* p = values.data<int64_t>();
    for (int64_t i = 0; i < n; ++i) p[i] = first + i * stride;
  } else {
    n = int64_t(std::ceil((hi - lo) / by));
    values = empty({n}, DType::f64);
    double* p = values.data<double>();
    for (int64_t i = 0; i < n; ++i) p[i] = lo + double(i) * by;
  }
  return requiring(Tensor(values.to(t).to(device)), requires_grad);
}
// Computed from both ends, so that the last value is exactly `end`.
Array line(double start, double end, int64_t steps) {
  if (steps < 0) raise(PyExc_RuntimeError, "number of steps must be non-negative");
  Array a = empty({steps}, DType::f64);
  double* p = a.data<double>();
  const double by = steps > 1 ? (end - start) / double(steps - 1) : 0;
  for (int64_t i = 0; i < steps; ++i) p[i] = i < steps / 2 ? start + by * double(i) : end - by * double(steps - 1 - i);
  if (steps == 1) p[0] = start;
  return a;
}
Tensor linspace(double start, double end, int64_t steps, std::optional<DType> dtype, Device device, bool requires_grad) {
  return requiring(Tensor(line(start, end, steps).to(dtype_or_default(dtype)).to(device)), requires_grad);
}
Tensor logspace(double start, double end, int64_t steps, double base, std::optional<DType> dtype, Device device, bool requires_grad) {
  Array a = line(start, end, steps);
  for (double *p = a.data<double>(), *stop = p + steps; p < stop; ++p) *p = std::pow(base, *p);
  return requiring(Tensor(a.to(dtype_or_default(dtype)).to(device)), requires_grad);
}
Tensor eye(int64_t n, std::optional<int64_t> m, std::optional<DType> dtype, Device device, bool requires_grad) {
  if (n < 0 || m.value_or(0) < 0) raise(PyExc_RuntimeError, cat("n must be greater or equal to 0, got ", n));
  Array a = zeros({n, m.value_or(n)}, DType::f64);
  double* p = a.data<double>();
  for (int64_t i = 0; i < std::min(n, m.value_or(n)); ++i) p[i * m.value_or(n) + i] = 1;
  return requiring(Tensor(a.to(dtype_or_default(dtype)).to(device)), requires_grad);
}

// ---- by chance ----
template <auto draw> Tensor random_factory(const Shape& size, GeneratorArgument g, std::optional<DType> dtype, Device device, bool requires_grad) {
  check_sizes(size, "size");
  return requiring(Tensor(draw(size, 0.0, 1.0, dtype_or_default(dtype), g, device)), requires_grad);
}
Array draw_uniform(const Shape& s, double a, double b, DType t, Generator& g, Device d) { return rand_uniform(s, a, b, t, g, d); }
Array draw_normal(const Shape& s, double a, double b, DType t, Generator& g, Device d) { return rand_normal(s, a, b, t, g, d); }

// randint(high, size), randint(low, high, size)
Tensor randint(py::object a, py::object b, py::object c, GeneratorArgument g, std::optional<DType> dtype, Device device, bool requires_grad,
               py::object low_name, py::object high_name, py::object size_name) {
  static Definition named;
  if (named.name.empty()) named.name = "randint", named.parameters = {{"low"}, {"high"}, {"size"}};
  std::vector<py::object> rest;
  for (const py::object& o : {a, b, c})
    if (!o.is_none()) rest.push_back(o);
  py::object size = size_name, low = low_name, high = high_name;
  if (size.is_none() && !rest.empty()) size = rest.back(), rest.pop_back();
  if (high.is_none() && !rest.empty()) high = rest.back(), rest.pop_back();
  if (low.is_none() && !rest.empty()) low = rest.back(), rest.pop_back();
  if (size.is_none() || high.is_none()) raise(PyExc_TypeError, "randint() needs high and size");
  const int64_t lo = low.is_none() ? 0 : integer(low.ptr(), {named, 0}), hi = integer(high.ptr(), {named, 1});
  const Shape shape = sizes(size.ptr(), {named, 2});
  check_sizes(shape, "randint");
  if (lo >= hi) raise(PyExc_RuntimeError, cat("random_ expects 'from' to be less than 'to', but got from=", lo, " >= to=", hi));
  return requiring(Tensor(rand_int(shape, lo, hi, g, device).to(dtype.value_or(DType::i64))), requires_grad);
}

// ---- Tensor(...), as old programs write it ----
Tensor legacy_tensor(py::object a, const Shape& rest) {
  if (a.is_none()) return Tensor(empty({0}, default_dtype()));
  if (is_tensor(a.ptr()) && as_tensor(a.ptr()).dim() > 0) return as_tensor(a.ptr()).detach();
  if (PyLong_Check(a.ptr())) {
    Shape size{leaf_integer(a.ptr())};
    for (int64_t n : rest) size.push_back(n);
    return Tensor(zeros(size, default_dtype()));
  }
  if (PyObject_TypeCheck(a.ptr(), reinterpret_cast<PyTypeObject*>(py::module_::import("hippograd._C").attr("Size").ptr()))) {
    static Definition named;
    return Tensor(zeros(sizes(a.ptr(), {named, 0}), default_dtype()));
  }
  return tensor_from_data(a.ptr(), default_dtype(), {});
}
}  // namespace

Tensor tensor_from_data(PyObject* data, std::optional<DType> dtype, Device device) {
  if (is_tensor(data)) {
    const Array& a = as_tensor(data).array();
    return Tensor(a.to(device).to(dtype.value_or(a.dtype())).clone());
  }
  if (is_cuda_array(data)) {
    const Tensor t(from_cuda_array(py::reinterpret_borrow<py::object>(data)).array().clone());
    return dtype ? Tensor(t.array().to(*dtype)) : t;
  }
  if (is_numpy_array(data)) {
    const Tensor t = from_numpy(data, true);
    return dtype ? Tensor(t.array().to(*dtype).to(device)) : on_device(t, device);
  }
  py::object listed;
  if (is_numpy_scalar(data) && !dtype) {                     // np.float64(3) keeps its dtype
    listed = py::module_::import("numpy").attr("asarray")(py::handle(data));
    return tensor_from_data(listed.ptr(), {}, device);
  }
  if (holds_arrays(data)) {
    listed = py::module_::import("numpy").attr("array")(py::handle(data));
    return tensor_from_data(listed.ptr(), dtype, device);
  }
  if (!is_list(data) && !PyUnicode_Check(data) && PySequence_Check(data) && !is_numpy_scalar(data)) {   // array.array, deque ...
    listed = py::reinterpret_steal<py::object>(PySequence_List(data));
    if (!listed) throw py::error_already_set();
    data = listed.ptr();
  }
  const Nested n = nested(data);
  const DType t = dtype ? *dtype : infer_dtype(n.leaves);
  if (dtype)
    for (const py::object& leaf : n.leaves) (void)dtype_of_leaf(leaf.ptr());   // refuses what is no number
  Array a = empty(n.shape, t);
  visit(AllTypes{}, t, "tensor", [&]<class T>() {
    T* p = a.data<T>();
    for (const py::object& leaf : n.leaves) *p++ = leaf_value<T>(leaf.ptr());
  });
  return Tensor(a.to(device));
}

void bind_create(py::module_&) {
  def_function("tensor(data, *, dtype=None, device=None, requires_grad=False)", new_tensor);
  def_function("as_tensor(data, dtype=None, device=None)", as_tensor_function);
  def_function("asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False)",
               [](py::object data, std::optional<DType> dtype, std::optional<Device> device, std::optional<bool> copy, bool requires_grad) {
                 Tensor t = as_tensor_function(data, dtype, device);
                 if (copy.value_or(false)) t = Tensor(t.array().clone());
                 return requiring(t, requires_grad);
               });
  def_function("_legacy_tensor(data=None, *size=())", legacy_tensor);
  def_function("scalar_tensor(s, *, dtype=None, device=None, requires_grad=False)",
               [](py::object s, std::optional<DType> dtype, Device device, bool requires_grad) {
                 return requiring(tensor_from_data(s.ptr(), dtype_or_default(dtype), device), requires_grad);
               });
  def_method("new_tensor(input, data, *, dtype=None, device=None, requires_grad=False)",
             [](const Tensor& input, py::object data, std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
               return requiring(tensor_from_data(data.ptr(), dtype.value_or(input.dtype()), device.value_or(input.device())), requires_grad);
             });

  def_function("zeros(*size, dtype=None, device=None, requires_grad=False)", factory<make_zeros>);
  def_function("ones(*size, dtype=None, device=None, requires_grad=False)", factory<make_ones>);
  def_function("empty(*size, dtype=None, device=None, requires_grad=False)", factory<make_empty>);
  def_function("zeros_like(input, *, dtype=None, device=None, requires_grad=False)", factory_like<make_zeros>);
  def_function("ones_like(input, *, dtype=None, device=None, requires_grad=False)", factory_like<make_ones>);
  def_function("empty_like(input, *, dtype=None, device=None, requires_grad=False)", factory_like<make_empty>);
  def_function("rand_like(input, *, dtype=None, device=None, requires_grad=False)", factory_like<make_rand>);
  def_function("randn_like(input, *, dtype=None, device=None, requires_grad=False)", factory_like<make_randn>);
  def_method("new_zeros(input, *size, dtype=None, device=None, requires_grad=False)", factory_new<make_zeros>);
  def_method("new_ones(input, *size, dtype=None, device=None, requires_grad=False)", factory_new<make_ones>);
  def_method("new_empty(input, *size, dtype=None, device=None, requires_grad=False)", factory_new<make_empty>);
  def_function("full(size, fill_value, *, dtype=None, device=None, requires_grad=False)",
               [](const Shape& size, py::object value, std::optional<DType> dtype, Device device, bool requires_grad) {
                 return requiring(full_of(size, value.ptr(), dtype ? *dtype : dtype_of_number(value.ptr()), device), requires_grad);
               });
  def_function("full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False)",
               [](const Tensor& input, py::object value, std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
                 return requiring(full_of(input.shape(), value.ptr(), dtype.value_or(input.dtype()), device.value_or(input.device())), requires_grad);
               });
  def_method("new_full(input, size, fill_value, *, dtype=None, device=None, requires_grad=False)",
             [](const Tensor& input, const Shape& size, py::object value, std::optional<DType> dtype, std::optional<Device> device, bool requires_grad) {
               return requiring(full_of(size, value.ptr(), dtype.value_or(input.dtype()), device.value_or(input.device())), requires_grad);
             });
  def_function("arange(start, end=None, step=None, *, dtype=None, device=None, requires_grad=False)", arange_of);
  def_function("linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False)", linspace);
  def_function("logspace(start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False)", logspace);
  def_function("eye(n, m=None, *, dtype=None, device=None, requires_grad=False)", eye);

  def_function("rand(*size, generator=None, dtype=None, device=None, requires_grad=False)", random_factory<draw_uniform>);
  def_function("randn(*size, generator=None, dtype=None, device=None, requires_grad=False)", random_factory<draw_normal>);
  def_function("randint(a=None, b=None, c=None, *, generator=None, dtype=None, device=None, requires_grad=False, low=None, high=None, size=None)", randint);
  def_function("randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False)",
               [](int64_t n, GeneratorArgument g, std::optional<DType> dtype, Device device, bool requires_grad) {
                 if (n < 0) raise(PyExc_RuntimeError, cat("n must be non-negative, got ", n));
                 return requiring(Tensor(rand_perm(n, g).to(dtype.value_or(DType::i64)).to(device)), requires_grad);
               });
}

}  // namespace hippograd::python
