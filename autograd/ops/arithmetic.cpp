// Arithmetic. The ops take equal shapes and dtypes; the functions broadcast and promote first (both recorded). A Python number
// beside a tensor takes a loop of its own: nothing to allocate, nothing to stretch, not rounded to a half-precision dtype.
//
// Gradients of a complex y = f(x): dx = dy conj(f'(x)) for holomorphic f (dL/dRe + i dL/dIm).
#include <cmath>

#include "autograd/ops/pointwise.h"
#include "tensor/kernels/copy.h"

namespace hippograd {

std::optional<complex128> as_number(const Tensor& t) {
  if (!t.is_number()) return {};
  const Array& a = t.array();
  switch (a.dtype()) {
    case DType::f64: return complex128(*a.data<double>(), 0);
    case DType::c128: return *a.data<complex128>();
    case DType::b8: return complex128(*a.data<bool>() ? 1 : 0, 0);
    default: {
      const int64_t v = *a.data<int64_t>();
      if (v > int64_t(1) << 53 || v < -(int64_t(1) << 53)) return {};
      return complex128(double(v), 0);
    }
  }
}

namespace {

using namespace pointwise;

Tensor times_number(const Tensor& x, complex128 c);

// ---- tensor and tensor ----

//   y = a + p b        da = dy   db = p dy
struct AddOp : BinaryOp<AddOp, Add, kNothing> {
  static constexpr auto name = "add", doc = "input + alpha * other";
  double alpha = 1;
  Array forward(Saved&, ArrayIn x) const { return alpha == 1 ? binary_of<Add>(x[0], x[1]) : binary_of<AddScaled>(x[0], x[1], alpha); }
  Tensors backward(Saved& s, Tensor dy) const { return {dy, s.needs(1) ? times_number(dy, alpha) : Tensor()}; }
  static AddOp scaled(double alpha) {
    AddOp op;
    op.alpha = alpha;
    return op;
  }
  static Samples samples() {
    Samples s = BinaryOp::samples();
    s.push_back(sample(scaled(-2.5), {{2, 3}, {2, 3}}, "alpha"));
    return s;
  }
};
struct SubOp : BinaryOp<SubOp, Sub, kNothing> {
  static constexpr auto name = "sub", doc = "input - other";
  Tensors backward(Saved& s, Tensor dy) const { return {dy, s.needs(1) ? neg(dy) : Tensor()}; }
};
//   y = a b            da = dy conj b   db = dy conj a
struct MulOp : BinaryOp<MulOp, Mul, kNothing> {
  static constexpr auto name = "mul", doc = "input * other";
  Array forward(Saved& s, ArrayIn x) const {
    if (s.needs(0)) s.input(1);
    if (s.needs(1)) s.input(0);
    return binary_of<Mul>(x[0], x[1]);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    return {s.needs(0) ? mul_conj(dy, s.x(1)) : Tensor(), s.needs(1) ? mul_conj(dy, s.x(0)) : Tensor()};
  }
};
//   y = a conj b       da = dy b   db = conj(dy) a
struct MulConjOp : BinaryOp<MulConjOp, MulConj, kInput> {
  static constexpr auto name = "mul_conj", doc = "input * conj(other)";
  Tensors backward(Saved& s, Tensor dy) const {
    return {s.needs(0) ? mul(dy, s.x(1)) : Tensor(), s.needs(1) ? mul_conj(s.x(0), dy) : Tensor()};
  }
};
//   y = a / b          da = dy / conj b   db = -dy conj(y) / conj b
struct DivOp : BinaryOp<DivOp, Div, kNothing> {
  static constexpr auto name = "div", doc = "input / other";
  Array forward(Saved& s, ArrayIn x) const {
    Array y = binary_of<Div>(x[0], x[1]);
    s.input(1);
    if (s.needs(1)) s.output(y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor da = div(dy, conj(s.x(1)));
    return {s.needs(0) ? da : Tensor(), s.needs(1) ? neg(mul_conj(da, s.y())) : Tensor()};
  }
  static Samples samples() {
    return {sample(DivOp{}, {{2, 3}, apart({2, 3})}).bench({{1024, 1024}, {1024, 1024}}), sample(DivOp{}, {normal({}), apart({})}, "scalars")};
  }
};

// Quotients rounded to whole numbers are flat.
template <class Self, class F> struct RoundedOp : BinaryOp<Self, F, kNothing> {
  Tensors backward(Saved& s, Tensor dy) const { return {s.needs(0) ? zero_of(dy) : Tensor(), s.needs(1) ? zero_of(dy) : Tensor()}; }
  static Samples samples() { return {sample(Self{}, {uniform({2, 3}, -9.9, 9.9), apart({2, 3})}).not_smooth()}; }
};
struct FloorDivideOp : RoundedOp<FloorDivideOp, FloorDivide> {
  static constexpr auto name = "floor_divide", doc = "input / other, rounded down";
};
struct TruncDivideOp : RoundedOp<TruncDivideOp, TruncDivide> {
  static constexpr auto name = "trunc_divide", doc = "input / other, rounded towards zero";
};
//   y = a - b floor(a / b)     da = dy   db = -dy floor(a / b)
struct RemainderOp : BinaryOp<RemainderOp, Remainder, kInput> {
  static constexpr auto name = "remainder", doc = "input modulo other, with the sign of other";
  Tensors backward(Saved& s, Tensor dy) const {
    return {dy, s.needs(1) ? neg(mul(dy, div(s.x(0), s.x(1), "floor"))) : Tensor()};
  }
  static Samples samples() { return {sample(RemainderOp{}, {values({4}, {7.3, -7.3, 7.3, -7.3}), values({4}, {2, 2, -2, -2})})}; }
};
struct FmodOp : BinaryOp<FmodOp, Fmod, kInput> {
  static constexpr auto name = "fmod", doc = "remainder of the division, with the sign of input";
  Tensors backward(Saved& s, Tensor dy) const {
    return {dy, s.needs(1) ? neg(mul(dy, div(s.x(0), s.x(1), "trunc"))) : Tensor()};
  }
  static Samples samples() { return {sample(FmodOp{}, {values({4}, {7.3, -7.3, 7.3, -7.3}), values({4}, {2, 2, -2, -2})})}; }
};

//   y = a^b            da = dy conj(b a^(b-1)), 0 where b = 0      db = dy conj(y log a), 0 where a = 0 and b >= 0
struct PowOp : BinaryOp<PowOp, Pow, kInput | kOutput> {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "pow", doc = "input to the power of exponent";
  Tensors backward(Saved& s, Tensor dy) const {
    Tensor da, db;
    const Tensor a = s.x(0), b = s.x(1), zero = zero_of(dy);
    if (s.needs(0)) da = where(eq(b, 0), zero, mul_conj(dy, mul(b, pow(a, sub(b, 1)))));
    if (s.needs(1)) {
      const Tensor at_zero = logical_and(eq(a, 0), ge(real(b), 0));
      db = where(at_zero, zero, mul_conj(dy, mul(s.y(), log(where(at_zero, expand(Tensor(full({}, 1, a.dtype(), a.device())), a.shape()), a)))));
    }
    return {da, db};
  }
  static Samples samples() {
    return {sample(PowOp{}, {uniform({2, 3}, 0.2, 2), {2, 3}}).bench({uniform({1024, 1024}, 0.2, 2), {1024, 1024}}), sample(PowOp{}, {uniform({}, 0.5, 2), normal({})}, "scalars")};
  }
};

//   ties share the gradient
template <class Self, class F, bool greater> struct ExtremumOp : BinaryOp<Self, F, kInput> {
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1), half = mul(dy, 0.5), zero = zero_of(dy), tie = eq(a, b);
    const auto share = [&](const Tensor& x, const Tensor& other) {
      const Tensor loses = greater ? lt(x, other) : gt(x, other);
      return where(tie, half, where(loses, zero, dy));
    };
    return {s.needs(0) ? share(a, b) : Tensor(), s.needs(1) ? share(b, a) : Tensor()};
  }
  static Samples samples() { return {sample(Self{}, {apart({2, 3}), values({2, 3}, {0.01, 0.22, -0.3, 1, -1, 0.1})}).bench({{1024, 1024}, {1024, 1024}}), sample(Self{}, {apart({}), values({}, {1})}, "scalars")}; }
};
struct MaximumOp : ExtremumOp<MaximumOp, Maximum, true> {
  static constexpr auto name = "maximum", doc = "the larger of input and other; NaN if either is";
};
struct MinimumOp : ExtremumOp<MinimumOp, Minimum, false> {
  static constexpr auto name = "minimum", doc = "the smaller of input and other; NaN if either is";
};
//   all of dy goes to the one chosen; a tie counts as input
template <class Self, class F, bool greater> struct NumericExtremumOp : BinaryOp<Self, F, kInput> {
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1), zero = zero_of(dy);
    const Tensor first = logical_or(greater ? ge(a, b) : le(a, b), isnan(b));
    return {s.needs(0) ? where(first, dy, zero) : Tensor(), s.needs(1) ? where(first, zero, dy) : Tensor()};
  }
  static Samples samples() { return {sample(Self{}, {apart({2, 3}), values({2, 3}, {0.01, 0.22, -0.3, 1, -1, 0.1})})}; }
};
struct FmaxOp : NumericExtremumOp<FmaxOp, Fmax, true> {
  static constexpr auto name = "fmax", doc = "the larger of input and other; a NaN counts as missing";
};
struct FminOp : NumericExtremumOp<FminOp, Fmin, false> {
  static constexpr auto name = "fmin", doc = "the smaller of input and other; a NaN counts as missing";
};

