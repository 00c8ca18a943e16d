// The Python type of our functions, the parsing of their signatures and arguments, and the translation of errors.
#include <cstring>
#include <deque>
#include <map>
#include <new>

#include "autograd/ops.h"
#include "autograd/sample.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

constexpr int kMaxParameters = 24;

struct FunctionObject {
  PyObject_HEAD
  vectorcallfunc call;
  const Definition* definition;
};
PyTypeObject* function_type = nullptr;   // in modules: does not bind
PyTypeObject* method_type = nullptr;     // on Tensor: binds its first argument

struct Entry { Definition definition; int place; };
std::deque<Entry>& entries() {           // a deque: addresses stay
  static auto* list = new std::deque<Entry>;
  return *list;
}
std::map<std::string, Entry*, std::less<>>& by_name() {
  static auto* map = new std::map<std::string, Entry*, std::less<>>;
  return *map;
}

// Names that NumPy users write, and PyTorch accepts.
std::string_view alias_of(std::string_view name) {
  if (name == "axis") return "dim";
  if (name == "axes") return "dims";
  if (name == "keepdims") return "keepdim";
  if (name == "x" || name == "x1" || name == "self" || name == "a") return "input";
  if (name == "x2" || name == "b") return "other";
  return {};
}
bool ignorable(std::string_view name) {   // accepted by PyTorch, without meaning here
  return name == "layout" || name == "pin_memory" || name == "memory_format" || name == "non_blocking" || name == "names";
}

int find_parameter(const Definition& d, PyObject* name) {
  const int n = int(d.parameters.size());
  for (int i = 0; i < n; ++i)
    if (d.parameters[i].interned == name) return i;
  Py_ssize_t length;
  const char* text = PyUnicode_AsUTF8AndSize(name, &length);
  if (!text) return -1;
  const std::string_view given(text, size_t(length)), other = alias_of(given);
  for (int i = 0; i < n; ++i)
    if (d.parameters[i].name == given) return i;
  for (int i = 0; i < n; ++i)
    if (!other.empty() && d.parameters[i].name == other) return i;
  return -1;
}

struct Arguments {
  PyObject* values[kMaxParameters] = {};
  PyObject* out = nullptr;
  PyObject* packed = nullptr;            // the tuple made of *size
  ~Arguments() { Py_XDECREF(packed); }
};

void set_error(PyObject* type, const std::string& text) { PyErr_SetString(type, text.c_str()); }

// The integers of `zeros(2, 3)` as one tuple. A single argument that is not an integer is itself the list.
bool take_variadic(const Definition& d, Arguments& a, PyObject* const* args, Py_ssize_t count) {
  const int at = d.variadic;
  if (at < 0 || count <= at) return false;
  if (count == at + 1 && !is_integer(args[at])) return false;
  a.packed = PyTuple_New(count - at);
  for (Py_ssize_t i = at; i < count; ++i) PyTuple_SET_ITEM(a.packed, i - at, Py_NewRef(args[i]));
  a.values[at] = a.packed;
  return true;
}

bool parse(const Definition& d, Arguments& a, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  Py_ssize_t plain = count;
  if (take_variadic(d, a, args, count)) plain = d.variadic;
  else if (count > d.positional) {
    set_error(PyExc_TypeError, cat(d.name, "() takes ", d.positional, " positional arguments but ", int64_t(count),
                                   count == 1 ? " was" : " were", " given"));
    return false;
  }
  for (Py_ssize_t i = 0; i < plain; ++i) a.values[i] = args[i];
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t k = 0; k < named; ++k) {
    PyObject* name = PyTuple_GET_ITEM(names, k);
    const int i = find_parameter(d, name);
    if (i >= 0) {
      if (a.values[i]) {
        set_error(PyExc_TypeError, cat(d.name, "() got multiple values for argument '", d.parameters[i].name, "'"));
        return false;
      }
      a.values[i] = args[count + k];
      continue;
    }
    const char* text = PyUnicode_AsUTF8(name);
    if (!text) return false;
    if (std::strcmp(text, "out") == 0) {
      if (args[count + k] != Py_None) a.out = args[count + k];
    } else if (!ignorable(text)) {
      set_error(PyExc_TypeError, cat(d.name, "() got an unexpected keyword argument '", text, "'"));
      return false;
    }
  }
  for (size_t i = 0; i < d.parameters.size(); ++i) {
    if (a.values[i]) continue;
    a.values[i] = d.parameters[i].fallback;
    if (!a.values[i]) {
      set_error(PyExc_TypeError, cat(d.name, "() missing required argument '", d.parameters[i].name, "' (position ", i + 1, ")"));
      return false;
    }
  }
  return true;
}

