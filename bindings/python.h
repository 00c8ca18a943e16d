#pragma once
// How a C++ function becomes a Python function.
//
//   def("sum(input, dim=None, keepdim=False, *, dtype=None)", [](const Tensor& input, DimList dim, bool keepdim, ...) {...});
//
// The text is the signature that Python sees: names, defaults (Python literals), keyword-only part; it is parsed once, at
// import. `*size` takes one tuple or any number of integers. `other#` marks a tensor for which a Python number may stand.
// `-> (values, indices)` names the parts of the result. The same definition serves as function of the module and, where the
// first parameter is `input`, as method of Tensor. Every function that gives tensors takes `out=`.
//
// The types of the C++ parameters choose the conversions (`From<T>`); a wrong type is a TypeError that names function and
// argument. The GIL is released around calls on large tensors.
#include <pybind11/pybind11.h>
#include <structmember.h>

#include <complex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "autograd/tensor.h"
#include "tensor/random.h"

namespace hippograd::python {

namespace py = pybind11;

// ---- tensors as Python objects (tensor.cpp) ----
struct TensorObject {
  PyObject_HEAD
  Tensor tensor;
  PyObject* attributes;      // what Python code put on the tensor
  PyObject* weak_references;
};
extern PyTypeObject* tensor_type;
inline bool is_tensor(PyObject* o) { return PyObject_TypeCheck(o, tensor_type); }
inline const Tensor& as_tensor(PyObject* o) { return reinterpret_cast<TensorObject*>(o)->tensor; }
PyObject* wrap(const Tensor& t);                            // new reference; the same object while it lives; None if undefined
PyObject* wrap_as(PyTypeObject* type, const Tensor& t);     // a new object of a subclass
// A number, NumPy scalar or NumPy array as an operand; undefined if `o` is none of them.
Tensor operand(PyObject* o);

// Something of Python that C++ holds: takes the GIL to let go, and is leaked once the interpreter is shutting down.
class PyHandle {
 public:
  PyHandle() = default;
  explicit PyHandle(PyObject* borrowed) : object_(borrowed) { Py_XINCREF(object_); }
  PyHandle(const PyHandle&) = delete;
  PyHandle& operator=(const PyHandle&) = delete;
  ~PyHandle();
  PyObject* get() const { return object_; }
 private:
  PyObject* object_ = nullptr;
};

// ---- definitions ----
struct Parameter {
  std::string name;
  PyObject* interned = nullptr;
  PyObject* fallback = nullptr;                             // null: required
  bool keyword_only = false, accepts_number = false;
};
struct Definition {
  std::string name, signature, doc;
  std::vector<Parameter> parameters;
  int positional = 0, required = 0, variadic = -1;
  void (*target)() = nullptr;
  PyObject* (*invoke)(const Definition&, PyObject* const* values) = nullptr;
  PyTypeObject* result_type = nullptr;                      // named parts
  int result_parts = 0;
  bool in_place = false;                                    // the result is written into the first argument
};
struct Where { const Definition& definition; int index; };
[[noreturn]] void wrong_type(const Where& w, const char* expected, PyObject* got);   // TypeError
[[noreturn]] void raise(PyObject* type, const std::string& message);
void translate_exception() noexcept;                        // the C++ exception in flight becomes Python's

enum Place { kFunction = 1, kMethod = 2, kBoth = 3 };
// Registers a definition; `kBoth` where the first parameter is `input`.
Definition& add_definition(std::string_view signature, void (*target)(),
                           PyObject* (*invoke)(const Definition&, PyObject* const*), int place);
// `name_`: the same function, writing its result into the first argument.
void in_place_twins(std::initializer_list<const char*> names);
void another_name(const char* existing, std::initializer_list<const char*> names);
PyObject* function_named(const char* name);                 // borrowed; for the tables

// ---- conversions from Python ----
template <class T> struct From;

bool is_integer(PyObject* o);
int64_t integer(PyObject* o, const Where& w);
double real_number(PyObject* o, const Where& w);
complex128 complex_number(PyObject* o, const Where& w);
Shape sizes(PyObject* o, const Where& w);
DType dtype(PyObject* o, const Where& w);
Device device(PyObject* o, const Where& w);
Tensor tensor_argument(PyObject* o, const Where& w);
Tensors tensor_list(PyObject* o, const Where& w);

template <> struct From<Tensor> { static Tensor get(PyObject* o, const Where& w) { return tensor_argument(o, w); } };
template <> struct From<Tensors> { static Tensors get(PyObject* o, const Where& w) { return tensor_list(o, w); } };
template <> struct From<int64_t> { static int64_t get(PyObject* o, const Where& w) { return integer(o, w); } };
template <> struct From<int> { static int get(PyObject* o, const Where& w) { return int(integer(o, w)); } };
template <> struct From<double> { static double get(PyObject* o, const Where& w) { return real_number(o, w); } };
template <> struct From<complex128> { static complex128 get(PyObject* o, const Where& w) { return complex_number(o, w); } };
template <> struct From<bool> {
  static bool get(PyObject* o, const Where& w) {
    if (o == Py_True) return true;
    if (o == Py_False || o == Py_None) return false;
    if (is_integer(o)) return integer(o, w) != 0;
    if (is_tensor(o)) return PyObject_IsTrue(o) == 1;
    wrong_type(w, "bool", o);
  }
};
template <> struct From<Shape> { static Shape get(PyObject* o, const Where& w) { return sizes(o, w); } };
template <> struct From<std::vector<int64_t>> {
  static std::vector<int64_t> get(PyObject* o, const Where& w) {
    const Shape s = sizes(o, w);
    return {s.begin(), s.end()};
  }
};
template <> struct From<std::string> {
  static std::string get(PyObject* o, const Where& w) {
    Py_ssize_t n;
    const char* text = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &n) : nullptr;
    if (!text) wrong_type(w, "str", o);
    return {text, size_t(n)};
  }
};
template <> struct From<std::string_view> {   // lives as long as the argument
  static std::string_view get(PyObject* o, const Where& w) {
    Py_ssize_t n;
    const char* text = PyUnicode_Check(o) ? PyUnicode_AsUTF8AndSize(o, &n) : nullptr;
    if (!text) wrong_type(w, "str", o);
    return {text, size_t(n)};
  }
};
template <> struct From<DType> { static DType get(PyObject* o, const Where& w) { return dtype(o, w); } };
template <> struct From<Device> { static Device get(PyObject* o, const Where& w) { return device(o, w); } };
template <> struct From<py::object> { static py::object get(PyObject* o, const Where&) { return py::reinterpret_borrow<py::object>(o); } };
template <class T> struct From<std::optional<T>> {
  static std::optional<T> get(PyObject* o, const Where& w) {
    if (o == Py_None) return std::nullopt;
    return From<T>::get(o, w);
  }
};
Generator& generator(PyObject* o, const Where& w);          // None: the default one
struct GeneratorArgument { Generator* g; operator Generator&() const { return *g; } };
template <> struct From<GeneratorArgument> { static GeneratorArgument get(PyObject* o, const Where& w) { return {&generator(o, w)}; } };

