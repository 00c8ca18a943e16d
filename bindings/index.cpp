// x[...] and x[...] = v, with NumPy's and PyTorch's rules.
//
// One pass from left to right: integers select, slices slice, None inserts a dimension, Ellipsis skips; what is left are the
// tensors (lists, arrays, masks), which go to `index` or `index_put` with the dimensions they stand at.
#include <algorithm>

#include "autograd/ops.h"
#include "bindings/node.h"

namespace hippograd::python {
namespace {

// The part of an index tuple that views can do, and the tensors that remain, one slot per dimension of `view`.
struct Parsed {
  Tensor view;
  Tensors advanced;          // undefined: the whole dimension
  bool has_advanced = false;
};

int64_t slice_bound(PyObject* o, int64_t fallback) {
  if (o == Py_None) return fallback;
  PyObject* number = PyNumber_Index(o);
  if (!number) throw py::error_already_set();
  int overflow = 0;
  const int64_t x = PyLong_AsLongLongAndOverflow(number, &overflow);
  Py_DECREF(number);
  return overflow > 0 ? INT64_MAX : overflow < 0 ? INT64_MIN : x;
}
Tensor sliced(const Tensor& x, int64_t d, PyObject* o) {
  const auto* s = reinterpret_cast<PySliceObject*>(o);
  const int64_t step = slice_bound(s->step, 1), n = x.size(d);
  if (step <= 0) raise(PyExc_ValueError, "step must be greater than zero");
  const auto clamp = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  const int64_t start = clamp(slice_bound(s->start, 0)), stop = clamp(slice_bound(s->stop, n));
  if (start == 0 && stop == n && step == 1) return x;
  return slice(x, d, start, std::max(start, stop), step);
}

bool is_sequence(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o) || PyRange_Check(o); }
// A list is an index array, unless it holds slices, None, Ellipsis or tensors: then it is an index tuple.
bool acts_as_tuple(PyObject* o) {
  if (PyTuple_Check(o)) return true;
  if (!PyList_Check(o)) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); ++i) {
    PyObject* e = PyList_GET_ITEM(o, i);
    if (PySlice_Check(e) || e == Py_None || e == Py_Ellipsis || is_tensor(e)) return true;
  }
  return false;
}

Tensor index_tensor(PyObject* o) {
  if (is_tensor(o)) return as_tensor(o);
  if (is_numpy_array(o)) return from_numpy(o, true);
  if (is_sequence(o)) {
    if (PySequence_Size(o) == 0) return Tensor(empty({0}, DType::i64));
    return tensor_from_data(o, {}, {});
  }
  raise(PyExc_IndexError, std::string("only integers, slices (`:`), ellipsis (`...`), None and long or byte tensors are valid indices (got ") +
                              Py_TYPE(o)->tp_name + ")");
}
bool is_mask(const Tensor& t) { return t.dtype() == DType::b8 || t.dtype() == DType::u8; }
bool is_plain_integer(PyObject* o) { return !PyBool_Check(o) && !is_numpy_array(o) && !is_tensor(o) && PyIndex_Check(o); }

int dimensions_used(PyObject* o) {   // by one entry of the index
  if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
  if (PySlice_Check(o) || is_plain_integer(o)) return 1;
  if (is_tensor(o) || is_numpy_array(o)) {
    const Tensor t = index_tensor(o);
    return is_mask(t) ? t.dim() : 1;
  }
  if (is_sequence(o)) {
    const Tensor t = index_tensor(o);
    return is_mask(t) ? t.dim() : 1;
  }
  return 1;
}

// The coordinates of a mask's true elements, one vector per dimension.
void add_mask(Parsed& p, const Tensor& mask, int d) {
  const Shape& shape = p.view.shape();
  for (int i = 0; i < mask.dim(); ++i)
    if (d + i >= shape.size() || mask.shape()[i] != shape[d + i])
      fail<IndexError>("The shape of the mask ", mask.shape(), " at index ", i, " does not match the shape of the indexed tensor ", shape,
                       " at index ", d + i);
  const Tensor where = nonzero(mask);                       // (count, rank)
  for (int i = 0; i < mask.dim(); ++i) p.advanced.push_back(select(where, 1, i));
  p.has_advanced = true;
}

