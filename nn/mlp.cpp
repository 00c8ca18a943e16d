#include "nn/mlp.h"

namespace hippograd {

SwiGLU::SwiGLU(Scope s, int64_t dim, int64_t hidden, double dropout, double eps, Init init)
    : layer_norm(s / "layer_norm", dim, eps),
      w1(s / "w1", dim, hidden, true, init, init::zeros()),
      w2(s / "w2", dim, hidden, true, init, init::zeros()),
      w3(s / "w3", hidden, dim, true, init, init::zeros()),
      drop(s, dropout) {}

Tensor SwiGLU::operator()(const Tensor& x) const {
  const Tensor n = layer_norm(x);
  return add(x, w3(drop(mul(swish_clamped(w1(n)), w2(n)))));
}

}  // namespace hippograd
