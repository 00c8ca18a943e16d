// Functions of one variable. For a holomorphic y = f(x) the gradient is dx = dy conj(f'(x)); on real numbers conj does nothing.
#include "autograd/ops/pointwise.h"

#include <numbers>

namespace hippograd {
namespace {

using namespace pointwise;
constexpr double kPi = std::numbers::pi, kLn2 = std::numbers::ln2, kLn10 = std::numbers::ln10;

// One op: name, documentation, functor, what backward needs, its derivative f'(x) in terms of x or y.
#define HIPPOGRAD_HOLOMORPHIC(NAME, TEXT, DOC, FUNCTOR, KEEP, DERIVATIVE)               \
  struct NAME : UnaryOp<NAME, FUNCTOR, KEEP> {                                          \
    static constexpr auto name = TEXT, doc = DOC;                                       \
    Tensor backward(Saved& s, Tensor dy) const { return mul_conj(dy, DERIVATIVE); }     \
    static Samples samples() { return samples_of<NAME>(); }                             \
  }
// Where a function is smooth and finite; inputs for its samples are drawn there.
struct Domain { double low = -2, high = 2; };
template <class Op> Domain domain() { return {}; }
template <class Op> Samples samples_of() {
  const Domain d = domain<Op>();
  return {sample(Op{}, {uniform({2, 3}, d.low, d.high)}).bench({uniform({1024, 1024}, d.low, d.high)}),
          sample(Op{}, {uniform({}, d.low, d.high)}, "scalar"), sample(Op{}, {{0, 3}}, "empty")};
}
#define HIPPOGRAD_DOMAIN(NAME, LOW, HIGH) \
  struct NAME;                            \
  template <> Domain domain<NAME>() { return {LOW, HIGH}; }

HIPPOGRAD_DOMAIN(SqrtOp, 0.1, 3)
HIPPOGRAD_DOMAIN(RsqrtOp, 0.3, 3)
HIPPOGRAD_DOMAIN(LogOp, 0.1, 3)
HIPPOGRAD_DOMAIN(Log2Op, 0.1, 3)
HIPPOGRAD_DOMAIN(Log10Op, 0.1, 3)
HIPPOGRAD_DOMAIN(Log1pOp, -0.8, 3)
HIPPOGRAD_DOMAIN(TanOp, -1, 1)
HIPPOGRAD_DOMAIN(AsinOp, -0.8, 0.8)
HIPPOGRAD_DOMAIN(AcosOp, -0.8, 0.8)
HIPPOGRAD_DOMAIN(AcoshOp, 1.2, 4)
HIPPOGRAD_DOMAIN(AtanhOp, -0.8, 0.8)
HIPPOGRAD_DOMAIN(ErfinvOp, -0.9, 0.9)
HIPPOGRAD_DOMAIN(LgammaOp, 0.3, 4)
HIPPOGRAD_DOMAIN(DigammaOp, 0.3, 4)

HIPPOGRAD_HOLOMORPHIC(SqrtOp, "sqrt", "the square root", Sqrt, kOutput, reciprocal(mul(s.y(), 2)));
HIPPOGRAD_HOLOMORPHIC(RsqrtOp, "rsqrt", "1 / sqrt(input)", Rsqrt, kOutput, mul(pow(s.y(), 3), -0.5));
HIPPOGRAD_HOLOMORPHIC(ExpOp, "exp", "e^input", Exp, kOutput, s.y());
HIPPOGRAD_HOLOMORPHIC(Exp2Op, "exp2", "2^input", Exp2, kOutput, mul(s.y(), kLn2));
HIPPOGRAD_HOLOMORPHIC(Expm1Op, "expm1", "e^input - 1, exact near 0", Expm1, kOutput, add(s.y(), 1));
HIPPOGRAD_HOLOMORPHIC(LogOp, "log", "the natural logarithm", Log, kInput, reciprocal(s.x(0)));
HIPPOGRAD_HOLOMORPHIC(Log2Op, "log2", "the logarithm to base 2", Log2, kInput, reciprocal(mul(s.x(0), kLn2)));
HIPPOGRAD_HOLOMORPHIC(Log10Op, "log10", "the logarithm to base 10", Log10, kInput, reciprocal(mul(s.x(0), kLn10)));
HIPPOGRAD_HOLOMORPHIC(Log1pOp, "log1p", "log(1 + input), exact near 0", Log1p, kInput, reciprocal(add(s.x(0), 1)));
HIPPOGRAD_HOLOMORPHIC(SinOp, "sin", "the sine", Sin, kInput, cos(s.x(0)));
HIPPOGRAD_HOLOMORPHIC(CosOp, "cos", "the cosine", Cos, kInput, neg(sin(s.x(0))));
HIPPOGRAD_HOLOMORPHIC(TanOp, "tan", "the tangent", Tan, kOutput, add(square(s.y()), 1));
HIPPOGRAD_HOLOMORPHIC(AsinOp, "asin", "the inverse sine", Asin, kInput, rsqrt(rsub(square(s.x(0)), 1)));
HIPPOGRAD_HOLOMORPHIC(AcosOp, "acos", "the inverse cosine", Acos, kInput, neg(rsqrt(rsub(square(s.x(0)), 1))));
HIPPOGRAD_HOLOMORPHIC(AtanOp, "atan", "the inverse tangent", Atan, kInput, reciprocal(add(square(s.x(0)), 1)));
HIPPOGRAD_HOLOMORPHIC(SinhOp, "sinh", "the hyperbolic sine", Sinh, kInput, cosh(s.x(0)));
HIPPOGRAD_HOLOMORPHIC(CoshOp, "cosh", "the hyperbolic cosine", Cosh, kInput, sinh(s.x(0)));
HIPPOGRAD_HOLOMORPHIC(AsinhOp, "asinh", "the inverse hyperbolic sine", Asinh, kInput, rsqrt(add(square(s.x(0)), 1)));
HIPPOGRAD_HOLOMORPHIC(AcoshOp, "acosh", "the inverse hyperbolic cosine", Acosh, kInput, mul(rsqrt(sub(s.x(0), 1)), rsqrt(add(s.x(0), 1))));
HIPPOGRAD_HOLOMORPHIC(AtanhOp, "atanh", "the inverse hyperbolic tangent", Atanh, kInput, reciprocal(rsub(square(s.x(0)), 1)));
HIPPOGRAD_HOLOMORPHIC(ErfOp, "erf", "the error function", Erf, kInput, mul(exp(neg(square(s.x(0)))), 2 / std::sqrt(kPi)));
HIPPOGRAD_HOLOMORPHIC(ErfcOp, "erfc", "1 - erf(input), exact in its tail", Erfc, kInput, mul(exp(neg(square(s.x(0)))), -2 / std::sqrt(kPi)));
HIPPOGRAD_HOLOMORPHIC(ErfinvOp, "erfinv", "the inverse of erf", Erfinv, kOutput, mul(exp(square(s.y())), std::sqrt(kPi) / 2));
HIPPOGRAD_HOLOMORPHIC(LgammaOp, "lgamma", "log |Gamma(input)|", Lgamma, kInput, digamma(s.x(0)));
HIPPOGRAD_HOLOMORPHIC(DigammaOp, "digamma", "the derivative of lgamma", Digamma, kInput, polygamma(1, s.x(0)));

struct PolygammaOp : UnaryOp<PolygammaOp, Polygamma, kInput> {
  static constexpr auto name = "polygamma", doc = "the n-th derivative of digamma";
  Tensor backward(Saved& s, Tensor dy) const { return mul(dy, polygamma(int64_t(p) + 1, s.x(0))); }
  static Samples samples() { return {sample(with(1), {uniform({2, 3}, 0.5, 4)}), sample(with(2), {uniform({}, 0.5, 4)}, "scalar")}; }
};

// sinc' = (cos(pi x) - sinc x) / x    sinc'' = -pi^2 sinc - 2 sinc' / x, -pi^2 / 3 at 0
struct SincDerivativeOp : UnaryOp<SincDerivativeOp, SincDerivative, kInput | kOutput> {
  static constexpr auto name = "sinc_derivative", doc = "the derivative of sinc";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), flat = eq(x, 0), one = expand(Tensor(full({}, 1, x.dtype(), x.device())), x.shape());
    const Tensor away = sub(mul(sinc(x), -kPi * kPi), mul(div(s.y(), where(flat, one, x)), 2));
    return mul_conj(dy, where(flat, mul(one, -kPi * kPi / 3), away));
  }
  static Samples samples() { return {sample(SincDerivativeOp{}, {apart({2, 3})})}; }
};
HIPPOGRAD_HOLOMORPHIC(SincOp, "sinc", "sin(pi x) / (pi x), 1 at 0", Sinc, kInput, hippograd::apply(SincDerivativeOp{}, {s.x(0)}));

