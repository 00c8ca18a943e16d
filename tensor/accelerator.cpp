#include "tensor/accelerator.h"

#include "tensor/backend.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {
Capture*& current_capture() {
  thread_local Capture* current = nullptr;
  return current;
}
}  // namespace

Accelerator& accelerator(DeviceKind kind) {
  static Accelerator table[kDeviceKinds];
  return table[int(kind)];
}

Capture* Capture::current() { return current_capture(); }

Capture::Capture(Device device) : device_(device), host_(kLiveBytes) {
  require_backend(device);
  const Accelerator& a = accelerator(device.kind);
  if (!a.capture_begin) fail<DeviceError>("capture: ", device, " has no graphs; run the step as it is");
  if (current_capture()) fail<DeviceError>("capture: a step is being captured already on this thread");
  buffer_ = empty({int64_t(kLiveBytes)}, DType::u8, device);
  graph_ = a.capture_begin(device);
  current_capture() = this;
}
Capture::~Capture() {
  if (current_capture() == this) current_capture() = nullptr;
  if (graph_) accelerator(device_.kind).capture_free(graph_);
}
void Capture::end() {
  current_capture() = nullptr;
  accelerator(device_.kind).capture_end(graph_);
}
void Capture::replay() {
  if (!live_.empty()) {
    for (const Live& l : live_) l.refresh(host_.data() + l.at);
    runtime(device_.kind).copy(buffer_.raw(), device_, host_.data(), Device{}, live_.back().at + 64);
  }
  accelerator(device_.kind).capture_replay(graph_);
}

Array Capture::live(const Shape& shape, DType dtype, std::function<void(void*)> refresh) {
  const size_t bytes = size_t(shape.numel()) * size_t(itemsize(dtype)), used = live_.empty() ? 0 : live_.back().at + 64;
  if (bytes > 64) fail<ValueError>("capture: a live array holds at most 64 bytes, got ", shape, " of ", dtype);
  if (used + 64 > kLiveBytes) fail<ValueError>("capture: more than ", int64_t(kLiveBytes / 64), " live values in one step");
  live_.push_back({used, std::move(refresh)});
  return Array(buffer_.storage(), shape, contiguous_strides(shape), int64_t(used) / itemsize(dtype), dtype);
}

Array pinned(const Array& x, DeviceKind kind) {
  load_backend(kind);
  const Accelerator& a = accelerator(kind);
  if (!a.allocate_pinned) fail<DeviceError>("pin_memory: ", Device{kind}, " has no page-locked memory");
  if (!x.device().is_cpu()) fail<DeviceError>("pin_memory: cannot pin a tensor on ", x.device(), ", only dense CPU tensors can be pinned");
  const size_t bytes = size_t(x.numel()) * size_t(itemsize(x.dtype()));
  void* p = a.allocate_pinned(bytes);
  const std::shared_ptr<void> owner(p, a.deallocate_pinned);
  Array y(std::make_shared<Storage>(Device{}, p, bytes, owner), x.shape(), contiguous_strides(x.shape()), 0, x.dtype());
  kernels::copy(x, y);
  return y;
}
bool& NonBlocking::active() {
  thread_local bool on = false;
  return on;
}

void require_no_capture(const char* what) {
  if (current_capture())
    fail<DeviceError>(what, ": not possible while a step is captured. A captured step may not read values on the host (.item(), .numpy(), "
                            "bool(), printing, nonzero, boolean masks, save) nor bring new data from it: pass tensors as arguments, return "
                            "tensors, and read them after the call");
}

}  // namespace hippograd
