// Comparison, logic and selection. Comparisons give bool and have no derivative.
#include "autograd/ops/pointwise.h"

namespace hippograd {
namespace {

using namespace pointwise;

#define HIPPOGRAD_TEST(TAG, NAME, DOC, FUNCTOR) \
  struct TAG { using Functor = FUNCTOR; static constexpr auto name = NAME, doc = DOC; }

HIPPOGRAD_TEST(EqTag, "eq", "input == other", Eq);
HIPPOGRAD_TEST(NeTag, "ne", "input != other", Ne);
HIPPOGRAD_TEST(LtTag, "lt", "input < other", Lt);
HIPPOGRAD_TEST(LeTag, "le", "input <= other", Le);
HIPPOGRAD_TEST(EqNumberTag, "eq_number", "input == number", EqNumber);
HIPPOGRAD_TEST(NeNumberTag, "ne_number", "input != number", NeNumber);
HIPPOGRAD_TEST(LtNumberTag, "lt_number", "input < number", LtNumber);
HIPPOGRAD_TEST(LeNumberTag, "le_number", "input <= number", LeNumber);
HIPPOGRAD_TEST(GtNumberTag, "gt_number", "input > number", GtNumber);
HIPPOGRAD_TEST(GeNumberTag, "ge_number", "input >= number", GeNumber);
HIPPOGRAD_TEST(AndTag, "logical_and", "input and other, each true where not 0", LogicalAnd);
HIPPOGRAD_TEST(OrTag, "logical_or", "input or other, each true where not 0", LogicalOr);
HIPPOGRAD_TEST(XorTag, "logical_xor", "one of input and other, each true where not 0", LogicalXor);
HIPPOGRAD_TEST(NotTag, "logical_not", "true where input is 0", LogicalNot);
HIPPOGRAD_TEST(IsNanTag, "isnan", "true where input is not a number", IsNan);
HIPPOGRAD_TEST(IsInfTag, "isinf", "true where input is infinite", IsInf);
HIPPOGRAD_TEST(SignbitTag, "signbit", "true where the sign bit of input is set", Signbit);
#undef HIPPOGRAD_TEST

// Bit operations: y of the inputs' dtype, which is integer or bool.
template <class Self, class F> struct BitsOp : BinaryOp<Self, F, kNothing> {
  Tensors backward(Saved&, Tensor) const { return {{}, {}}; }
  static std::vector<DType> dtypes() { return {DType::i64}; }
  static Samples samples() {
    return {sample(Self{}, {integers({2, 3}, 0, 9).dtype(DType::i32), integers({2, 3}, 0, 9).dtype(DType::i32)}).not_smooth(),
            sample(Self{}, {integers({0}, 0, 9), integers({0}, 0, 9)}, "empty").not_smooth()};
  }
  static ErrorSamples errors() { return {error(Self{}, {integers({2}, 0, 2), integers({3}, 0, 2)}, "other must be (2,) like input, got (3,)")}; }
};
struct BitwiseAndOp : BitsOp<BitwiseAndOp, BitwiseAnd> { static constexpr auto name = "bitwise_and", doc = "input & other"; };
struct BitwiseOrOp : BitsOp<BitwiseOrOp, BitwiseOr> { static constexpr auto name = "bitwise_or", doc = "input | other"; };
struct BitwiseXorOp : BitsOp<BitwiseXorOp, BitwiseXor> { static constexpr auto name = "bitwise_xor", doc = "input ^ other"; };
struct ShiftLeftOp : BitsOp<ShiftLeftOp, ShiftLeft> { static constexpr auto name = "bitwise_left_shift", doc = "input << other"; };
struct ShiftRightOp : BitsOp<ShiftRightOp, ShiftRight> { static constexpr auto name = "bitwise_right_shift", doc = "input >> other, with the sign"; };
struct BitwiseNotOp : UnaryOp<BitwiseNotOp, BitwiseNot, kNothing> {
  static constexpr auto name = "bitwise_not", doc = "~input";
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<DType> dtypes() { return {DType::i64}; }
  static Samples samples() { return {sample(BitwiseNotOp{}, {integers({2, 3}, 0, 9)}).not_smooth(), sample(BitwiseNotOp{}, {booleans({4})}, "bool").not_smooth()}; }
};

//   y = c ? a : b      da = c ? dy : 0   db = c ? 0 : dy
struct WhereOp {
  static constexpr auto name = "where", doc = "input where the condition holds, other elsewhere";
  static constexpr bool differentiable_backward = true;
  static std::vector<bool> differentiable() { return {false, true, true}; }
  Outs infer(ArrayIn x) const {
    if (x[0].dtype() != DType::b8) fail<DtypeError>(name, ": expected condition to be a boolean tensor, but got a tensor with dtype ", x[0].dtype());
    Dims d(name);
    d("condition", x[0], "...")("input", x[1], "...")("other", x[2], "...");
    d.same_dtype("input", x[1], "other", x[2]);
    return {like(x[1])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    return ternary_of<Where>(x[0], x[1], x[2]);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor c = s.x(0), zero = zero_of(dy);
    return {{}, s.needs(1) ? where(c, dy, zero) : Tensor(), s.needs(2) ? where(c, zero, dy) : Tensor()};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(WhereOp{}, {booleans({2, 3}), {2, 3}, {2, 3}}).bench({booleans({1024, 1024}), {1024, 1024}, {1024, 1024}}),
            sample(WhereOp{}, {booleans({}), normal({}), normal({})}, "scalars"), sample(WhereOp{}, {booleans({0}), {0}, {0}}, "empty")};
  }
  static ErrorSamples errors() {
    return {error(WhereOp{}, {{2}, {2}, {2}}, "expected condition to be a boolean tensor"), error(WhereOp{}, {booleans({2}), {2}, {3}}, "other must be (...)")};
  }
};

//   y = min(max(x, p), q)      dx = dy where p <= x <= q (`inclusive`, as torch.clamp) or p < x < q (as hardtanh)
struct ClampOp {
  static constexpr auto name = "clamp", doc = "input limited to [min, max]; NaN stays";
  static constexpr bool differentiable_backward = true;
  double low = -math::kInf<double>, high = math::kInf<double>;
  bool inclusive = true;
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    return unary_of<Clamp>(x[0], low, high);
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    const Tensor inside = inclusive ? logical_and(ge(x, low), le(x, high)) : logical_and(gt(x, low), lt(x, high));
    return where(inside, dy, zero_of(dy));
  }
  static Samples samples() {
    return {sample(ClampOp{-0.2, 0.3}, {apart({3, 4})}).bench({{1024, 1024}}), sample(ClampOp{-1e9, 0}, {apart({3, 4})}, "one side"),
            sample(ClampOp{-0.2, 0.3, false}, {apart({7})}, "hardtanh"), sample(ClampOp{0, 1}, {{0, 3}}, "empty")};
  }
  static ErrorSamples errors() { return {error(ClampOp{}, {booleans({2})}, "not implemented for dtype bool")}; }
};
//   y = min(max(x, low), high): each element of dy goes to the operand that was chosen
struct ClampTensorOp {
  static constexpr auto name = "clamp_tensor", doc = "input limited to [min, max], element by element; NaN stays";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1, 2);
    return ternary_of<ClampTensor>(x[0], x[1], x[2]);
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), low = s.x(1), high = s.x(2), zero = zero_of(dy), crossed = lt(high, low);
    return {s.needs(0) ? where(logical_and(ge(x, low), le(x, high)), dy, zero) : Tensor(),
            s.needs(1) ? where(logical_and(le(low, high), lt(x, low)), dy, zero) : Tensor(),
            s.needs(2) ? where(logical_or(gt(x, high), crossed), dy, zero) : Tensor()};
  }
  static Samples samples() {
    return {sample(ClampTensorOp{}, {apart({2, 3}), values({2, 3}, {-.4, -.2, 0, -.1, .02, .5}), values({2, 3}, {-.35, .01, .12, 1, .3, .7})})};
  }
  static ErrorSamples errors() { return {error(ClampTensorOp{}, {{2}, {3}, {2}}, "other must be (2,) like input, got (3,)")}; }
};

