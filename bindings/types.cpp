// dtype, device, Size, Generator, finfo, iinfo; and the conversions of arguments.
#include <cfloat>
#include <cmath>
#include <limits>

#include "autograd/ops.h"
#include "bindings/node.h"
#include "bindings/python.h"
#include "tensor/backend.h"

namespace hippograd::python {
namespace {

// ---- dtype: ten objects, compared by identity ----
struct DTypeObject { PyObject_HEAD DType value; };
PyTypeObject* dtype_type = nullptr;
PyObject* dtype_objects[kDTypes];

DType value_of(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->value; }
PyObject* dtype_repr(PyObject* o) { return to_python("hippograd." + std::string(name(value_of(o)))); }
PyObject* dtype_reduce(PyObject* o, PyObject*) { return to_python(std::string(name(value_of(o)))); }   // pickled by name
PyGetSetDef dtype_attributes[] = {
    {"is_floating_point", [](PyObject* o, void*) { return to_python(is_real(value_of(o))); }, nullptr, nullptr, nullptr},
    {"is_complex", [](PyObject* o, void*) { return to_python(is_complex(value_of(o))); }, nullptr, nullptr, nullptr},
    {"is_signed", [](PyObject* o, void*) { return to_python(value_of(o) != DType::u8 && value_of(o) != DType::b8); }, nullptr, nullptr, nullptr},
    {"itemsize", [](PyObject* o, void*) { return to_python(int64_t(itemsize(value_of(o)))); }, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef dtype_methods[] = {
    {"to_real", [](PyObject* o, PyObject*) { return dtype_object(real_of(value_of(o))); }, METH_NOARGS, "the dtype of the parts"},
    {"to_complex", [](PyObject* o, PyObject*) { return dtype_object(complex_of(value_of(o))); }, METH_NOARGS, "the complex dtype"},
    {"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

void init_dtypes(py::module_& m) {
  PyType_Slot slots[] = {{Py_tp_repr, reinterpret_cast<void*>(dtype_repr)}, {Py_tp_getset, dtype_attributes}, {Py_tp_methods, dtype_methods}, {0, nullptr}};
  PyType_Spec spec = {"hippograd.dtype", sizeof(DTypeObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!dtype_type) throw py::error_already_set();
  m.attr("dtype") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(dtype_type));
  for (int i = 0; i < kDTypes; ++i) {
    auto* o = PyObject_New(DTypeObject, dtype_type);
    o->value = DType(i);
    dtype_objects[i] = reinterpret_cast<PyObject*>(o);
    m.attr(std::string(name(DType(i))).c_str()) = py::reinterpret_borrow<py::object>(dtype_objects[i]);
  }
  const std::pair<const char*, DType> aliases[] = {{"float", DType::f32}, {"double", DType::f64}, {"half", DType::f16}, {"long", DType::i64},
                                                   {"int", DType::i32},   {"cfloat", DType::c64}, {"cdouble", DType::c128}};
  for (const auto& [alias, t] : aliases) m.attr(alias) = py::reinterpret_borrow<py::object>(dtype_objects[int(t)]);
}

// ---- Size: a tuple that knows its product ----
PyTypeObject* size_type = nullptr;
PyObject* as_size(PyObject* stolen) {
  if (!stolen || !PyTuple_CheckExact(stolen)) return stolen;
  const Py_ssize_t n = PyTuple_GET_SIZE(stolen);
  PyObject* s = size_type->tp_alloc(size_type, n);
  for (Py_ssize_t i = 0; s && i < n; ++i) PyTuple_SET_ITEM(s, i, Py_NewRef(PyTuple_GET_ITEM(stolen, i)));
  Py_DECREF(stolen);
  return s;
}
PyObject* size_repr(PyObject* self) {
  std::string text = "hippograd.Size([";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) {
    const py::object part = py::reinterpret_steal<py::object>(PyObject_Repr(PyTuple_GET_ITEM(self, i)));
    if (!part) return nullptr;
    text += (i ? ", " : "") + std::string(PyUnicode_AsUTF8(part.ptr()));
  }
  return to_python(text + "])");
}
PyObject* size_numel(PyObject* self, PyObject*) {
  int64_t n = 1;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
  return PyErr_Occurred() ? nullptr : PyLong_FromLongLong(n);
}
PyObject* size_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const py::object plain = py::reinterpret_steal<py::object>(PyTuple_Type.tp_new(type, args, kwargs));
  if (!plain) return nullptr;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(plain.ptr()); ++i) {
    PyObject* e = PyTuple_GET_ITEM(plain.ptr(), i);
    if (PyLong_Check(e)) continue;
    PyObject* number = PyNumber_Index(e);
    if (!number) {
      PyErr_Format(PyExc_TypeError, "Size() takes an iterable of 'int' (item %zd is '%s')", i, Py_TYPE(e)->tp_name);
      return nullptr;
    }
    Py_DECREF(e);
    PyTuple_SET_ITEM(plain.ptr(), i, number);
  }
  return Py_NewRef(plain.ptr());
}
void init_size(py::module_& m) {
  static PyMethodDef methods[] = {{"numel", size_numel, METH_NOARGS, "the product of the sizes"}, {nullptr, nullptr, 0, nullptr}};
  PyType_Slot slots[] = {
      {Py_tp_repr, reinterpret_cast<void*>(size_repr)},
      {Py_tp_methods, methods},
      {Py_tp_new, reinterpret_cast<void*>(size_new)},
      {Py_mp_subscript, reinterpret_cast<void*>(+[](PyObject* a, PyObject* i) { return as_size(PyTuple_Type.tp_as_mapping->mp_subscript(a, i)); })},
      {Py_sq_concat, reinterpret_cast<void*>(+[](PyObject* a, PyObject* b) { return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b)); })},
      {Py_sq_repeat, reinterpret_cast<void*>(+[](PyObject* a, Py_ssize_t n) {
         return as_size(PySequence_GetSlice(PyTuple_Type.tp_as_sequence->sq_repeat(a, n), 0, PY_SSIZE_T_MAX));
       })},
      {0, nullptr}};
  PyType_Spec spec = {"hippograd.Size", 0, 0, Py_TPFLAGS_DEFAULT, slots};
  const py::object bases = py::make_tuple(py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(&PyTuple_Type)));
  size_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpecWithBases(&spec, bases.ptr()));
  if (!size_type) throw py::error_already_set();
  m.attr("Size") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(size_type));
}