struct Atan2Op : BinaryOp<Atan2Op, Atan2, kInput> {
  static constexpr auto name = "atan2", doc = "angle of the point (other, input)";
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1), square = add(mul(a, a), mul(b, b));
    const Tensor scale = where(eq(square, 0), zero_of(dy), div(dy, square));
    return {s.needs(0) ? mul(scale, b) : Tensor(), s.needs(1) ? neg(mul(scale, a)) : Tensor()};
  }
  static Samples samples() { return {sample(Atan2Op{}, {apart({2, 3}), apart({2, 3})}).bench({{1024, 1024}, {1024, 1024}}), sample(Atan2Op{}, {apart({}), apart({})}, "scalars")}; }
};
struct HypotOp : BinaryOp<HypotOp, Hypot, kInput | kOutput> {
  static constexpr auto name = "hypot", doc = "sqrt(input^2 + other^2) without overflow";
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor r = div(dy, s.y());
    return {s.needs(0) ? mul(r, s.x(0)) : Tensor(), s.needs(1) ? mul(r, s.x(1)) : Tensor()};
  }
  static Samples samples() { return {sample(HypotOp{}, {apart({2, 3}), apart({2, 3})})}; }
};
struct XlogyOp : BinaryOp<XlogyOp, Xlogy, kInput> {
  static constexpr auto name = "xlogy", doc = "input * log(other), 0 where input is 0";
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::bf16}; }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1), flat = logical_and(eq(a, 0), le(b, 0));
    return {s.needs(0) ? mul(dy, where(flat, zero_of(dy), log(b))) : Tensor(), s.needs(1) ? div(mul(dy, a), b) : Tensor()};
  }
  static Samples samples() { return {sample(XlogyOp{}, {{2, 3}, uniform({2, 3}, 0.2, 3)})}; }
};
struct Xlog1pyOp : BinaryOp<Xlog1pyOp, Xlog1py, kInput> {
  static constexpr auto name = "xlog1py", doc = "input * log(1 + other), 0 where input is 0";
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1), flat = logical_and(eq(a, 0), le(b, -1));
    return {s.needs(0) ? mul(dy, where(flat, zero_of(dy), log1p(b))) : Tensor(), s.needs(1) ? div(mul(dy, a), add(b, 1)) : Tensor()};
  }
  static Samples samples() { return {sample(Xlog1pyOp{}, {{2, 3}, uniform({2, 3}, -0.8, 3)})}; }
};
//   da = dy e^(a - y) = dy sigmoid(a - b)
struct LogaddexpOp : BinaryOp<LogaddexpOp, Logaddexp, kInput> {
  static constexpr auto name = "logaddexp", doc = "log(exp(input) + exp(other))";
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1);
    return {s.needs(0) ? mul(dy, sigmoid(sub(a, b))) : Tensor(), s.needs(1) ? mul(dy, sigmoid(sub(b, a))) : Tensor()};
  }
};
struct Logaddexp2Op : BinaryOp<Logaddexp2Op, Logaddexp2, kInput> {
  static constexpr auto name = "logaddexp2", doc = "log2(2^input + 2^other)";
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor d = mul(sub(s.x(0), s.x(1)), 0.693147180559945309417);
    return {s.needs(0) ? mul(dy, sigmoid(d)) : Tensor(), s.needs(1) ? mul(dy, sigmoid(neg(d))) : Tensor()};
  }
};
struct CopysignOp : BinaryOp<CopysignOp, Copysign, kInput | kOutput> {
  static constexpr auto name = "copysign", doc = "the magnitude of input with the sign of other";
  static std::vector<bool> differentiable() { return {true, false}; }   // flat in other
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0);
    return {where(eq(a, 0), zero_of(dy), div(mul(dy, s.y()), a)), {}};
  }
  static Samples samples() { return {sample(CopysignOp{}, {apart({2, 3}), apart({2, 3})})}; }
};
struct HeavisideOp : RoundedOp<HeavisideOp, Heaviside> {
  static constexpr auto name = "heaviside", doc = "0, values or 1 where input is negative, zero or positive";
};
struct NextafterOp : RoundedOp<NextafterOp, Nextafter> {
  static constexpr auto name = "nextafter", doc = "the number after input in the direction of other";
};