// ---- conversions to Python: new references ----
PyObject* size_object(const Shape& s);
PyObject* dtype_object(DType t);
PyObject* device_object(Device d);
PyObject* tuple_of(const Tensors& list);

inline PyObject* to_python(const Tensor& t) { return wrap(t); }
inline PyObject* to_python(const Tensors& list) { return tuple_of(list); }
inline PyObject* to_python(bool x) { return PyBool_FromLong(x); }
inline PyObject* to_python(int64_t x) { return PyLong_FromLongLong(x); }
inline PyObject* to_python(double x) { return PyFloat_FromDouble(x); }
inline PyObject* to_python(const std::string& x) { return PyUnicode_FromStringAndSize(x.data(), Py_ssize_t(x.size())); }
inline PyObject* to_python(const Shape& s) { return size_object(s); }
inline PyObject* to_python(DType t) { return dtype_object(t); }
inline PyObject* to_python(Device d) { return device_object(d); }
inline PyObject* to_python(py::object o) { return o.release().ptr(); }
template <class... T> PyObject* to_python(const std::tuple<T...>& t) {
  return std::apply([](const auto&... x) {
    PyObject* r = PyTuple_New(sizeof...(x));
    Py_ssize_t i = 0;
    (PyTuple_SET_ITEM(r, i++, to_python(x)), ...);
    return r;
  }, t);
}
template <class A, class B> PyObject* to_python(const std::pair<A, B>& t) { return to_python(std::tuple<A, B>(t)); }