// ---- rounding: flat ----
#define HIPPOGRAD_FLAT(NAME, TEXT, DOC, FUNCTOR)                                                                    \
  struct NAME : UnaryOp<NAME, FUNCTOR, kNothing> {                                                                  \
    static constexpr auto name = TEXT, doc = DOC;                                                                   \
    Tensor backward(Saved&, Tensor dy) const { return zero_of(dy); }                                                \
    static Samples samples() { return {sample(NAME{}, {apart({2, 3})}).not_smooth(), sample(NAME{}, {apart({})}, "scalar").not_smooth()}; } \
  }
HIPPOGRAD_FLAT(FloorOp, "floor", "the largest whole number not above input", Floor);
HIPPOGRAD_FLAT(CeilOp, "ceil", "the smallest whole number not below input", Ceil);
HIPPOGRAD_FLAT(TruncOp, "trunc", "input without its fraction", Trunc);
HIPPOGRAD_FLAT(RoundOp, "round", "the nearest whole number, halves to even", Round);
HIPPOGRAD_FLAT(RoundDecimalsOp, "round_decimals", "input rounded to a number of decimals", RoundDecimals);

// ---- activations with fused backwards ----

//   tanh: dx = dy conj(1 - y^2)
struct TanhOp : UnaryOp<TanhOp, Tanh, kOutput> {
  static constexpr auto name = "tanh", doc = "the hyperbolic tangent";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor y = s.y();
    if (!recording() && is_real(y.dtype())) return binary_of<TanhBackward>(dy.array(), y.array());
    return mul_conj(dy, rsub(square(y), 1));
  }
};
//   sigmoid: dx = dy conj(y (1 - y))
struct SigmoidOp : UnaryOp<SigmoidOp, Sigmoid, kOutput> {
  static constexpr auto name = "sigmoid", doc = "1 / (1 + exp(-input))";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor y = s.y();
    if (!recording() && is_real(y.dtype())) return binary_of<SigmoidBackward>(dy.array(), y.array());
    return mul_conj(dy, mul(y, rsub(y, 1)));
  }
};
//   relu: dx = dy where y > 0
struct ReluOp : UnaryOp<ReluOp, Relu, kOutput> {
  static constexpr auto name = "relu", doc = "max(input, 0)";
  Tensor backward(Saved& s, Tensor dy) const {
    if (!recording()) return binary_of<ReluBackward>(dy.array(), s.y().array());
    return where(le(s.y(), 0), zero_of(dy), dy);
  }
  static Samples samples() { return {sample(ReluOp{}, {apart({2, 3})}).bench({{1024, 1024}}), sample(ReluOp{}, {apart({})}, "scalar"), sample(ReluOp{}, {{0, 3}}, "empty")}; }
};
//   silu: s = sigmoid(x)     dx = dy s (1 + x (1 - s))
struct SiluOp : UnaryOp<SiluOp, Silu, kInput> {
  static constexpr auto name = "silu", doc = "input * sigmoid(input)";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    if (!recording()) return binary_of<SiluBackward>(dy.array(), x.array());
    const Tensor g = sigmoid(x);
    return mul(dy, mul(g, add(mul(x, rsub(g, 1)), 1)));
  }
};
//   gelu: dx = dy (Phi(x) + x phi(x))
struct GeluOp : UnaryOp<GeluOp, GeluExact, kInput> {
  static constexpr auto name = "gelu", doc = "input * Phi(input), Phi: the normal distribution";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    if (!recording()) return binary_of<GeluExactBackward>(dy.array(), x.array());
    const Tensor cdf = mul(erfc(mul(x, -std::numbers::sqrt2 / 2)), 0.5), density = mul(exp(mul(square(x), -0.5)), std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    return mul(dy, add(cdf, mul(x, density)));
  }
};
//   gelu_tanh: u = 2 sqrt(2/pi) (x + 0.044715 x^3), s = sigmoid(u)     dx = dy (s + x s (1 - s) u')
struct GeluTanhOp : UnaryOp<GeluTanhOp, GeluTanh, kInput> {
  static constexpr auto name = "gelu_tanh", doc = "gelu with the normal distribution approximated by tanh";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    if (!recording()) return binary_of<GeluTanhBackward>(dy.array(), x.array());
    const double c = 2 * std::sqrt(2 / kPi);
    const Tensor u = mul(add(x, mul(pow(x, 3), 0.044715)), c), du = mul(add(mul(square(x), 3 * 0.044715), 1), c), g = sigmoid(u);
    return mul(dy, add(g, mul(mul(x, mul(g, rsub(g, 1))), du)));
  }
};
//   softplus: dx = dy sigmoid(beta x), dy above the threshold
struct SoftplusOp : UnaryOp<SoftplusOp, Softplus, kInput> {
  static constexpr auto name = "softplus", doc = "log(1 + exp(beta * input)) / beta; input itself where beta * input > threshold";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    const bool threshold = q < math::kInf<double>;
    if (!recording() && !threshold) return binary_of<SoftplusBackward>(dy.array(), x.array(), p);
    const Tensor z = mul(x, p), g = mul(dy, sigmoid(z));
    return threshold ? where(gt(z, q), dy, g) : g;
  }
  static Samples samples() {
    const double none = math::kInf<double>;
    return {sample(with(1, none), {{2, 3}}).bench({{1024, 1024}}), sample(with(2, none), {normal({})}, "beta"), sample(with(1, 1), {apart({40})}, "threshold")};
  }
};
//   silu_mul: y = a sigmoid(a) b
struct SiluMulOp : BinaryOp<SiluMulOp, SiluMul, kInput> {
  static constexpr auto name = "silu_mul", doc = "silu(input) * other, the gate of SwiGLU and Mamba";
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1);
    Tensors g(2);
    if (!recording()) {
      if (s.needs(0)) g[0] = ternary_of<SiluMulBackward>(dy.array(), a.array(), b.array());
      if (s.needs(1)) g[1] = binary_of<SiluMul>(a.array(), dy.array());
      return g;
    }
    const Tensor z = sigmoid(a);
    if (s.needs(0)) g[0] = mul(mul(dy, b), mul(z, add(mul(a, rsub(z, 1)), 1)));
    if (s.needs(1)) g[1] = mul(dy, mul(a, z));
    return g;
  }
};

