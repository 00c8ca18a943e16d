#include "ssm/mamba.h"

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "ssm/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

const MambaConfig& checked(const MambaConfig& c) {
  const auto at_least_one = [](const char* name, int64_t value) { if (value < 1) fail<ValueError>("MambaLayer: ", name, " must be >= 1, got ", value); };
  at_least_one("d_model", c.d_model), at_least_one("d_state", c.d_state), at_least_one("d_conv", c.d_conv), at_least_one("expand", c.expand);
  if (c.dt_rank < 0) fail<ValueError>("MambaLayer: dt_rank must be >= 0 (0: ceil(d_model / 16)), got ", c.dt_rank);
  if (!(c.dt_min > 0 && c.dt_min <= c.dt_max)) fail<ValueError>("MambaLayer: 0 < dt_min <= dt_max is needed, got ", c.dt_min, " and ", c.dt_max);
  return c;
}

// dt log-uniform in [dt_min, dt_max], at least dt_init_floor; the bias is softplus^-1(dt) = dt + ln(-expm1(-dt)).
Init step_bias(const MambaConfig& c) {
  return [=](const Shape& s, DType t, Generator& g) {
    Array a = rand_uniform(s, std::log(c.dt_min), std::log(c.dt_max), DType::f64, g);
    double* x = a.data<double>();
    for (int64_t i = 0, n = a.numel(); i < n; ++i) {
      const double dt = std::max(std::exp(x[i]), c.dt_init_floor);
      x[i] = dt + std::log(-std::expm1(-dt));
    }
    return a.to(t);
  };
}

// (B,) lengths as segments (B, L): 0 up to the length, -1 (padding) after it.
Tensor padding_after(const Tensor& lengths, int64_t B, int64_t L) {
  if (!lengths.defined()) return {};
  if (!(lengths.shape() == Shape{B}) || !is_integer(lengths.dtype()))
    fail<ShapeError>("MambaLayer: lengths must be integers of shape ", Shape{B}, ", got ", lengths.dtype(), " ", lengths.shape());
  if (lengths.device().is_cpu())   // a device would have to wait; there a length counts as cut to [0, L]
    for (int64_t b = 0; const int64_t n : to_vector<int64_t>(lengths.array())) {
      if (n < 0 || n > L) fail<ValueError>("MambaLayer: lengths[", b, "] must be in [0, ", L, "], got ", n);
      ++b;
    }
  Array places = empty({1, L}, DType::i64, lengths.device());
  kernels::arange(0, 1, places);
  return neg(to(ge(Tensor(places), reshape(to(lengths, DType::i64), {B, 1})), DType::i64));
}

}  // namespace

MambaLayer::MambaLayer(Scope s, const MambaConfig& c) : config(checked(c)) {
  const int64_t E = c.d_inner(), N = c.d_state, R = c.rank();
  const double width = 1 / std::sqrt(double(R));
  in_proj = (s / "in_proj").param("weight", {2 * E, c.d_model}, init::kaiming_uniform());
  if (c.bias) in_proj_bias = (s / "in_proj").param("bias", {2 * E}, init::fan_in_uniform(c.d_model));
  conv = (s / "conv1d").param("weight", {E, 1, c.d_conv}, init::kaiming_uniform());
  if (c.conv_bias) conv_bias = (s / "conv1d").param("bias", {E}, init::fan_in_uniform(c.d_conv));
  x_proj = (s / "x_proj").param("weight", {R + 2 * N, E}, init::kaiming_uniform());
  dt_proj = (s / "dt_proj").param("weight", {E, R}, init::uniform(-width, width));
  dt_bias = (s / "dt_proj").param("bias", {E}, step_bias(c), true);
  A_log = s.param("A_log", {E, N}, init::log_arange(), true);
  D = s.param("D", {E}, init::ones(), true);
  out_proj = (s / "out_proj").param("weight", {c.d_model, E}, init::kaiming_uniform());
  if (c.bias) out_proj_bias = (s / "out_proj").param("bias", {c.d_model}, init::fan_in_uniform(E));
}

MambaResult MambaLayer::forward(const Tensor& input, const MambaState& state, bool return_state, const Tensor& lengths) const {
  if (!input.defined() || input.dim() != 3 || input.size(2) != config.d_model)
    fail<ShapeError>("MambaLayer: x must be (B, L, ", config.d_model, "), got ", input.defined() ? input.shape() : Shape{});
  const int64_t E = config.d_inner(), N = config.d_state, R = config.rank();
  const Tensor seq_idx = padding_after(lengths, input.size(0), input.size(1));
  const Tensors xz = split(linear(input, in_proj, in_proj_bias), E, -1);                   // (B, L, E) twice
  const ConvResult c = causal_conv1d(xz[0], reshape(conv, {E, config.d_conv}), conv_bias, "silu", seq_idx, state.conv);
  const Tensors parts = split(linear(c.out, x_proj), std::vector<int64_t>{R, N, N}, -1);   // dt, B, C
  const Tensor delta = linear(parts[0], dt_proj), A = neg(exp(A_log));                     // (B, L, E), (E, N)

  SelectiveScanOptions o;
  o.D = D, o.z = xz[1], o.delta_bias = dt_bias, o.delta_softplus = true, o.initial_state = state.ssm, o.seq_idx = seq_idx;
  const ScanResult y = selective_scan(c.out, delta, A, parts[1], parts[2], o);
  MambaResult r{linear(y.out, out_proj, out_proj_bias), {}};
  if (return_state) r.state = {c.final_states, y.last_state};
  return r;
}

MambaResult MambaLayer::step(const Tensor& x, const MambaState& state) const {
  if (!x.defined() || x.dim() != 2) fail<ShapeError>("MambaLayer: step takes x (B, ", config.d_model, "), got ", x.defined() ? x.shape() : Shape{});
  if (!state.conv.defined() || !state.ssm.defined()) fail<ValueError>("MambaLayer: step needs a state; make one with init_state or forward(..., return_state)");
  MambaResult r = forward(unsqueeze(x, 1), state, true);
  r.y = squeeze(r.y, {1});
  return r;
}

MambaState MambaLayer::init_state(int64_t batch) const {
  const int64_t E = config.d_inner();
  return {Tensor(zeros({batch, E, config.d_conv - 1}, in_proj.dtype(), in_proj.device())),
          Tensor(zeros({batch, E, config.d_state}, A_log.dtype(), A_log.device()))};
}

MambaBlock::MambaBlock(Scope s, const MambaConfig& config, double eps)
    : norm((s / "norm").param("weight", {checked(config).d_model}, init::ones())), eps(eps), mixer(s / "mixer", config) {}

Tensor MambaBlock::normed(const Tensor& residual) const {
  return to(rms_norm(residual, norm.shape(), to(norm, residual.dtype()), eps), mixer.in_proj.dtype());
}
MambaResult MambaBlock::forward(const Tensor& x, const MambaState& state, bool return_state, const Tensor& lengths) const {
  const Tensor residual = to(x, compute_dtype(x.dtype()));
  MambaResult r = mixer.forward(normed(residual), state, return_state, lengths);
  r.y = add(residual, r.y);
  return r;
}
MambaResult MambaBlock::step(const Tensor& x, const MambaState& state) const {
  const Tensor residual = to(x, compute_dtype(x.dtype()));
  MambaResult r = mixer.step(normed(residual), state);
  r.y = add(residual, r.y);
  return r;
}

}  // namespace hippograd
