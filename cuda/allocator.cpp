#include "cuda/allocator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cuda/runtime.h"

namespace hippograd::cuda {

// Free blocks by exact size: a request is rounded to a size class, so sizes recur.
class Bins {
 public:
  void* take(size_t size) {
    std::vector<void*>& list = of(size);
    if (list.empty()) return nullptr;
    void* p = list.back();
    list.pop_back();
    return p;
  }
  void put(size_t size, void* p) { of(size).push_back(p); }
  // f(size, block) for each, which leaves the bins empty.
  template <class F> void drain(F f) {
    for (auto& [size, list] : lists_) {
      for (void* p : list) f(size, p);
      list.clear();
    }
  }
 private:
  std::vector<void*>& of(size_t size) {
    if (size != last_size_) {
      last_ = &lists_[size];
      last_size_ = size;
    }
    return *last_;
  }
  std::unordered_map<size_t, std::vector<void*>> lists_;
  size_t last_size_ = 0;                   // of the last request: most come in runs
  std::vector<void*>* last_ = nullptr;     // references into an unordered_map stay valid
};

class Arena {
 public:
  Bins free;
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

// Whose block it is, where that is not the pool of the default stream.
struct Owner { cudaStream_t stream; Arena* arena; };

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
    const size_t size = taken(bytes);
    const cudaStream_t s = stream();
    void* p = mode() == Mode::Plain ? nullptr : t_arena ? t_arena->free.take(size) : bins(s).take(size);
    if (!p) p = from_device(size, bytes);
    if (s || t_arena) owners_[p] = {s, t_arena};
    if (t_arena) ++t_arena->live;
    stats_.allocated += bytes;
    stats_.allocated_peak = std::max(stats_.allocated_peak, stats_.allocated);
    ++stats_.allocations;
    if (mode() == Mode::Poison) check(cudaMemsetAsync(p, 0xFF, bytes, s), "poison");
    return p;
  }
  void deallocate(void* p, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    stats_.allocated -= bytes;
    const size_t size = taken(bytes);
    Owner owner{};
    if (!owners_.empty())
      if (const auto it = owners_.find(p); it != owners_.end()) {
        owner = it->second;
        owners_.erase(it);
      }
    if (owner.arena) {
      owner.arena->free.put(size, p);
      --owner.arena->live;
      drop_if_unused(owner.arena);
    } else if (mode() == Mode::Plain) {
      release(p, size);
    } else {
      bins(owner.stream).put(size, p);
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
  static size_t taken(size_t bytes) { return mode() == Mode::Plain ? std::max<size_t>(bytes, 1) : block_bytes(bytes); }
  Bins& bins(cudaStream_t s) { return s ? others_[s] : default_; }

  // Once graph and tensors are gone, an arena's blocks are like any others of the default stream.
  void drop_if_unused(Arena* arena) noexcept {
    if (!arena->released || arena->live > 0) return;
    arena->free.drain([&](size_t size, void* p) {
      if (mode() == Mode::Plain) release(p, size);
      else default_.put(size, p);
    });
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
    stats_.reserved += size;
    stats_.reserved_peak = std::max(stats_.reserved_peak, stats_.reserved);
    ++stats_.device_allocations;
    return p;
  }
  void release(void* p, size_t size) noexcept {
    (void)cudaFree(p);   // waits for the device
    stats_.reserved -= size;
  }
  void release_cached() {
    check(cudaDeviceSynchronize(), "empty_cache");
    const auto give_back = [&](size_t size, void* p) { release(p, size); };
    default_.drain(give_back);
    for (auto& [s, list] : others_) list.drain(give_back);
  }

  std::mutex mutex_;
  Bins default_;
  std::unordered_map<cudaStream_t, Bins> others_;
  std::unordered_map<void*, Owner> owners_;
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
