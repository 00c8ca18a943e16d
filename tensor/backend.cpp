#include "tensor/backend.h"

#include <dlfcn.h>

#include <filesystem>
#include <mutex>

namespace hippograd {
namespace {

std::string library_name(DeviceKind kind) {
  return kind == DeviceKind::CUDA ? "libhippograd_cuda.so" : "libhippograd_probe.so";
}
std::string remedy(DeviceKind kind) {
  return kind == DeviceKind::CUDA
             ? "; hippograd was built without CUDA: install the CUDA toolkit (12.4 or later), then rebuild with pip install . or ./setup demo --cuda"
             : "; build the test plugin (tests/probe)";
}
std::filesystem::path core_folder() {   // the folder of the library that holds this function
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&library_name), &info)) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

std::string open_plugin(DeviceKind kind) {
  const auto path = core_folder() / library_name(kind);
  if (!std::filesystem::exists(path)) return cat("no ", library_name(kind), " beside the core library", remedy(kind));
  if (!dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return cat("cannot open ", library_name(kind), ": ", dlerror());
  if (!runtime(kind).device_count) return cat(library_name(kind), " does not fill the runtime table: reinstall hippograd");
  return "";
}

}  // namespace

std::string why_unavailable(DeviceKind kind) {
  if (kind == DeviceKind::CPU) return "";
  static std::mutex mutex;
  static bool tried[kDeviceKinds] = {};
  static std::string reason[kDeviceKinds];
  const std::lock_guard lock(mutex);
  std::string& why = reason[int(kind)];
  if (!tried[int(kind)]) {
    tried[int(kind)] = true;
    why = open_plugin(kind);
  }
  if (const Runtime& r = runtime(kind); why.empty() && r.device_count() == 0) return r.why_none ? r.why_none() : "no device found";
  return why;
}

void load_backend(DeviceKind kind) {
  if (const std::string why = why_unavailable(kind); !why.empty())
    fail<DeviceError>(Device{kind}.str(), " is not available: ", why);
}

}  // namespace hippograd