// ---- device, Generator ----
void init_device(py::module_& m) {
  py::class_<Device>(m, "device")
      .def(py::init([](const py::object& o, const py::object& index) {
             if (py::isinstance<Device>(o)) return o.cast<Device>();
             if (PyLong_Check(o.ptr())) return Device::parse("cuda:" + std::to_string(o.cast<int>()));
             std::string text = o.cast<std::string>();
             if (!index.is_none()) text += ":" + std::to_string(index.cast<int>());
             try {
               return Device::parse(text);
             } catch (...) {
               translate_exception();
               throw py::error_already_set();
             }
           }), py::arg("type"), py::arg("index") = py::none())
      .def_property_readonly("type", [](const Device& d) { return d.is_cpu() ? "cpu" : d.kind == DeviceKind::CUDA ? "cuda" : "probe"; })
      .def_property_readonly("index", [](const Device& d) -> py::object { return d.is_cpu() ? py::object(py::none()) : py::int_(int(d.index)); })
      .def("__str__", &Device::str)
      .def("__repr__", [](const Device& d) {
        return "device(type='" + std::string(d.is_cpu() ? "cpu" : "cuda") + "'" + (d.is_cpu() ? "" : ", index=" + std::to_string(d.index)) + ")";
      })
      .def("__eq__", [](const Device& a, const py::object& b) { return py::isinstance<Device>(b) && a == b.cast<Device>(); })
      .def("__hash__", [](const Device& d) { return int(d.kind) * 256 + d.index; })
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](py::object, py::args) {})
      .def("__reduce__", [](const Device& d) { return py::make_tuple(py::type::of<Device>(), py::make_tuple(d.str())); });
}
Tensor state_of(const Generator& g) {
  return Tensor(from_vector<int64_t>({int64_t(g.seed()), int64_t(g.offset())}, {2}));
}
void set_state(Generator& g, const Tensor& t) {
  if (t.dtype() != DType::i64 || t.numel() != 2) fail<ValueError>("set_state: expected the tensor that get_state gave (int64, 2 elements), got ", t.dtype(), t.shape());
  const auto v = to_vector<int64_t>(t.array());
  g.set(uint64_t(v[0]), uint64_t(v[1]));
}
uint64_t system_seed() {
  const std::string bytes = py::bytes(py::module_::import("os").attr("urandom")(7));
  uint64_t seed = 0;
  for (unsigned char c : bytes) seed = seed << 8 | c;
  return seed;
}
void init_generator(py::module_& m) {
  py::class_<Generator>(m, "Generator")
      .def(py::init([](const py::object&) { return Generator(67280421310721ull); }), py::arg("device") = "cpu")
      .def("manual_seed", [](py::object self, int64_t seed) { self.cast<Generator&>().set(uint64_t(seed)); return self; }, py::arg("seed"))
      .def("seed", [](Generator& g) { g.set(system_seed()); return g.seed(); })
      .def("initial_seed", &Generator::seed)
      .def("get_state", [](const Generator& g) { return py::reinterpret_steal<py::object>(wrap(state_of(g))); })
      .def("set_state", [](py::object self, const py::object& t) {
        if (!is_tensor(t.ptr())) raise(PyExc_TypeError, "set_state: expected a Tensor");
        try {
          set_state(self.cast<Generator&>(), as_tensor(t.ptr()));
        } catch (...) {
          translate_exception();
          throw py::error_already_set();
        }
        return self;
      }, py::arg("new_state"))
      .def("clone_state", [](const Generator& g) { return g; })
      .def_property_readonly("device", [](const Generator&) { return Device{}; })
      .def("__getstate__", [](const Generator& g) { return py::make_tuple(g.seed(), g.offset()); })
      .def("__setstate__", [](Generator& g, const py::tuple& t) { new (&g) Generator; g.set(t[0].cast<uint64_t>(), t[1].cast<uint64_t>()); });
  m.attr("default_generator") = py::cast(&default_generator(), py::return_value_policy::reference);
  def_function("manual_seed(seed)", [](int64_t seed) {
    manual_seed(uint64_t(seed));
    return py::reinterpret_borrow<py::object>(PyDict_GetItemString(PyModule_GetDict(py::module_::import("hippograd._C").ptr()), "default_generator"));
  });
  def_function("seed()", [] { manual_seed(system_seed()); return int64_t(default_generator().seed()); });
  def_function("initial_seed()", [] { return int64_t(default_generator().seed()); });
  def_function("get_rng_state()", [] { return state_of(default_generator()); });
  def_function("set_rng_state(new_state)", [](const Tensor& t) { set_state(default_generator(), t); });
}

