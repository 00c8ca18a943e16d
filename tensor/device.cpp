#include "tensor/device.h"

#include <atomic>
#include <charconv>

#include "tensor/backend.h"

namespace hippograd {

std::string Device::str() const {
  switch (kind) {
    case DeviceKind::CPU: return "cpu";
    case DeviceKind::CUDA: return "cuda:" + std::to_string(index);
    case DeviceKind::Probe: return "probe:" + std::to_string(index);
  }
  return "?";
}

Device Device::parse(std::string_view text) {
  Device d;
  std::string_view kind = text;
  if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    kind = text.substr(0, colon);
    const std::string_view number = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), d.index);
    if (number.empty() || error != std::errc() || end != number.data() + number.size() || d.index < 0)
      fail<ValueError>("device: Invalid device string: '", text, "'");
  }
  if (kind == "cpu") d.index = 0;
  else if (kind == "cuda") d.kind = DeviceKind::CUDA;
  else if (kind == "probe") d.kind = DeviceKind::Probe;
  else fail<ValueError>("device: Invalid device string: '", text, "' (expected cpu, cuda or cuda:N)");
  return d;
}

Runtime& runtime(DeviceKind kind) {
  static Runtime table[kDeviceKinds];
  return table[int(kind)];
}

void require_backend(Device device) {
  if (device.is_cpu()) return;
  static std::atomic<int> known[kDeviceKinds];          // devices of the backends that are loaded: asked at every allocation
  if (device.index < known[int(device.kind)].load(std::memory_order_relaxed)) return;
  load_backend(device.kind);
  const int count = runtime(device.kind).device_count();
  known[int(device.kind)] = count;
  if (device.index >= count) fail<DeviceError>("device ", device, " does not exist: ", count, " such device(s) here");
}

}  // namespace hippograd