PyObject* finish_in_place(const Definition& d, PyObject* self, PyObject* result) {
  const py::object held = py::reinterpret_steal<py::object>(result);
  try {
    if (!is_tensor(result)) raise(PyExc_TypeError, d.name + "(): the result is not a tensor");
    if (!as_tensor(result).same(as_tensor(self))) assign_(as_tensor(self), as_tensor(result), d.name);
    return Py_NewRef(self);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

void copy_out(const Definition& d, PyObject* out, PyObject* result) {
  if (!is_tensor(out) || !is_tensor(result)) raise(PyExc_TypeError, d.name + "(): argument 'out' must be Tensor, not " + Py_TYPE(out)->tp_name);
  const Tensor &o = as_tensor(out), &r = as_tensor(result);
  if (grad_enabled() && (o.requires_grad() || r.requires_grad()))
    fail<GradError>(d.name, "(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
                    "requires grad.");
  if (!(o.shape() == r.shape())) o.impl()->array = empty(r.shape(), o.dtype(), o.device());   // PyTorch resizes `out`
  assign_(o, r, d.name);
}
PyObject* finish_out(const Definition& d, PyObject* out, PyObject* result) {
  const py::object held = py::reinterpret_steal<py::object>(result);
  try {
    if (PyTuple_Check(result) && PySequence_Check(out) && !is_tensor(out)) {
      const py::object outs = py::reinterpret_steal<py::object>(PySequence_Tuple(out));
      if (!outs) throw py::error_already_set();
      if (PyTuple_GET_SIZE(outs.ptr()) != PyTuple_GET_SIZE(result)) raise(PyExc_TypeError, d.name + "(): argument 'out' has the wrong length");
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); ++i) copy_out(d, PyTuple_GET_ITEM(outs.ptr(), i), PyTuple_GET_ITEM(result, i));
    } else {
      copy_out(d, out, result);
    }
    return Py_NewRef(out);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* name_parts(const Definition& d, PyObject* result) {
  if (!PyTuple_CheckExact(result) || PyTuple_GET_SIZE(result) != d.result_parts) return result;   // max(x): a tensor alone
  PyObject* named = PyStructSequence_New(d.result_type);
  for (Py_ssize_t i = 0; named && i < d.result_parts; ++i) PyStructSequence_SetItem(named, i, Py_NewRef(PyTuple_GET_ITEM(result, i)));
  Py_DECREF(result);
  return named;
}

// What the op saves for its backward must not be what is then overwritten: while recording it works on a copy.
PyObject* call_in_place(const Definition& d, Arguments& a) {
  PyObject* self = a.values[0];
  try {
    const Tensor& x = as_tensor(self);
    check_in_place(x, d.name);
    const bool recorded = grad_enabled() && x.requires_grad();
    const py::object copy = py::reinterpret_steal<py::object>(recorded ? wrap(clone(x)) : Py_NewRef(self));
    a.values[0] = copy.ptr();
    PyObject* result = d.invoke(d, a.values);
    return result ? finish_in_place(d, self, result) : nullptr;
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

PyObject* call_function(PyObject* self, PyObject* const* args, size_t count, PyObject* names) {
  const Definition& d = *reinterpret_cast<FunctionObject*>(self)->definition;
  Arguments a;
  if (!parse(d, a, args, PyVectorcall_NARGS(count), names)) return nullptr;
  if (d.in_place && a.values[0] && is_tensor(a.values[0])) return call_in_place(d, a);
  PyObject* result = d.invoke(d, a.values);
  if (!result) return nullptr;
  if (a.out) return finish_out(d, a.out, result);
  if (d.result_type) return name_parts(d, result);
  return result;
}

// ---- the function type ----
const Definition& definition_of(PyObject* self) { return *reinterpret_cast<FunctionObject*>(self)->definition; }
PyObject* get_name(PyObject* self, void*) { return to_python(definition_of(self).name); }
PyObject* get_doc(PyObject* self, void*) {
  const Definition& d = definition_of(self);
  return to_python(d.signature + (d.doc.empty() ? "" : "\n\n" + d.doc));
}
PyObject* get_module(PyObject*, void*) { return PyUnicode_FromString("hippograd._C"); }
PyObject* get_signature(PyObject* self, void*) {
  const std::string& s = definition_of(self).signature;
  return to_python(s.substr(s.find('(')));
}
PyObject* function_repr(PyObject* self) { return to_python("<function hippograd." + definition_of(self).name + ">"); }
PyObject* method_reduce(PyObject* self, PyObject*) {
  return Py_BuildValue("(O(Os))", PyDict_GetItemString(PyEval_GetBuiltins(), "getattr"), tensor_type, definition_of(self).name.c_str());
}
PyObject* function_reduce(PyObject* self, PyObject*) { return to_python(definition_of(self).name); }
PyObject* bind_method(PyObject* self, PyObject* object, PyObject*) {
  return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}
PyGetSetDef function_attributes[] = {
    {"__name__", get_name, nullptr, nullptr, nullptr},     {"__qualname__", get_name, nullptr, nullptr, nullptr},
    {"__doc__", get_doc, nullptr, nullptr, nullptr},       {"__module__", get_module, nullptr, nullptr, nullptr},
    {"__text_signature__", get_signature, nullptr, nullptr, nullptr}, {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMemberDef function_members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(FunctionObject, call), READONLY, nullptr},
                                  {nullptr, 0, 0, 0, nullptr}};

PyTypeObject* make_function_type(const char* name, bool binds) {
  static PyMethodDef function_methods[] = {{"__reduce__", function_reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
  static PyMethodDef method_methods[] = {{"__reduce__", method_reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};
  std::vector<PyType_Slot> slots = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                    {Py_tp_getset, function_attributes},
                                    {Py_tp_members, function_members},
                                    {Py_tp_repr, reinterpret_cast<void*>(function_repr)},
                                    {Py_tp_methods, binds ? method_methods : function_methods}};
  if (binds) slots.push_back({Py_tp_descr_get, reinterpret_cast<void*>(bind_method)});
  slots.push_back({0, nullptr});
  PyType_Spec spec = {name, sizeof(FunctionObject), 0,
                      unsigned(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | (binds ? Py_TPFLAGS_METHOD_DESCRIPTOR : 0)), slots.data()};
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  return type;
}
py::object make_function(PyTypeObject* type, const Definition& d) {
  auto* f = PyObject_New(FunctionObject, type);
  f->call = call_function;
  f->definition = &d;
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(f));
}

// ---- signatures ----
std::string trim(std::string_view s) {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return std::string(s);
}
std::vector<std::string> split_top(std::string_view text) {   // at commas outside brackets
  std::vector<std::string> parts;
  int depth = 0;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      if (const std::string part = trim(text.substr(start, i - start)); !part.empty()) parts.push_back(part);
      start = i + 1;
    } else if (text[i] == '(' || text[i] == '[') {
      ++depth;
    } else if (text[i] == ')' || text[i] == ']') {
      --depth;
    }
  }
  return parts;
}
PyObject* literal(const std::string& text) {
  static PyObject* globals = [] {
    PyObject* g = PyDict_New();
    PyDict_SetItemString(g, "__builtins__", PyEval_GetBuiltins());
    return g;
  }();
  PyObject* value = PyRun_String(text.c_str(), Py_eval_input, globals, globals);
  if (!value) throw py::error_already_set();
  return value;
}

PyObject* named_repr(PyObject* self) {   // hippograd.return_types.max(\nvalues=tensor(...),\nindices=tensor(...))
  std::string text = std::string(Py_TYPE(self)->tp_name) + "(";
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); ++i) {
    const py::object part = py::reinterpret_steal<py::object>(PyObject_Repr(PyTuple_GET_ITEM(self, i)));
    if (!part) return nullptr;
    const char* name = Py_TYPE(self)->tp_members[i].name;
    text += std::string(i ? ",\n" : "\n") + name + "=" + PyUnicode_AsUTF8(part.ptr());
  }
  return to_python(text + ")");
}
PyTypeObject* named_type(const std::string& name, const std::vector<std::string>& parts) {
  auto* fields = new std::vector<PyStructSequence_Field>;
  for (const std::string& p : parts) fields->push_back({(new std::string(p))->c_str(), nullptr});
  fields->push_back({nullptr, nullptr});
  auto* full = new std::string("hippograd.return_types." + name);
  PyStructSequence_Desc d = {full->c_str(), "", fields->data(), int(parts.size())};
  PyTypeObject* type = PyStructSequence_NewType(&d);
  if (!type) throw py::error_already_set();
  type->tp_repr = named_repr;
  PyType_Modified(type);
  return type;
}

void parse_signature(Definition& d, std::string_view text) {
  const size_t open = text.find('('), arrow = text.find("->");
  const size_t close = text.rfind(')', arrow == std::string_view::npos ? std::string_view::npos : arrow);
  d.name = trim(text.substr(0, open));
  bool keyword_only = false;
  std::string shown;
  for (const std::string& part : split_top(text.substr(open + 1, close - open - 1))) {
    const bool variadic = part.front() == '*' && part.size() > 1;
    shown += (shown.empty() ? "" : ", ") + (variadic ? part.substr(0, part.find('=')) : part);
    if (part == "*") {
      keyword_only = true;
      continue;
    }
    Parameter p;
    const size_t equals = part.find('=');
    p.name = trim(part.substr(0, equals));
    if (equals != std::string::npos) p.fallback = literal(trim(part.substr(equals + 1)));
    p.keyword_only = keyword_only;
    if (p.name.front() == '*') {
      p.name.erase(0, 1);
      d.variadic = int(d.parameters.size());
      p.keyword_only = false;
      keyword_only = true;
    }
    if (p.name.back() == '#') {
      p.name.pop_back();
      p.accepts_number = true;
    }
    p.interned = PyUnicode_InternFromString(p.name.c_str());
    if (!p.keyword_only) ++d.positional;
    d.parameters.push_back(p);
  }
  if (d.parameters.size() > kMaxParameters) throw std::logic_error("bindings: too many parameters: " + d.name);
  std::erase(shown, '#');
  d.signature = d.name + "(" + shown + ")";
  if (arrow != std::string_view::npos) {
    const std::string names = trim(text.substr(arrow + 2));
    const std::vector<std::string> parts = split_top(std::string_view(names).substr(1, names.size() - 2));
    d.result_type = named_type(d.name, parts);
    d.result_parts = int(parts.size());
  }
}

// ---- errors ----
PyObject *error_type, *shape_error, *dtype_error, *device_error, *index_error, *value_error, *grad_error, *file_error, *memory_error, *linalg_error;

PyObject* error_class(py::module_& m, const char* name, std::initializer_list<PyObject*> bases) {
  PyObject* tuple = PyTuple_New(Py_ssize_t(bases.size()));
  Py_ssize_t i = 0;
  for (PyObject* b : bases) PyTuple_SET_ITEM(tuple, i++, Py_NewRef(b));
  PyObject* type = PyErr_NewException((std::string("hippograd.") + name).c_str(), tuple, nullptr);
  Py_DECREF(tuple);
  if (!type) throw py::error_already_set();
  m.attr(name) = py::reinterpret_borrow<py::object>(type);
  return type;
}
}  // namespace

