#pragma once
// The selective scan on the device: arguments, and sums of partial results. Equations in tensor/cpu/scan_raw.h.
#include "cuda/scan_steps.cuh"
#include "tensor/kernels/scan.h"

namespace hippograd::cuda {

inline constexpr int64_t kScanChunk = 32;   // steps between saved states

template <class T> struct ScanArgs {
  int64_t B, L, D, G, N;
  bool softplus, reverse, constant_B, constant_C;
  Input<T> u, delta, A, Bt, Ct, skip, z, bias, initial;
  const uint8_t* kinds;   // (B, L) in the order of the scan, or null

  int64_t chunks() const { return (L + kScanChunk - 1) / kScanChunk; }
  HIPPOGRAD_DEVICE int64_t time(int64_t step) const { return reverse ? L - 1 - step : step; }
};
template <class T> struct ScanOutputs {
  Output<T> out, last;
  T* checkpoints = nullptr;   // (B, chunks, N, planes, D), or null
};
template <class T> struct ScanGradients {
  const T* checkpoints;
  Input<T> dout, dlast;
  Output<T> du, ddelta, dA, dB, dC, dD, dz, dbias, dinitial;
};

// Fixed-order sums of partial results, shared by both paths.
template <class T> struct AddTiles {        // (B, G, tiles, L, row) -> dB or dC (B, L, G, N); row = N planes
  int64_t L, G, tiles, row, planes;
  const T* partial;
  Output<T> to;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {   // i over (B, G, L, row); steps are times here
    const int64_t r = i % row, t = i / row % L, group = i / row / L;
    T sum = 0;
    for (int64_t k = 0; k < tiles; ++k) sum += partial[((group * tiles + k) * L + t) * row + r];
    to.put(group / G * to.b + t * to.t + group % G * to.g + r / planes * to.n + r % planes, sum);
  }
};
template <class T> struct AddBatches {      // (B, row, D) -> dA, or dB, dC if constant (D, N); row 1: dD, dbias (D,)
  int64_t B, D, row, planes;
  const T* partial;
  Output<T> to;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {   // i over (row, D)
    const int64_t d = i % D, r = i / D;
    T sum = 0;
    for (int64_t b = 0; b < B; ++b) sum += partial[(b * row + r) * D + d];
    to.put(d * to.d + r / planes * to.n + r % planes, sum);
  }
};

}  // namespace hippograd::cuda
