#include "tensor/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "tensor/memory.h"

namespace hippograd {
namespace {

enum class Mode { Cache, Plain, Poison };
constexpr size_t kAlign = 64, kRedZone = 64, kMaxCached = size_t(1) << 28;   // larger blocks go back to the system at once
constexpr unsigned char kFresh = 0xFF, kZone = 0xA5;

Mode initial_mode() {
  const char* text = std::getenv("HIPPOGRAD_ALLOC");
  const std::string_view mode = text ? text : "";
  return mode == "plain" ? Mode::Plain : mode == "poison" ? Mode::Poison : Mode::Cache;
}

// Four classes per power of two: at most 25 % of a block is unused.
int size_class(size_t bytes) {
  const int log = std::bit_width(bytes - 1);             // 2^(log-1) < bytes <= 2^log
  const size_t quarter = size_t(1) << std::max(log - 3, 0), base = size_t(1) << (log - 1);
  return log * 4 + int((bytes - base + quarter - 1) / quarter) - 1;
}
size_t class_bytes(int c) {                              // the largest size in class c
  const int log = c / 4, part = c % 4 + 1;
  return (size_t(1) << (log - 1)) + part * (size_t(1) << std::max(log - 3, 0));
}

class CpuAllocator {
 public:
  void* allocate(size_t bytes) {
    const size_t wanted = std::max<size_t>(bytes, kAlign);
    const std::lock_guard lock(mutex_);
    void* p = poison_ ? zoned(wanted) : mode_ == Mode::Cache && wanted <= kMaxCached ? from_cache(wanted) : system(wanted);
    in_use_ += wanted;
    peak_ = std::max(peak_, in_use_);
    return p;
  }
  void deallocate(void* p, size_t bytes) noexcept {
    const size_t wanted = std::max<size_t>(bytes, kAlign);
    const std::lock_guard lock(mutex_);
    in_use_ -= wanted;
    if (!zoned_.empty() && zoned_.erase(p)) check_zones(p, wanted);
    else if (mode_ == Mode::Cache && wanted <= kMaxCached) to_cache(p, wanted);
    else std::free(p);
  }
  AllocatorStats stats() {
    const std::lock_guard lock(mutex_);
    return {in_use_, peak_, cached_};
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    peak_ = in_use_;
  }
  void empty_cache() {
    const std::lock_guard lock(mutex_);
    release_cached();
  }
  uint64_t damage() {
    const std::lock_guard lock(mutex_);
    return damage_;
  }
  void poison(bool on) {
    const std::lock_guard lock(mutex_);
    poison_ = on;
  }

 private:
  void* system(size_t bytes) {
    const auto ask = [&]() -> void* {
      if (bytes > PTRDIFF_MAX) return nullptr;
      return std::aligned_alloc(kAlign, (bytes + kAlign - 1) / kAlign * kAlign);
    };
    void* p = ask();
    if (!p && cached_ > 0) {     // what the caches hold may be enough
      release_cached();
      p = ask();
    }
    if (!p)
      fail<OutOfMemory>("out of memory: asked the CPU allocator for ", bytes, " bytes (", readable_bytes(bytes), "), ", in_use_, " bytes (",
                        readable_bytes(in_use_), ") are in use, ", readable_bytes(peak_), " were at most");
    return p;
  }
  void release_cached() {
    for (auto& list : free_) {
      for (void* p : list) std::free(p);
      list.clear();
    }
    cached_ = 0;
  }
  void* from_cache(size_t bytes) {
    const int c = size_class(bytes);
    auto& list = free_[c];
    void* p;
    if (list.empty()) p = system(class_bytes(c));
    else {
      p = list.back();
      list.pop_back();
      cached_ -= class_bytes(c);
    }
    return p;
  }
  void to_cache(void* p, size_t bytes) noexcept {
    const int c = size_class(bytes);
    try {
      free_[c].push_back(p);
      cached_ += class_bytes(c);
    } catch (...) {
      std::free(p);
    }
  }
  void* zoned(size_t bytes) {   // [red zone | block filled with NaN | red zone]
    auto* p = static_cast<unsigned char*>(system(bytes + 2 * kRedZone));
    std::memset(p, kZone, kRedZone);
    std::memset(p + kRedZone, kFresh, bytes);
    std::memset(p + kRedZone + bytes, kZone, kRedZone);
    zoned_.insert(p + kRedZone);
    return p + kRedZone;
  }
  void check_zones(void* p, size_t bytes) noexcept {
    auto* block = static_cast<unsigned char*>(p);
    const auto intact = [](const unsigned char* z) { return std::all_of(z, z + kRedZone, [](unsigned char c) { return c == kZone; }); };
    if (!intact(block - kRedZone) || !intact(block + bytes)) ++damage_;
    std::free(block - kRedZone);
  }

  const Mode mode_ = initial_mode();
  std::mutex mutex_;
  std::vector<void*> free_[4 * 64];
  size_t in_use_ = 0, peak_ = 0, cached_ = 0;
  uint64_t damage_ = 0;
  bool poison_ = mode_ == Mode::Poison;
  std::unordered_set<void*> zoned_;   // live blocks with red zones
};

CpuAllocator& allocator() {
  static auto* a = new CpuAllocator;   // never destroyed: tensors in static objects may outlive us
  return *a;
}

const bool g_cpu_runtime = [] {
  Runtime& r = runtime(DeviceKind::CPU);
  r.allocate = [](Device, size_t bytes) { return allocator().allocate(bytes); };
  r.deallocate = [](Device, void* p, size_t bytes) noexcept { allocator().deallocate(p, bytes); };
  r.copy = [](void* dst, Device, const void* src, Device, size_t bytes) { std::memcpy(dst, src, bytes); };
  r.synchronize = [](Device) {};
  r.device_count = []() noexcept { return 1; };
  return true;
}();

}  // namespace

AllocatorStats allocator_stats() { return allocator().stats(); }
void allocator_reset_peak() { allocator().reset_peak(); }
void allocator_empty_cache() { allocator().empty_cache(); }
uint64_t allocator_damage() { return allocator().damage(); }
void set_poison(bool on) { allocator().poison(on); }

Storage::Storage(Device device, size_t bytes) : bytes_(bytes), device_(device), owned_(true) {
  require_backend(device);
  try {
    data_ = runtime(device.kind).allocate(device, bytes);
  } catch (const OutOfMemory& e) {
    const std::string largest = largest_tensors(device);
    fail<OutOfMemory>(e.what(), largest.empty() ? "" : "; the largest tensors are ", largest);
  }
  if (bytes >= kLargeStorage) enlist_storage(*this);
}
Storage::Storage(Device device, void* data, size_t bytes, std::shared_ptr<void> owner)
    : data_(data), bytes_(bytes), device_(device), owner_(std::move(owner)), owned_(false) {}
Storage::~Storage() {
  if (!owned_) return;
  if (bytes_ >= kLargeStorage) delist_storage(*this);
  runtime(device_.kind).deallocate(device_, data_, bytes_);
}

}  // namespace hippograd