//   act(x + b) in one pass, b stretched over the rows of x
template <class Self, class Forward, class Derivative> struct BiasActivation {
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    Dims d(Self::name);
    d("input", x[0], "... D")("bias", x[1], "D");
    d.same_dtype("input", x[0], "bias", x[1]);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    return binary_of<Forward>(x[0], x[1].expand(x[0].shape()));
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor sum = add(s.x(0), s.x(1));
    const Tensor dx = recording() ? Self::derivative(sum, dy) : Tensor(binary_of<Derivative>(dy.array(), sum.array()));
    return {s.needs(0) ? dx : Tensor(), s.needs(1) ? sum_to(dx, s.in(1).shape) : Tensor()};
  }
  static Samples samples() {
    return {sample(Self{}, {apart({2, 3}), values({3}, {0.02, 0.01, -0.02})}).bench({{4096, 3072}, {3072}}), sample(Self{}, {{0, 3}, {3}}, "empty")};
  }
  static ErrorSamples errors() { return {error(Self{}, {{2, 3}, {2}}, "bias must be (D,), got (2,)")}; }
};
struct BiasGeluOp : BiasActivation<BiasGeluOp, BiasGelu, GeluExactBackward> {
  static constexpr auto name = "bias_gelu", doc = "gelu(input + bias)";
  static Tensor derivative(const Tensor& z, const Tensor& dy) {
    const Tensor cdf = mul(erfc(mul(z, -std::numbers::sqrt2 / 2)), 0.5), density = mul(exp(mul(square(z), -0.5)), std::numbers::inv_sqrtpi / std::numbers::sqrt2);
    return mul(dy, add(cdf, mul(z, density)));
  }
};
struct BiasSiluOp : BiasActivation<BiasSiluOp, BiasSilu, SiluBackward> {
  static constexpr auto name = "bias_silu", doc = "silu(input + bias)";
  static Tensor derivative(const Tensor& z, const Tensor& dy) {
    const Tensor g = sigmoid(z);
    return mul(dy, mul(g, add(mul(z, rsub(g, 1)), 1)));
  }
};
struct BiasReluOp : BiasActivation<BiasReluOp, BiasRelu, ReluBackward> {
  static constexpr auto name = "bias_relu", doc = "relu(input + bias)";
  static Tensor derivative(const Tensor& z, const Tensor& dy) { return where(le(z, 0), zero_of(dy), dy); }
};

}  // namespace

