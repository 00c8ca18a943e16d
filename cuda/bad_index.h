#pragma once
// How kernels report an index out of range: the message of the CPU, at a later synchronisation.
#include "cuda/errors.h"
#include "tensor/kernels/index.h"

namespace hippograd::cuda {

inline FaultSite index_site(kernels::IndexSite site, int64_t size) {
  constexpr auto raise = [](const Fault& f) { kernels::bad_index({f.op, f.a}, f.value, f.b, kFoundLate); };
  return fault_site(raise, site.op, site.dim, size);
}

}  // namespace hippograd::cuda
