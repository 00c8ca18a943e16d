#pragma once
// Feed-forward blocks.
#include "nn/layers.h"

namespace hippograd {

// SwiGLU with its own norm and residual, as in SSM-As-VLM-Bridge (the gate: Shazeer 2020):
//   y = x + W3 drop(swish(W1 n) * W2 n),   n = LN(x),   swish(a) = a sigmoid(clamp(a, -10, 10))
//   x: (..., D)   W1, W2: (F, D)   W3: (D, F)
struct SwiGLU final {
  LayerNorm layer_norm;
  Linear w1, w2, w3;
  Dropout drop;
  SwiGLU(Scope s, int64_t dim, int64_t hidden, double dropout = 0, double eps = 1e-5, Init init = init::kaiming_uniform());
  Tensor operator()(const Tensor& x) const;
};

}  // namespace hippograd