//   y = a + p b c      y = a + p b / c
struct AddcmulOp {
  static constexpr auto name = "addcmul", doc = "input + value * tensor1 * tensor2";
  static constexpr bool differentiable_backward = true;
  double value = 1;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(1, 2);
    return ternary_of<Addcmul>(x[0], x[1], x[2], value);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor scaled = times_number(dy, value);
    return {dy, s.needs(1) ? mul_conj(scaled, s.x(2)) : Tensor(), s.needs(2) ? mul_conj(scaled, s.x(1)) : Tensor()};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(AddcmulOp{1}, {{2, 3}, {2, 3}, {2, 3}}), sample(AddcmulOp{-0.5}, {normal({}), normal({}), normal({})}, "scalars")};
  }
  static ErrorSamples errors() { return {error(AddcmulOp{1}, {{2}, {3}, {2}}, "other must be (2,) like input, got (3,)")}; }
};
struct AddcdivOp {
  static constexpr auto name = "addcdiv", doc = "input + value * tensor1 / tensor2";
  static constexpr bool differentiable_backward = true;
  double value = 1;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(1, 2);
    return ternary_of<Addcdiv>(x[0], x[1], x[2], value);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor db = div(times_number(dy, value), conj(s.x(2)));
    return {dy, s.needs(1) ? db : Tensor(), s.needs(2) ? neg(mul_conj(db, div(s.x(1), s.x(2)))) : Tensor()};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(AddcdivOp{1}, {{2, 3}, {2, 3}, apart({2, 3})}), sample(AddcdivOp{-0.5}, {normal({}), normal({}), apart({})}, "scalars")};
  }
  static ErrorSamples errors() { return {error(AddcdivOp{1}, {{2}, {3}, {2}}, "other must be (2,) like input, got (3,)")}; }
};
//   y = a + w (b - a)
struct LerpOp {
  static constexpr auto name = "lerp", doc = "input + weight * (end - input)";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1, 2);
    return ternary_of<Lerp>(x[0], x[1], x[2]);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor w = s.x(2);
    return {s.needs(0) ? mul_conj(dy, rsub(w, 1)) : Tensor(), s.needs(1) ? mul_conj(dy, w) : Tensor(),
            s.needs(2) ? mul_conj(dy, sub(s.x(1), s.x(0))) : Tensor()};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() { return {sample(LerpOp{}, {{2, 3}, {2, 3}, {2, 3}}), sample(LerpOp{}, {normal({}), normal({}), normal({})}, "scalars")}; }
  static ErrorSamples errors() { return {error(LerpOp{}, {{2}, {3}, {2}}, "other must be (2,) like input, got (3,)")}; }
};

