// First-order linear recurrence on the CPU: pointers and strides in, pointers and strides out.
//
//   h_t = a_t h_{t-1} + b_t        a, b, h: (B, L, D), real or complex, any strides; h_0 the given (B, D), or zero
//
// Backward, from the last step to the first:  g_t = dh_t + conj(a_{t+1}) g_{t+1};  db = g;  da_t = g_t conj(h_{t-1});
// dh0 = conj(a_1) g_1. `reverse` runs time the other way. Strides count T; the imaginary part is the next T.
#pragma once

#include "tensor/cpu/scan_tile.h"

namespace hippograd::cpu {

struct LinearScanShape {
  int64_t B = 0, L = 0, D = 0;
  bool complex = false, reverse = false;
};

// h0 and dh0 are Rows without a time axis; their pointer may be null.
template <class T>
void linear_scan_forward(const LinearScanShape& shape, const Rows<const T>& a, const Rows<const T>& b,
                         const Rows<const T>& h0, const Rows<T>& h, int threads);

// h is the output of forward; da, db and dh0 may be null.
template <class T>
void linear_scan_backward(const LinearScanShape& shape, const Rows<const T>& a, const Rows<const T>& h0,
                          const Rows<const T>& h, const Rows<const T>& dh, const Rows<T>& da, const Rows<T>& db,
                          const Rows<T>& dh0, int threads);

}  // namespace hippograd::cpu