#define HIPPOGRAD_FUNCTION(NAME, OP) \
  Tensor NAME(const Tensor& input) { return hippograd::apply(OP{}, {floating(input)}); }
HIPPOGRAD_FUNCTION(sqrt, SqrtOp)
HIPPOGRAD_FUNCTION(rsqrt, RsqrtOp)
HIPPOGRAD_FUNCTION(exp, ExpOp)
HIPPOGRAD_FUNCTION(exp2, Exp2Op)
HIPPOGRAD_FUNCTION(expm1, Expm1Op)
HIPPOGRAD_FUNCTION(log, LogOp)
HIPPOGRAD_FUNCTION(log2, Log2Op)
HIPPOGRAD_FUNCTION(log10, Log10Op)
HIPPOGRAD_FUNCTION(log1p, Log1pOp)
HIPPOGRAD_FUNCTION(sin, SinOp)
HIPPOGRAD_FUNCTION(cos, CosOp)
HIPPOGRAD_FUNCTION(tan, TanOp)
HIPPOGRAD_FUNCTION(asin, AsinOp)
HIPPOGRAD_FUNCTION(acos, AcosOp)
HIPPOGRAD_FUNCTION(atan, AtanOp)
HIPPOGRAD_FUNCTION(sinh, SinhOp)
HIPPOGRAD_FUNCTION(cosh, CoshOp)
HIPPOGRAD_FUNCTION(tanh, TanhOp)
HIPPOGRAD_FUNCTION(asinh, AsinhOp)
HIPPOGRAD_FUNCTION(acosh, AcoshOp)
HIPPOGRAD_FUNCTION(atanh, AtanhOp)
HIPPOGRAD_FUNCTION(erf, ErfOp)
HIPPOGRAD_FUNCTION(erfc, ErfcOp)
HIPPOGRAD_FUNCTION(erfinv, ErfinvOp)
HIPPOGRAD_FUNCTION(lgamma, LgammaOp)
HIPPOGRAD_FUNCTION(digamma, DigammaOp)
HIPPOGRAD_FUNCTION(sinc, SincOp)
HIPPOGRAD_FUNCTION(sigmoid, SigmoidOp)
#undef HIPPOGRAD_FUNCTION
Tensor polygamma(int64_t n, const Tensor& input) {
  if (n < 0) fail<ValueError>("polygamma: polygamma(n, x) does not support negative n, got ", n);
  return n == 0 ? digamma(input) : hippograd::apply(PolygammaOp::with(double(n)), {floating(input)});
}
Tensor rad2deg(const Tensor& input) { return mul(floating(input), 180 / kPi); }
Tensor deg2rad(const Tensor& input) { return mul(floating(input), kPi / 180); }
Tensor logit(const Tensor& input, std::optional<double> eps) {   // log(x / (1 - x))
  Tensor x = floating(input);
  if (eps) x = clamp(x, *eps, 1 - *eps);
  return sub(log(x), log1p(neg(x)));
}