template <class Tag> Tensor test(const Tensor& x, complex128 c = 0) {
  UnaryTest<Tag> op;
  op.p = c.real();
  op.q = c.imag();
  return hippograd::apply(op, {x});
}
// Order of complex numbers is not defined.
void check_ordered(const char* op, DType t) {
  if (is_complex(t)) fail<DtypeError>(op, ": not implemented for dtype ", t, ": complex numbers have no order");
}
template <class Tag, class NumberTag, class MirrorTag> Tensor compare(const Tensor& a, const Tensor& b, bool ordered = true) {
  const DType t = result_type({a, b});
  if (ordered) check_ordered(Tag::name, t);
  if (t != DType::b8) {
    if (const auto c = as_number(b); c && !a.is_number()) return test<NumberTag>(to(a, t), *c);
    if (const auto c = as_number(a); c && !b.is_number()) return test<MirrorTag>(to(b, t), *c);
  }
  return hippograd::apply(BinaryTest<Tag>{}, broadcast_as(Tag::name, {a, b}, t));
}
Tensor flipped(Tensor (*f)(const Tensor&, const Tensor&), const Tensor& a, const Tensor& b) { return f(b, a); }

template <class Op> Tensor bits(const Tensor& a, const Tensor& b) {
  const Tensors x = broadcast(Op::name, {a, b});
  if (is_floating(x[0].dtype())) fail<DtypeError>(Op::name, ": not implemented for dtype ", x[0].dtype(), ": integers or bool needed");
  return hippograd::apply(Op{}, x);
}
template <class Tag> Tensor logic(const Tensor& a, const Tensor& b) { return apply_broadcast(BinaryTest<Tag>{}, {a, b}); }

}  // namespace