// ---- finfo, iinfo ----
struct Info { DType dtype; int bits; double eps, max, min, tiny; int64_t imax, imin; };
Info float_info(DType t) {
  switch (real_of(t)) {
    case DType::f64: return {t, 64, DBL_EPSILON, DBL_MAX, -DBL_MAX, DBL_MIN, 0, 0};
    case DType::bf16: return {t, 16, 0x1p-7, 0x1.fep127, -0x1.fep127, 0x1p-126, 0, 0};
    case DType::f16: return {t, 16, 0x1p-10, 65504, -65504, 0x1p-14, 0, 0};
    default: return {t, 32, FLT_EPSILON, FLT_MAX, -FLT_MAX, FLT_MIN, 0, 0};
  }
}
Info int_info(DType t) {
  if (t == DType::i64) return {t, 64, 0, 0, 0, 0, INT64_MAX, INT64_MIN};
  if (t == DType::i32) return {t, 32, 0, 0, 0, 0, INT32_MAX, INT32_MIN};
  return {t, 8, 0, 0, 0, 0, 255, 0};
}
DType dtype_or(const py::object& o, DType fallback, const char* what) {
  if (o.is_none()) return fallback;
  if (Py_TYPE(o.ptr()) != dtype_type) raise(PyExc_TypeError, std::string(what) + "(): argument 'type' must be dtype, not " + Py_TYPE(o.ptr())->tp_name);
  return value_of(o.ptr());
}
struct FloatInfo : Info {};
struct IntInfo : Info {};
void init_info(py::module_& m) {
  py::class_<FloatInfo>(m, "finfo")
      .def(py::init([](const py::object& t) {
             const DType d = dtype_or(t, default_dtype(), "finfo");
             if (!is_floating(d)) raise(PyExc_TypeError, "finfo() requires a floating point input type. Use iinfo to handle '" + std::string(name(d)) + "'");
             return FloatInfo{float_info(d)};
           }), py::arg("type") = py::none())
      .def_property_readonly("bits", [](const FloatInfo& i) { return i.bits; })
      .def_property_readonly("eps", [](const FloatInfo& i) { return i.eps; })
      .def_property_readonly("max", [](const FloatInfo& i) { return i.max; })
      .def_property_readonly("min", [](const FloatInfo& i) { return i.min; })
      .def_property_readonly("tiny", [](const FloatInfo& i) { return i.tiny; })
      .def_property_readonly("smallest_normal", [](const FloatInfo& i) { return i.tiny; })
      .def_property_readonly("resolution", [](const FloatInfo& i) { return std::pow(10.0, std::floor(std::log10(1 / i.eps)) * -1); })
      .def_property_readonly("dtype", [](const FloatInfo& i) { return std::string(name(i.dtype)); })
      .def("__repr__", [](const FloatInfo& i) {
        return cat("finfo(resolution=", std::pow(10.0, -std::floor(std::log10(1 / i.eps))), ", min=", i.min, ", max=", i.max, ", eps=", i.eps,
                   ", smallest_normal=", i.tiny, ", tiny=", i.tiny, ", dtype=", name(i.dtype), ")");
      });
  py::class_<IntInfo>(m, "iinfo")
      .def(py::init([](const py::object& t) {
             const DType d = dtype_or(t, DType::f32, "iinfo");
             if (!is_integer(d)) raise(PyExc_TypeError, "iinfo() requires an integer input type. Use finfo to handle '" + std::string(name(d)) + "'");
             return IntInfo{int_info(d)};
           }), py::arg("type"))
      .def_property_readonly("bits", [](const IntInfo& i) { return i.bits; })
      .def_property_readonly("max", [](const IntInfo& i) { return i.imax; })
      .def_property_readonly("min", [](const IntInfo& i) { return i.imin; })
      .def_property_readonly("dtype", [](const IntInfo& i) { return std::string(name(i.dtype)); })
      .def("__repr__", [](const IntInfo& i) { return cat("iinfo(min=", i.imin, ", max=", i.imax, ", dtype=", name(i.dtype), ")"); });
}
}  // namespace