namespace {
// Whole numbers are their own rounding.
template <class Op> Tensor rounded(const Op& op, const Tensor& x) {
  if (is_complex(x.dtype())) fail<DtypeError>(Op::name, ": not implemented for dtype ", x.dtype());
  if (x.dtype() == DType::b8) fail<DtypeError>(Op::name, ": not implemented for dtype bool");
  return is_floating(x.dtype()) ? hippograd::apply(op, {x}) : Tensor(x.array().clone());
}
void check_float(const char* op, const Tensor& x) {
  if (!is_real(x.dtype())) fail<DtypeError>(op, ": not implemented for dtype ", x.dtype());
}
template <class Op> Tensor activation(const Op& op, const Tensor& x) {
  check_float(Op::name, x);
  return hippograd::apply(op, {x});
}
}  // namespace
Tensor floor(const Tensor& input) { return rounded(FloorOp{}, input); }
Tensor ceil(const Tensor& input) { return rounded(CeilOp{}, input); }
Tensor trunc(const Tensor& input) { return rounded(TruncOp{}, input); }
Tensor round(const Tensor& input, int64_t decimals) {
  return decimals == 0 ? rounded(RoundOp{}, input) : rounded(RoundDecimalsOp::with(double(decimals)), input);
}
Tensor frac(const Tensor& input) { return sub(input, trunc(input)); }

