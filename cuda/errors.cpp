#include "cuda/errors.h"

#include <array>
#include <atomic>
#include <mutex>
#include <new>

namespace hippograd::cuda {
namespace {

constexpr int kMaxDevices = 64;
std::array<std::atomic<FaultRecord*>, kMaxDevices> g_records{};   // null until a kernel needs one
std::mutex g_mutex;

FaultRecord* record_of(int device) {
  std::atomic<FaultRecord*>& slot = g_records[size_t(device)];
  if (FaultRecord* r = slot.load(std::memory_order_acquire)) return r;
  const std::lock_guard lock(g_mutex);
  if (FaultRecord* r = slot.load(std::memory_order_acquire)) return r;
  void* memory = nullptr;   // never freed: a kernel may still write it when the process ends
  check(cudaHostAlloc(&memory, sizeof(FaultRecord), cudaHostAllocMapped | cudaHostAllocPortable), "fault record");
  FaultRecord* r = new (memory) FaultRecord;
  slot.store(r, std::memory_order_release);
  return r;
}

}  // namespace

// With unified addressing the host's pointer is the device's.
FaultSite fault_site(void (*raise)(const Fault&), const char* op, int64_t a, int64_t b) {
  return {record_of(current_device()), {raise, op, a, b, 0, 0}};
}

void raise_faults(int device) {
  FaultRecord* r = g_records[size_t(device)].load(std::memory_order_acquire);
  if (!r || !r->written) return;
  const Fault fault = r->fault;
  r->written = 0;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  *static_cast<volatile unsigned*>(&r->claimed) = 0;
  fault.raise(fault);
}

}  // namespace hippograd::cuda
