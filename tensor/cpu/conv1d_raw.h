// Causal depthwise convolution on the CPU: pointers and strides in, pointers and strides out.
//
//   s_t = bias + sum_{k=0}^{K-1} weight[k] x_{t-K+1+k}        y_t = s_t, or SiLU(s_t)
//
// x, y: (B, L, D), any strides; weight: (D, K) for any K >= 1; bias: (D,) or none. Before the first step stand the
// initial states (B, D, K-1), oldest first, or zeros; the final states are the last K-1 inputs in the same form. A
// change in `segments` starts anew from zeros (the initial states belong to the first segment, the final states to the
// last), a negative segment is padding: skipped, output 0, no gradient (tensor/cpu/scan_tile.h).
//
// Backward, with ds_t = dy_t SiLU'(s_t):  dx_t = sum_k weight[k] ds_{t+K-1-k}   dweight[k] = sum_t ds_t x_{t-K+1+k}
// dbias = sum_t ds_t. Terms that would cross a segment are left out. s is computed again, nothing is saved.
//
// Lanes are channels; sums over the batch are added in index order: same bits for any thread count.
#pragma once

#include "tensor/cpu/scan_tile.h"

namespace hippograd::cpu {

// (D, K) weights, or (B, D, K-1) states.
template <class T>
struct Taps {
  T* data = nullptr;
  int64_t stride_b = 0, stride_d = 0, stride_k = 0;
};

template <class T>
struct ConvInputs {
  int64_t B = 0, L = 0, D = 0, K = 1;
  bool silu = false;
  Rows<const T> x;
  Taps<const T> weight;
  const T* bias = nullptr;
  int64_t bias_stride = 0;
  Taps<const T> initial_states;
  Segments segments;
};

template <class T>
void causal_conv1d_forward(const ConvInputs<T>& in, const Rows<T>& y, const Taps<T>& final_states, int threads);

template <class T>
struct ConvGradients {
  Rows<T> x;
  Taps<T> weight;
  T* bias = nullptr;
  int64_t bias_stride = 0;
  Taps<T> initial_states;
};

// dy and dfinal_states may be null (zero); any gradient pointer may be null (not wanted). Gradients are overwritten.
template <class T>
void causal_conv1d_backward(const ConvInputs<T>& in, const Rows<const T>& dy, const Taps<const T>& dfinal_states,
                            const ConvGradients<T>& grad, int threads);

}  // namespace hippograd::cpu