Tensor relu(const Tensor& input) {
  if (!is_real(input.dtype()) && !is_integer(input.dtype())) fail<DtypeError>("relu: not implemented for dtype ", input.dtype());
  return hippograd::apply(ReluOp{}, {input});
}
Tensor silu(const Tensor& input) { return activation(SiluOp{}, input); }
Tensor gelu(const Tensor& input, std::string_view approximate) {
  if (approximate == "none") return activation(GeluOp{}, input);
  if (approximate == "tanh") return activation(GeluTanhOp{}, input);
  fail<ValueError>("gelu: approximate argument must be either none or tanh, got '", approximate, "'");
}
Tensor softplus(const Tensor& input, double beta, std::optional<double> threshold) {
  return activation(SoftplusOp::with(beta, threshold.value_or(math::kInf<double>)), input);
}
Tensor silu_mul(const Tensor& input, const Tensor& other) { return apply_broadcast(SiluMulOp{}, {input, other}); }
Tensor bias_gelu(const Tensor& input, const Tensor& bias) { return hippograd::apply(BiasGeluOp{}, {input, bias}); }
Tensor bias_silu(const Tensor& input, const Tensor& bias) { return hippograd::apply(BiasSiluOp{}, {input, bias}); }
Tensor bias_relu(const Tensor& input, const Tensor& bias) { return hippograd::apply(BiasReluOp{}, {input, bias}); }

}  // namespace hippograd
