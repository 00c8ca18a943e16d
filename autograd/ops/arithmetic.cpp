// Arithmetic of two tensors. The ops take equal shapes and dtypes; the functions broadcast and promote first (both recorded).
#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"

namespace hippograd {
namespace {

// y = f(a, b) in a new array of the given dtype.
template <class F> Array binary_of(const Array& a, const Array& b, double p = 0) {
  Array y = empty_like(a);
  kernels::binary(binary_id<F>, a, b, p, y);
  return y;
}
Outs same_shape(const char* op, ArrayIn x) {
  Dims d(op);
  d("input", x[0], "...")("other", x[1], "...");
  d.same_dtype("input", x[0], "other", x[1]);
  return {like(x[0])};
}

//   y = a + b        da = dy   db = dy
struct AddOp {
  static constexpr auto name = "add", doc = "input + other";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const { return same_shape(name, x); }
  Array forward(Saved&, ArrayIn x) const { return binary_of<pointwise::Add>(x[0], x[1]); }
  Tensors backward(Saved&, Tensor dy) const { return {dy, dy}; }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static Samples samples() { return {sample(AddOp{}, {{2, 3}, {2, 3}}), sample(AddOp{}, {normal({}), normal({})}, "scalars")}; }
  static ErrorSamples errors() { return {error(AddOp{}, {{2, 3}, {3, 2}}, "other must be (...), got (3, 2); ... is (2, 3) in input")}; }
};

}  // namespace

Tensor add(const Tensor& input, const Tensor& other) { return hippograd::apply(AddOp{}, broadcast("add", {input, other})); }

void add_into(Array& sum, const Array& term) { kernels::binary(binary_id<pointwise::Add>, sum, term, 0, sum); }

}  // namespace hippograd
