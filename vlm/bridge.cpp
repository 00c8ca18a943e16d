// The SSM bridge of EnhancedVLM (equations in vlm/enhanced_vlm.h).
#include <cmath>

#include "ssm/ops.h"
#include "vlm/enhanced_vlm.h"

namespace hippograd {
namespace {
Init log_half_arange() {   // a_n = ln(n / 2): A_n = -n / 2
  return [](const Shape& s, DType t, Generator&) {
    Array a = empty(s, DType::f64);
    for (int64_t n = 0; n < s[0]; ++n) a.data<double>()[n] = std::log(double(n + 1) / 2);
    return a.to(t);
  };
}
std::string kind_of(const VLMConfig& c) { return c.as_published ? "clamped" : c.bridge_ssm; }
Linear projection(Scope s, int64_t in, int64_t out) { return Linear(s, in, out, true, init::xavier_uniform(), init::zeros()); }
}  // namespace

BridgeLayer::BridgeLayer(Scope s, const VLMConfig& c, int64_t width) : kind_(kind_of(c)), method_(c.bridge_method) {
  const int64_t N = c.ssm_state_dim;
  if (kind_ == "mamba") {
    mamba_.emplace(s, MambaConfig{.d_model = width});
  } else if (kind_ == "attention") {
    attention_.emplace(s, AttentionLayout{width, 4, 1, 0, false});
  } else if (kind_ == "linear") {
    proj_.emplace(projection(s / "proj", width, width));
  } else if (kind_ == "mlp") {
    input_proj_.emplace(projection(s / "input_proj", width, 4 * width));
    proj_.emplace(projection(s / "proj", 4 * width, width));
  } else {
    const Init small = init::normal(0, 0.1);
    input_proj_.emplace(projection(s / "input_proj", width, N));
    if (kind_ == "clamped") {
      A_ = s.param("A", {N, N}, small, true);
    } else {
      a_ = s.param("a", {N}, log_half_arange(), true);
      log_dt_ = s.param("log_dt", {N}, init::uniform(std::log(1e-3), std::log(0.1)), true);
    }
    B_ = s.param("B", {N}, small);
    C_ = s.param("C", {width, N}, small);
    if (kind_ == "clamped") bias_A_ = s.param("bias_A", {N}, init::zeros());
    bias_C_ = s.param("bias_C", {width}, init::zeros());
    proj_.emplace(projection(s / "proj", width, width));
    gate_.emplace(projection(s / "gate", width, width));
  }
}

Tensor BridgeLayer::scan(const Tensor& u) const {
  const Tensor A = neg(exp(a_)), z = mul(exp(log_dt_), A);                      // (N)  z = dt A
  Tensor decay, gain;
  if (method_ == "zoh") {
    decay = exp(z);
    gain = div(expm1(z), A);                                                    // (e^z - 1) / A;  A < 0 by construction
  } else {                                                                      // bilinear: (1 + z/2) / (1 - z/2), dt / (1 - z/2)
    const Tensor half = mul(z, 0.5), below = rsub(half, 1.0);
    decay = div(add(half, 1.0), below);
    gain = div(exp(log_dt_), below);
  }
  const Tensor input = mul(u, mul(gain, B_));                                   // (B, L, N)
  return linear_scan(expand(decay, input.shape()), input);                      // (B, L, N)
}

Tensor BridgeLayer::clamped(const Tensor& u) const {
  const int64_t L = u.size(1);
  const Tensor drive = add(mul(u, B_), bias_A_);                                // (B, L, N), for all steps at once
  Tensor h = Tensor(zeros({u.size(0), u.size(2)}, u.dtype(), u.device()));      // (B, N)
  Tensors states;
  for (int64_t t = 0; t < L; ++t) {
    h = clamp(add(linear(h, A_), select(drive, 1, t)), -10, 10);
    states.push_back(h);
  }
  return stack(states, 1);                                                      // (B, L, N)
}

Tensor BridgeLayer::operator()(const Tensor& x) const {
  if (kind_ == "mamba") return (*mamba_)(x);
  if (kind_ == "attention") return (*attention_)(x);
  if (kind_ == "linear") return (*proj_)(x);
  if (kind_ == "mlp") return (*proj_)(gelu((*input_proj_)(x)));
  const Tensor u = (*input_proj_)(x);                                           // (B, L, N)
  const Tensor h = kind_ == "clamped" ? clamped(u) : scan(u);                   // (B, L, N)
  const Tensor y = (*proj_)(linear(h, C_, bias_C_));                            // (B, L, E)
  return lerp(x, y, sigmoid((*gate_)(x)));                                      // x + g (y - x) = g y + (1 - g) x
}

namespace {
std::vector<BridgeLayer> make_layers(Scope s, const VLMConfig& c) {
  std::vector<BridgeLayer> layers;
  for (int64_t i = 0; i < c.ssm_num_layers; ++i) layers.emplace_back(s / "ssm_layers" / i, c, c.ssm_hidden_dim);
  return layers;
}
std::vector<LayerNorm> make_norms(Scope s, const VLMConfig& c) {
  std::vector<LayerNorm> norms;
  for (int64_t i = 0; i < c.ssm_num_layers; ++i)
    norms.emplace_back(s / "layer_norms" / i, c.ssm_hidden_dim, c.as_published ? 1e-5 : c.layer_norm_eps);
  return norms;
}
std::optional<Linear> make_input(Scope s, const VLMConfig& c) {
  if (!c.bridge_in_proj) return {};
  return projection(s / "in_proj", c.vision_embed_dim, c.ssm_hidden_dim);
}
}  // namespace

SSMBridge::SSMBridge(Scope s, const VLMConfig& c)
    : as_published_(c.as_published),
      in_proj_(make_input(s, c)),
      layers_(make_layers(s, c)),
      norms_(make_norms(s, c)),
      drop_(s, c.ssm_dropout),
      out_proj_(projection(s / "out_proj", c.ssm_hidden_dim, c.text_embed_dim)) {
  if (!c.as_published) ln_.emplace(s / "ln", c.text_embed_dim, c.layer_norm_eps);
}

Tensor SSMBridge::operator()(const Tensor& input) const {
  Tensor x = in_proj_ ? (*in_proj_)(input) : input;                             // (B, P, E)
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Tensor n = norms_[i](x);
    x = add(as_published_ ? n : x, drop_(layers_[i](n)));                       // published: the residual starts at the norm
  }
  x = out_proj_(x);
  return ln_ ? (*ln_)(x) : x;                                                   // (B, P, D)
}

}  // namespace hippograd
