// Selective scan on the CPU: pointers and strides in, pointers and strides out.
//
//   delta'_t = softplus(delta_t + delta_bias)                         (softplus and bias optional)
//   h_t      = exp(delta'_t A) h_{t-1} + delta'_t B_t u_t             h: (B, D, N)
//   y_t      = sum_n C_t[n] h_t[n] + D u_t                            complex A: 2 Re(sum_n C_t[n] h_t[n]) + D u_t
//   out_t    = y_t SiLU(z_t)                                          (z optional)
//
// u, delta, z, out: (B, L, D), any strides. A: (D, N), real or complex. B and C, each on its own: constant (D, N) or
// varying (B, L, G, N), complex if A is; channel d uses group d / (D / G), D % G == 0. D, delta_bias: (D,).
// initial_state, last_state: (B, D, N), complex if A is. T is float or double; every sum and state is held in T.
// A change in `segments` resets the state, a negative segment is padding (tensor/cpu/scan_tile.h).
//
// Backward, with dy the gradient at y and g that of h, both from the last step to the first:
//   g_t = conj(C_t) dy_t + conj(a_{t+1}) g_{t+1}   (2 dy_t if complex)          w_t = g_t conj(a_t h_{t-1})
//   dC_t = dy_t conj(h_t)   dB_t = delta' u g_t   dA = sum_t delta' w_t   du = D dy + delta' s,  s = Re(conj(B) . g)
//   ddelta' = Re(conj(A) . w) + u s     dD = sum u dy     dz = dout y SiLU'(z)     dinitial = conj(a_1) g_1
// A complex gradient is dL/dRe + i dL/dIm. The forward pass leaves h before every 32nd step in `checkpoints`;
// backward sweeps each such chunk forward again from there and then walks back through it.
//
// Lanes of a vector are channels; the states of a channel are visited in blocks held in registers. Work is cut by
// batch entry and fixed slices of channels, partial sums are added in index order: same bits for any thread count.
// Sources: Gu & Dao 2023 (Mamba), algorithm 2; the chunked recomputation follows its section 3.3.
#pragma once

#include "tensor/cpu/scan_tile.h"

namespace hippograd::cpu {

// B or C, or their gradients. Strides count T; of a complex element the imaginary part is the next T.
template <class T>
struct Coefficients {
  T* data = nullptr;
  bool constant = false;                                       // (D, N): stride_d and stride_n
  int64_t stride_b = 0, stride_t = 0, stride_g = 0, stride_d = 0, stride_n = 0;  // else (B, L, G, N)
};

// A: (D, N), stride_b unused; states: (B, D, N).
template <class T>
struct States {
  T* data = nullptr;
  int64_t stride_b = 0, stride_d = 0, stride_n = 0;
};

template <class T>
struct Channels {
  T* data = nullptr;
  int64_t stride = 0;
};

struct ScanShape {
  int64_t B = 0, L = 0, D = 0, G = 1, N = 0;
  bool complex = false, delta_softplus = false, reverse = false;
};

template <class T>
struct ScanInputs {
  ScanShape shape;
  Rows<const T> u, delta, z;
  States<const T> A;
  Coefficients<const T> Bt, Ct;
  Channels<const T> D, delta_bias;
  States<const T> initial_state;
  Segments segments;
};

// The number of T that `checkpoints` holds: (B, ceil(L / 32), N, 1 or 2, D).
int64_t scan_checkpoint_size(const ScanShape& shape);

// `checkpoints` and `last_state` may be null.
template <class T>
void selective_scan_forward(const ScanInputs<T>& in, const Rows<T>& out, const States<T>& last_state, T* checkpoints,
                            int threads);

template <class T>
struct ScanGradients {
  Rows<T> u, delta, z;
  States<T> A;
  Coefficients<T> Bt, Ct;  // `constant` as in the inputs
  Channels<T> D, delta_bias;
  States<T> initial_state;
};

// dout and dlast_state may be null (zero); any gradient pointer may be null (not wanted). Gradients are overwritten.
template <class T>
void selective_scan_backward(const ScanInputs<T>& in, const T* checkpoints, const Rows<const T>& dout,
                             const States<const T>& dlast_state, const ScanGradients<T>& grad, int threads);

}  // namespace hippograd::cpu