PyHandle::~PyHandle() {
  if (!object_ || !Py_IsInitialized()) return;
#if PY_VERSION_HEX >= 0x030D0000
  if (Py_IsFinalizing()) return;
#else
  if (_Py_IsFinalizing()) return;
#endif
  const PyGILState_STATE state = PyGILState_Ensure();
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  Py_DECREF(object_);
  PyErr_Restore(type, value, trace);
  PyGILState_Release(state);
}

void init_errors(py::module_& m) {
  error_type = error_class(m, "Error", {PyExc_Exception});
  shape_error = error_class(m, "ShapeError", {error_type, PyExc_ValueError, PyExc_RuntimeError});
  dtype_error = error_class(m, "DtypeError", {error_type, PyExc_TypeError, PyExc_ValueError, PyExc_RuntimeError});
  device_error = error_class(m, "DeviceError", {error_type, PyExc_RuntimeError});
  error_class(m, "CudaError", {device_error});
  index_error = error_class(m, "IndexError", {error_type, PyExc_IndexError, PyExc_RuntimeError});
  value_error = error_class(m, "ValueError", {error_type, PyExc_ValueError, PyExc_RuntimeError});
  grad_error = error_class(m, "GradError", {error_type, PyExc_RuntimeError});
  file_error = error_class(m, "FileError", {error_type, PyExc_RuntimeError, PyExc_OSError});
  linalg_error = error_class(m, "LinAlgError", {error_type, PyExc_RuntimeError});
  memory_error = error_class(m, "OutOfMemory", {error_type, PyExc_RuntimeError, PyExc_MemoryError});
  m.attr("OutOfMemoryError") = m.attr("OutOfMemory");
}

