// Functions that write into their first argument: self <- f(self, ...). Recorded, they are f followed by an assignment, which
// gives self the history of the result. When nothing is recorded the kernel writes straight into self.
#include "autograd/ops/pointwise.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

using namespace pointwise;

std::string_view torch_name(DType t) {
  constexpr std::string_view names[kDTypes] = {"Float", "Double", "ComplexFloat", "ComplexDouble", "Long", "Int", "Bool", "Byte", "BFloat16", "Half"};
  return names[int(t)];
}
// A result may be stored where its category (bool < integer < real < complex) is not higher.
void check_cast(const Tensor& self, DType result, std::string_view op) {
  if (category(result) > category(self.dtype()))
    fail<DtypeError>(op, ": result type ", torch_name(result), " can't be cast to the desired output type ", torch_name(self.dtype()));
}
void check_shape(const Tensor& self, const Shape& shape, std::string_view op) {
  if (!(broadcast_shapes(self.shape(), shape, op) == self.shape()))
    fail<ShapeError>(op, ": output with shape ", self.shape(), " doesn't match the broadcast shape ", broadcast_shapes(self.shape(), shape, op));
}

bool recorded(const Tensor& self, std::initializer_list<const Tensor*> others) {
  if (!grad_enabled()) return false;
  if (self.requires_grad() || (self.impl()->base.defined() && self.impl()->base.requires_grad())) return true;
  for (const Tensor* t : others)
    if (t->defined() && t->requires_grad()) return true;
  return false;
}
// May the kernel read `x` while it writes `self`? Yes if they share nothing, or are the same elements in the same order.
bool harmless(const Tensor& self, const Tensor& x) {
  const Array &a = self.array(), &b = x.array();
  return a.storage() != b.storage() || (a.offset() == b.offset() && a.shape() == b.shape() && a.strides() == b.strides());
}
// What an op saves for its backward must not be what is then overwritten: self, for an op whose `reader` asks for a gradient
// that takes self's old values.
Tensor kept(const Tensor& self, const Tensor& reader) { return grad_enabled() && reader.requires_grad() ? clone(self) : self; }
// Can the kernel write into self directly?
bool direct(const Tensor& self, std::initializer_list<const Tensor*> others) {
  if (recorded(self, others)) return false;
  for (const Tensor* t : others)
    if (!t->is_number() && (t->dtype() != self.dtype() || !(t->device() == self.device()) || !harmless(self, *t))) return false;
  return true;
}
Array operand(const Tensor& self, const Tensor& x) {
  Array a = x.array();
  if (x.is_number()) a = a.to(compute_dtype(self.dtype())).to(self.device()).to(self.dtype());
  return a.shape() == self.shape() ? a : a.expand(self.shape());
}
const Tensor& written(const Tensor& self) {
  self.array().storage()->bump_version();
  return self;
}

template <class F> const Tensor& unary_in_place(const Tensor& self, double p, double q, std::string_view op) {
  check_in_place(self, op);
  Array y = self.array();
  kernels::unary(unary_id<F>, y, p, q, y);
  return written(self);
}
template <class F> const Tensor& binary_in_place(const Tensor& self, const Tensor& other, double p, std::string_view op) {
  check_in_place(self, op);
  check_shape(self, other.shape(), op);
  Array y = self.array();
  kernels::binary(binary_id<F>, y, operand(self, other), p, y);
  return written(self);
}
template <class F> const Tensor& ternary_in_place(const Tensor& self, const Tensor& b, const Tensor& c, double p, std::string_view op) {
  check_in_place(self, op);
  check_shape(self, b.shape(), op);
  check_shape(self, c.shape(), op);
  Array y = self.array();
  kernels::ternary(ternary_id<F>, y, operand(self, b), operand(self, c), p, y);
  return written(self);
}

// x op= number, where the number does not lift self's dtype.
std::optional<complex128> small_number(const Tensor& self, const Tensor& number, std::string_view op) {
  const auto c = as_number(number);
  if (!c || self.dtype() == DType::b8 || recorded(self, {})) return {};
  check_cast(self, result_type({self, number}), op);
  return result_type({self, number}) == self.dtype() ? c : std::nullopt;
}

}  // namespace

Tensor assign_(const Tensor& self, const Tensor& value, std::string_view op) {
  check_cast(self, value.dtype(), op);
  check_shape(self, value.shape(), op);
  assign_in_place(self, expand(to(value, self.dtype()), self.shape()), op);
  return self;
}

