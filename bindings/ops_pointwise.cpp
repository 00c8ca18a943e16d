// Elementwise functions: arithmetic, mathematics, comparison, selection, complex numbers.
#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);
struct NamedUnary { const char* name; Unary function; };
struct NamedBinary { const char* name; Binary function; };

const NamedUnary unary[] = {
    {"neg", neg}, {"square", square}, {"reciprocal", reciprocal}, {"sqrt", sqrt}, {"rsqrt", rsqrt}, {"exp", exp}, {"exp2", exp2}, {"expm1", expm1},
    {"log", log}, {"log2", log2}, {"log10", log10}, {"log1p", log1p}, {"sin", sin}, {"cos", cos}, {"tan", tan}, {"asin", asin}, {"acos", acos},
    {"atan", atan}, {"sinh", sinh}, {"cosh", cosh}, {"tanh", tanh}, {"asinh", asinh}, {"acosh", acosh}, {"atanh", atanh}, {"erf", erf},
    {"erfc", erfc}, {"erfinv", erfinv}, {"lgamma", lgamma}, {"digamma", digamma}, {"sinc", sinc}, {"rad2deg", rad2deg}, {"deg2rad", deg2rad},
    {"floor", floor}, {"ceil", ceil}, {"trunc", trunc}, {"frac", frac}, {"sigmoid", sigmoid}, {"relu", relu}, {"abs", abs}, {"sign", sign},
    {"sgn", sgn}, {"logical_not", logical_not}, {"bitwise_not", bitwise_not}};
const NamedUnary unary_without_twin[] = {{"isnan", isnan}, {"isinf", isinf}, {"isfinite", isfinite}, {"isposinf", isposinf}, {"isneginf", isneginf},
                                         {"signbit", signbit}, {"conj", conj}, {"angle", angle}, {"view_as_real", view_as_real},
                                         {"view_as_complex", view_as_complex}};
// Activations of torch.nn.functional with no argument but the input.
const NamedUnary activations[] = {{"silu", silu}, {"selu", selu}, {"relu6", relu6}, {"hardsigmoid", hardsigmoid}, {"hardswish", hardswish},
                                  {"mish", mish}, {"softsign", softsign}, {"logsigmoid", logsigmoid}, {"tanhshrink", tanhshrink},
                                  {"swish_clamped", swish_clamped}};
const NamedBinary binary[] = {
    {"mul", mul}, {"floor_divide", floor_divide}, {"remainder", remainder}, {"fmod", fmod}, {"pow", pow}, {"maximum", maximum},
    {"minimum", minimum}, {"fmax", fmax}, {"fmin", fmin}, {"atan2", atan2}, {"hypot", hypot}, {"xlogy", xlogy}, {"xlog1py", xlog1py},
    {"logaddexp", logaddexp}, {"logaddexp2", logaddexp2}, {"copysign", copysign}, {"nextafter", nextafter},
    {"eq", eq}, {"ne", ne}, {"lt", lt}, {"le", le}, {"gt", gt}, {"ge", ge}, {"logical_and", logical_and}, {"logical_or", logical_or},
    {"logical_xor", logical_xor}, {"bitwise_and", bitwise_and}, {"bitwise_or", bitwise_or}, {"bitwise_xor", bitwise_xor},
    {"bitwise_left_shift", bitwise_left_shift}, {"bitwise_right_shift", bitwise_right_shift}};

Tensor scaled(const Tensor& x, double alpha) { return alpha == 1 ? x : mul(x, Tensor::number(alpha)); }
Tensor integer_aware(const Tensor& x, double alpha) {   // alpha keeps an integer tensor integer
  if (alpha == 1) return x;
  return is_floating(x.dtype()) || x.is_number() ? scaled(x, alpha) : mul(x, Tensor::number(int64_t(alpha)));
}
Tensor divide(const Tensor& x, const Tensor& y, std::optional<std::string> rounding_mode) {
  return rounding_mode ? div(x, y, *rounding_mode) : div(x, y);
}
Tensor clamp_any(const Tensor& x, const Tensor& low, const Tensor& high) {
  if (!low.defined() && !high.defined()) raise(PyExc_RuntimeError, "clamp: At least one of 'min' or 'max' must not be None");
  const auto plain = [](const Tensor& t) { return !t.defined() || (t.is_number() && !is_complex(t.dtype())); };
  const auto value = [](const Tensor& t) { return t.defined() ? std::optional<double>(t.item<double>()) : std::nullopt; };
  const bool same_kind = is_real(x.dtype()) || ((!low.defined() || category(low.dtype()) < 2) && (!high.defined() || category(high.dtype()) < 2));
  return plain(low) && plain(high) && same_kind ? clamp(x, value(low), value(high)) : clamp(x, low, high);
}
py::object where_any(const Tensor& condition, const Tensor& x, const Tensor& y) {
  if (!x.defined() && !y.defined()) return py::reinterpret_steal<py::object>(tuple_of(where(condition)));
  return py::reinterpret_steal<py::object>(wrap(where(condition, x, y)));
}
Tensor imaginary(const Tensor& x) {
  if (!is_complex(x.dtype())) raise(PyExc_RuntimeError, "imag is not implemented for tensors with non-complex dtypes.");
  return imag(x);
}
Tensor sum_of(const Tensor& x, const Tensor& y, double alpha) { return add(x, integer_aware(y, alpha)); }
Tensor difference(const Tensor& x, const Tensor& y, double alpha) {
  if (x.dtype() == DType::b8 && y.dtype() == DType::b8 && !x.is_number())
    raise(PyExc_RuntimeError, "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.");
  return sub(x, integer_aware(y, alpha));
}
}  // namespace

