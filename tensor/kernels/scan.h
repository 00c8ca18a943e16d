#pragma once
// Recurrences along time: selective scan, first-order linear scan, causal depthwise convolution. Equations in the headers of
// tensor/cpu/{scan,linear_scan,conv1d}_raw.h. Any strides. A trailing optional array may be undefined: an input that is not
// given, an output that is not wanted. Time is axis 1 everywhere; B batch, L length, D channels, N states, G groups, K taps.
//
// Dtypes: T is f32 or f64 (half-precision streams are widened by the slot); S is T, or complex T throughout A, B, C and the
// states. seq_idx: i64 (B, L); a change starts a new segment, negative is padding.
#include "tensor/kernel.h"

namespace hippograd::kernels {

struct ScanOptions {
  bool delta_softplus = false, reverse = false;
};

// u, delta, z, out: T (B, L, D). A: S (D, N). Bt, Ct: S (D, N) constant, or (B, L, G, N). D, delta_bias: T (D,).
// initial_state, last_state: S (B, D, N). checkpoints: T (scan_checkpoints(...),), the states that backward starts from.
extern constinit Kernel<void(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias,
                             CArray initial_state, CArray seq_idx, ScanOptions options, MArray out, MArray last_state,
                             MArray checkpoints)> selective_scan_fwd;
// Gradients have the shapes of what they belong to and are overwritten; dout, dlast_state may be undefined (zero).
extern constinit Kernel<void(CArray u, CArray delta, CArray A, CArray Bt, CArray Ct, CArray D, CArray z, CArray delta_bias,
                             CArray initial_state, CArray seq_idx, ScanOptions options, CArray checkpoints, CArray dout,
                             CArray dlast_state, MArray du, MArray ddelta, MArray dA, MArray dBt, MArray dCt, MArray dD,
                             MArray dz, MArray ddelta_bias, MArray dinitial_state)> selective_scan_bwd;
// The size of `checkpoints`: one state per 32 steps.
int64_t scan_checkpoints(int64_t B, int64_t L, int64_t D, int64_t N, bool complex);

// a, b, h: S (B, L, D); h0: S (B, D) or undefined.   h_t = a_t h_{t-1} + b_t
extern constinit Kernel<void(CArray a, CArray b, CArray h0, bool reverse, MArray h)> linear_scan_fwd;
extern constinit Kernel<void(CArray a, CArray h0, CArray h, CArray dh, bool reverse, MArray da, MArray db, MArray dh0)>
    linear_scan_bwd;

// x, y: T (B, L, D). weight: T (D, K). bias: T (D,). initial_states, final_states: T (B, D, K-1), oldest first.
extern constinit Kernel<void(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu, MArray y,
                             MArray final_states)> causal_conv1d_fwd;
extern constinit Kernel<void(CArray x, CArray weight, CArray bias, CArray initial_states, CArray seq_idx, bool silu, CArray dy,
                             CArray dfinal_states, MArray dx, MArray dweight, MArray dbias, MArray dinitial_states)>
    causal_conv1d_bwd;

}  // namespace hippograd::kernels
