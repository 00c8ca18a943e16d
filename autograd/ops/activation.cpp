// Activations, besides the hot ones of pointwise.cpp. Each comment gives the derivative.
#include "autograd/ops/pointwise.h"

namespace hippograd {
namespace {

using namespace pointwise;

// Samples with parameters (p, q), away from kinks at multiples of 0.1.
template <class Op> Samples samples_with(double p, double q = 0) {
  return {sample(Op::with(p, q), {apart({5, 13})}).bench({{1024, 1024}}), sample(Op::with(p, q), {apart({})}, "scalar"),
          sample(Op::with(p, q), {{0, 3}}, "empty")};
}
#define HIPPOGRAD_ACTIVATION(NAME, TEXT, DOC, FUNCTOR, P, Q)        \
  struct NAME : UnaryOp<NAME, FUNCTOR, kInput> {                    \
    static constexpr auto name = TEXT, doc = DOC;                   \
    static Samples samples() { return samples_with<NAME>(P, Q); }   \
    Tensor backward(Saved& s, Tensor dy) const;                     \
  };                                                                \
  Tensor NAME::backward(Saved& s, Tensor dy) const

//   q x, or q p (e^x - 1) below 0        q, or q p e^x
HIPPOGRAD_ACTIVATION(EluOp, "elu", "scale * input, or scale * alpha * (exp(input) - 1) below 0", Elu, 1.2, 0.9) {
  const Tensor x = s.x(0);
  return where(gt(x, 0), mul(dy, q), mul(dy, mul(exp(x), p * q)));
}
//   x, or p (e^(x/p) - 1) below 0        1, or e^(x/p)
HIPPOGRAD_ACTIVATION(CeluOp, "celu", "input, or alpha * (exp(input / alpha) - 1) below 0", Celu, 1.3, 0) {
  const Tensor x = s.x(0);
  return where(gt(x, 0), dy, mul(dy, exp(div(x, p))));
}
HIPPOGRAD_ACTIVATION(LeakyReluOp, "leaky_relu", "input, or slope * input below 0", LeakyRelu, 0.1, 0) {
  return where(gt(s.x(0), 0), dy, mul(dy, p));
}
HIPPOGRAD_ACTIVATION(HardsigmoidOp, "hardsigmoid", "clamp(input + 3, 0, 6) / 6", Hardsigmoid, 0, 0) {
  const Tensor x = s.x(0);
  return where(logical_and(gt(x, -3), lt(x, 3)), div(dy, 6), zero_of(dy));
}
HIPPOGRAD_ACTIVATION(HardswishOp, "hardswish", "input * clamp(input + 3, 0, 6) / 6", Hardswish, 0, 0) {
  const Tensor x = s.x(0);
  return where(le(x, -3), zero_of(dy), where(lt(x, 3), mul(dy, add(div(x, 3), 0.5)), dy));   // flat and 1 at the corners, as in PyTorch
}
//   t = tanh(softplus(x))                t + x (1 - t^2) sigmoid(x)
HIPPOGRAD_ACTIVATION(MishOp, "mish", "input * tanh(softplus(input))", Mish, 0, 0) {
  const Tensor x = s.x(0), t = tanh(softplus(x));
  return mul(dy, add(t, mul(mul(x, rsub(square(t), 1)), sigmoid(x))));
}
//   1 / (1 + |x|)^2
HIPPOGRAD_ACTIVATION(SoftsignOp, "softsign", "input / (1 + |input|)", Softsign, 0, 0) {
  return div(dy, square(add(abs(s.x(0)), 1)));
}
HIPPOGRAD_ACTIVATION(LogsigmoidOp, "logsigmoid", "log(sigmoid(input)), exact in its tail", Logsigmoid, 0, 0) {
  return mul(dy, sigmoid(neg(s.x(0))));
}
Tensor beyond(const Tensor& x, double lambda, const Tensor& dy) {   // dy where |x| > lambda
  return where(logical_and(ge(x, -lambda), le(x, lambda)), zero_of(dy), dy);
}
HIPPOGRAD_ACTIVATION(SoftshrinkOp, "softshrink", "input moved towards 0 by lambda, and 0 within it", Softshrink, 0.4, 0) { return beyond(s.x(0), p, dy); }
HIPPOGRAD_ACTIVATION(HardshrinkOp, "hardshrink", "input, 0 where |input| <= lambda", Hardshrink, 0.4, 0) { return beyond(s.x(0), p, dy); }
HIPPOGRAD_ACTIVATION(ThresholdOp, "threshold", "input where it exceeds the threshold, else value", Threshold, 0.4, -1) {
  return where(le(s.x(0), p), zero_of(dy), dy);
}
//   s = sigmoid(clamp(x, -10, 10))       s + x s (1 - s) inside, s outside
HIPPOGRAD_ACTIVATION(SwishClampedOp, "swish_clamped", "input * sigmoid(clamp(input, -10, 10))", SwishClamped, 0, 0) {
  const Tensor x = s.x(0);
  if (!recording()) return binary_of<SwishClampedBackward>(dy.array(), x.array());
  const Tensor g = sigmoid(clamp(x, -10, 10)), inside = logical_and(ge(x, -10), le(x, 10));
  return mul(dy, add(g, where(inside, mul(x, mul(g, rsub(g, 1))), zero_of(dy))));
}

template <class Op> Tensor activation(const Op& op, const Tensor& x) {
  if (!is_real(x.dtype())) fail<DtypeError>(Op::name, ": not implemented for dtype ", x.dtype());
  return hippograd::apply(op, {x});
}

}  // namespace

Tensor elu(const Tensor& input, double alpha) { return activation(EluOp::with(alpha, 1), input); }
Tensor selu(const Tensor& input) { return activation(EluOp::with(1.6732632423543772848170429916717, 1.0507009873554804934193349852946), input); }
Tensor celu(const Tensor& input, double alpha) {
  if (alpha == 0) fail<ValueError>("celu: ZeroDivisionError: alpha cannot be 0 for CELU");
  return activation(CeluOp::with(alpha), input);
}
Tensor leaky_relu(const Tensor& input, double negative_slope) { return activation(LeakyReluOp::with(negative_slope), input); }
Tensor hardsigmoid(const Tensor& input) { return activation(HardsigmoidOp{}, input); }
Tensor hardswish(const Tensor& input) { return activation(HardswishOp{}, input); }
Tensor mish(const Tensor& input) { return activation(MishOp{}, input); }
Tensor softsign(const Tensor& input) { return activation(SoftsignOp{}, input); }
Tensor logsigmoid(const Tensor& input) { return activation(LogsigmoidOp{}, input); }
Tensor softshrink(const Tensor& input, double lambda) {
  if (lambda < 0) fail<ValueError>("softshrink: lambda must be greater or equal to 0, but found to be ", lambda, ".");
  return activation(SoftshrinkOp::with(lambda), input);
}
Tensor hardshrink(const Tensor& input, double lambda) { return activation(HardshrinkOp::with(lambda), input); }
Tensor tanhshrink(const Tensor& input) { return sub(input, tanh(input)); }
Tensor threshold(const Tensor& input, double threshold, double value) { return hippograd::apply(ThresholdOp::with(threshold, value), {input}); }
Tensor swish_clamped(const Tensor& input) { return activation(SwishClampedOp{}, input); }

}  // namespace hippograd
