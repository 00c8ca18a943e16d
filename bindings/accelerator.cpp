// What hippograd.cuda is made of: statistics, streams, events, captured steps (tensor/accelerator.h), by the device's index. Streams
// and events are integers here; the Python classes own them.
#include <optional>

#include "autograd/autocast.h"
#include "bindings/ops.h"
#include "bindings/python.h"
#include "tensor/accelerator.h"
#include "tensor/backend.h"
#include "tensor/kernels/optim.h"

namespace hippograd::python {
namespace {

Device cuda_device(int64_t index) { return {DeviceKind::CUDA, int16_t(index)}; }
const Accelerator& cuda() {
  load_backend(DeviceKind::CUDA);
  return accelerator(DeviceKind::CUDA);
}
void* handle(int64_t h) { return reinterpret_cast<void*>(h); }
int64_t number(void* p) { return int64_t(reinterpret_cast<intptr_t>(p)); }

// A Python callable that gives the numbers of an optimizer's step, as a live array of the captured step or at once.
Array step_scalars(py::object advance, Device device) {
  auto callable = std::make_shared<PyHandle>(advance.ptr());
  return fresh_array<double, 4>([callable] {
    const py::gil_scoped_acquire locked;
    const auto [lr, step] = py::cast<std::pair<double, double>>(py::reinterpret_borrow<py::object>(callable->get())());
    return std::array<double, 4>{lr, step, 1, 0};
  }, device);
}
void changed(const Tensors& list) {
  for (const Tensor& t : list) if (t.defined()) t.array().storage()->bump_version();
}
void same_length(const char* op, const Tensors& params, std::initializer_list<const Tensors*> others) {
  for (const Tensors* o : others)
    if (o->size() != params.size()) fail<ValueError>(op, ": got ", params.size(), " parameters and lists of ", o->size());
}

// One step over many parameters of one dtype and device, in place. `advance()` gives (learning rate, step number from 1).
void adam_step(const Tensors& params, const Tensors& grads, const Tensors& m, const Tensors& v, py::object advance, double beta1, double beta2,
               double eps, double weight_decay, bool decoupled) {
  same_length("_adam_step", params, {&grads, &m, &v});
  if (params.empty()) return;
  std::vector<AdamTensors> list;
  for (size_t i = 0; i < params.size(); ++i)
    list.push_back({params[i].array(), grads[i].array().contiguous(), m[i].array(), v[i].array()});
  kernels::adam_step(step_scalars(advance, params[0].device()), list, AdamConfig{beta1, beta2, eps, weight_decay, decoupled});
  for (const Tensors* written : {&params, &m, &v}) changed(*written);
}
// buffers: empty without momentum.
void sgd_step(const Tensors& params, const Tensors& grads, const Tensors& buffers, py::object advance, double momentum, double dampening,
              double weight_decay, bool nesterov) {
  same_length("_sgd_step", params, {&grads});
  if (!buffers.empty()) same_length("_sgd_step", params, {&buffers});
  if (params.empty()) return;
  std::vector<SgdTensors> list;
  for (size_t i = 0; i < params.size(); ++i)
    list.push_back({params[i].array(), grads[i].array().contiguous(), buffers.empty() ? Array() : buffers[i].array()});
  kernels::sgd_step(step_scalars(advance, params[0].device()), list, SgdConfig{momentum, dampening, weight_decay, nesterov});
  for (const Tensors* written : {&params, &buffers}) changed(*written);
}

bool is_pinned(const Tensor& t) {
  const Accelerator& a = accelerator(DeviceKind::CUDA);
  return t.device().is_cpu() && a.is_pinned && a.is_pinned(t.array().raw());
}

// hippograd.autocast holds one of these while its block runs.
py::object autocast_region(Device d, bool enabled, DType dtype, bool cache) {
  return py::capsule(new AutocastMode(d.kind, {enabled, dtype, cache}), [](void* p) { delete static_cast<AutocastMode*>(p); });
}

}  // namespace

void bind_optimizer_steps() {
  def_method("pin_memory(input, device=None)", [](const Tensor& t, py::object) {
    return is_pinned(t) ? t : Tensor(pinned(t.array(), DeviceKind::CUDA));
  });
  def_method("is_pinned(input, device=None)", [](const Tensor& t, py::object) { return is_pinned(t); });
  def_function("_autocast_region(device, enabled, dtype, cache)", autocast_region);
  def_function("_is_autocast_enabled(device)", [](Device d) { return autocast_setting(d.kind).enabled; });
  def_function("_autocast_dtype(device)", [](Device d) { return autocast_setting(d.kind).dtype; });
  def_function("_adam_step(params, grads, exp_avgs, exp_avg_sqs, advance, beta1, beta2, eps, weight_decay, decoupled)", adam_step);
  def_function("_sgd_step(params, grads, buffers, advance, momentum, dampening, weight_decay, nesterov)", sgd_step);
}

void bind_accelerator(py::module_& m) {
  py::module_ c = m.def_submodule("_cuda");
  c.def("why_unavailable", [] { return why_unavailable(DeviceKind::CUDA); });
  c.def("device_count", [] { return why_unavailable(DeviceKind::CUDA).empty() ? runtime(DeviceKind::CUDA).device_count() : 0; });
  c.def("name", [](int64_t d) { return cuda().name(cuda_device(d)); });
  c.def("capability", [](int64_t d) {
    int major = 0, minor = 0;
    cuda().capability(cuda_device(d), &major, &minor);
    return std::pair(major, minor);
  });
  c.def("synchronize", [](int64_t d) {
    cuda();
    const py::gil_scoped_release unlocked;
    runtime(DeviceKind::CUDA).synchronize(cuda_device(d));
  });
  c.def("memory_stats", [](int64_t d) {
    const MemoryStats s = cuda().memory_stats(cuda_device(d));
    py::dict out;
    out["allocated_bytes.all.current"] = s.allocated;
    out["allocated_bytes.all.peak"] = s.allocated_peak;
    out["reserved_bytes.all.current"] = s.reserved;
    out["reserved_bytes.all.peak"] = s.reserved_peak;
    out["allocation.all.allocated"] = s.allocations;
    out["num_device_alloc"] = s.device_allocations;
    return out;
  });
  c.def("reset_peak", [](int64_t d) { cuda().reset_peak(cuda_device(d)); });
  c.def("empty_cache", [] { cuda().empty_cache(); });
  c.def("memory_info", [](int64_t d) {
    size_t free = 0, total = 0;
    cuda().memory_info(cuda_device(d), &free, &total);
    return std::pair(free, total);
  });
  c.def("stream_create", [](int64_t d) { return number(cuda().stream_create(cuda_device(d))); });
  c.def("stream_destroy", [](int64_t s) { cuda().stream_destroy(handle(s)); });
  c.def("current_stream", [](int64_t d) { return number(cuda().current_stream(cuda_device(d))); });
  c.def("set_stream", [](int64_t d, int64_t s) { cuda().set_stream(cuda_device(d), handle(s)); });
  c.def("stream_synchronize", [](int64_t d, int64_t s) {
    const py::gil_scoped_release unlocked;
    cuda().stream_synchronize(cuda_device(d), handle(s));
  });
  c.def("stream_query", [](int64_t d, int64_t s) { return cuda().stream_query(cuda_device(d), handle(s)); });
  c.def("stream_wait", [](int64_t d, int64_t s, int64_t e) { cuda().stream_wait(cuda_device(d), handle(s), handle(e)); });
  c.def("event_create", [](int64_t d, bool timing) { return number(cuda().event_create(cuda_device(d), timing)); });
  c.def("event_destroy", [](int64_t e) { cuda().event_destroy(handle(e)); });
  c.def("event_record", [](int64_t d, int64_t e, int64_t s) { cuda().event_record(cuda_device(d), handle(e), handle(s)); });
  c.def("event_synchronize", [](int64_t e) {
    const py::gil_scoped_release unlocked;
    cuda().event_synchronize(handle(e));
  });
  c.def("event_query", [](int64_t e) { return cuda().event_query(handle(e)); });
  c.def("event_elapsed", [](int64_t from, int64_t to) { return cuda().event_elapsed(handle(from), handle(to)); });
  py::class_<Capture>(c, "Capture")
      .def(py::init([](int64_t d) { return std::make_unique<Capture>(cuda_device(d)); }))
      .def("end", &Capture::end)
      .def("replay", &Capture::replay);
  c.def("capturing", [] { return Capture::current() != nullptr; });
}

}  // namespace hippograd::python
