// Random ops. The state of the generator is an input, so that a recomputation draws the same numbers; masks are drawn again in
// backward rather than stored.
#include "autograd/ops/pointwise.h"
#include "tensor/kernels/dropout.h"
#include "tensor/random.h"

namespace hippograd {
namespace {

Input state() { return values({2}, {7, 3}).dtype(DType::i64); }

//   y_i = m_i x_i / (1 - p), m_i = 0 with probability p      dx = the same mask on dy
struct DropoutOp {
  static constexpr auto name = "dropout", doc = "input with each element set to 0 with probability p, the others scaled by 1 / (1 - p)";
  static constexpr bool differentiable_backward = true;
  double p = 0.5;
  static std::vector<bool> differentiable() { return {true, false}; }
  Outs infer(ArrayIn x) const {
    if (!is_real(x[0].dtype())) fail<DtypeError>(name, ": not implemented for dtype ", x[0].dtype());
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(1);
    Array y = empty_like(x[0]);
    kernels::dropout(x[1].contiguous(), x[0].contiguous(), p, y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const { return {hippograd::apply(*this, {dy, s.x(1)}), {}}; }
  static Samples samples() {
    return {sample(DropoutOp{0.3}, {{5, 7}, state()}).bench({{1024, 1024}, state()}), sample(DropoutOp{0.5}, {{0}, state()}, "empty")};
  }
  static ErrorSamples errors() { return {error(DropoutOp{0.5}, {integers({2}, 0, 2), state()}, "not implemented for dtype int64")}; }
};

//   y_i = 1 with probability x_i, else 0; flat
struct BernoulliOp {
  static constexpr auto name = "bernoulli", doc = "1 with the probability given by input, else 0";
  static constexpr bool differentiable_backward = true;
  static std::vector<bool> differentiable() { return {true, false}; }
  Outs infer(ArrayIn x) const {
    if (!is_real(x[0].dtype())) fail<DtypeError>(name, ": not implemented for dtype ", x[0].dtype());
    return {like(x[0])};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty_like(x[0]);
    kernels::bernoulli(x[1].contiguous(), x[0].contiguous(), y);
    return y;
  }
  Tensors backward(Saved&, Tensor dy) const { return {zero_of(dy), {}}; }
  static Samples samples() { return {sample(BernoulliOp{}, {uniform({5, 7}, 0.1, 0.9), state()}).not_smooth()}; }
  static ErrorSamples errors() { return {error(BernoulliOp{}, {integers({2}, 0, 2), state()}, "not implemented for dtype int64")}; }
};

Tensor draw_state(const Tensor& x, Generator& g) { return Tensor(g.take(x.numel(), x.device())); }

void check_probability(const char* op, double p) {
  if (!(p >= 0 && p <= 1)) fail<ValueError>(op, ": dropout probability has to be between 0 and 1, but got ", p);
}
void check_positive(const char* op, const char* argument, double v) {
  if (!(v > 0)) fail<ValueError>(op, ": expects ", argument, " > 0.0, but found ", argument, "=", v);
}
Array uniform_like(const Tensor& self, Generator& g) {   // (0, 1], for logarithms
  const DType t = compute_dtype(self.dtype());
  Array u = rand_uniform(self.shape(), 0, 1, t, g, self.device());
  return sub(Tensor::number(1.0), Tensor(u)).array();
}
void check_floating(const char* op, const Tensor& self) {
  if (!is_floating(self.dtype())) fail<DtypeError>(op, ": not implemented for dtype ", self.dtype());
}
// self <- values, drawn already; the gradient of a random fill is zero.
const Tensor& fill_random(const Tensor& self, const Array& values, const char* op) {
  assign_in_place(self, Tensor(values.to(self.dtype())), op);
  return self;
}

}  // namespace

Tensor dropout(const Tensor& input, double p, bool training, Generator& g) {
  check_probability("dropout", p);
  if (!training || p == 0 || input.numel() == 0) return input;
  if (p == 1) return mul(input, 0.0);
  return hippograd::apply(DropoutOp{p}, {input, draw_state(input, g)});
}
Tensor bernoulli(const Tensor& input, Generator& g) {
  check_floating("bernoulli", input);
  NoGrad guard;
  const auto outside = logical_not(logical_and(ge(input, 0), le(input, 1)));
  for (char c : to_vector<uint8_t>(outside.array()))
    if (c) fail<ValueError>("bernoulli: Expected p_in >= 0 && p_in <= 1 to be true, but got a probability outside of [0, 1]");
  set_grad_enabled(guard.saved);
  Tensor y = hippograd::apply(BernoulliOp{}, {input, draw_state(input, g)});
  set_grad_enabled(false);
  return y;
}

Tensor rand(const Shape& size, DType dtype, Generator& g, Device device) { return rand_uniform(size, 0, 1, dtype, g, device); }
Tensor randn(const Shape& size, DType dtype, Generator& g, Device device) { return rand_normal(size, 0, 1, dtype, g, device); }
Tensor randint(int64_t low, int64_t high, const Shape& size, DType dtype, Generator& g, Device device) {
  return rand_int(size, low, high, g, device).to(dtype);
}
Tensor randperm(int64_t n, DType dtype, Generator& g) {
  if (n < 0) fail<ValueError>("randperm: n must be non-negative, got ", n);
  return rand_perm(n, g).to(dtype);
}
Tensor normal(const Tensor& mean, const Tensor& std, Generator& g) {   // either may be a number
  const Tensors x = broadcast("normal", {floating(mean), floating(std)});
  if (to_vector<bool>(lt(x[1].detach(), 0).array()) != std::vector<bool>(size_t(x[1].numel()), false))
    fail<ValueError>("normal: normal expects all elements of std >= 0.0");
  return add(x[0], mul(x[1], Tensor(rand_normal(x[0].shape(), 0, 1, x[0].dtype(), g, x[0].device()))));
}

Tensor uniform_(const Tensor& self, double from, double to, Generator& g) {
  check_floating("uniform_", self);
  if (from > to) fail<ValueError>("uniform_: uniform_ expects to return a [from, to) range, but found from=", from, " > to=", to);
  return fill_random(self, rand_uniform(self.shape(), from, to, self.dtype(), g, self.device()), "uniform_");
}
Tensor normal_(const Tensor& self, double mean, double std, Generator& g) {
  check_floating("normal_", self);
  if (!(std >= 0)) fail<ValueError>("normal_: normal expects std >= 0.0, but found std ", std);
  return fill_random(self, rand_normal(self.shape(), mean, std, self.dtype(), g, self.device()), "normal_");
}
Tensor bernoulli_(const Tensor& self, double p, Generator& g) {
  if (!(p >= 0 && p <= 1)) fail<ValueError>("bernoulli_: bernoulli_ expects p to be in [0, 1], but got p=", p);
  NoGrad guard;
  const Array u = rand_uniform(self.shape(), 0, 1, DType::f64, g, self.device());
  const Array hit = lt(Tensor(u), p).array();
  set_grad_enabled(guard.saved);
  return fill_random(self, hit, "bernoulli_");
}
//   -log(u) / lambd
Tensor exponential_(const Tensor& self, double lambd, Generator& g) {
  check_floating("exponential_", self);
  check_positive("exponential_", "lambda", lambd);
  const Array y = div(log(Tensor(uniform_like(self, g))), -lambd).array();
  return fill_random(self, y, "exponential_");
}
Tensor log_normal_(const Tensor& self, double mean, double std, Generator& g) {
  check_floating("log_normal_", self);
  check_positive("log_normal_", "std", std);
  return fill_random(self, exp(Tensor(rand_normal(self.shape(), mean, std, compute_dtype(self.dtype()), g, self.device()))).array(), "log_normal_");
}
//   median + sigma tan(pi (u - 1/2))
Tensor cauchy_(const Tensor& self, double median, double sigma, Generator& g) {
  check_floating("cauchy_", self);
  check_positive("cauchy_", "sigma", sigma);
  const Tensor u(uniform_like(self, g));
  return fill_random(self, add(mul(tan(mul(sub(u, 0.5), 3.14159265358979323846)), sigma), median).array(), "cauchy_");
}
//   ceil(log u / log(1 - p)): the number of trials up to the first success
Tensor geometric_(const Tensor& self, double p, Generator& g) {
  if (!(p > 0 && p < 1)) fail<ValueError>("geometric_: geometric_ expects p to be in (0, 1), but got p=", p);
  const Array u = rand_uniform(self.shape(), 0, 1, DType::f64, g, self.device());
  const Tensor trials = ceil(div(log(sub(Tensor::number(1.0), Tensor(u))), std::log1p(-p)));
  return fill_random(self, maximum(trials, Tensor::number(1.0)).array(), "geometric_");
}
Tensor random_(const Tensor& self, std::optional<int64_t> from, std::optional<int64_t> to, Generator& g) {
  int64_t high = to.value_or(0);
  if (!to) {   // the integers that the dtype holds exactly
    switch (self.dtype()) {
      case DType::b8: high = 2; break;
      case DType::u8: high = 256; break;
      case DType::i32: high = int64_t(1) << 31; break;
      case DType::i64: high = INT64_MAX; break;
      case DType::f64: high = (int64_t(1) << 53) + 1; break;
      case DType::f16: high = (1 << 11) + 1; break;
      case DType::bf16: high = (1 << 8) + 1; break;
      default: high = (1 << 24) + 1;
    }
  }
  const int64_t low = from.value_or(0);
  if (low >= high) fail<ValueError>("random_: random_ expects 'from' to be less than 'to', but got from=", low, " >= to=", high);
  return fill_random(self, rand_int(self.shape(), low, high, g, self.device()), "random_");
}

}  // namespace hippograd