// ---- tensor and number p + iq ----

template <class Self, class F, int keep> struct NumberOp : UnaryOp<Self, F, keep> {
  complex128 number() const { return {this->p, this->q}; }
  static Samples samples() {
    return {sample(Self::with(1.5), {apart({2, 3})}).bench({{1024, 1024}}), sample(Self::with(-0.75), {apart({})}, "scalar"),
            sample(Self::with(2), {{0, 3}}, "empty")};
  }
};
struct AddNumberOp : NumberOp<AddNumberOp, AddNumber, kNothing> {
  static constexpr auto name = "add_number", doc = "input + number";
  Tensor backward(Saved&, Tensor dy) const { return dy; }
};
struct RsubNumberOp : NumberOp<RsubNumberOp, RsubNumber, kNothing> {
  static constexpr auto name = "rsub_number", doc = "number - input";
  Tensor backward(Saved&, Tensor dy) const { return neg(dy); }
};
struct MulNumberOp : NumberOp<MulNumberOp, MulNumber, kNothing> {
  static constexpr auto name = "mul_number", doc = "input * number";
  Tensor backward(Saved&, Tensor dy) const { return times_number(dy, std::conj(number())); }
};
struct DivNumberOp : NumberOp<DivNumberOp, DivNumber, kNothing> {
  static constexpr auto name = "div_number", doc = "input / number";
  Tensor backward(Saved&, Tensor dy) const { return hippograd::apply(with(p, -q), {dy}); }
};
struct RdivNumberOp : NumberOp<RdivNumberOp, RdivNumber, kInput | kOutput> {   // y = c / x     dx = -dy conj(y / x)
  static constexpr auto name = "rdiv_number", doc = "number / input";
  Tensor backward(Saved& s, Tensor dy) const { return neg(mul_conj(dy, div(s.y(), s.x(0)))); }
};
//   y = x^c            dx = dy conj(c x^(c-1)), 0 if c = 0
struct PowNumberOp : NumberOp<PowNumberOp, PowNumber, kInput> {
  static constexpr auto name = "pow_number", doc = "input to the power of a number";
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    if (q == 0 && p == 2) return unary_of<Square>(x[0]);
    if (q == 0 && p == 3) return unary_of<Cube>(x[0]);
    if (q == 0 && is_floating(x[0].dtype())) {
      if (p == 0.5) return unary_of<Sqrt>(x[0]);
      if (p == -0.5) return unary_of<Rsqrt>(x[0]);
      if (p == -1) return unary_of<Reciprocal>(x[0]);
    }
    return unary_of<PowNumber>(x[0], p, q);
  }
  Tensor backward(Saved& s, Tensor dy) const {
    if (number() == complex128(0)) return zero_of(dy);
    if (number() == complex128(1)) return dy;
    const Tensor power = number() == complex128(2) ? s.x(0) : hippograd::apply(with(p - 1, q), {s.x(0)});
    return mul_conj(dy, times_number(power, number()));
  }
  static Samples samples() {
    Samples list;
    for (double e : {2.0, 3.0, 0.5, -0.5, -1.0, 1.7, 0.0, 1.0}) list.push_back(sample(with(e), {uniform({2, 3}, 0.3, 2)}, cat("power ", e)));
    list.push_back(sample(with(4), {apart({2, 3})}, "negative base"));
    return list;
  }
};

