#pragma once
// The small layers: plain structs over ops. Parameter names and default initialisations are PyTorch's.
#include <optional>

#include "autograd/ops.h"
#include "nn/scope.h"

namespace hippograd {

// y = x W^T + b        x: (..., I)  W: (O, I)  b: (O)  y: (..., O)
struct Linear final {
  Tensor weight, bias;
  Linear(Scope s, int64_t in, int64_t out, bool bias = true, Init init = init::kaiming_uniform(), std::optional<Init> bias_init = {});
  Tensor operator()(const Tensor& x) const { return linear(x, weight, bias); }
};

// y = W[x]             x: integers (...)  W: (V, D)  y: (..., D)
struct Embedding final {
  Tensor weight;
  Embedding(Scope s, int64_t count, int64_t dim, Init init = init::normal());
  Tensor operator()(const Tensor& x) const { return embedding(x, weight); }
};

// y = (x - mean) / sqrt(var + eps) * w + b over the last dimension      (Ba et al. 2016)
struct LayerNorm final {
  Tensor weight, bias;
  double eps;
  LayerNorm(Scope s, int64_t dim, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const { return layer_norm(x, weight.shape(), weight, bias, eps); }
};

// y = x / sqrt(mean(x^2) + eps) * w over the last dimension             (Zhang & Sennrich 2019)
struct RMSNorm final {
  Tensor weight;
  double eps;
  RMSNorm(Scope s, int64_t dim, double eps = 1e-5);
  Tensor operator()(const Tensor& x) const { return rms_norm(x, weight.shape(), weight, eps); }
};

// Zeroes elements with probability p and scales the rest by 1 / (1 - p), in training only.
struct Dropout final {
  double p;
  std::shared_ptr<const bool> training;
  Dropout(Scope s, double p) : p(p), training(s.training()) {}
  Tensor operator()(const Tensor& x) const { return p > 0 && *training ? dropout(x, p, true) : x; }
};

// x: (B, I, H, W)  weight: (O, I, kh, kw)
struct Conv2d final {
  Tensor weight, bias;
  int64_t stride, padding;
  Conv2d(Scope s, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0, bool bias = true,
         Init init = init::kaiming_uniform(), std::optional<Init> bias_init = {});
  Tensor operator()(const Tensor& x) const;
};

}  // namespace hippograd
