#pragma once
// The fast selective scan's entry points: whether they took the call (selective_scan_forward.cu, selective_scan_backward.cu).
#include "tensor/kernels/scan.h"

namespace hippograd::cuda {

bool fast_scan_forward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray initial_state,
                       const kernels::ScanOptions& options, MArray out, MArray last_state, MArray checkpoints);
bool fast_scan_backward(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias, CArray initial_state,
                        const kernels::ScanOptions& options, CArray checkpoints, CArray dout, CArray dlast_state, MArray du, MArray ddelta, MArray dA,
                        MArray dBt, MArray dCt, MArray dD, MArray dz, MArray ddelta_bias, MArray dinitial_state);

}  // namespace hippograd::cuda
