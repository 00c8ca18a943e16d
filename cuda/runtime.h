#pragma once
// The CUDA backend's run time: errors, streams, memory. Only files of cuda/ include it.
//
// Streams. Every kernel and copy goes to `stream()`, the calling thread's current stream: the default stream (0) unless a
// StreamGuard chose another. Nothing synchronises but what reads a value on the host.
// Memory. A caching allocator over cudaMalloc (cuda/allocator.h): a block that is freed goes back to the list of the stream
// it was allocated on, so its next user on that stream waits for nothing.
#include <cuda_runtime_api.h>

#include <string_view>

#include "tensor/device.h"

namespace hippograd {

struct CudaError : DeviceError { using DeviceError::DeviceError; };

namespace cuda {

// Throws CudaError "what: description (name)"; an error that the context does not survive says so.
void check(cudaError_t status, std::string_view what);

int device_count();                      // 0 without driver or device; never throws
const char* why_none();                  // "" if there is a device
int current_device();                    // of the calling thread
void use_device(int index);
const cudaDeviceProp& properties(int index = current_device());
inline int sm_count() { return properties().multiProcessorCount; }

cudaStream_t stream();                   // the calling thread's current stream on the current device
void set_stream(cudaStream_t stream);
struct StreamGuard {
  explicit StreamGuard(cudaStream_t s) : saved(stream()) { set_stream(s); }
  ~StreamGuard() { set_stream(saved); }
  cudaStream_t saved;
};

// HIPPOGRAD_LAUNCH_LOG=FILE: the mangled name of every kernel that was launched, once each, is appended to FILE, so that a test
// can show that it ran every kernel (tools/check_kernels_ran.py).
void log_launch(const void* kernel);
extern const bool g_logs_launches;
inline void note_launch(const void* kernel) { if (g_logs_launches) log_launch(kernel); }

// Scratch memory on the current device and stream, from the caching allocator: given back at the end of the scope, when the
// kernels that use it may still run (the next owner is behind them on the same stream).
class Workspace {
 public:
  explicit Workspace(size_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  template <class T> T* as() const { return static_cast<T*>(data_); }
 private:
  void* data_;
  size_t bytes_;
  Device device_;
};

}  // namespace cuda
}  // namespace hippograd
