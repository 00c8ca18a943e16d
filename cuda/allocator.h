#pragma once
// The caching allocator of device memory. HIPPOGRAD_ALLOC chooses, as on the CPU:
//   cache   (default) blocks by size class (four classes per power of two, from 512 bytes; beyond 32 MiB multiples of 2 MiB),
//           one list of free blocks per class and stream; when the device is full, cached blocks go back to it and it is asked again
//   plain   every tensor is its own cudaMalloc, for compute-sanitizer
//   poison  fresh memory is filled with 0xFF bytes (NaN in every float type)
#include <cuda_runtime_api.h>

#include "tensor/accelerator.h"

namespace hippograd::cuda {

void* allocate(Device device, size_t bytes);
void deallocate(Device device, void* p, size_t bytes) noexcept;
MemoryStats memory_stats(int device);
void reset_peak(int device);
void empty_cache();             // synchronises

// The memory of a captured graph. While it is the thread's arena, allocations come from it; blocks that are freed return to it,
// also later, and can be taken again only by the same recording. Its device memory goes back when nobody holds a block of it.
class Arena;
Arena* arena_create();
void arena_use(Arena* arena);            // null: the common pool again
void arena_release(Arena* arena) noexcept;   // the graph is gone

}  // namespace hippograd::cuda
