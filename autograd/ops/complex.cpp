// Complex numbers: parts, conjugates, and views of complex memory as pairs of reals. A gradient of a real L is dL/dRe + i dL/dIm.
#include "autograd/ops/pointwise.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

using namespace pointwise;

struct ConjOp : UnaryOp<ConjOp, Conj, kNothing> {
  static constexpr auto name = "conj", doc = "the complex conjugate";
  Tensor backward(Saved&, Tensor dy) const { return conj(dy); }
  static std::vector<DType> dtypes() { return {DType::c64, DType::c128}; }
};

//   y = a + i b        da = Re dy   db = Im dy
struct ComplexOp {
  static constexpr auto name = "complex", doc = "the complex tensor with the given real and imaginary parts";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    if (!is_real(x[0].dtype()) || is_half(x[0].dtype())) fail<DtypeError>(name, ": Expected both inputs to be Float or Double tensors but got ", x[0].dtype());
    return {out(x[0].shape(), complex_of(x[0].dtype()))};
  }
  Array forward(Saved&, ArrayIn x) const { return binary_of<MakeComplex>(x[0], x[1], 0, complex_of(x[0].dtype())); }
  Tensors backward(Saved& s, Tensor dy) const { return {s.needs(0) ? real(dy) : Tensor(), s.needs(1) ? imag(dy) : Tensor()}; }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64}; }
  static Samples samples() { return {sample(ComplexOp{}, {{2, 3}, {2, 3}}), sample(ComplexOp{}, {normal({}), normal({})}, "scalars")}; }
  static ErrorSamples errors() { return {error(ComplexOp{}, {{2}, {3}}, "other must be (2,) like input, got (3,)")}; }
};

// Complex memory seen as reals with a last dimension of 2, and back. The memory is shared. Writing in place through such a
// view while recording is refused (engine.cpp): histories are followed through views of one dtype only.
struct ViewAsReal {
  static constexpr auto name = "view_as_real", doc = "the same memory as real numbers, with a last dimension of size 2";
  static constexpr bool is_view = true, differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    if (!is_complex(x[0].dtype())) fail<DtypeError>(name, ": view_as_real is only supported for complex tensors, got ", x[0].dtype());
    Shape shape = x[0].shape();
    shape.push_back(2);
    return {out(shape, real_of(x[0].dtype()))};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array& c = x[0];
    Shape shape = c.shape(), strides = c.strides();
    for (int64_t& s : strides) s *= 2;
    shape.push_back(2);
    strides.push_back(1);
    return Array(c.storage(), shape, strides, 2 * c.offset(), real_of(c.dtype()));
  }
  Tensor backward(Saved&, Tensor dy) const { return view_as_complex(dy); }
  static std::vector<DType> dtypes() { return {DType::c64, DType::c128}; }
  static Samples samples() { return {sample(ViewAsReal{}, {{2, 3}}), sample(ViewAsReal{}, {normal({})}, "scalar")}; }
  static ErrorSamples errors() { return {error(ViewAsReal{}, {Input({2}).real()}, "only supported for complex tensors")}; }
};
struct ViewAsComplex {
  static constexpr auto name = "view_as_complex", doc = "pairs of reals in the last dimension, seen as complex numbers";
  static constexpr bool is_view = true, differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    const Array& a = x[0];
    if (a.dtype() != DType::f32 && a.dtype() != DType::f64)
      fail<DtypeError>(name, ": view_as_complex is only supported for float and double tensors, got ", a.dtype());
    if (a.dim() == 0 || a.shape().back() != 2) fail<ShapeError>(name, ": Tensor must have a last dimension of size 2, got ", a.shape());
    Shape shape = a.shape();
    shape.erase(shape.size() - 1);
    return {out(shape, complex_of(a.dtype()))};
  }
  Array forward(Saved&, ArrayIn x) const {
    bool pairs = x[0].strides().back() == 1 && x[0].offset() % 2 == 0;
    for (int d = 0; d + 1 < x[0].dim(); ++d) pairs = pairs && x[0].strides()[d] % 2 == 0;
    const Array a = pairs ? x[0] : x[0].clone();
    Shape shape = a.shape(), strides = a.strides();
    shape.erase(shape.size() - 1);
    strides.erase(strides.size() - 1);
    for (int64_t& s : strides) s /= 2;
    return Array(a.storage(), shape, strides, a.offset() / 2, complex_of(a.dtype()));
  }
  Tensor backward(Saved&, Tensor dy) const { return view_as_real(dy); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64}; }
  static Samples samples() { return {sample(ViewAsComplex{}, {{3, 2}}), sample(ViewAsComplex{}, {{2}}, "to a scalar")}; }
  static ErrorSamples errors() { return {error(ViewAsComplex{}, {Input({3}).real()}, "Tensor must have a last dimension of size 2, got (3,)")}; }
};

