#pragma once
// Plugins: a backend is a shared library beside the core (libhippograd_cuda.so, libhippograd_probe.so), opened at the first
// use of its device. Opening runs its `Bind` objects, which fill the kernel slots, and its runtime table.
#include <string>

#include "tensor/device.h"

namespace hippograd {

// Idempotent. Throws DeviceError that says why there is no such backend and what to do.
void load_backend(DeviceKind kind);
// The same without throwing: "" if the backend is there with at least one device, else the reason.
std::string why_unavailable(DeviceKind kind);

}  // namespace hippograd
