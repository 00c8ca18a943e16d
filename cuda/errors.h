#pragma once
// Errors in the data that only a kernel can see (a bad index, a division of integers by zero), without making the host wait.
//
// Each device has one record in pinned host memory that its kernels can write. The first bad element fills it; the host reads
// it after every call that waits for the device anyway (copies to the host, synchronize, HIPPOGRAD_SYNC=1) and throws then.
// The context stays alive: the kernel skips the bad element (each says what it writes instead) and goes on.
//
//   [[noreturn]] void raise(const Fault& f) { fail<ValueError>(f.op, ": ... ", f.value, kFoundLate); }     on the host
//   __global__ void kernel(..., FaultSite site) { ... if (bad) { site.report(position, value); continue; } ... }
//   launch("gather", kernel, ..., fault_site(raise, "gather", dim, n));
//
// `op` must live as long as the program (a literal). `raise` runs on the host, with the record; `a` and `b` are free for it.
#include <cstdint>

#include "cuda/runtime.h"

namespace hippograd::cuda {

struct Fault {
  void (*raise)(const Fault&);   // host function: throws
  const char* op;
  int64_t a, b;
  int64_t position, value;       // which element, and what it was
};
inline constexpr const char* kFoundLate = " (found at a later synchronisation)";

struct FaultRecord {             // in pinned memory, one per device
  unsigned claimed = 0;          // 1: some thread writes the fault
  volatile unsigned written = 0; // 1: it is complete
  Fault fault{};
};

struct FaultSite {               // what a kernel takes
  FaultRecord* record;
  Fault fault;
#ifdef __CUDACC__
  // The first report stays; of the threads of a warp that meet here one writes.
  __device__ void report(int64_t position, int64_t value) const {
    const unsigned mask = __activemask();
    if (int(threadIdx.x & 31) != __ffs(int(mask)) - 1) return;
    if (atomicCAS(&record->claimed, 0u, 1u) != 0u) return;
    record->fault = {fault.raise, fault.op, fault.a, fault.b, position, value};
    __threadfence_system();
    record->written = 1;
  }
#endif
};

FaultSite fault_site(void (*raise)(const Fault&), const char* op, int64_t a = 0, int64_t b = 0);   // for the current device
// Throws what a kernel reported on this device, once. For callers that have just waited for the device.
void raise_faults(int device);

}  // namespace hippograd::cuda