//   y = a (cos b + i sin b)      da = Re(dy conj(e^ib))   db = Re(dy conj(i y))
struct PolarOp {
  static constexpr auto name = "polar", doc = "the complex numbers with the given absolute values and angles";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const {
    check_operands(name, x);
    if (x[0].dtype() != DType::f32 && x[0].dtype() != DType::f64) fail<DtypeError>(name, ": Expected both inputs to be Float or Double tensors but got ", x[0].dtype());
    return {out(x[0].shape(), complex_of(x[0].dtype()))};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    return binary_of<Polar>(x[0], x[1], 0, complex_of(x[0].dtype()));
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1), c = cos(b), sn = sin(b), re = real(dy), im = imag(dy);
    return {s.needs(0) ? add(mul(re, c), mul(im, sn)) : Tensor(), s.needs(1) ? mul(a, sub(mul(im, c), mul(re, sn))) : Tensor()};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64}; }
  static Samples samples() { return {sample(PolarOp{}, {{2, 3}, {2, 3}}), sample(PolarOp{}, {normal({}), normal({})}, "scalars")}; }
  static ErrorSamples errors() { return {error(PolarOp{}, {{2}, {3}}, "other must be (2,) like input, got (3,)")}; }
};

//   y = |x|            dx = dy x / |x|, 0 at 0
struct AbsOp {
  static constexpr auto name = "abs", doc = "the absolute value";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const { return {out(x[0].shape(), real_of(x[0].dtype()))}; }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    return unary_of<Abs>(x[0], 0, 0, real_of(x[0].dtype()));
  }
  Tensor backward(Saved& s, Tensor dy) const { return mul(dy, sgn(s.x(0))); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static Samples samples() { return {sample(AbsOp{}, {apart({2, 3})}).bench({{1024, 1024}}), sample(AbsOp{}, {apart({})}, "scalar"), sample(AbsOp{}, {{0, 3}}, "empty")}; }
  static ErrorSamples errors() { return {error(AbsOp{}, {booleans({2})}, "not implemented for dtype bool")}; }
};
struct SignOp : UnaryOp<SignOp, Sign, kNothing> {
  static constexpr auto name = "sign", doc = "-1, 0 or 1";
  Tensor backward(Saved&, Tensor dy) const { return zero_of(dy); }
  static Samples samples() { return {sample(SignOp{}, {apart({2, 3})}).not_smooth(), sample(SignOp{}, {{0, 3}}, "empty").not_smooth()}; }
};
//   y = x / |x|        dx = (dy - Re(dy conj y) y) / |x|, 0 at 0
struct SgnOp : UnaryOp<SgnOp, Sgn, kInput | kOutput> {
  static constexpr auto name = "sgn", doc = "input / |input|, 0 at 0";
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), y = s.y(), r = abs(x), flat = eq(r, 0);
    const Tensor radial = mul(real(mul_conj(dy, y)), y);
    return where(flat, zero_of(dy), div(sub(dy, radial), where(flat, expand(Tensor(full({}, 1, r.dtype(), r.device())), r.shape()), r)));
  }
  static std::vector<DType> dtypes() { return {DType::c64, DType::c128}; }
};
//   y = arg x          dx = dy i x / |x|^2; for real x the angle is 0 or pi
struct AngleOp {
  static constexpr auto name = "angle", doc = "the angle of a complex number, 0 or pi of a real one";
  static constexpr bool differentiable_backward = true;
  Outs infer(ArrayIn x) const { return {out(x[0].shape(), real_of(x[0].dtype()))}; }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    return unary_of<Angle>(x[0], 0, 0, real_of(x[0].dtype()));
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    if (!is_complex(x.dtype())) return zero_of(dy);
    const Tensor re = real(x), im = imag(x), square = add(mul(re, re), mul(im, im));
    const Tensor scale = where(eq(square, 0), zero_of(dy), div(dy, square));
    return complex(neg(mul(scale, im)), mul(scale, re));
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128}; }
  static Samples samples() { return {sample(AngleOp{}, {{2, 3}}), sample(AngleOp{}, {normal({})}, "scalar")}; }
  static ErrorSamples errors() { return {}; }
};

}  // namespace

Tensor conj(const Tensor& input) { return is_complex(input.dtype()) ? hippograd::apply(ConjOp{}, {input}) : input; }
Tensor complex(const Tensor& real, const Tensor& imag) {
  if (real.dtype() != imag.dtype()) fail<DtypeError>("complex: Expected object of scalar type ", real.dtype(), " but got scalar type ", imag.dtype(), " for second argument");
  return hippograd::apply(ComplexOp{}, broadcast_tensors("complex", {real, imag}));
}
Tensor polar(const Tensor& abs, const Tensor& angle) { return hippograd::apply(PolarOp{}, broadcast_tensors("polar", {abs, angle})); }
Tensor view_as_real(const Tensor& input) { return hippograd::apply(ViewAsReal{}, {input}); }
Tensor view_as_complex(const Tensor& input) { return hippograd::apply(ViewAsComplex{}, {input}); }
Tensor real(const Tensor& input) { return is_complex(input.dtype()) ? select(view_as_real(input), -1, 0) : input; }
Tensor imag(const Tensor& input) {
  if (!is_complex(input.dtype())) fail<DtypeError>("imag: imag is not implemented for tensors with non-complex dtypes, got ", input.dtype());
  return select(view_as_real(input), -1, 1);
}
Tensor abs(const Tensor& input) { return hippograd::apply(AbsOp{}, {input}); }
Tensor angle(const Tensor& input) { return hippograd::apply(AngleOp{}, {floating(input)}); }
Tensor sign(const Tensor& input) {
  if (is_complex(input.dtype())) fail<DtypeError>("sign: Unlike NumPy, sign is not defined for complex tensors; use sgn, got ", input.dtype());
  return hippograd::apply(SignOp{}, {input});
}
Tensor sgn(const Tensor& input) { return is_complex(input.dtype()) ? hippograd::apply(SgnOp{}, {input}) : sign(input); }

}  // namespace hippograd
