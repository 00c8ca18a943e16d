#pragma once
// What a device offers beyond memory and kernels: names, statistics, streams, events, page-locked host memory, and graphs of
// captured steps. A backend fills the table; an empty entry means that the backend does not offer it.
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "tensor/array.h"

namespace hippograd {

struct MemoryStats {
  size_t allocated = 0, allocated_peak = 0;          // bytes in tensors, as asked
  size_t reserved = 0, reserved_peak = 0;            // bytes taken from the device
  size_t allocations = 0, device_allocations = 0;    // how often each was asked
};

struct Accelerator {
  std::string (*name)(Device) = nullptr;
  void (*capability)(Device, int* major, int* minor) = nullptr;
  MemoryStats (*memory_stats)(Device) = nullptr;
  void (*reset_peak)(Device) = nullptr;
  void (*empty_cache)() = nullptr;
  void (*memory_info)(Device, size_t* free, size_t* total) = nullptr;

  // Streams and events are opaque handles; the null stream is the default one.
  void* (*stream_create)(Device) = nullptr;
  void (*stream_destroy)(void* stream) noexcept = nullptr;
  void* (*current_stream)(Device) = nullptr;
  void (*set_stream)(Device, void* stream) = nullptr;
  void (*stream_synchronize)(Device, void* stream) = nullptr;
  bool (*stream_query)(Device, void* stream) = nullptr;                 // true: all its work is done
  void (*stream_wait)(Device, void* stream, void* event) = nullptr;     // later work of the stream waits for the event
  void* (*event_create)(Device, bool timing) = nullptr;
  void (*event_destroy)(void* event) noexcept = nullptr;
  void (*event_record)(Device, void* event, void* stream) = nullptr;
  void (*event_synchronize)(void* event) = nullptr;
  bool (*event_query)(void* event) = nullptr;
  double (*event_elapsed)(void* from, void* to) = nullptr;              // milliseconds

  void* (*allocate_pinned)(size_t bytes) = nullptr;                     // page-locked host memory; throws OutOfMemory
  bool (*is_pinned)(const void* p) = nullptr;
  void (*deallocate_pinned)(void* p) noexcept = nullptr;

  // A captured graph: begin redirects this thread's kernels and allocations into it, end makes it ready to run.
  void* (*capture_begin)(Device) = nullptr;
  void (*capture_end)(void* graph) = nullptr;
  void (*capture_replay)(void* graph) = nullptr;                        // on the current stream
  void (*capture_free)(void* graph) noexcept = nullptr;                 // abandons an unfinished one; frees its memory
};
Accelerator& accelerator(DeviceKind kind);

// A step recorded once and replayed: launching its kernels costs one call. Shapes, addresses and all numbers that the host put
// into kernels are fixed; what changes from step to step (learning rate, step count, position of the random generator) lives
// in `live` arrays, which every replay refreshes. Memory allocated while recording belongs to the graph.
class Capture {
 public:
  explicit Capture(Device device);     // recording starts. DeviceError: no such feature, or recording already
  ~Capture();                          // an unfinished recording is abandoned
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  void end();                          // DeviceError: the step did something that cannot be recorded
  void replay();
  Device device() const { return device_; }

  static Capture* current();           // the calling thread's recording, or null
  // A device array whose contents `refresh` writes (to host memory) before each replay, in the order of these calls.
  Array live(const Shape& shape, DType dtype, std::function<void(void* host)> refresh);

 private:
  struct Live { size_t at; std::function<void(void*)> refresh; };
  static constexpr size_t kLiveBytes = size_t(1) << 16;
  Device device_;
  void* graph_ = nullptr;
  Array buffer_;                       // of all live arrays
  std::vector<char> host_;
  std::vector<Live> live_;
};

// An array on `device` with the numbers of `next()`: those of now, or, while a step is captured for that device, of each replay.
template <class T, size_t N> Array fresh_array(std::function<std::array<T, N>()> next, Device device) {
  const Shape shape{int64_t(N)};
  if (Capture* capture = Capture::current(); capture && capture->device() == device)
    return capture->live(shape, dtype_of<T>, [next = std::move(next)](void* host) {
      const std::array<T, N> now = next();
      std::memcpy(host, now.data(), sizeof now);
    });
  const std::array<T, N> now = next();
  return from_vector<T>({now.begin(), now.end()}, shape).to(device);
}

// A copy of x (on the CPU) in page-locked memory of this kind of device, from where copies to it run while the host goes on.
Array pinned(const Array& x, DeviceKind kind);
// While one lives on this thread, copies from page-locked memory are not waited for: the caller leaves the source alone until the
// stream is through (PyTorch's non_blocking=True).
struct NonBlocking {
  NonBlocking() : before(active()) { active() = true; }
  ~NonBlocking() { active() = before; }
  static bool& active();
  bool before;
};

// Where data cross between host and device: fails while the thread records, since that would happen once and never again.
void require_no_capture(const char* what);

}  // namespace hippograd
