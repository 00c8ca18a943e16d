#pragma once
// The caching allocator of device memory. HIPPOGRAD_ALLOC chooses, as on the CPU:
//   cache   (default) blocks by size class (four classes per power of two, from 512 bytes; beyond 32 MiB multiples of 2 MiB),
//           one free list per class and stream; when the device is full, cached blocks go back to it and it is asked again
//   plain   every tensor is its own cudaMalloc, for compute-sanitizer
//   poison  fresh memory is filled with 0xFF bytes (NaN in every float type)
#include <cuda_runtime_api.h>

#include "tensor/device.h"

namespace hippograd::cuda {

struct MemoryStats {            // bytes, but for the counts
  size_t allocated, allocated_peak;   // in tensors, as asked
  size_t reserved, reserved_peak;     // taken from the device
  size_t allocations, device_allocations;   // counts since the start
};

void* allocate(Device device, size_t bytes);
void deallocate(Device device, void* p, size_t bytes) noexcept;
MemoryStats memory_stats(int device);
void reset_peak(int device);
void empty_cache();             // synchronises

}  // namespace hippograd::cuda