Tensor add_(const Tensor& self, const Tensor& other, double alpha) {
  if (const auto c = small_number(self, other, "add_")) return unary_in_place<AddNumber>(self, c->real() * alpha, c->imag() * alpha, "add_");
  if (direct(self, {&other}) && !other.is_number() && (is_floating(self.dtype()) || alpha == 1))
    return alpha == 1 ? binary_in_place<Add>(self, other, 0, "add_") : binary_in_place<AddScaled>(self, other, alpha, "add_");
  check_in_place(self, "add_");
  return assign_(self, add(self, other, alpha), "add_");
}
Tensor sub_(const Tensor& self, const Tensor& other, double alpha) {
  if (const auto c = small_number(self, other, "sub_")) return unary_in_place<AddNumber>(self, -c->real() * alpha, -c->imag() * alpha, "sub_");
  if (direct(self, {&other}) && !other.is_number() && is_floating(self.dtype()))
    return alpha == 1 ? binary_in_place<Sub>(self, other, 0, "sub_") : binary_in_place<AddScaled>(self, other, -alpha, "sub_");
  check_in_place(self, "sub_");
  return assign_(self, sub(self, other, alpha), "sub_");
}
Tensor mul_(const Tensor& self, const Tensor& other) {
  if (const auto c = small_number(self, other, "mul_")) return unary_in_place<MulNumber>(self, c->real(), c->imag(), "mul_");
  if (direct(self, {&other}) && !other.is_number()) return binary_in_place<Mul>(self, other, 0, "mul_");
  check_in_place(self, "mul_");
  return assign_(self, mul(kept(self, other), other), "mul_");
}
Tensor div_(const Tensor& self, const Tensor& other, std::string_view rounding_mode) {
  if (rounding_mode.empty() && is_floating(self.dtype())) {
    if (const auto c = small_number(self, other, "div_")) return unary_in_place<DivNumber>(self, c->real(), c->imag(), "div_");
    if (direct(self, {&other}) && !other.is_number()) return binary_in_place<Div>(self, other, 0, "div_");
  }
  check_in_place(self, "div_");
  return assign_(self, div(kept(self, other), other, rounding_mode), "div_");
}
Tensor addcmul_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, double value) {
  if (direct(self, {&tensor1, &tensor2}) && is_floating(self.dtype())) return ternary_in_place<Addcmul>(self, tensor1, tensor2, value, "addcmul_");
  check_in_place(self, "addcmul_");
  return assign_(self, addcmul(self, tensor1, tensor2, value), "addcmul_");
}
Tensor addcdiv_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, double value) {
  if (direct(self, {&tensor1, &tensor2}) && is_floating(self.dtype())) return ternary_in_place<Addcdiv>(self, tensor1, tensor2, value, "addcdiv_");
  check_in_place(self, "addcdiv_");
  return assign_(self, addcdiv(self, tensor1, tensor2, value), "addcdiv_");
}
Tensor lerp_(const Tensor& self, const Tensor& end, const Tensor& weight) {
  if (direct(self, {&end, &weight}) && is_floating(self.dtype())) return ternary_in_place<Lerp>(self, end, weight, 0, "lerp_");
  check_in_place(self, "lerp_");
  return assign_(self, lerp(kept(self, weight), end, weight), "lerp_");
}

#define HIPPOGRAD_IN_PLACE(NAME, FUNCTOR, INPUT)                                                                                \
  Tensor NAME##_(const Tensor& self) {                                                                                          \
    if (is_real(self.dtype()) && !recorded(self, {})) return unary_in_place<FUNCTOR>(self, 0, 0, #NAME "_");                     \
    check_in_place(self, #NAME "_");                                                                                            \
    return assign_(self, NAME(INPUT), #NAME "_");                                                                               \
  }
HIPPOGRAD_IN_PLACE(neg, Neg, self)
HIPPOGRAD_IN_PLACE(abs, Abs, kept(self, self))
HIPPOGRAD_IN_PLACE(square, Square, kept(self, self))
HIPPOGRAD_IN_PLACE(reciprocal, Reciprocal, self)
HIPPOGRAD_IN_PLACE(sqrt, Sqrt, self)
HIPPOGRAD_IN_PLACE(rsqrt, Rsqrt, self)
HIPPOGRAD_IN_PLACE(exp, Exp, self)
HIPPOGRAD_IN_PLACE(log, Log, kept(self, self))
HIPPOGRAD_IN_PLACE(sigmoid, Sigmoid, self)
HIPPOGRAD_IN_PLACE(tanh, Tanh, self)
HIPPOGRAD_IN_PLACE(relu, Relu, self)
HIPPOGRAD_IN_PLACE(erfinv, Erfinv, self)
HIPPOGRAD_IN_PLACE(floor, Floor, self)
HIPPOGRAD_IN_PLACE(ceil, Ceil, self)
HIPPOGRAD_IN_PLACE(trunc, Trunc, self)
HIPPOGRAD_IN_PLACE(sin, Sin, kept(self, self))
HIPPOGRAD_IN_PLACE(cos, Cos, kept(self, self))
#undef HIPPOGRAD_IN_PLACE

Tensor clamp_(const Tensor& self, std::optional<double> min, std::optional<double> max) {
  const bool plain = (!min || *min == *min) && (!max || *max == *max) && (min || max);
  if (plain && is_real(self.dtype()) && !recorded(self, {}))
    return unary_in_place<Clamp>(self, min.value_or(-math::kInf<double>), max.value_or(math::kInf<double>), "clamp_");
  check_in_place(self, "clamp_");
  return assign_(self, clamp(kept(self, self), min, max), "clamp_");
}
Tensor copy_(const Tensor& self, const Tensor& source) {   // any dtype: copying converts
  check_in_place(self, "copy_");
  check_shape(self, source.shape(), "copy_");
  assign_in_place(self, expand(to(to(source, self.device()), self.dtype()), self.shape()), "copy_");
  return self;
}
Tensor fill_(const Tensor& self, const Tensor& value) {
  if (value.dim() > 0) fail<ShapeError>("fill_: fill_ only supports 0-dimension value tensor but got tensor with ", value.dim(), " dimensions.");
  check_in_place(self, "fill_");
  if (!recorded(self, {&value}) && value.device().is_cpu()) {
    const complex128 v = value.array().item<complex128>();
    Array y = self.array();
    if (is_integer(value.dtype()) && is_integer(self.dtype())) kernels::copy(value.array().to(self.dtype()).to(self.device()).expand(y.shape()), y);
    else kernels::fill(v.real(), v.imag(), y);
    return written(self);
  }
  return copy_(self, value);
}
Tensor zero_(const Tensor& self) { return fill_(self, Tensor::number(0.0)); }
Tensor masked_fill_(const Tensor& self, const Tensor& mask, const Tensor& value) {
  check_in_place(self, "masked_fill_");
  return assign_(self, masked_fill(self, mask, value), "masked_fill_");
}

}  // namespace hippograd