Tensor times_number(const Tensor& x, complex128 c) {
  return c == complex128(1) ? x : hippograd::apply(MulNumberOp::with(c.real(), c.imag()), {x});
}

struct NegOp : UnaryOp<NegOp, Neg, kNothing> {
  static constexpr auto name = "neg", doc = "-input";
  Tensor backward(Saved&, Tensor dy) const { return neg(dy); }
};
struct SquareOp : UnaryOp<SquareOp, Square, kInput> {
  static constexpr auto name = "square", doc = "input * input";
  Tensor backward(Saved& s, Tensor dy) const { return mul_conj(dy, mul(s.x(0), 2)); }
};
struct ReciprocalOp : UnaryOp<ReciprocalOp, Reciprocal, kOutput> {
  static constexpr auto name = "reciprocal", doc = "1 / input";
  Tensor backward(Saved& s, Tensor dy) const { return neg(mul_conj(dy, square(s.y()))); }
  static Samples samples() { return {sample(ReciprocalOp{}, {apart({2, 3})}), sample(ReciprocalOp{}, {apart({})}, "scalar")}; }
};

// A number beside a tensor of dtype `t` (bool has no loop of its own).
std::optional<complex128> number_beside(const Tensor& number, const Tensor& x, DType t) {
  if (x.is_number() || t == DType::b8) return {};
  return as_number(number);
}
template <class Op> Tensor with_number(const Tensor& x, complex128 c, DType t) {
  return hippograd::apply(Op::with(c.real(), c.imag()), {to(x, t)});
}
DType true_division_type(const Tensor& a, const Tensor& b) {
  const DType t = result_type({a, b});
  return is_floating(t) ? t : default_dtype();
}
// Nothing to convert, move or expand.
bool alike(const Tensor& a, const Tensor& b) { return a.dtype() == b.dtype() && a.shape() == b.shape() && a.device() == b.device(); }
// Python refuses alpha = 0.5 on integers.
void check_alpha(const char* op, DType t, double alpha) {
  if (!is_floating(t) && alpha != std::floor(alpha))
    fail<DtypeError>(op, ": For integral input tensors, argument alpha must not be a floating point number.");
}

}  // namespace