Tensor eq(const Tensor& input, const Tensor& other) { return compare<EqTag, EqNumberTag, EqNumberTag>(input, other, false); }
Tensor ne(const Tensor& input, const Tensor& other) { return compare<NeTag, NeNumberTag, NeNumberTag>(input, other, false); }
Tensor lt(const Tensor& input, const Tensor& other) { return compare<LtTag, LtNumberTag, GtNumberTag>(input, other); }
Tensor le(const Tensor& input, const Tensor& other) { return compare<LeTag, LeNumberTag, GeNumberTag>(input, other); }
Tensor gt(const Tensor& input, const Tensor& other) { return flipped(lt, input, other); }
Tensor ge(const Tensor& input, const Tensor& other) { return flipped(le, input, other); }
Tensor eq(const Tensor& input, double other) { return eq(input, Tensor::number(other)); }
Tensor ne(const Tensor& input, double other) { return ne(input, Tensor::number(other)); }
Tensor lt(const Tensor& input, double other) { return lt(input, Tensor::number(other)); }
Tensor le(const Tensor& input, double other) { return le(input, Tensor::number(other)); }
Tensor gt(const Tensor& input, double other) { return gt(input, Tensor::number(other)); }
Tensor ge(const Tensor& input, double other) { return ge(input, Tensor::number(other)); }

Tensor logical_and(const Tensor& input, const Tensor& other) { return logic<AndTag>(input, other); }
Tensor logical_or(const Tensor& input, const Tensor& other) { return logic<OrTag>(input, other); }
Tensor logical_xor(const Tensor& input, const Tensor& other) { return logic<XorTag>(input, other); }
Tensor logical_not(const Tensor& input) { return test<NotTag>(input); }
Tensor isnan(const Tensor& input) { return test<IsNanTag>(input); }
Tensor isinf(const Tensor& input) { return test<IsInfTag>(input); }
Tensor isfinite(const Tensor& input) { return logical_not(logical_or(isnan(input), isinf(input))); }
Tensor isposinf(const Tensor& input) { return eq(input, math::kInf<double>); }
Tensor isneginf(const Tensor& input) { return eq(input, -math::kInf<double>); }
Tensor signbit(const Tensor& input) { return test<SignbitTag>(input); }
Tensor isclose(const Tensor& input, const Tensor& other, double rtol, double atol, bool equal_nan) {
  if (rtol < 0 || atol < 0) fail<ValueError>("isclose: rtol and atol must be greater than or equal to zero, but got ", rtol, " and ", atol);
  NoGrad guard;
  if (input.dtype() != other.dtype()) fail<DtypeError>("isclose: ", input.dtype(), " did not match ", other.dtype());
  Tensors x = broadcast("isclose", {input, other});
  Tensor close = eq(x[0], x[1]);
  if (equal_nan) close = logical_or(close, logical_and(isnan(x[0]), isnan(x[1])));
  if (rtol == 0 && atol == 0) return close;
  if (!is_floating(x[0].dtype())) x = {to(x[0], DType::f64), to(x[1], DType::f64)};
  const Tensor distance = abs(sub(x[0], x[1])), allowed = add(mul(abs(x[1]), rtol), atol);
  return logical_or(close, logical_and(isfinite(distance), le(distance, allowed)));
}

Tensor bitwise_and(const Tensor& input, const Tensor& other) { return bits<BitwiseAndOp>(input, other); }
Tensor bitwise_or(const Tensor& input, const Tensor& other) { return bits<BitwiseOrOp>(input, other); }
Tensor bitwise_xor(const Tensor& input, const Tensor& other) { return bits<BitwiseXorOp>(input, other); }
Tensor bitwise_left_shift(const Tensor& input, const Tensor& other) { return bits<ShiftLeftOp>(input, other); }
Tensor bitwise_right_shift(const Tensor& input, const Tensor& other) { return bits<ShiftRightOp>(input, other); }
Tensor bitwise_not(const Tensor& input) {
  if (is_floating(input.dtype())) fail<DtypeError>("bitwise_not: not implemented for dtype ", input.dtype(), ": integers or bool needed");
  return hippograd::apply(BitwiseNotOp{}, {input});
}

