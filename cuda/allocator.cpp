#include "cuda/allocator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cuda/runtime.h"

namespace hippograd::cuda {

class Arena {
 public:
  std::multimap<size_t, void*> free;
  size_t live = 0;               // blocks of it that tensors hold
  bool released = false;
};

namespace {

thread_local Arena* t_arena = nullptr;

enum class Mode { Cache, Plain, Poison };
Mode mode() {
  static const Mode m = [] {
    const char* text = std::getenv("HIPPOGRAD_ALLOC");
    const std::string_view word = text ? text : "";
    return word == "plain" ? Mode::Plain : word == "poison" ? Mode::Poison : Mode::Cache;
  }();
  return m;
}

constexpr size_t kSmallest = 512, kLarge = size_t(32) << 20, kGranule = size_t(2) << 20;

// What a request of `bytes` takes: at most 25 % more below 32 MiB, at most 2 MiB more above.
size_t block_bytes(size_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  if (bytes > kLarge) return (bytes + kGranule - 1) / kGranule * kGranule;
  const size_t quarter = std::bit_ceil(bytes) / 8;
  return (bytes + quarter - 1) / quarter * quarter;
}

struct Block { size_t bytes; cudaStream_t stream; Arena* arena; };

// cudaMalloc is harmless while this thread captures, but must be declared so.
struct Relaxed {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  Relaxed() { (void)cudaThreadExchangeStreamCaptureMode(&mode); }
  ~Relaxed() { (void)cudaThreadExchangeStreamCaptureMode(&mode); }
};

class Pool {   // of one device
 public:
  void* allocate(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const size_t size = mode() == Mode::Plain ? std::max<size_t>(bytes, 1) : block_bytes(bytes);
    const cudaStream_t s = stream();
    void* p = mode() == Mode::Plain ? nullptr : take(t_arena ? t_arena->free : free_[s], size);
    if (!p) p = from_device(size, bytes);
    live_[p] = {size_of_[p], s, t_arena};
    if (t_arena) ++t_arena->live;
    stats_.allocated += bytes;
    stats_.allocated_peak = std::max(stats_.allocated_peak, stats_.allocated);
    ++stats_.allocations;
    if (mode() == Mode::Poison) check(cudaMemsetAsync(p, 0xFF, bytes, s), "poison");
    return p;
  }
  void deallocate(void* p, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    const auto it = live_.find(p);
    if (it == live_.end()) return;
    stats_.allocated -= bytes;
    const Block block = it->second;
    live_.erase(it);
    if (block.arena) {
      block.arena->free.emplace(block.bytes, p);
      --block.arena->live;
      drop_if_unused(block.arena);
    } else if (mode() == Mode::Plain) {
      release(p, block.bytes);
    } else {
      free_[block.stream].emplace(block.bytes, p);
    }
  }
  void release_arena(Arena* arena) noexcept {
    const std::lock_guard lock(mutex_);
    arena->released = true;
    drop_if_unused(arena);
  }
  MemoryStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.allocated_peak = stats_.allocated;
    stats_.reserved_peak = stats_.reserved;
  }
  void empty_cache() {
    const std::lock_guard lock(mutex_);
    release_cached();
  }

 private:
  // The smallest free block that fits with at most a quarter to spare.
  static void* take(std::multimap<size_t, void*>& list, size_t size) {
    const auto it = list.lower_bound(size);
    if (it == list.end() || it->first > size + size / 4) return nullptr;
    void* p = it->second;
    list.erase(it);
    return p;
  }
  // Once graph and tensors are gone, an arena's blocks are like any others of the default stream.
  void drop_if_unused(Arena* arena) noexcept {
    if (!arena->released || arena->live > 0) return;
    for (const auto& [size, p] : arena->free) {
      if (mode() == Mode::Plain) release(p, size);
      else free_[nullptr].emplace(size, p);
    }
    delete arena;
  }
  void* from_device(size_t size, size_t asked) {
    void* p = nullptr;
    Relaxed allowed;
    cudaError_t status = cudaMalloc(&p, size);
    if (status == cudaErrorMemoryAllocation && !t_arena) {
      (void)cudaGetLastError();
      release_cached();
      status = cudaMalloc(&p, size);
    }
    if (status == cudaErrorMemoryAllocation) {
      (void)cudaGetLastError();
      size_t free = 0, total = 0;
      cudaMemGetInfo(&free, &total);
      fail<OutOfMemory>("CUDA out of memory: ", asked, " bytes asked, ", stats_.allocated, " in use by tensors, ", free, " of ", total,
                        " bytes free on the device");
    }
    check(status, "cudaMalloc");
    size_of_[p] = size;
    stats_.reserved += size;
    stats_.reserved_peak = std::max(stats_.reserved_peak, stats_.reserved);
    ++stats_.device_allocations;
    return p;
  }
  void release(void* p, size_t size) noexcept {
    (void)cudaFree(p);   // waits for the device
    size_of_.erase(p);
    stats_.reserved -= size;
  }
  void release_cached() {
    check(cudaDeviceSynchronize(), "empty_cache");
    for (auto& [s, list] : free_) {
      for (const auto& [size, p] : list) release(p, size);
      list.clear();
    }
  }

  std::mutex mutex_;
  std::unordered_map<cudaStream_t, std::multimap<size_t, void*>> free_;
  std::unordered_map<void*, size_t> size_of_;
  std::unordered_map<void*, Block> live_;
  MemoryStats stats_{};
};

Pool& pool(int device) {
  static auto* pools = new std::array<Pool, 64>;   // never destroyed: tensors in static objects may outlive us
  return (*pools)[size_t(device)];
}

}  // namespace

void* allocate(Device device, size_t bytes) {
  use_device(device.index);
  return pool(device.index).allocate(bytes);
}
void deallocate(Device device, void* p, size_t bytes) noexcept { pool(device.index).deallocate(p, bytes); }
MemoryStats memory_stats(int device) { return pool(device).stats(); }
void reset_peak(int device) { pool(device).reset_peak(); }
void empty_cache() {
  for (int d = 0; d < device_count(); ++d) {
    use_device(d);
    pool(d).empty_cache();
  }
}

Arena* arena_create() { return new Arena; }
void arena_use(Arena* arena) { t_arena = arena; }
void arena_release(Arena* arena) noexcept { pool(current_device()).release_arena(arena); }

}  // namespace hippograd::cuda