Tensor add(const Tensor& input, const Tensor& other, double alpha) {
  if (alpha == 1 && alike(input, other)) return hippograd::apply(AddOp{}, {input, other});
  const DType t = result_type({input, other});
  check_alpha("add", t, alpha);
  if (const auto c = number_beside(other, input, t)) return with_number<AddNumberOp>(input, *c * alpha, t);
  if (alpha == 1)
    if (const auto c = number_beside(input, other, t)) return with_number<AddNumberOp>(other, *c, t);
  return hippograd::apply(AddOp::scaled(alpha), broadcast_as("add", {input, other}, t));
}
Tensor sub(const Tensor& input, const Tensor& other, double alpha) {
  const DType t = result_type({input, other});
  check_alpha("sub", t, alpha);
  if (input.dtype() == DType::b8 && other.dtype() == DType::b8)
    fail<DtypeError>("sub: Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.");
  if (input.dtype() == DType::b8 || other.dtype() == DType::b8)
    fail<DtypeError>("sub: Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the "
                     "`~` or `logical_not()` operator instead.");
  if (const auto c = number_beside(other, input, t)) return with_number<AddNumberOp>(input, *c * -alpha, t);
  if (alpha == 1) {
    if (const auto c = number_beside(input, other, t)) return with_number<RsubNumberOp>(other, *c, t);
    return hippograd::apply(SubOp{}, broadcast_as("sub", {input, other}, t));
  }
  return hippograd::apply(AddOp::scaled(-alpha), broadcast_as("sub", {input, other}, t));
}
Tensor rsub(const Tensor& input, const Tensor& other) { return sub(other, input); }
Tensor mul(const Tensor& input, const Tensor& other) {
  if (alike(input, other)) return hippograd::apply(MulOp{}, {input, other});
  const DType t = result_type({input, other});
  if (const auto c = number_beside(other, input, t)) return with_number<MulNumberOp>(input, *c, t);
  if (const auto c = number_beside(input, other, t)) return with_number<MulNumberOp>(other, *c, t);
  return hippograd::apply(MulOp{}, broadcast_as("mul", {input, other}, t));
}
Tensor mul_conj(const Tensor& input, const Tensor& other) {
  if (!is_complex(other.dtype())) return mul(input, other);
  return apply_broadcast(MulConjOp{}, {input, other});
}
Tensor div(const Tensor& input, const Tensor& other) {
  const DType t = true_division_type(input, other);
  if (const auto c = number_beside(other, input, t)) return with_number<DivNumberOp>(input, *c, t);
  if (const auto c = number_beside(input, other, t)) return with_number<RdivNumberOp>(other, *c, t);
  return hippograd::apply(DivOp{}, broadcast_as("div", {input, other}, t));
}
Tensor div(const Tensor& input, const Tensor& other, std::string_view rounding_mode) {
  if (rounding_mode.empty()) return div(input, other);
  if (rounding_mode != "floor" && rounding_mode != "trunc")
    fail<ValueError>("div: div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '", rounding_mode, "'");
  Tensors x = broadcast("div", {input, other});
  if (x[0].dtype() == DType::b8) x = {to(x[0], DType::u8), to(x[1], DType::u8)};
  if (rounding_mode == "floor") return hippograd::apply(FloorDivideOp{}, x);
  return hippograd::apply(TruncDivideOp{}, x);
}
Tensor floor_divide(const Tensor& input, const Tensor& other) { return div(input, other, "floor"); }
Tensor remainder(const Tensor& input, const Tensor& other) { return apply_broadcast(RemainderOp{}, {input, other}); }
Tensor fmod(const Tensor& input, const Tensor& other) { return apply_broadcast(FmodOp{}, {input, other}); }