Tensor where(const Tensor& condition, const Tensor& input, const Tensor& other) {
  const DType t = result_type({input, other});
  Tensor c = condition.dtype() == DType::u8 ? to(condition, DType::b8) : condition;   // PyTorch still takes a uint8 mask
  if (c.dtype() != DType::b8)
    fail<DtypeError>("where: expected condition to be a boolean tensor, but got a tensor with dtype ", condition.dtype());
  Tensors x = broadcast_as("where", {input, other}, t);
  x.insert(x.begin(), c);
  return hippograd::apply(WhereOp{}, broadcast_tensors("where", x));
}
Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value) {
  if (mask.dtype() != DType::b8) fail<DtypeError>("masked_fill: masked_fill only supports boolean masks, but got mask with dtype ", mask.dtype());
  if (value.dim() > 0) fail<ShapeError>("masked_fill: masked_fill only supports a 0-dimensional value tensor, but got tensor with ", value.dim(), " dimension(s).");
  if (category(result_type({input, value})) > category(input.dtype()))
    fail<DtypeError>("masked_fill: value cannot be converted to type ", input.dtype(), " without overflow");
  return where(mask, to(value, input.dtype()), input);
}
Tensor masked_fill(const Tensor& input, const Tensor& mask, double value) {
  const bool whole = value == double(int64_t(value < 9e18 && value > -9e18 ? value : 0.5));
  return masked_fill(input, mask, whole && !is_floating(input.dtype()) ? Tensor::number(int64_t(value)) : Tensor::number(value));
}

Tensor clamp(const Tensor& input, std::optional<double> min, std::optional<double> max) {
  if (!min && !max) fail<ValueError>("clamp: At least one of 'min' or 'max' must not be None");
  const double low = min.value_or(-math::kInf<double>), high = max.value_or(math::kInf<double>);
  check_ordered("clamp", input.dtype());
  if (low != low || high != high)   // a NaN bound makes everything NaN
    return masked_fill(floating(input), logical_not(eq(zero_of(input), 1)), math::kNaN<double>);
  return hippograd::apply(ClampOp{low, high}, {input});
}
Tensor clamp(const Tensor& input, const Tensor& min, const Tensor& max) {
  if (!min.defined() && !max.defined()) fail<ValueError>("clamp: At least one of 'min' or 'max' must not be None");
  const DType t = result_type({input, min, max});
  check_ordered("clamp", t);
  const auto low = min.defined() ? as_number(min) : complex128(-math::kInf<double>);
  const auto high = max.defined() ? as_number(max) : complex128(math::kInf<double>);
  if (low && high && t != DType::b8) return clamp(to(input, t), low->real(), high->real());
  if (!max.defined()) return maximum(input, min);
  if (!min.defined()) return minimum(input, max);
  return hippograd::apply(ClampTensorOp{}, broadcast_as("clamp", {input, min, max}, t));
}
Tensor hardtanh(const Tensor& input, double min_val, double max_val) {
  if (min_val > max_val) fail<ValueError>("hardtanh: min_val cannot be greater than max_val, got ", min_val, " and ", max_val);
  return hippograd::apply(ClampOp{min_val, max_val, false}, {input});
}
Tensor relu6(const Tensor& input) { return hardtanh(input, 0, 6); }

Tensor nan_to_num(const Tensor& input, double nan, std::optional<double> posinf, std::optional<double> neginf) {
  if (!is_floating(input.dtype())) return input;
  if (is_complex(input.dtype())) return complex(nan_to_num(real(input), nan, posinf, neginf), nan_to_num(imag(input), nan, posinf, neginf));
  double largest = 3.4028234663852886e38;   // f32
  if (input.dtype() == DType::f64) largest = std::numeric_limits<double>::max();
  if (input.dtype() == DType::bf16) largest = 3.3895313892515355e38;
  if (input.dtype() == DType::f16) largest = 65504;
  Tensor y = masked_fill(input, isnan(input), nan);
  y = masked_fill(y, isposinf(input), posinf.value_or(largest));
  return masked_fill(y, isneginf(input), neginf.value_or(-largest));
}

}  // namespace hippograd
