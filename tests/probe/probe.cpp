// The probe: a second backend without a GPU. Its "device" memory is ordinary memory that the host may not touch: pages are
// inaccessible except while a borrowed CPU kernel or a copy runs. It proves loading, transfers and dispatch, and any op that
// reads device memory on the host crashes here instead of on somebody's GPU.
#include <sys/mman.h>

#include <cstring>
#include <mutex>
#include <unordered_map>

#include "tensor/device.h"
#include "tensor/kernel.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

constexpr size_t kPage = 4096;
std::mutex g_mutex;
std::unordered_map<void*, size_t> g_blocks;
int g_depth = 0;   // nested visits

size_t pages(size_t bytes) { return (bytes + kPage) / kPage * kPage; }

void protect(int mode) {
  for (const auto& [p, bytes] : g_blocks) mprotect(p, bytes, mode);
}
void enter() {
  const std::lock_guard lock(g_mutex);
  if (g_depth++ == 0) protect(PROT_READ | PROT_WRITE);
}
void leave() {
  const std::lock_guard lock(g_mutex);
  if (--g_depth == 0) protect(PROT_NONE);
}

void* allocate(Device, size_t bytes) {
  const std::lock_guard lock(g_mutex);
  const size_t size = pages(bytes);
  void* p = mmap(nullptr, size, g_depth ? PROT_READ | PROT_WRITE : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) fail<OutOfMemory>("probe: out of memory, ", int64_t(bytes), " bytes asked");
  g_blocks[p] = size;
  return p;
}
void deallocate(Device, void* p, size_t bytes) noexcept {
  const std::lock_guard lock(g_mutex);
  g_blocks.erase(p);
  munmap(p, pages(bytes));
}
void copy(void* dst, Device, const void* src, Device, size_t bytes) {
  enter();
  std::memcpy(dst, src, bytes);
  leave();
}

const bool g_filled = [] {
  Runtime& r = runtime(DeviceKind::Probe);
  r.allocate = allocate;
  r.deallocate = deallocate;
  r.copy = copy;
  r.synchronize = [](Device) {};
  r.device_count = []() noexcept { return 1; };
  borrowed(DeviceKind::Probe) = {enter, leave};
  return true;
}();

}  // namespace
}  // namespace hippograd

// For the test that both sides of the plugin border see one slot.
extern "C" const void* hippograd_probe_slot() { return &hippograd::kernels::copy; }