void translate_exception() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const ShapeError& e) {
    PyErr_SetString(shape_error, e.what());
  } catch (const DtypeError& e) {
    PyErr_SetString(dtype_error, e.what());
  } catch (const DeviceError& e) {
    PyErr_SetString(device_error, e.what());
  } catch (const IndexError& e) {
    PyErr_SetString(index_error, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(value_error, e.what());
  } catch (const GradError& e) {
    PyErr_SetString(grad_error, e.what());
  } catch (const FileError& e) {
    PyErr_SetString(file_error, e.what());
  } catch (const LinAlgError& e) {
    PyErr_SetString(linalg_error, e.what());
  } catch (const OutOfMemory& e) {
    PyErr_SetString(memory_error, e.what());
  } catch (const Error& e) {
    PyErr_SetString(error_type, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(memory_error, "out of memory");
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_RuntimeError, "an unknown C++ exception");
  }
}

void raise(PyObject* type, const std::string& message) {
  PyErr_SetString(type, message.c_str());
  throw py::error_already_set();
}
void wrong_type(const Where& w, const char* expected, PyObject* got) {
  if (PyErr_Occurred()) PyErr_Clear();
  const Definition& d = w.definition;
  raise(PyExc_TypeError, cat(d.name, "(): argument '", w.index < int(d.parameters.size()) ? d.parameters[w.index].name : std::string("?"),
                             "' (position ", w.index + 1, ") must be ", expected, ", not ", Py_TYPE(got)->tp_name));
}