void init_types(py::module_& m) {
  init_dtypes(m);
  init_size(m);
  init_device(m);
  init_generator(m);
  init_info(m);
}

// ---- to Python ----
PyObject* dtype_object(DType t) { return Py_NewRef(dtype_objects[int(t)]); }
PyObject* device_object(Device d) {
  static PyObject* cpu = py::cast(Device{}).release().ptr();
  return d.is_cpu() ? Py_NewRef(cpu) : py::cast(d).release().ptr();
}
PyObject* size_object(const Shape& shape) {
  PyObject* s = size_type->tp_alloc(size_type, shape.size());
  for (int i = 0; s && i < shape.size(); ++i) PyTuple_SET_ITEM(s, i, PyLong_FromLongLong(shape[i]));
  return s;
}

// ---- from Python ----
bool is_integer(PyObject* o) {
  if (PyLong_Check(o)) return true;
  if (is_tensor(o)) return as_tensor(o).dim() == 0 && is_integer(as_tensor(o).dtype());
  return !PyFloat_Check(o) && !is_numpy_array(o) && PyIndex_Check(o);
}
int64_t integer(PyObject* o, const Where& w) {
  if (!is_integer(o)) wrong_type(w, "int", o);
  PyObject* number = PyNumber_Index(o);
  if (!number) throw py::error_already_set();
  const int64_t x = PyLong_AsLongLong(number);
  Py_DECREF(number);
  if (x == -1 && PyErr_Occurred()) throw py::error_already_set();
  return x;
}
double real_number(PyObject* o, const Where& w) {
  if (PyFloat_Check(o)) return PyFloat_AS_DOUBLE(o);
  if (!PyLong_Check(o) && !is_numpy_scalar(o) && !(is_tensor(o) && as_tensor(o).numel() == 1) && !PyIndex_Check(o)) wrong_type(w, "float", o);
  const double x = PyFloat_AsDouble(o);
  if (x == -1 && PyErr_Occurred()) throw py::error_already_set();
  return x;
}
complex128 complex_number(PyObject* o, const Where& w) {
  if (PyComplex_Check(o)) return {PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)};
  return real_number(o, w);
}
Shape sizes(PyObject* o, const Where& w) {
  Shape s;
  if (is_integer(o)) return {integer(o, w)};
  if (is_tensor(o) && as_tensor(o).dim() == 1 && is_integer(as_tensor(o).dtype())) {
    for (int64_t x : to_vector<int64_t>(as_tensor(o).array())) s.push_back(x);
    return s;
  }
  if (!PyList_Check(o) && !PyTuple_Check(o) && !PySequence_Check(o)) wrong_type(w, "int or tuple of ints", o);
  if (PyUnicode_Check(o) || PyDict_Check(o)) wrong_type(w, "int or tuple of ints", o);
  const py::object items = py::reinterpret_steal<py::object>(PySequence_Fast(o, "sizes"));
  if (!items) throw py::error_already_set();
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
    PyObject* e = PySequence_Fast_GET_ITEM(items.ptr(), i);
    if (!is_integer(e)) wrong_type(w, "tuple of ints", e);
    s.push_back(integer(e, w));
  }
  return s;
}
DType dtype(PyObject* o, const Where& w) {
  if (Py_TYPE(o) == dtype_type) return value_of(o);
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::f64;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::i64;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::b8;
  if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::c128;
  wrong_type(w, "dtype", o);
}
Device device(PyObject* o, const Where& w) {
  if (o == Py_None) return {};
  Device d;
  if (PyUnicode_Check(o)) d = Device::parse(PyUnicode_AsUTF8(o));
  else if (py::isinstance<Device>(py::handle(o))) d = py::handle(o).cast<Device>();
  else if (PyLong_Check(o)) d = Device{DeviceKind::CUDA, int16_t(PyLong_AsLong(o))};
  else wrong_type(w, "device or str", o);
  if (!d.is_cpu()) require_backend(d);
  return d;
}
Generator& generator(PyObject* o, const Where& w) {
  if (o == Py_None) return default_generator();
  if (!py::isinstance<Generator>(py::handle(o))) wrong_type(w, "Generator", o);
  return py::handle(o).cast<Generator&>();
}

