#pragma once
// Devices and what a backend must offer: memory, copies, synchronisation. A backend is a plugin that fills `runtime(kind)`
// and binds the kernel slots of tensor/kernels/*.h.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/error.h"

namespace hippograd {

enum class DeviceKind : int8_t { CPU, CUDA, Probe };  // Probe: the test plugin of tests/probe
inline constexpr int kDeviceKinds = 3;

struct Device {
  DeviceKind kind = DeviceKind::CPU;
  int16_t index = 0;
  bool operator==(const Device&) const = default;
  bool is_cpu() const { return kind == DeviceKind::CPU; }
  std::string str() const;                       // "cpu", "cuda:0"
  static Device parse(std::string_view text);    // "cpu", "cuda", "cuda:1"
};
inline void append(std::string& s, Device d) { s += d.str(); }

struct Runtime {
  void* (*allocate)(Device, size_t bytes) = nullptr;                       // 64-byte aligned at least; throws OutOfMemory
  void (*deallocate)(Device, void*, size_t bytes) noexcept = nullptr;
  void (*copy)(void* dst, Device to, const void* src, Device from, size_t bytes) = nullptr;  // one side may be the host
  void (*synchronize)(Device) = nullptr;
  int (*device_count)() noexcept = nullptr;
  // Optional. Why `device_count()` is 0 ("" if it is not): a missing driver, a driver that is too old, no device.
  const char* (*why_none)() noexcept = nullptr;
  // Optional. Called before and after every kernel on the device: make it current; notice errors (HIPPOGRAD_SYNC=1).
  void (*enter)(Device) = nullptr;
  void (*leave)(Device, const char* kernel) = nullptr;
};
Runtime& runtime(DeviceKind kind);               // the table entry; functions are null until a backend fills them
void require_backend(Device device);             // loads the plugin on first use; throws DeviceError with the remedy

}  // namespace hippograd