Tensor pow(const Tensor& input, const Tensor& exponent) {
  const DType t = result_type({input, exponent});
  if (const auto c = number_beside(exponent, input, t)) {
    if (is_integer(t) && c->real() < 0) fail<ValueError>("pow: Integers to negative integer powers are not allowed.");
    return with_number<PowNumberOp>(input, *c, t);
  }
  if (t == DType::b8) return to(pow(to(input, DType::u8), to(exponent, DType::u8)), DType::b8);
  return hippograd::apply(PowOp{}, broadcast_as("pow", {input, exponent}, t));
}

Tensor maximum(const Tensor& input, const Tensor& other) { return apply_broadcast(MaximumOp{}, {input, other}); }
Tensor minimum(const Tensor& input, const Tensor& other) { return apply_broadcast(MinimumOp{}, {input, other}); }
Tensor fmax(const Tensor& input, const Tensor& other) { return apply_broadcast(FmaxOp{}, {input, other}); }
Tensor fmin(const Tensor& input, const Tensor& other) { return apply_broadcast(FminOp{}, {input, other}); }

namespace {
template <class Op> Tensor apply_floating(Op op, const Tensor& a, const Tensor& b) {
  return hippograd::apply(op, broadcast_as(Op::name, {a, b}, true_division_type(a, b)));
}
}  // namespace
Tensor atan2(const Tensor& input, const Tensor& other) { return apply_floating(Atan2Op{}, input, other); }
Tensor hypot(const Tensor& input, const Tensor& other) { return apply_floating(HypotOp{}, input, other); }
Tensor xlogy(const Tensor& input, const Tensor& other) { return apply_floating(XlogyOp{}, input, other); }
Tensor xlog1py(const Tensor& input, const Tensor& other) { return apply_floating(Xlog1pyOp{}, input, other); }
Tensor logaddexp(const Tensor& input, const Tensor& other) { return apply_floating(LogaddexpOp{}, input, other); }
Tensor logaddexp2(const Tensor& input, const Tensor& other) { return apply_floating(Logaddexp2Op{}, input, other); }
Tensor copysign(const Tensor& input, const Tensor& other) { return apply_floating(CopysignOp{}, input, other); }
Tensor nextafter(const Tensor& input, const Tensor& other) { return apply_floating(NextafterOp{}, input, other); }
Tensor heaviside(const Tensor& input, const Tensor& values) { return apply_broadcast(HeavisideOp{}, {input, values}); }

Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, double value) {
  return apply_broadcast(AddcmulOp{value}, {input, tensor1, tensor2});
}
Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, double value) {
  const DType t = result_type({input, tensor1, tensor2});
  if (!is_floating(t)) fail<DtypeError>("addcdiv: Integer division with addcdiv is no longer supported; use floating point tensors, got ", t);
  return hippograd::apply(AddcdivOp{value}, broadcast_as("addcdiv", {input, tensor1, tensor2}, t));
}
Tensor lerp(const Tensor& input, const Tensor& end, const Tensor& weight) { return apply_broadcast(LerpOp{}, {input, end, weight}); }

Tensor neg(const Tensor& input) {
  if (input.dtype() == DType::b8)
    fail<DtypeError>("neg: Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
                     "`logical_not()` operator instead.");
  return hippograd::apply(NegOp{}, {input});
}
Tensor square(const Tensor& input) { return hippograd::apply(SquareOp{}, {input.dtype() == DType::b8 ? to(input, DType::i64) : input}); }
Tensor reciprocal(const Tensor& input) { return hippograd::apply(ReciprocalOp{}, {floating(input)}); }

Tensor add(const Tensor& input, double other) { return add(input, Tensor::number(other)); }
Tensor sub(const Tensor& input, double other) { return sub(input, Tensor::number(other)); }
Tensor rsub(const Tensor& input, double other) { return sub(Tensor::number(other), input); }
Tensor mul(const Tensor& input, double other) { return mul(input, Tensor::number(other)); }
Tensor div(const Tensor& input, double other) { return div(input, Tensor::number(other)); }
Tensor pow(const Tensor& input, double exponent) { return pow(input, Tensor::number(exponent)); }

void add_into(Array& sum, const Array& term) { kernels::binary(binary_id<Add>, sum, term, 0, sum); }

}  // namespace hippograd