// ---- the call ----
inline constexpr int64_t kReleaseGilFrom = 20000;           // elements; below, releasing costs more than it frees
// What handles Python's objects (py::object, py::list ...) keeps the GIL, and releases it inside where it wants to.
template <class T> inline constexpr bool is_python =
    std::is_base_of_v<py::handle, std::decay_t<T>> || std::is_same_v<std::decay_t<T>, PyObject*>;
inline int64_t weight(const Tensor& t) { return t.defined() ? t.array().shape().numel() : 0; }
inline int64_t weight(const Tensors& list) {
  int64_t n = 0;
  for (const Tensor& t : list) n += weight(t);
  return n;
}
template <class T> int64_t weight(const T&) { return 0; }

// Notes at a fresh result which function the user called: the name of its grad_fn.
inline const Tensor& called(const Tensor& t, const char* function) {
  if (!t.defined()) return t;
  if (Node* node = t.impl()->edge.node.get(); node && !node->called) node->called = function;
  return t;
}
inline const Tensor& called(const Tensor& t, const Definition& d) { return called(t, d.name.c_str()); }
template <class T> const T& called(const T& other, const Definition&) { return other; }

template <class R, class... A> struct Call {
  static PyObject* invoke(const Definition& d, PyObject* const* values) {
    return invoke(d, values, std::index_sequence_for<A...>{});
  }
 private:
  template <size_t... I>
  static PyObject* invoke(const Definition& d, [[maybe_unused]] PyObject* const* values, std::index_sequence<I...>) {
    try {
      std::tuple<std::decay_t<A>...> arguments{From<std::decay_t<A>>::get(values[I], Where{d, int(I)})...};
      const auto f = reinterpret_cast<R (*)(A...)>(d.target);
      if constexpr (std::is_void_v<R>) {
        f(std::get<I>(arguments)...);
        return Py_NewRef(Py_None);
      } else if constexpr (is_python<R> || (is_python<A> || ...)) {
        PyObject* y = to_python(f(std::get<I>(arguments)...));
        if (y && is_tensor(y)) called(as_tensor(y), d);
        return y;
      } else {
        if ((int64_t(0) + ... + weight(std::get<I>(arguments))) < kReleaseGilFrom)
          return to_python(called(f(std::get<I>(arguments)...), d));
        std::optional<R> result;
        {
          py::gil_scoped_release unlocked;
          result.emplace(f(std::get<I>(arguments)...));
        }
        return to_python(called(*result, d));
      }
    } catch (...) {
      translate_exception();
      return nullptr;
    }
  }
};

template <class R, class... A> Definition& define(std::string_view signature, R (*f)(A...), int place) {
  Definition& d = add_definition(signature, reinterpret_cast<void (*)()>(f), &Call<R, A...>::invoke, place);
  if (d.parameters.size() != sizeof...(A)) throw std::logic_error("bindings: signature and function differ: " + d.signature);
  return d;
}
inline int natural_place(std::string_view signature) {
  const auto open = signature.find('(');
  return signature.substr(open + 1, 5) == "input" ? kBoth : kFunction;
}
// A function pointer or a lambda without captures.
template <class F> Definition& def(std::string_view signature, F f) { return define(signature, +f, natural_place(signature)); }
template <class F> Definition& def_method(std::string_view signature, F f) { return define(signature, +f, kMethod); }
template <class F> Definition& def_function(std::string_view signature, F f) { return define(signature, +f, kFunction); }

// ---- parts of the module ----
void init_functions(py::module_& m);                        // the type of the functions; first
void init_errors(py::module_& m);
void init_types(py::module_& m);                            // dtype, device, Size, Generator, finfo, iinfo
void init_tensor(py::module_& m);
void bind_index();
void bind_create(py::module_& m);
void bind_convert(py::module_& m);
void bind_autograd(py::module_& m);
void bind_inspect(py::module_& m);
void bind_ssm(py::module_& m);                              // _ssm: Mamba
void bind_train(py::module_& m);                            // _train: optimizers that do whole steps
void bind_vlm(py::module_& m);
void bind_accelerator(py::module_& m);                              // _vlm: models and easy-VQA
void finish_functions(py::module_& m);                      // puts the definitions into the module and onto Tensor

}  // namespace hippograd::python