void bind_pointwise() {
  for (const auto& [name, f] : unary) {
    def(std::string(name) + "(input)", f);
    in_place_twins({name});
  }
  for (const auto& [name, f] : unary_without_twin) def(std::string(name) + "(input)", f);
  for (const auto& [name, f] : activations) def_function(std::string(name) + "(input)", f);
  for (const auto& [name, f] : binary) {
    def(std::string(name) + "(input#, other#)", f).parameters[1].name = std::string_view(name) == "pow" ? "exponent" : "other";
    in_place_twins({name});
  }
  def("add(input#, other#, *, alpha=1)", sum_of);
  def("sub(input#, other#, *, alpha=1)", difference);
  def("div(input#, other#, *, rounding_mode=None)", divide);
  def("heaviside(input, values#)", heaviside);
  def("addcmul(input, tensor1, tensor2, *, value=1)", [](const Tensor& x, const Tensor& a, const Tensor& b, double value) { return addcmul(x, a, b, value); });
  def("addcdiv(input, tensor1, tensor2, *, value=1)", [](const Tensor& x, const Tensor& a, const Tensor& b, double value) { return addcdiv(x, a, b, value); });
  def("lerp(input, end, weight#)", lerp);
  def_function("polygamma(n, input)", polygamma);
  def_method("polygamma(input, n)", [](const Tensor& x, int64_t n) { return polygamma(n, x); });
  def("logit(input, eps=None)", logit);
  def("round(input, *, decimals=0)", round);
  def("nan_to_num(input, nan=0.0, posinf=None, neginf=None)", [](const Tensor& x, std::optional<double> nan, std::optional<double> high, std::optional<double> low) {
    return nan_to_num(x, nan.value_or(0), high, low);
  });
  def("isclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False)", isclose);
  def("masked_fill(input, mask, value#)", [](const Tensor& x, const Tensor& mask, const Tensor& value) { return masked_fill(x, mask, value); });
  def("clamp(input, min#=None, max#=None)", clamp_any);
  def_function("where(condition, input#=None, other#=None)", where_any);
  def_method("where(input, condition, other#)", [](const Tensor& x, const Tensor& condition, const Tensor& other) { return where(condition, x, other); });
  def_function("real(input)", real);
  def_function("imag(input)", imaginary);
  def_function("complex(real, imag)", [](const Tensor& re, const Tensor& im) { return complex(re, im); });
  def_function("polar(abs, angle)", polar);
  in_place_twins({"add", "sub", "div", "heaviside", "addcmul", "addcdiv", "lerp", "logit", "round", "nan_to_num", "masked_fill", "clamp"});

  def_function("gelu(input, approximate='none')", [](const Tensor& x, std::string_view approximate) { return gelu(x, approximate); });
  def_function("softplus(input, beta=1, threshold=None)", [](const Tensor& x, double beta, std::optional<double> threshold) { return softplus(x, beta, threshold); });
  def_function("elu(input, alpha=1.0)", elu);
  def_function("celu(input, alpha=1.0)", celu);
  def_function("leaky_relu(input, negative_slope=0.01)", leaky_relu);
  def_function("hardtanh(input, min_val=-1.0, max_val=1.0)", hardtanh);
  def_function("softshrink(input, lambd=0.5)", softshrink);
  def_function("hardshrink(input, lambd=0.5)", hardshrink);
  def_function("threshold(input, threshold, value)", threshold);
  def_function("silu_mul(input, other)", silu_mul);
  def_function("bias_gelu(input, bias)", bias_gelu);
  def_function("bias_silu(input, bias)", bias_silu);
  def_function("bias_relu(input, bias)", bias_relu);

  const std::pair<const char*, const char*> aliases[] = {
      {"mul", "multiply"}, {"sub", "subtract"}, {"div", "divide"}, {"div", "true_divide"}, {"neg", "negative"}, {"abs", "absolute"}, {"trunc", "fix"},
      {"clamp", "clip"}, {"ne", "not_equal"}, {"lt", "less"}, {"le", "less_equal"}, {"gt", "greater"}, {"ge", "greater_equal"}, {"asin", "arcsin"},
      {"acos", "arccos"}, {"atan", "arctan"}, {"atan2", "arctan2"}, {"asinh", "arcsinh"}, {"acosh", "arccosh"}, {"atanh", "arctanh"}};
  for (const auto& [name, other] : aliases) {
    another_name(name, {other});
    another_name((std::string(name) + "_").c_str(), {(std::string(other) + "_").c_str()});
  }
}

}  // namespace hippograd::python
