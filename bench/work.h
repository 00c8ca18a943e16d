#pragma once
// Work that an op cannot avoid: bytes of its operands and results, multiplications and additions, exponentials. The floor of its
// time is the largest of the three over the machine's limits (limits.h).
#include <cmath>
#include <set>
#include <string>

#include "autograd/tensor.h"
#include "bench/limits.h"

namespace hippograd::bench {

struct Work {
  double bytes = 0, flops = 0, exps = 0, state_steps = 0;
};

inline double bytes_of(const Tensor& t) { return t.defined() ? double(t.numel()) * itemsize(t.dtype()) : 0; }
inline double bytes_of(const Tensors& ts) {
  double sum = 0;
  for (const Tensor& t : ts) sum += bytes_of(t);
  return sum;
}

// Arithmetic of a forward; other ops count their bytes alone.
inline Work arithmetic(const std::string& op, const Tensors& x, const Tensors& y) {
  static const std::set<std::string> one_exp = {"exp", "exp2", "expm1", "sigmoid", "silu", "tanh", "gelu", "softplus", "logsigmoid", "softmax",
                                                "log_softmax", "swish_clamped", "silu_mul", "bias_gelu", "bias_silu", "mish"};
  Work w;
  const auto n = [](const Tensor& t) { return t.defined() ? double(t.numel()) : 0.0; };
  if (op == "matmul") {                                   // A (.., m, k), B (.., k, n), either transposed: |A||B| / |C| = k^2 per product
    const Shape& c = y[0].shape();
    const double batch = c.size() < 2 ? 1 : n(y[0]) / double(c[c.size() - 1] * c[c.size() - 2]);
    w.flops = 2 * n(y[0]) * std::sqrt(n(x[0]) * n(x[1]) / (n(y[0]) * batch));
  } else if (op == "linear") {
    w.flops = 2 * n(y[0]) * double(x[0].size(-1));
  } else if (op == "conv2d") {                            // weight (O, C / groups, R, S)
    w.flops = 2 * n(y[0]) * n(x[1]) / double(x[1].size(0));
  } else if (op == "scaled_dot_product_attention") {      // q (B, H, L, P), k (B, G, M, P): two products, one exponential per score
    const double scores = n(x[0]) / double(x[0].size(-1)) * double(x[1].size(-2));
    w.flops = 4 * scores * double(x[0].size(-1));
    w.exps = scores;
  } else if (op == "selective_scan") {                    // u (B, L, D), A (D, N)
    w.exps = w.state_steps = n(x[0]) * double(x[2].size(-1));
    w.flops = 6 * w.exps;
  } else if (op == "cross_entropy" || op == "logsumexp") {
    w.exps = n(x[0]);
  } else if (one_exp.contains(op)) {
    w.exps = n(y[0]);
  }
  return w;
}

inline Work forward_work(const std::string& op, const Tensors& x, const Tensors& y) {
  Work w = arithmetic(op, x, y);
  w.bytes = bytes_of(x) + bytes_of(y);
  return w;
}
// Backward reads the cotangents and what the node kept, and writes gradients. Products come twice, attention recomputes its
// scores, and so does the scan with its states.
inline Work backward_work(const std::string& op, const Tensors& x, const Tensors& y, const Tensors& dy, const Tensors& dx) {
  Work w;
  const Work forward = arithmetic(op, x, y);
  w.bytes = bytes_of(dy) + bytes_of(dx);
  for (const Tensor& t : y)
    if (t.defined() && t.edge()) {
      const Saved& s = t.edge().node->saved;
      for (int i = 0; i < int(x.size()); ++i) if (s.has_saved_x(i)) w.bytes += bytes_of(x[size_t(i)]);
      break;
    }
  w.state_steps = forward.state_steps;
  if (op == "scaled_dot_product_attention") w.flops = 2.5 * forward.flops, w.exps = forward.exps;
  else if (op == "selective_scan") w.flops = 3 * forward.flops, w.exps = forward.exps;
  else w.flops = 2 * forward.flops;
  return w;
}

struct Floor {
  double seconds = 0;
  const char* kind = "bytes";
};
inline Floor floor_of(const Work& w, const Limits& l) {
  Floor f{w.bytes / l.bandwidth(w.bytes), w.bytes < Limits::kCachedBytes ? "cached bytes" : "bytes"};
  if (w.flops / l.flops > f.seconds) f = {w.flops / l.flops, "flops"};
  if (w.exps / l.exps > f.seconds) f = {w.exps / l.exps, "exps"};
  return f;
}

}  // namespace hippograd::bench
