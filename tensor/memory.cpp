#include "tensor/memory.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace hippograd {
namespace {

struct Large {
  Device device;
  size_t bytes;
  bool described;
  Shape shape;
  DType dtype;
};
struct Registry {
  std::mutex mutex;
  std::unordered_map<const Storage*, Large> live;
};
Registry& registry() {
  static auto* r = new Registry;   // never destroyed: tensors in static objects may outlive us
  return *r;
}

}  // namespace

// The list serves messages only. Where even its own entry finds no memory the storage is left out.
void enlist_storage(const Storage& s) noexcept {
  try {
    const std::lock_guard lock(registry().mutex);
    registry().live.insert_or_assign(&s, Large{s.device(), s.bytes(), false, {}, DType::u8});
  } catch (...) {
  }
}
void delist_storage(const Storage& s) noexcept {
  const std::lock_guard lock(registry().mutex);
  registry().live.erase(&s);
}
void describe_storage(const Storage& s, const Shape& shape, DType dtype) noexcept {
  const std::lock_guard lock(registry().mutex);
  const auto it = registry().live.find(&s);
  if (it == registry().live.end()) return;
  it->second.described = true;
  it->second.shape = shape;
  it->second.dtype = dtype;
}

std::string readable_bytes(size_t bytes) {
  static constexpr std::array units{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
  if (unit == 0) return cat(bytes, " bytes");
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %s", value, units[unit]);
  return text;
}

std::string largest_tensors(Device device, size_t count) {
  std::vector<Large> all;
  {
    const std::lock_guard lock(registry().mutex);
    for (const auto& [storage, large] : registry().live)
      if (large.device == device) all.push_back(large);
  }
  count = std::min(count, all.size());
  std::partial_sort(all.begin(), all.begin() + count, all.end(), [](const Large& a, const Large& b) { return a.bytes > b.bytes; });
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    if (i) text += ", ";
    if (all[i].described) text += cat(name(all[i].dtype), " ", all[i].shape, " ");
    text += readable_bytes(all[i].bytes);
  }
  return text;
}

}  // namespace hippograd
