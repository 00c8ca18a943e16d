#pragma once
// Optimizer steps over many tensors at once. What changes from step to step lives in `scalars` on the device of the
// parameters, so that a captured step replays it and nothing synchronises: f64[4] = (lr, step number t from 1, clip factor,
// non-finite count). A step with a non-finite count above 0 changes nothing.
#include <vector>

#include "tensor/kernel.h"

namespace hippograd {

enum OptimScalar { kLr, kStep, kClip, kNonFinite };

struct AdamTensors { Array param, grad, m, v; };     // one shape and dtype; param and grad contiguous
struct SgdTensors { Array param, grad, buffer; };    // buffer undefined without momentum

struct AdamConfig { double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0; bool decoupled = true; };
struct SgdConfig { double momentum = 0, dampening = 0, weight_decay = 0; bool nesterov = false; };

namespace kernels {

// g = clip * grad (+ weight_decay * p if not decoupled);  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
// p = p (1 - lr weight_decay if decoupled) - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
// (Kingma & Ba 2015, alg. 1; Loshchilov & Hutter 2019, alg. 2; operations in PyTorch's order)
extern constinit Kernel<void(CArray scalars, const std::vector<AdamTensors>& tensors, const AdamConfig& config)> adam_step;
// g = clip * grad + weight_decay p;  buffer = g at t = 1, else momentum buffer + (1 - dampening) g;
// p -= lr (nesterov ? g + momentum buffer : buffer)
extern constinit Kernel<void(CArray scalars, const std::vector<SgdTensors>& tensors, const SgdConfig& config)> sgd_step;
// scalars[kClip] = min(1, max_norm / (norm + 1e-6)), norm = sqrt(sum of squares over all gradients), in f64, summed in blocks
// of fixed size in order; scalars[kNonFinite] = 1 if the norm is not finite, else 0. `norm` (f64, 0-dim) receives the norm.
extern constinit Kernel<void(const std::vector<Array>& gradients, double max_norm, MArray scalars, MArray norm)> clip_factor;

}  // namespace kernels
}  // namespace hippograd
