#pragma once
// Storage: bytes on a device, shared by every view of them, with a version that rises at each write in place.
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "tensor/device.h"

namespace hippograd {

class Storage {
 public:
  Storage(Device device, size_t bytes);                                              // fresh memory of the device's allocator
  Storage(Device device, void* data, size_t bytes, std::shared_ptr<void> owner);     // memory of others (NumPy, an arena)
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void* data_;
  size_t bytes_;
  Device device_;
  std::atomic<uint64_t> version_{0};
  std::shared_ptr<void> owner_;   // set when the memory is not ours
  bool owned_;
};

// The CPU allocator: 64-byte aligned blocks kept by size class (four classes per power of two). HIPPOGRAD_ALLOC chooses:
//   cache   (default)
//   plain   every allocation goes to the system (for sanitizers)
//   poison  fresh memory is filled with 0xFF bytes (NaN in every float type), red zones around each block are checked at
//           its release, a damaged one is reported through `allocator_damage()`.
struct AllocatorStats { size_t in_use, peak, cached; };
AllocatorStats allocator_stats();
void allocator_reset_peak();
void allocator_empty_cache();
uint64_t allocator_damage();   // blocks whose red zone was written, in poison mode
void set_poison(bool on);      // poison mode for the blocks allocated from now on

}  // namespace hippograd