Parsed parse(const Tensor& x, PyObject* const* items, Py_ssize_t count) {
  int used = 0;
  Py_ssize_t ellipses = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    used += dimensions_used(items[i]);
    ellipses += items[i] == Py_Ellipsis;
  }
  if (used > x.dim()) fail<IndexError>("too many indices for tensor of dimension ", x.dim());
  Parsed p{x, {}, false};
  int d = 0;                                                // the next dimension of p.view
  const auto whole = [&] { p.advanced.resize(size_t(d)); };
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* o = items[i];
    if (o == Py_None) {
      p.view = unsqueeze(p.view, d++);
      whole();
    } else if (o == Py_Ellipsis) {
      if (ellipses > 1) fail<IndexError>("an index can only have a single ellipsis ('...')");
      d += x.dim() - used;
      whole();
    } else if (PySlice_Check(o)) {
      p.view = sliced(p.view, d++, o);
      whole();
    } else if (PyBool_Check(o)) {                           // a 0-dim mask: a new dimension of size 1 or 0
      p.view = unsqueeze(p.view, d++);
      whole();
      p.advanced.back() = Tensor(o == Py_True ? zeros({1}, DType::i64) : empty({0}, DType::i64));
      p.has_advanced = true;
    } else if (is_plain_integer(o)) {
      const int64_t k = slice_bound(o, 0), n = p.view.size(d);
      if (k < -n || k >= n) fail<IndexError>("index ", k, " is out of bounds for dimension ", d, " with size ", n);
      p.view = select(p.view, d, k);
    } else {
      const Tensor t = index_tensor(o);
      if (is_mask(t) && t.dim() == 0) {
        p.view = unsqueeze(p.view, d++);
        whole();
        p.advanced.back() = Tensor(t.array().item<bool>() ? zeros({1}, DType::i64) : empty({0}, DType::i64));
        p.has_advanced = true;
      } else if (is_mask(t)) {
        add_mask(p, t.dtype() == DType::u8 ? to(t, DType::b8) : t, d);
        d += t.dim();
      } else {
        if (!is_integer(t.dtype())) fail<IndexError>("tensors used as indices must be long, int, byte or bool tensors, got ", t.dtype());
        if (t.dim() == 0 && is_tensor(o)) {                 // x[i] with a 0-dim tensor: as an integer
          const int64_t k = t.array().item<int64_t>(), n = p.view.size(d);
          if (k < -n || k >= n) fail<IndexError>("index ", k, " is out of bounds for dimension ", d, " with size ", n);
          p.view = select(p.view, d, k);
          continue;
        }
        p.advanced.push_back(to(t.dtype() == DType::i64 ? t : to(t, DType::i64), x.device()));
        p.has_advanced = true;
        ++d;
      }
    }
  }
  return p;
}

Parsed parse_object(const Tensor& x, PyObject* o) {
  if (!acts_as_tuple(o)) return parse(x, &o, 1);
  const py::object fast = py::reinterpret_steal<py::object>(PySequence_Fast(o, "index"));
  return parse(x, PySequence_Fast_ITEMS(fast.ptr()), PySequence_Fast_GET_SIZE(fast.ptr()));
}

Tensor value_for(const Tensor& target, PyObject* o) {
  Tensor v = is_tensor(o) ? as_tensor(o) : operand(o);
  if (!v.defined()) {
    if (!is_sequence(o)) raise(PyExc_TypeError, std::string("can't assign a ") + Py_TYPE(o)->tp_name + " to a " + std::string(name(target.dtype())) + " tensor");
    v = tensor_from_data(o, target.dtype(), {});
  }
  if (is_complex(v.dtype()) && !is_complex(target.dtype()) && v.is_number())
    raise(PyExc_RuntimeError, "value cannot be converted to type " + std::string(name(target.dtype())) + " without overflow");
  if (v.is_number() && !target.device().is_cpu()) return Tensor(scalar(v.array().item<complex128>(), target.dtype(), target.device()));
  return to(to(v, target.dtype()), target.device());
}
// x[...], x[:]: a new tensor on the same memory.
Tensor alias(const Tensor& x) { return x.dim() ? slice(x, 0, 0, x.size(0)) : select(unsqueeze(x, 0), 0, 0); }

// Leading dimensions of size 1 that the value has beyond the target are dropped, as in PyTorch.
Tensor fit(Tensor v, const Shape& shape) {
  while (v.dim() > shape.size() && v.size(0) == 1) v = select(v, 0, 0);
  if (v.shape() == shape) return v;
  if (v.dim() > shape.size() || !(broadcast_shapes(v.shape(), shape, "setitem") == shape))
    fail<ShapeError>("shape mismatch: value tensor of shape ", v.shape(), " cannot be broadcast to indexing result of shape ", shape);
  return expand(v, shape);
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* o) {
  try {
    const Tensor& x = as_tensor(self);
    Parsed p = parse_object(x, o);
    if (p.has_advanced) return wrap(called(index(p.view, p.advanced), "index"));
    return wrap(p.view.same(x) ? alias(x) : p.view);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

int set_item(PyObject* self, PyObject* o, PyObject* value) {
  try {
    if (!value) raise(PyExc_TypeError, "Tensor does not support deleting items");
    const Tensor& x = as_tensor(self);
    const Parsed p = parse_object(x, o);
    const Tensor v = value_for(x, value);
    if (p.has_advanced) {
      check_in_place(p.view, "index_put_");
      assign_in_place(p.view, index_put(p.view, p.advanced, v, false), "index_put_");
    } else {
      assign_in_place(p.view, fit(v, p.view.shape()), "copy_");
    }
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}

}  // namespace hippograd::python