Definition& add_definition(std::string_view signature, void (*target)(), PyObject* (*invoke)(const Definition&, PyObject* const*), int place) {
  Entry& e = entries().emplace_back();
  e.place = place;
  parse_signature(e.definition, signature);
  e.definition.target = target;
  e.definition.invoke = invoke;
  by_name()[e.definition.name] = &e;
  return e.definition;
}

void in_place_twins(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto it = by_name().find(std::string_view(name));
    if (it == by_name().end()) throw std::logic_error(std::string("bindings: no function named ") + name);
    Entry& e = entries().emplace_back(*it->second);
    e.definition.name += "_";
    e.definition.signature.insert(std::strlen(name), "_");
    e.definition.in_place = true;
    by_name()[e.definition.name] = &e;
  }
}
void another_name(const char* existing, std::initializer_list<const char*> names) {
  const auto it = by_name().find(std::string_view(existing));
  if (it == by_name().end()) throw std::logic_error(std::string("bindings: no function named ") + existing);
  for (const char* name : names) {
    Entry& e = entries().emplace_back(*it->second);
    e.definition.signature.replace(0, e.definition.name.size(), name);
    e.definition.name = name;
    by_name()[e.definition.name] = &e;
  }
}

void init_functions(py::module_&) {
  function_type = make_function_type("hippograd._C.Function", false);
  method_type = make_function_type("hippograd._C.Method", true);
}
void finish_functions(py::module_& m) {
  std::map<std::string, std::string> docs;
  for (const OpEntry& op : op_table()) docs[op.name] = op.doc;
  for (Entry& e : entries()) {
    Definition& d = e.definition;
    if (const auto it = docs.find(d.name); it != docs.end()) d.doc = it->second;
    if (e.place & kFunction) m.attr(d.name.c_str()) = make_function(function_type, d);
    if (e.place & kMethod) {
      const py::object method = make_function(method_type, d);
      if (PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), d.name.c_str(), method.ptr()) < 0) throw py::error_already_set();
    }
  }
}

}  // namespace hippograd::python
