// NumPy and DLPack, both ways, without copies where the layout allows.
#include <pybind11/numpy.h>

#include "autograd/ops.h"
#include "bindings/node.h"
#include "tensor/accelerator.h"
#include "tensor/backend.h"

namespace hippograd::python {
namespace {

const char* numpy_name(DType t) {
  constexpr const char* names[kDTypes] = {"float32", "float64", "complex64", "complex128", "int64", "int32", "bool", "uint8", nullptr, "float16"};
  return names[int(t)];
}
std::optional<DType> dtype_of_numpy(const py::dtype& d) {
  const char kind = d.kind();
  const auto bytes = d.itemsize();
  if (d.byteorder() == '>') return {};
  if (kind == 'f') return bytes == 4 ? DType::f32 : bytes == 8 ? DType::f64 : bytes == 2 ? std::optional(DType::f16) : std::nullopt;
  if (kind == 'c') return bytes == 8 ? DType::c64 : bytes == 16 ? std::optional(DType::c128) : std::nullopt;
  if (kind == 'i') return bytes == 8 ? DType::i64 : bytes == 4 ? std::optional(DType::i32) : std::nullopt;
  if (kind == 'u' && bytes == 1) return DType::u8;
  if (kind == 'b') return DType::b8;
  return {};
}

// Memory that Python owns, as a storage.
Tensor share(void* data, const Shape& shape, const Shape& strides, DType t, std::shared_ptr<void> owner, Device device = {}) {
  int64_t last = 0;
  for (int d = 0; d < shape.size(); ++d) last += std::max<int64_t>(shape[d] - 1, 0) * strides[d];
  const size_t bytes = shape.numel() == 0 ? 0 : size_t(last + 1) * itemsize(t);
  return Tensor(Array(std::make_shared<Storage>(device, data, bytes, std::move(owner)), shape, strides, 0, t));
}

py::object numpy(const Tensor& t, bool force) {
  if (t.requires_grad() && !force)
    raise(PyExc_RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
  Array a = t.array();
  if (!a.device().is_cpu()) {
    if (!force) raise(PyExc_TypeError, "can't convert " + a.device().str() + " device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
    a = a.to(Device{});
  }
  if (!numpy_name(a.dtype())) raise(PyExc_TypeError, "Got unsupported ScalarType BFloat16");
  std::vector<py::ssize_t> shape(a.shape().begin(), a.shape().end()), strides;
  for (int64_t s : a.strides()) strides.push_back(s * itemsize(a.dtype()));
  const py::capsule owner(new std::shared_ptr<Storage>(a.storage()), [](void* p) { delete static_cast<std::shared_ptr<Storage>*>(p); });
  return py::array(py::dtype(numpy_name(a.dtype())), shape, strides, a.raw(), owner);
}

// ---- DLPack (github.com/dmlc/dlpack, version 0.8: the structures of dlpack.h) ----
struct DLDevice { int32_t type, id; };
struct DLDataType { uint8_t code, bits; uint16_t lanes; };
struct DLTensor { void* data; DLDevice device; int32_t ndim; DLDataType dtype; int64_t *shape, *strides; uint64_t byte_offset; };
struct DLManagedTensor { DLTensor tensor; void* context; void (*deleter)(DLManagedTensor*); };
enum : uint8_t { kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLComplex = 5, kDLBool = 6 };

DLDataType dl_type(DType t) {
  const uint8_t bits = uint8_t(itemsize(t) * 8);
  const uint8_t code = t == DType::b8 ? kDLBool : t == DType::u8 ? kDLUInt : is_integer(t) ? kDLInt : t == DType::bf16 ? kDLBfloat : is_complex(t) ? kDLComplex : kDLFloat;
  return {code, bits, 1};
}
DType from_dl_type(DLDataType d) {
  for (int i = 0; i < kDTypes; ++i) {
    const DLDataType own = dl_type(DType(i));
    if (own.code == d.code && own.bits == d.bits && d.lanes == 1) return DType(i);
  }
  fail<DtypeError>("from_dlpack: no dtype here for code ", int(d.code), " with ", int(d.bits), " bits and ", int(d.lanes), " lanes");
}

enum : int32_t { kDLCPU = 1, kDLCUDA = 2 };
DLDevice dl_device(const char* op, Device d) {
  if (d.is_cpu()) return {kDLCPU, 0};
  if (d.kind == DeviceKind::CUDA) return {kDLCUDA, d.index};
  fail<DeviceError>(op, ": only tensors on cpu and cuda can be exported, got ", d);
}
// Streams of DLPack and of the array interface: 1 is the legacy default stream, 2 the per-thread one, others are handles.
void* stream_of(int64_t number) { return reinterpret_cast<void*>(number <= 1 ? 0 : number); }
// What `producer` was given to do is done before what `consumer` does from now on.
void order(Device d, void* producer, void* consumer) {
  if (producer == consumer) return;
  const Accelerator& a = accelerator(d.kind);
  void* mark = a.event_create(d, false);
  a.event_record(d, mark, producer);
  a.stream_wait(d, consumer, mark);
  a.event_destroy(mark);
}
// The consumer's work on `stream` (None: it asks for nothing, so the default stream; -1: no ordering) follows ours.
void hand_over(const Tensor& t, py::object stream) {
  const Device d = t.device();
  if (d.is_cpu()) return;
  const int64_t number = stream.is_none() ? 1 : stream.cast<int64_t>();
  if (number == -1) return;
  if (number == 0) fail<ValueError>("__dlpack__: stream 0 is ambiguous; 1 is the legacy default stream");
  order(d, accelerator(d.kind).current_stream(d), stream_of(number));
}

py::object to_dlpack(const Tensor& t, py::object stream, py::object, py::object, py::object) {
  if (t.requires_grad()) raise(PyExc_BufferError, "Can't export tensors that require gradient, use tensor.detach()");
  const DLDevice device = dl_device("__dlpack__", t.device());
  hand_over(t, stream);
  struct Export {
    DLManagedTensor managed;
    Array array;
    Shape shape, strides;
  };
  auto* e = new Export{{}, t.array(), t.array().shape(), t.array().strides()};
  e->managed = {{e->array.raw(), device, int32_t(e->shape.size()), dl_type(t.dtype()), e->shape.begin(), e->strides.begin(), 0}, e,
                [](DLManagedTensor* m) { delete static_cast<Export*>(m->context); }};
  PyObject* capsule = PyCapsule_New(&e->managed, "dltensor", [](PyObject* c) {
    if (!PyCapsule_IsValid(c, "dltensor")) return;           // taken by a consumer
    auto* m = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(c, "dltensor"));
    m->deleter(m);
  });
  return py::reinterpret_steal<py::object>(capsule);
}
Tensor from_dlpack(py::object source) {
  py::object capsule = source;
  if (!PyCapsule_CheckExact(source.ptr())) {
    if (!py::hasattr(source, "__dlpack__")) raise(PyExc_TypeError, std::string("from_dlpack(): argument must have __dlpack__, got ") + Py_TYPE(source.ptr())->tp_name);
    const auto [kind, index] = py::cast<std::pair<int32_t, int32_t>>(source.attr("__dlpack_device__")());
    if (kind == kDLCUDA) {   // the producer puts its work before ours
      const Device d{DeviceKind::CUDA, int16_t(index)};
      require_backend(d);
      const auto own = int64_t(reinterpret_cast<intptr_t>(accelerator(d.kind).current_stream(d)));
      capsule = source.attr("__dlpack__")(py::arg("stream") = own == 0 ? 1 : own);
    } else {
      capsule = source.attr("__dlpack__")();
    }
  }
  auto* m = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  if (!m) throw py::error_already_set();
  const DLTensor& d = m->tensor;
  if (d.device.type != kDLCPU && d.device.type != kDLCUDA)
    fail<DeviceError>("from_dlpack: only CPU and CUDA memory can be imported, got device type ", d.device.type);
  const Device device = d.device.type == kDLCPU ? Device{} : Device{DeviceKind::CUDA, int16_t(d.device.id)};
  require_backend(device);
  const Shape shape(std::span<const int64_t>(d.shape, size_t(d.ndim)));
  const Shape strides = d.strides ? Shape(std::span<const int64_t>(d.strides, size_t(d.ndim))) : contiguous_strides(shape);
  for (int64_t s : strides)
    if (s < 0) fail<ValueError>("from_dlpack: negative strides are not supported");
  const DType t = from_dl_type(d.dtype);
  PyCapsule_SetName(capsule.ptr(), "used_dltensor");
  std::shared_ptr<void> owner(m, [](DLManagedTensor* p) {
    if (!p->deleter) return;
    const PyGILState_STATE state = PyGILState_Ensure();     // the producer's deleter may be Python's
    p->deleter(p);
    PyGILState_Release(state);
  });
  return share(static_cast<char*>(d.data) + d.byte_offset, shape, strides, t, std::move(owner), device);
}
// ---- the CUDA array interface, version 3 (numba.readthedocs.io): a dict with pointer, shape, typestr, strides, stream ----

py::object cuda_array_interface(const Tensor& t) {
  const Array& a = t.array();
  if (a.device().kind != DeviceKind::CUDA) raise(PyExc_AttributeError, "Can't get __cuda_array_interface__ on non-CUDA tensor: use .cuda() first");
  if (t.requires_grad()) raise(PyExc_RuntimeError, "Can't get __cuda_array_interface__ on Variable that requires grad. Use var.detach() if you don't need its gradient.");
  if (!numpy_name(a.dtype())) raise(PyExc_TypeError, "Got unsupported ScalarType BFloat16");
  py::dict d;
  py::tuple shape(a.dim()), strides(a.dim());
  for (int i = 0; i < a.dim(); ++i) {
    shape[i] = a.shape()[i];
    strides[i] = a.strides()[i] * itemsize(a.dtype());
  }
  d["typestr"] = py::dtype(numpy_name(a.dtype())).attr("str");
  d["shape"] = shape;
  d["strides"] = a.is_contiguous() ? py::object(py::none()) : py::object(strides);
  d["data"] = py::make_tuple(a.numel() ? reinterpret_cast<uintptr_t>(a.raw()) : uintptr_t(0), false);
  d["stream"] = 1;
  d["version"] = 3;
  order(a.device(), accelerator(DeviceKind::CUDA).current_stream(a.device()), nullptr);
  return d;
}
}  // namespace

// CuPy, Numba and others' arrays on a device.
bool is_cuda_array(PyObject* o) {
  static PyObject* name = PyUnicode_InternFromString("__cuda_array_interface__");
  return !PyList_Check(o) && !PyTuple_Check(o) && !PyFloat_Check(o) && !PyLong_Check(o) && PyObject_HasAttr(o, name);
}
Tensor from_cuda_array(py::object source) {
  const py::dict d = source.attr("__cuda_array_interface__");
  const std::optional<DType> t = dtype_of_numpy(py::dtype::from_args(d["typestr"]));
  if (!t) raise(PyExc_TypeError, "can't convert a CUDA array of type " + std::string(py::str(d["typestr"])));
  Shape shape, strides;
  for (const py::handle n : py::tuple(d["shape"])) shape.push_back(n.cast<int64_t>());
  strides = contiguous_strides(shape);
  if (d.contains("strides") && !d["strides"].is_none()) {
    const py::tuple bytes = d["strides"];
    for (int i = 0; i < shape.size(); ++i) {
      const auto step = py::object(bytes[size_t(i)]).cast<int64_t>();
      if (shape[i] > 1 && (step < 0 || step % itemsize(*t))) fail<ValueError>("as_tensor: a CUDA array with strides that are negative or not whole elements");
      strides[i] = shape[i] > 1 ? step / itemsize(*t) : 1;
    }
  }
  const Device device{DeviceKind::CUDA, 0};
  require_backend(device);
  if (d.contains("stream") && !d["stream"].is_none())
    order(device, stream_of(d["stream"].cast<int64_t>()), accelerator(device.kind).current_stream(device));
  const auto address = py::object(py::tuple(d["data"])[0]).cast<uintptr_t>();
  return share(reinterpret_cast<void*>(address), shape, strides, *t, std::make_shared<PyHandle>(source.ptr()), device);
}

bool is_numpy_array(PyObject* o) { return py::isinstance<py::array>(py::handle(o)); }
bool is_numpy_scalar(PyObject* o) {
  static PyObject* generic = py::object(py::module_::import("numpy").attr("generic")).release().ptr();
  return PyObject_TypeCheck(o, reinterpret_cast<PyTypeObject*>(generic));
}

Tensor from_numpy(PyObject* o, bool copy) {
  py::array a = py::reinterpret_borrow<py::array>(o);
  std::optional<DType> t = dtype_of_numpy(a.dtype());
  if (!t)
    raise(PyExc_TypeError, "can't convert np.ndarray of type " + std::string(py::str(a.dtype())) +
                               ". The only supported types are: float64, float32, float16, complex64, complex128, int64, int32, uint8, and bool.");
  bool plain = true;                                         // strides we can express
  for (py::ssize_t d = 0; d < a.ndim(); ++d) {
    if (a.shape(d) > 1 && a.strides(d) < 0) {
      if (!copy)
        raise(PyExc_ValueError, "At least one stride in the given numpy array is negative, and tensors with negative strides are not currently "
                                "supported. (You can probably work around this by making a copy of your array with array.copy().)");
      plain = false;
    }
    if (a.strides(d) % itemsize(*t) != 0) plain = false;
  }
  if (!plain) {
    if (!copy) raise(PyExc_ValueError, "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.");
    a = a.attr("copy")("C");
  }
  Shape shape, strides;
  for (py::ssize_t d = 0; d < a.ndim(); ++d) {
    shape.push_back(a.shape(d));
    strides.push_back(a.shape(d) > 1 ? a.strides(d) / itemsize(*t) : 1);
  }
  if (!copy && !a.writeable() &&
      PyErr_WarnEx(PyExc_UserWarning, "The given NumPy array is not writable, and tensors cannot be read-only: writing to this tensor will change "
                                      "the array. You may want to copy the array first.", 1) < 0)
    throw py::error_already_set();
  auto owner = std::make_shared<PyHandle>(a.ptr());
  const Tensor shared = share(const_cast<void*>(a.data()), shape, strides, *t, owner);
  return copy ? Tensor(shared.array().clone()) : shared;
}

void bind_convert(py::module_&) {
  def_method("numpy(input, *, force=False)", numpy);
  def_function("from_numpy(ndarray)", [](py::object a) {
    if (!is_numpy_array(a.ptr())) raise(PyExc_TypeError, std::string("expected np.ndarray (got ") + Py_TYPE(a.ptr())->tp_name + ")");
    return from_numpy(a.ptr(), false);
  });
  def_method("__dlpack__(input, stream=None, max_version=None, dl_device=None, copy=None)", to_dlpack);
  def_method("__dlpack_device__(input)", [](const Tensor& t) {
    const DLDevice d = dl_device("__dlpack_device__", t.device());
    return std::tuple<int64_t, int64_t>(d.type, d.id);
  });
  def_function("_cuda_array_interface(input)", cuda_array_interface);
  def_function("from_dlpack(ext_tensor)", from_dlpack);
}

}  // namespace hippograd::python
