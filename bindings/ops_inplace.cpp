// Functions that write into their first argument, and functions of chance.
#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

using Unary = Tensor (*)(const Tensor&);
struct Named { const char* name; Unary function; };
// With a kernel of their own; the other twins compute and copy.
const Named unary[] = {{"neg_", neg_}, {"abs_", abs_}, {"square_", square_}, {"reciprocal_", reciprocal_}, {"sqrt_", sqrt_}, {"rsqrt_", rsqrt_},
                       {"exp_", exp_}, {"log_", log_}, {"sigmoid_", sigmoid_}, {"tanh_", tanh_}, {"relu_", relu_}, {"erfinv_", erfinv_},
                       {"floor_", floor_}, {"ceil_", ceil_}, {"trunc_", trunc_}, {"sin_", sin_}, {"cos_", cos_}};
}  // namespace

void bind_in_place() {
  for (const auto& [name, f] : unary) define(std::string(name) + "(input)", f, kBoth);
  def("add_(input, other#, *, alpha=1)", [](const Tensor& x, const Tensor& y, double alpha) { return add_(x, y, alpha); });
  def("sub_(input, other#, *, alpha=1)", [](const Tensor& x, const Tensor& y, double alpha) { return sub_(x, y, alpha); });
  def("mul_(input, other#)", [](const Tensor& x, const Tensor& y) { return mul_(x, y); });
  def("div_(input, other#, *, rounding_mode=None)",
      [](const Tensor& x, const Tensor& y, std::optional<std::string> mode) { return div_(x, y, mode ? std::string_view(*mode) : ""); });
  def("addcmul_(input, tensor1, tensor2, *, value=1)", [](const Tensor& x, const Tensor& a, const Tensor& b, double value) { return addcmul_(x, a, b, value); });
  def("addcdiv_(input, tensor1, tensor2, *, value=1)", [](const Tensor& x, const Tensor& a, const Tensor& b, double value) { return addcdiv_(x, a, b, value); });
  def("lerp_(input, end, weight#)", [](const Tensor& x, const Tensor& end, const Tensor& weight) { return lerp_(x, end, weight); });
  def_method("copy_(input, src#, non_blocking=False)", [](const Tensor& x, const Tensor& src, bool) { return copy_(x, src); });
  def("fill_(input, value#)", [](const Tensor& x, const Tensor& value) { return fill_(x, value); });
  def("zero_(input)", [](const Tensor& x) { return zero_(x); });
  def("masked_fill_(input, mask, value#)", [](const Tensor& x, const Tensor& mask, const Tensor& value) { return masked_fill_(x, mask, value); });
}

void bind_random() {
  def_function("dropout(input, p=0.5, training=True)", [](const Tensor& x, double p, bool training) { return dropout(x, p, training); });
  def_method("uniform_(input, a=0.0, b=1.0, *, generator=None)", [](const Tensor& x, double a, double b, GeneratorArgument g) { return uniform_(x, a, b, g); });
  def_method("normal_(input, mean=0.0, std=1.0, *, generator=None)", [](const Tensor& x, double mean, double std, GeneratorArgument g) { return normal_(x, mean, std, g); });
  def_method("exponential_(input, lambd=1.0, *, generator=None)", [](const Tensor& x, double lambd, GeneratorArgument g) { return exponential_(x, lambd, g); });
  def_method("log_normal_(input, mean=1.0, std=2.0, *, generator=None)",
             [](const Tensor& x, double mean, double std, GeneratorArgument g) { return log_normal_(x, mean, std, g); });
  def_method("cauchy_(input, median=0.0, sigma=1.0, *, generator=None)",
             [](const Tensor& x, double median, double sigma, GeneratorArgument g) { return cauchy_(x, median, sigma, g); });
  def_method("geometric_(input, p, *, generator=None)", [](const Tensor& x, double p, GeneratorArgument g) { return geometric_(x, p, g); });
}

}  // namespace hippograd::python
