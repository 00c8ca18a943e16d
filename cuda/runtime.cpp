#include "cuda/runtime.h"

#include <pthread.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "cuda/allocator.h"
#include "cuda/errors.h"
#include "tensor/accelerator.h"

namespace hippograd {
namespace cuda {
namespace {

constexpr int kMaxDevices = 64;
thread_local int t_device = 0;                                   // what cudaSetDevice was last told on this thread
thread_local std::array<cudaStream_t, kMaxDevices> t_stream{};   // the current stream of each device; null: the default one

bool is_sticky(cudaError_t e) {   // the context is lost: every later call returns the same error
  return e == cudaErrorIllegalAddress || e == cudaErrorLaunchFailure || e == cudaErrorAssert || e == cudaErrorHardwareStackError ||
         e == cudaErrorIllegalInstruction || e == cudaErrorMisalignedAddress || e == cudaErrorInvalidAddressSpace ||
         e == cudaErrorInvalidPc || e == cudaErrorECCUncorrectable || e == cudaErrorLaunchTimeout;
}

struct Found { int count = 0; std::string why; };
const Found& found() {
  static const Found f = [] {
    Found out;
    const cudaError_t status = cudaGetDeviceCount(&out.count);
    if (status == cudaSuccess) {
      if (out.count == 0) out.why = "the CUDA driver reports no device";
      return out;
    }
    (void)cudaGetLastError();
    out.count = 0;
    int driver = 0, needed = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&needed);
    const auto version = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
    if (driver == 0) out.why = "no NVIDIA driver found (a driver for CUDA " + version(needed) + " or later is needed)";
    else if (status == cudaErrorInsufficientDriver)
      out.why = "the NVIDIA driver is too old: it supports CUDA " + version(driver) + ", this build needs a driver for CUDA " + version(needed);
    else out.why = std::string("no CUDA device: ") + cudaGetErrorString(status);
    return out;
  }();
  return f;
}

// A forked child has the parent's handles but not its driver threads: every call would hang or fail somewhere inside.
bool g_forked = false;
const int g_fork_handler = pthread_atfork(nullptr, nullptr, [] { g_forked = true; });
void refuse_forked() {
  if (g_forked)
    fail<CudaError>("Cannot re-initialize CUDA in forked subprocess: CUDA was started before the fork. To use CUDA with multiprocessing, use "
                    "the 'spawn' start method");
}

bool synchronous() {
  static const bool on = [] {
    const char* text = std::getenv("HIPPOGRAD_SYNC");
    return text && *text && std::string_view(text) != "0";
  }();
  return on;
}

}  // namespace

void check(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();   // an error that is not sticky must not surface at an innocent call
  fail<CudaError>(what, ": ", cudaGetErrorString(status), " (", cudaGetErrorName(status), ")",
                  is_sticky(status) ? "; the CUDA context of this process is lost, tensors on the CPU stay usable. "
                                      "HIPPOGRAD_SYNC=1 names the kernel"
                                    : "");
}

int device_count() { return found().count; }
const char* why_none() { return found().why.c_str(); }
int current_device() { return t_device; }
void use_device(int index) {
  refuse_forked();
  if (index == t_device) return;
  check(cudaSetDevice(index), "cudaSetDevice");
  t_device = index;
}
const cudaDeviceProp& properties(int index) {
  static std::array<cudaDeviceProp, kMaxDevices> table;
  static std::array<std::once_flag, kMaxDevices> once;
  std::call_once(once[size_t(index)], [&] { check(cudaGetDeviceProperties(&table[size_t(index)], index), "cudaGetDeviceProperties"); });
  return table[size_t(index)];
}

cudaStream_t stream() { return t_stream[size_t(t_device)]; }
void set_stream(cudaStream_t s) { t_stream[size_t(t_device)] = s; }

const bool g_logs_launches = std::getenv("HIPPOGRAD_LAUNCH_LOG") != nullptr;
void log_launch(const void* kernel) {
  static std::mutex mutex;
  static std::unordered_set<const void*> seen;
  const std::lock_guard lock(mutex);
  if (!seen.insert(kernel).second) return;
  const char* name = nullptr;
  if (cudaFuncGetName(&name, kernel) != cudaSuccess) return (void)cudaGetLastError();
  std::ofstream(std::getenv("HIPPOGRAD_LAUNCH_LOG"), std::ios::app) << name << '\n';
}

Workspace::Workspace(size_t bytes) : bytes_(bytes), device_{DeviceKind::CUDA, int16_t(current_device())} {
  data_ = bytes ? allocate(device_, bytes) : nullptr;
}
Workspace::~Workspace() {
  if (data_) deallocate(device_, data_, bytes_);
}

namespace {

// To the host: waits, so the host sees finished data. From the host: the driver has taken its copy of pageable memory when the
// call returns; page-locked memory is read later, so that copy is waited for as well unless the caller declared it NonBlocking.
// What kernels reported until then is thrown after a copy to the host (cuda/errors.h).
void copy(void* dst, Device to, const void* src, Device from, size_t bytes) {
  if (to.is_cpu()) require_no_capture("copy to the host");
  if (from.is_cpu()) require_no_capture("copy from the host");
  if (bytes == 0) return;
  use_device(to.is_cpu() ? from.index : to.index);
  check(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, stream()), "copy");
  const bool wait_for_source = from.is_cpu() && !NonBlocking::active() && accelerator(DeviceKind::CUDA).is_pinned(src);
  if (to.is_cpu() || wait_for_source) check(cudaStreamSynchronize(stream()), "copy");
  if (to.is_cpu()) raise_faults(from.index);
}
void synchronize(Device d) {
  require_no_capture("synchronize");
  use_device(d.index);
  check(cudaDeviceSynchronize(), "synchronize");
  raise_faults(d.index);
}
void enter(Device d) { use_device(d.index); }
void leave(Device, const char* kernel) {   // `launch` has looked at its own status already
  if (!synchronous() || Capture::current()) return;
  check(cudaStreamSynchronize(stream()), kernel);
  raise_faults(current_device());
}

const bool g_filled = [] {
  Runtime& r = runtime(DeviceKind::CUDA);
  r.allocate = allocate;
  r.deallocate = deallocate;
  r.copy = copy;
  r.synchronize = synchronize;
  r.device_count = []() noexcept { return device_count(); };
  r.why_none = []() noexcept { return why_none(); };
  r.enter = enter;
  r.leave = leave;
  return true;
}();

}  // namespace
}  // namespace cuda
}  // namespace hippograd