Tensor operand(PyObject* o) {
  if (PyFloat_Check(o)) return Tensor::number(PyFloat_AS_DOUBLE(o));
  if (PyBool_Check(o)) return Tensor::number(o == Py_True);
  if (PyLong_Check(o)) {
    int overflow = 0;
    const int64_t x = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) raise(PyExc_RuntimeError, "value cannot be converted to type int64_t without overflow");
    return Tensor::number(x);
  }
  if (PyComplex_Check(o)) return Tensor::number(complex128(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
  if (is_numpy_array(o)) return from_numpy(o, true);
  if (is_numpy_scalar(o)) {
    const py::object plain = py::reinterpret_steal<py::object>(PyObject_CallMethod(o, "item", nullptr));
    if (!plain) throw py::error_already_set();
    return PyLong_Check(plain.ptr()) || PyFloat_Check(plain.ptr()) || PyComplex_Check(plain.ptr()) ? operand(plain.ptr()) : Tensor();
  }
  return {};
}
Tensor tensor_argument(PyObject* o, const Where& w) {
  if (is_tensor(o)) return as_tensor(o);
  const Parameter& p = w.definition.parameters[w.index];
  if (o == Py_None && p.fallback == Py_None) return {};
  if (p.accepts_number)
    if (Tensor t = operand(o); t.defined()) return t;
  wrong_type(w, p.accepts_number ? "Tensor or number" : "Tensor", o);
}
Tensors tensor_list(PyObject* o, const Where& w) {
  if (is_tensor(o) && as_tensor(o).dim() == 0) wrong_type(w, "tuple of Tensors", o);
  const py::object items = py::reinterpret_steal<py::object>(
      PyList_Check(o) || PyTuple_Check(o) || is_tensor(o) || PyIter_Check(o) || PySequence_Check(o) ? PySequence_Fast(o, "tensors") : nullptr);
  if (!items) wrong_type(w, "tuple of Tensors", o);
  Tensors list;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
    PyObject* e = PySequence_Fast_GET_ITEM(items.ptr(), i);
    if (e == Py_None) list.emplace_back();
    else if (is_tensor(e)) list.push_back(as_tensor(e));
    else wrong_type(w, "tuple of Tensors", e);
  }
  return list;
}

}  // namespace hippograd::python
