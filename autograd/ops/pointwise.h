#pragma once
// What the pointwise ops share: calling the kernels, and bases that leave an op its name, its functor and its derivative.
#include <optional>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "tensor/kernels/elementwise.h"

namespace hippograd {

// y = f(x), f(a, b), f(a, b, c) in a new array; of x's dtype unless another is given.
template <class F> Array unary_of(const Array& x, double p = 0, double q = 0, std::optional<DType> dtype = {}) {
  Array y = empty(x.shape(), dtype.value_or(x.dtype()), x.device());
  kernels::unary(unary_id<F>, x, p, q, y);
  return y;
}
template <class F> Array binary_of(const Array& a, const Array& b, double p = 0, std::optional<DType> dtype = {}) {
  Array y = empty(a.shape(), dtype.value_or(a.dtype()), a.device());
  kernels::binary(binary_id<F>, a, b, p, y);
  return y;
}
template <class F> Array ternary_of(const Array& a, const Array& b, const Array& c, double p = 0) {
  Array y = empty(b.shape(), b.dtype(), b.device());
  kernels::ternary(ternary_id<F>, a, b, c, p, y);
  return y;
}

// An op on the inputs promoted and broadcast together.
template <class Op> Tensor apply_broadcast(const Op& op, Tensors inputs) { return hippograd::apply(op, broadcast(Op::name, std::move(inputs))); }
// Functions with values in the reals: integers and bool become the default dtype.
inline Tensor floating(const Tensor& x) { return is_floating(x.dtype()) ? x : to(x, default_dtype()); }
inline Tensor zero_of(const Tensor& x) { return expand(Tensor(zeros({}, x.dtype(), x.device())), x.shape()); }   // a single 0, stretched

// The value of a Python number, where the loop with a number applies: doubles hold integers up to 2^53.
std::optional<complex128> as_number(const Tensor& t);

template <class F> std::vector<DType> tested_dtypes() {
  if constexpr (F::types & kComplexTypes) return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16};
  else return {DType::f32, DType::f64, DType::bf16};
}

enum Keep { kNothing = 0, kInput = 1, kOutput = 2 };

// y = f(x; p, q)
// Functions whose result a half type cannot hold to its own precision, since they magnify the rounding of their input.
template <class F> inline constexpr bool magnifies =
    FunctorList<pointwise::Exp, pointwise::Exp2, pointwise::Expm1, pointwise::Log, pointwise::Log2, pointwise::Log10, pointwise::Log1p,
                pointwise::Reciprocal, pointwise::Rsqrt, pointwise::PowNumber, pointwise::Softplus, pointwise::Sinh, pointwise::Cosh,
                pointwise::Tan, pointwise::Asin, pointwise::Acos, pointwise::Erfinv>::template find<F>() >= 0;

template <class Self, class F, int keep> struct UnaryOp {
  static constexpr bool differentiable_backward = true;
  static constexpr Autocast autocast = magnifies<F> ? Autocast::Full : Autocast::Keep;
  double p = 0, q = 0;
  static Self with(double p, double q = 0) {
    Self op;
    op.p = p;
    op.q = q;
    return op;
  }
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved& s, ArrayIn x) const {
    Array y = unary_of<F>(x[0], p, q);
    if constexpr (keep & kInput) s.input(0);
    if constexpr (keep & kOutput) s.output(y);
    return y;
  }
  static std::vector<DType> dtypes() { return tested_dtypes<F>(); }
  static Samples samples() {
    const Self op{};
    return {sample(op, {{2, 3}}).bench({{1024, 1024}}), sample(op, {normal({})}, "scalar"), sample(op, {{0, 3}}, "empty")};
  }
  static ErrorSamples errors() { return {}; }
};

// Shapes and dtypes of two or three operands must agree by now.
inline void check_operands(const char* op, ArrayIn x) {
  if (!(x[0].shape() == x[1].shape()))
    fail<ShapeError>(op, ": other must be ", x[0].shape(), " like input, got ", x[1].shape());
  if (x[0].dtype() != x[1].dtype()) fail<DtypeError>(op, ": input is ", x[0].dtype(), ", other is ", x[1].dtype());
}

// y = f(a, b; p)
template <class Self, class F, int keep> struct BinaryOp {
  static constexpr bool differentiable_backward = true;
  double p = 0;
  Outs infer(ArrayIn x) const {
    check_operands(Self::name, x);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    Array y = binary_of<F>(x[0], x[1], p);
    if constexpr (keep & kInput) s.inputs(0, 1);
    if constexpr (keep & kOutput) s.output(y);
    return y;
  }
  static std::vector<DType> dtypes() { return tested_dtypes<F>(); }
  static Samples samples() {
    const Self op{};
    return {sample(op, {{2, 3}, {2, 3}}).bench({{1024, 1024}, {1024, 1024}}), sample(op, {normal({}), normal({})}, "scalars"),
            sample(op, {{0, 3}, {0, 3}}, "empty")};
  }
  static ErrorSamples errors() { return {error(Self{}, {{2, 3}, {3, 2}}, "other must be (2, 3) like input, got (3, 2)")}; }
};

// Functions without a derivative: a comparison, a test. `result` is the dtype of y; nothing: x's.
template <class F> struct UnaryTest {
  static constexpr auto name = F::name, doc = F::doc;
  double p = 0, q = 0;
  DType result(const Array&) const { return DType::b8; }
  Outs infer(ArrayIn x) const { return {out(x[0].shape(), DType::b8)}; }
  Array forward(Saved&, ArrayIn x) const { return unary_of<typename F::Functor>(x[0], p, q, DType::b8); }
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<DType> dtypes() { return tested_dtypes<typename F::Functor>(); }
  static Samples samples() { return {sample(UnaryTest{}, {{2, 3}}).not_smooth(), sample(UnaryTest{}, {{0, 3}}, "empty").not_smooth()}; }
  static ErrorSamples errors() { return {}; }
};
template <class F> struct BinaryTest {
  static constexpr auto name = F::name, doc = F::doc;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    return {out(x[0].shape(), DType::b8)};
  }
  Array forward(Saved&, ArrayIn x) const { return binary_of<typename F::Functor>(x[0], x[1], 0, DType::b8); }
  Tensors backward(Saved&, Tensor) const { return {{}, {}}; }
  static std::vector<DType> dtypes() { return tested_dtypes<typename F::Functor>(); }
  static Samples samples() {
    return {sample(BinaryTest{}, {{2, 3}, {2, 3}}).not_smooth(), sample(BinaryTest{}, {{0, 3}, {0, 3}}, "empty").not_smooth()};
  }
  static ErrorSamples errors() { return {error(BinaryTest{}, {{2, 3}, {3, 2}}, "other must be (2, 3) like input, got (3, 2)")}; }
};

}  // namespace hippograd
