// The Python type Tensor: identity, attributes, the properties, and Python's protocols.
//
// A Tensor object holds one reference to a TensorImpl, which knows its living object (`wrapper`): the same tensor is the same
// object in Python. When Python lets go of an object that carries attributes or is of a subclass while C++ still holds the
// tensor (a gradient, a saved input, an optimizer's state), its class and attributes wait in the impl for the next object.
#include "autograd/ops.h"
#include "bindings/node.h"
#include "bindings/python.h"

namespace hippograd::python {

PyTypeObject* tensor_type = nullptr;

namespace {

struct Sleeping {              // what outlives the Python object
  PyHandle type, attributes;
  Sleeping(PyTypeObject* t, PyObject* d) : type(reinterpret_cast<PyObject*>(t)), attributes(d) {}
};

PyObject* allocate(PyTypeObject* type, const Tensor& t) {
  auto* o = reinterpret_cast<TensorObject*>(type->tp_alloc(type, 0));
  if (!o) return nullptr;
  new (&o->tensor) Tensor(t);
  o->attributes = o->weak_references = nullptr;
  t.impl()->wrapper = o;
  return reinterpret_cast<PyObject*>(o);
}

PyObject* wake(const Tensor& t) {
  const std::shared_ptr<void> keep = std::move(t.impl()->python);
  t.impl()->python = nullptr;
  const auto& sleeping = *static_cast<Sleeping*>(keep.get());
  PyObject* o = allocate(reinterpret_cast<PyTypeObject*>(sleeping.type.get()), t);
  if (o) reinterpret_cast<TensorObject*>(o)->attributes = Py_XNewRef(sleeping.attributes.get());
  return o;
}

void tensor_dealloc(PyObject* self) {
  auto* o = reinterpret_cast<TensorObject*>(self);
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (o->weak_references) PyObject_ClearWeakRefs(self);
  if (const auto& impl = o->tensor.impl()) {
    impl->wrapper = nullptr;
    const bool has_state = type != tensor_type || (o->attributes && PyDict_GET_SIZE(o->attributes) > 0);
    if (has_state && impl.use_count() > 1) impl->python = std::make_shared<Sleeping>(type, o->attributes);
  }
  PyObject* attributes = std::exchange(o->attributes, nullptr);
  o->tensor.~Tensor();
  Py_XDECREF(attributes);
  type->tp_free(self);
  Py_DECREF(type);
}
int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(reinterpret_cast<TensorObject*>(self)->attributes);
  return 0;
}
int tensor_clear(PyObject* self) {
  Py_CLEAR(reinterpret_cast<TensorObject*>(self)->attributes);
  return 0;
}

// C++ functions as slots of the type: an exception becomes Python's.
template <auto f> PyObject* guarded(PyObject* self, void* = nullptr) {
  try {
    return to_python(f(as_tensor(self)));
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
template <auto f> PyObject* method(PyObject* self, PyObject*) { return guarded<f>(self); }
template <auto f> int guarded_set(PyObject* self, PyObject* value, void*) {
  try {
    f(as_tensor(self), value);
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}
// ---- properties ----
py::object grad_of(const Tensor& t) {
  const Tensor g = t.grad();
  if (!g.defined() && !t.is_leaf() && !t.impl()->retains_grad && t.requires_grad() &&
      PyErr_WarnEx(PyExc_UserWarning,
                   "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated "
                   "during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use "
                   ".retain_grad() on the non-leaf Tensor.", 1) < 0)
    throw py::error_already_set();
  return py::reinterpret_steal<py::object>(wrap(g));
}
void set_grad(const Tensor& t, PyObject* value) {
  if (!value || value == Py_None) return Tensor(t).set_grad({});
  if (!is_tensor(value)) raise(PyExc_TypeError, std::string("assigned grad expected to be a Tensor or None but got ") + Py_TYPE(value)->tp_name);
  Tensor(t).set_grad(as_tensor(value));
}
void set_requires_grad(const Tensor& t, PyObject* value) { Tensor(t).set_requires_grad(value && PyObject_IsTrue(value) == 1); }
void set_data(const Tensor& t, PyObject* value) {
  if (!value || !is_tensor(value)) raise(PyExc_TypeError, "data: expected a Tensor");
  t.impl()->array = as_tensor(value).array();
  if (Edge e = t.edge(); e && e.node->is_leaf()) e.node->output_meta = {{t.shape(), t.dtype(), t.device()}};
}
void set_parameter(const Tensor& t, PyObject* value) { t.impl()->is_parameter = value && PyObject_IsTrue(value) == 1; }
Tensor base_of(const Tensor& t) { return t.impl()->base; }
Tensor transposed(const Tensor& t) {
  Shape dims = t.shape();
  for (int i = 0; i < dims.size(); ++i) dims[i] = dims.size() - 1 - i;
  return permute(t, dims);
}
Tensor matrix_transposed(const Tensor& t) {
  if (t.dim() < 2) fail<ShapeError>("tensor.mT is only supported on matrices or batches of matrices. Got ", t.dim(), "-D tensor.");
  return transpose(t, -2, -1);
}
Tensor adjoint_of(const Tensor& t) { return t.dim() == 0 ? t : hippograd::conj(matrix_transposed(t)); }

// t.__class__ = Parameter: subclasses have the same layout, so that an object can change between them.
int set_class(PyObject* self, PyObject* value, void*) {
  if (!value || !PyType_Check(value) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(value), tensor_type) ||
      reinterpret_cast<PyTypeObject*>(value)->tp_basicsize != tensor_type->tp_basicsize) {
    PyErr_SetString(PyExc_TypeError, "__class__ of a Tensor must be Tensor or a subclass without slots");
    return -1;
  }
  PyTypeObject* old = Py_TYPE(self);
  Py_SET_TYPE(self, reinterpret_cast<PyTypeObject*>(Py_NewRef(value)));
  Py_DECREF(old);
  return 0;
}
PyObject* get_class(PyObject* self, void*) { return Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(self))); }

// Tensor._make_subclass(cls, data, requires_grad=False): a leaf of the subclass on the memory of data.
PyObject* make_subclass(PyObject*, PyObject* args) {
  PyObject *cls, *data;
  int requires_grad = 0;
  if (!PyArg_ParseTuple(args, "OO|p", &cls, &data, &requires_grad)) return nullptr;
  if (!PyType_Check(cls) || !PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(cls), tensor_type) || !is_tensor(data)) {
    PyErr_SetString(PyExc_TypeError, "_make_subclass(cls, data): expected a subclass of Tensor and a Tensor");
    return nullptr;
  }
  try {
    Tensor t = as_tensor(data).detach();
    if (requires_grad) t.set_requires_grad(true);
    return wrap_as(reinterpret_cast<PyTypeObject*>(cls), t);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
PyMethodDef static_methods[] = {{"_make_subclass", make_subclass, METH_VARARGS | METH_STATIC, "a leaf of a subclass on the memory of data"},
                                {nullptr, nullptr, 0, nullptr}};

PyGetSetDef properties[] = {
    {"__class__", get_class, set_class, nullptr, nullptr},
    {"shape", guarded<[](const Tensor& t) { return t.shape(); }>, nullptr, "the sizes, as a Size", nullptr},
    {"dtype", guarded<[](const Tensor& t) { return t.dtype(); }>, nullptr, nullptr, nullptr},
    {"device", guarded<[](const Tensor& t) { return t.device(); }>, nullptr, nullptr, nullptr},
    {"ndim", guarded<[](const Tensor& t) { return int64_t(t.dim()); }>, nullptr, nullptr, nullptr},
    {"T", guarded<transposed>, nullptr, "dimensions in reverse order", nullptr},
    {"mT", guarded<matrix_transposed>, nullptr, "last two dimensions swapped", nullptr},
    {"H", guarded<adjoint_of>, nullptr, "conjugate transpose", nullptr},
    {"mH", guarded<adjoint_of>, nullptr, "conjugate transpose of the last two dimensions", nullptr},
    {"real", guarded<[](const Tensor& t) { return hippograd::real(t); }>, nullptr, nullptr, nullptr},
    {"imag", guarded<[](const Tensor& t) { return hippograd::imag(t); }>, nullptr, nullptr, nullptr},
    {"grad", guarded<grad_of>, guarded_set<set_grad>, "the accumulated gradient, or None", nullptr},
    {"grad_fn", guarded<[](const Tensor& t) { return grad_fn(t); }>, nullptr, "the node that made this tensor", nullptr},
    {"requires_grad", guarded<[](const Tensor& t) { return t.requires_grad(); }>, guarded_set<set_requires_grad>, nullptr, nullptr},
    {"is_leaf", guarded<[](const Tensor& t) { return t.is_leaf(); }>, nullptr, nullptr, nullptr},
    {"data", guarded<[](const Tensor& t) { return t.detach(); }>, guarded_set<set_data>, "the same memory, without history", nullptr},
    {"itemsize", guarded<[](const Tensor& t) { return int64_t(itemsize(t.dtype())); }>, nullptr, nullptr, nullptr},
    {"nbytes", guarded<[](const Tensor& t) { return t.numel() * itemsize(t.dtype()); }>, nullptr, nullptr, nullptr},
    {"is_cuda", guarded<[](const Tensor& t) { return t.device().kind == DeviceKind::CUDA; }>, nullptr, nullptr, nullptr},
    {"is_parameter", guarded<[](const Tensor& t) { return t.impl()->is_parameter; }>, guarded_set<set_parameter>, nullptr, nullptr},
    {"retains_grad", guarded<[](const Tensor& t) { return t.impl()->retains_grad; }>, nullptr, nullptr, nullptr},
    {"output_nr", guarded<[](const Tensor& t) { return int64_t(t.edge().output); }>, nullptr, nullptr, nullptr},
    {"_version", guarded<[](const Tensor& t) { return int64_t(t.array().storage()->version()); }>, nullptr, nullptr, nullptr},
    {"_base", guarded<base_of>, nullptr, "the tensor of which this one is a view", nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef members[] = {{"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, attributes), READONLY, nullptr},
                         {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr},
                         {nullptr, 0, 0, 0, nullptr}};

// ---- numbers ----
void require_one(const Tensor& t) {
  if (t.numel() != 1) fail<ShapeError>("a Tensor with ", t.numel(), " elements cannot be converted to Scalar");
}
PyObject* scalar_object(const Array& a) {   // of the single element
  switch (category(a.dtype())) {
    case 0: return PyBool_FromLong(a.item<bool>());
    case 1: return PyLong_FromLongLong(a.item<int64_t>());
    case 2: return PyFloat_FromDouble(a.item<double>());
    default: {
      const complex128 z = a.item<complex128>();
      return PyComplex_FromDoubles(z.real(), z.imag());
    }
  }
}
py::object item(const Tensor& t) {
  require_one(t);
  return py::reinterpret_steal<py::object>(scalar_object(t.array()));
}
PyObject* to_float(PyObject* self) {
  const py::object number = py::reinterpret_steal<py::object>(guarded<item>(self));
  return number ? PyNumber_Float(number.ptr()) : nullptr;
}
PyObject* to_int(PyObject* self) {
  const py::object number = py::reinterpret_steal<py::object>(guarded<item>(self));
  return number ? PyNumber_Long(number.ptr()) : nullptr;
}
PyObject* to_index(PyObject* self) {
  const Tensor& t = as_tensor(self);
  if (category(t.dtype()) > 1 || t.numel() != 1) {
    PyErr_SetString(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
    return nullptr;
  }
  return to_int(self);
}
int to_bool(PyObject* self) {
  const Tensor& t = as_tensor(self);
  if (t.numel() == 0) return PyErr_SetString(PyExc_RuntimeError, "Boolean value of Tensor with no values is ambiguous"), -1;
  if (t.numel() > 1) return PyErr_SetString(PyExc_RuntimeError, "Boolean value of Tensor with more than one value is ambiguous"), -1;
  try {
    return is_complex(t.dtype()) ? t.array().item<complex128>() != complex128(0) : t.array().item<double>() != 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

// A plain Python number beside a floating tensor does not change its dtype: it can go to the kernel as it is.
bool plain_number(const Tensor& x, PyObject* o, double& value) {
  if (!is_floating(x.dtype())) return false;
  if (PyFloat_CheckExact(o)) return value = PyFloat_AS_DOUBLE(o), true;
  if (!PyLong_CheckExact(o)) return false;
  int overflow = 0;
  value = double(PyLong_AsLongLongAndOverflow(o, &overflow));
  return !overflow;
}
template <class F> PyObject* run(int64_t elements, F&& f) {
  if (elements < kReleaseGilFrom) return wrap(f());
  Tensor result;
  {
    py::gil_scoped_release unlocked;
    result = f();
  }
  return wrap(result);
}

// A binary operator: NotImplemented where the other operand is nothing we know, so that Python asks the other type.
template <auto f> PyObject* binary(PyObject* a, PyObject* b) {
  try {
    const Tensor x = is_tensor(a) ? as_tensor(a) : operand(a);
    const Tensor y = is_tensor(b) ? as_tensor(b) : operand(b);
    if (!x.defined() || !y.defined()) return Py_NewRef(Py_NotImplemented);
    return run(weight(x) + weight(y), [&] { return f(x, y); });
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
// The same with a form for `tensor op number` and, if it is not null, one for `number op tensor`.
template <auto f, auto with_number, auto number_first> PyObject* binary_fast(PyObject* a, PyObject* b) {
  double value;
  try {
    if (is_tensor(a) && plain_number(as_tensor(a), b, value)) {
      const Tensor x = as_tensor(a);
      return run(weight(x), [&] { return with_number(x, value); });
    }
    if constexpr (!std::is_null_pointer_v<std::decay_t<decltype(number_first)>>)
      if (is_tensor(b) && plain_number(as_tensor(b), a, value)) {
        const Tensor y = as_tensor(b);
        return run(weight(y), [&] { return number_first(y, value); });
      }
  } catch (...) {
    translate_exception();
    return nullptr;
  }
  return binary<f>(a, b);
}
// What an op saves for its backward must not be what is then overwritten.
Tensor kept(const Tensor& x, const Tensor& y) { return grad_enabled() && (x.requires_grad() || y.requires_grad()) ? clone(x) : x; }
// x += y and its kin: f writes into x.
template <auto f> PyObject* in_place(PyObject* a, PyObject* b) {
  try {
    const Tensor x = as_tensor(a), y = is_tensor(b) ? as_tensor(b) : operand(b);
    if (!y.defined()) return Py_NewRef(Py_NotImplemented);
    f(x, y);
    return Py_NewRef(a);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}
using T = const Tensor&;
Tensor as(const char* function, Tensor t) {
  called(t, function);
  return t;
}
PyObject* plus(PyObject* a, PyObject* b) {
  return binary_fast<[](T x, T y) { return add(x, y); }, [](T x, double y) { return add(x, y); }, [](T x, double y) { return add(x, y); }>(a, b);
}
Tensor difference(T x, T y) {
  if (x.dtype() == DType::b8 && y.dtype() == DType::b8)
    raise(PyExc_RuntimeError, "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.");
  return as("sub", sub(x, y));
}
PyObject* minus(PyObject* a, PyObject* b) {
  return binary_fast<difference, [](T x, double y) { return as("sub", sub(x, y)); }, [](T x, double y) { return as("rsub", rsub(x, y)); }>(a, b);
}
PyObject* times(PyObject* a, PyObject* b) {
  return binary_fast<[](T x, T y) { return mul(x, y); }, [](T x, double y) { return mul(x, y); }, [](T x, double y) { return mul(x, y); }>(a, b);
}
PyObject* divided(PyObject* a, PyObject* b) {
  return binary_fast<[](T x, T y) { return div(x, y); }, [](T x, double y) { return div(x, y); }, nullptr>(a, b);
}
PyObject* power(PyObject* a, PyObject* b, PyObject*) {
  return binary_fast<[](T x, T y) { return pow(x, y); }, [](T x, double y) { return pow(x, y); }, nullptr>(a, b);
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
  if ((op == Py_EQ || op == Py_NE) && b == Py_None) return PyBool_FromLong(op == Py_NE);
  switch (op) {
    case Py_LT: return binary_fast<[](T x, T y) { return lt(x, y); }, [](T x, double y) { return lt(x, y); }, nullptr>(a, b);
    case Py_LE: return binary_fast<[](T x, T y) { return le(x, y); }, [](T x, double y) { return le(x, y); }, nullptr>(a, b);
    case Py_GT: return binary_fast<[](T x, T y) { return gt(x, y); }, [](T x, double y) { return gt(x, y); }, nullptr>(a, b);
    case Py_GE: return binary_fast<[](T x, T y) { return ge(x, y); }, [](T x, double y) { return ge(x, y); }, nullptr>(a, b);
    case Py_EQ: return binary_fast<[](T x, T y) { return eq(x, y); }, [](T x, double y) { return eq(x, y); }, nullptr>(a, b);
    default: return binary_fast<[](T x, T y) { return ne(x, y); }, [](T x, double y) { return ne(x, y); }, nullptr>(a, b);
  }
}
PyObject* negative(PyObject* a) { return guarded<[](const Tensor& x) { return neg(x); }>(a); }
PyObject* positive(PyObject* a) { return Py_NewRef(a); }
PyObject* absolute(PyObject* a) { return guarded<[](const Tensor& x) { return hippograd::abs(x); }>(a); }
PyObject* inverted(PyObject* a) { return guarded<[](const Tensor& x) { return bitwise_not(x); }>(a); }

template <class F> void* slot(F f) { return reinterpret_cast<void*>(f); }

Py_ssize_t length(PyObject* self) {
  const Tensor& t = as_tensor(self);
  if (t.dim() == 0) return PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor"), -1;
  return t.size(0);
}
PyObject* iterate(PyObject* self) {
  const Tensor& t = as_tensor(self);
  if (t.dim() == 0) return PyErr_SetString(PyExc_TypeError, "iteration over a 0-d tensor"), nullptr;
  const py::object parts = py::reinterpret_steal<py::object>(guarded<[](const Tensor& x) { return unbind(x, 0); }>(self));
  return parts ? PyObject_GetIter(parts.ptr()) : nullptr;
}
int contains(PyObject* self, PyObject* value) {
  try {
    const Tensor v = is_tensor(value) ? as_tensor(value) : operand(value);
    if (!v.defined()) raise(PyExc_RuntimeError, std::string("Tensor.__contains__ only supports Tensor or scalar, but you passed in a ") + Py_TYPE(value)->tp_name);
    return nonzero(eq(as_tensor(self), v)).size(0) > 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

// Tensor(2, 3): uninitialised memory; Tensor([1, 2]): the values in the default dtype. Kept for old programs.
PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const py::object constructor = py::module_::import("hippograd._C").attr("_legacy_tensor");
  const py::object made = py::reinterpret_steal<py::object>(PyObject_Call(constructor.ptr(), args, nullptr));
  if (!made) return nullptr;
  if (type == tensor_type) return Py_NewRef(made.ptr());
  return wrap_as(type, as_tensor(made.ptr()).detach());
}
int tensor_init(PyObject*, PyObject*, PyObject*) { return 0; }

PyTypeObject* make_tensor_type() {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, slot(tensor_dealloc)}, {Py_tp_traverse, slot(tensor_traverse)}, {Py_tp_clear, slot(tensor_clear)},
      {Py_tp_getset, properties}, {Py_tp_methods, static_methods}, {Py_tp_members, members}, {Py_tp_new, slot(tensor_new)}, {Py_tp_init, slot(tensor_init)},
      {Py_tp_hash, slot(+[](PyObject* o) -> Py_hash_t { return Py_hash_t(reinterpret_cast<size_t>(o) >> 4); })},   // identity
      {Py_tp_richcompare, slot(compare)}, {Py_tp_iter, slot(iterate)},
      {Py_nb_add, slot(plus)}, {Py_nb_subtract, slot(minus)}, {Py_nb_multiply, slot(times)}, {Py_nb_true_divide, slot(divided)},
      {Py_nb_floor_divide, slot(binary<[](T a, T b) { return floor_divide(a, b); }>)},
      {Py_nb_remainder, slot(binary<[](T a, T b) { return remainder(a, b); }>)},
      {Py_nb_power, slot(power)}, {Py_nb_matrix_multiply, slot(binary<[](T a, T b) { return as("matmul", matmul(a, b)); }>)},
      {Py_nb_and, slot(binary<[](T a, T b) { return bitwise_and(a, b); }>)}, {Py_nb_or, slot(binary<[](T a, T b) { return bitwise_or(a, b); }>)},
      {Py_nb_xor, slot(binary<[](T a, T b) { return bitwise_xor(a, b); }>)},
      {Py_nb_lshift, slot(binary<[](T a, T b) { return bitwise_left_shift(a, b); }>)},
      {Py_nb_rshift, slot(binary<[](T a, T b) { return bitwise_right_shift(a, b); }>)},
      {Py_nb_negative, slot(negative)}, {Py_nb_positive, slot(positive)}, {Py_nb_absolute, slot(absolute)}, {Py_nb_invert, slot(inverted)},
      {Py_nb_inplace_add, slot(in_place<[](T x, T y) { add_(x, y); }>)},
      {Py_nb_inplace_subtract, slot(in_place<[](T x, T y) { sub_(x, y); }>)},
      {Py_nb_inplace_multiply, slot(in_place<[](T x, T y) { mul_(x, y); }>)},
      {Py_nb_inplace_true_divide, slot(in_place<[](T x, T y) { div_(x, y); }>)},
      {Py_nb_inplace_floor_divide, slot(in_place<[](T x, T y) { assign_(x, floor_divide(kept(x, y), y), "floor_divide_"); }>)},
      {Py_nb_inplace_remainder, slot(in_place<[](T x, T y) { assign_(x, remainder(kept(x, y), y), "remainder_"); }>)},
      {Py_nb_inplace_power, slot(+[](PyObject* a, PyObject* b, PyObject*) { return in_place<[](T x, T y) { assign_(x, pow(kept(x, y), y), "pow_"); }>(a, b); })},
      {Py_nb_inplace_and, slot(in_place<[](T x, T y) { assign_(x, bitwise_and(kept(x, y), y), "bitwise_and_"); }>)},
      {Py_nb_inplace_or, slot(in_place<[](T x, T y) { assign_(x, bitwise_or(kept(x, y), y), "bitwise_or_"); }>)},
      {Py_nb_inplace_xor, slot(in_place<[](T x, T y) { assign_(x, bitwise_xor(kept(x, y), y), "bitwise_xor_"); }>)},
      {Py_nb_bool, slot(to_bool)}, {Py_nb_int, slot(to_int)}, {Py_nb_float, slot(to_float)}, {Py_nb_index, slot(to_index)},
      {Py_mp_length, slot(length)}, {Py_sq_length, slot(length)}, {Py_sq_contains, slot(contains)},
      {Py_mp_subscript, slot(get_item)}, {Py_mp_ass_subscript, slot(set_item)},
      {0, nullptr}};
  PyType_Spec spec = {"hippograd.Tensor", sizeof(TensorObject), 0, unsigned(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC), slots};
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  return type;
}

PyObject* number_object(bool x) { return PyBool_FromLong(x); }
PyObject* number_object(uint8_t x) { return PyLong_FromLong(x); }
PyObject* number_object(int32_t x) { return PyLong_FromLong(x); }
PyObject* number_object(int64_t x) { return PyLong_FromLongLong(x); }
PyObject* number_object(double x) { return PyFloat_FromDouble(x); }
PyObject* number_object(float x) { return PyFloat_FromDouble(double(x)); }
PyObject* number_object(bfloat16 x) { return PyFloat_FromDouble(double(float(x))); }
PyObject* number_object(float16 x) { return PyFloat_FromDouble(double(float(x))); }
template <class T> PyObject* number_object(std::complex<T> z) { return PyComplex_FromDoubles(double(z.real()), double(z.imag())); }

// Nested lists of a contiguous array; `next` runs over its elements.
template <class T> PyObject* nested_list(const T*& next, const Shape& shape, int d) {
  if (d == shape.size()) return number_object(*next++);
  PyObject* list = PyList_New(shape[d]);
  for (int64_t i = 0; list && i < shape[d]; ++i) PyList_SET_ITEM(list, i, nested_list(next, shape, d + 1));
  return list;
}
py::object tolist(const Tensor& t) {
  const Array a = t.array().to(Device{}).contiguous();
  PyObject* list = nullptr;
  visit(AllTypes{}, a.dtype(), "tolist", [&]<class T>() {
    const T* next = a.data<T>();
    list = nested_list(next, a.shape(), 0);
  });
  return py::reinterpret_steal<py::object>(list);
}
}  // namespace

PyObject* wrap(const Tensor& t) {
  const auto& impl = t.impl();
  if (!impl) return Py_NewRef(Py_None);
  if (impl->wrapper) return Py_NewRef(static_cast<PyObject*>(impl->wrapper));
  if (impl->python) return wake(t);
  return allocate(tensor_type, t);
}
PyObject* wrap_as(PyTypeObject* type, const Tensor& t) { return allocate(type, t); }

PyObject* tuple_of(const Tensors& list) {
  PyObject* tuple = PyTuple_New(Py_ssize_t(list.size()));
  for (size_t i = 0; i < list.size(); ++i) PyTuple_SET_ITEM(tuple, Py_ssize_t(i), wrap(list[i]));
  return tuple;
}

void init_tensor(py::module_& m) {
  tensor_type = make_tensor_type();
  def_method("item(input)", item);
  def_method("tolist(input)", tolist);
  m.attr("Tensor") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(tensor_type));
}

}  // namespace hippograd::python
