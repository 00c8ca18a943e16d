// Running sums, products, extremes and log-sum-exps along a dimension.
#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/cumulative.h"

namespace hippograd {
namespace {

std::vector<DType> summed_dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
constexpr const char* kDimRange = "Dimension out of range (expected to be in range of [-2, 1], but got 2)";

Outs same_shape(const char* op, ArrayIn x, int64_t dim) {
  normalize_dim(dim, x[0].dim(), op);
  return {like(x[0])};
}

//   y_j = sum_{i <= j} x_i      dx_i = sum_{j >= i} dy_j: the same sum from the other end
struct Cumsum {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "cumsum", doc = "running sums along a dimension";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;
  bool reverse = false;

  Outs infer(ArrayIn x) const { return same_shape(name, x, dim); }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty_like(x[0]);
    kernels::cumsum(x[0], normalize_dim(dim, x[0].dim(), name), reverse, y);
    return y;
  }
  Tensor backward(Saved&, Tensor dy) const { return apply(Cumsum{dim, !reverse}, {dy}); }
  static std::vector<DType> dtypes() { return summed_dtypes(); }
  static Samples samples() {
    return {sample(Cumsum{1}, {{2, 3, 4}}).bench({{512, 1024}}), sample(Cumsum{-1, true}, {{2, 5}}, "from the end"), sample(Cumsum{0}, {{0, 2}}, "empty"),
            sample(Cumsum{0}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() { return {error(Cumsum{2}, {{2, 3}}, kDimRange)}; }
};

// Position j, for j along dim, as a mask of x's shape: j >= shift. (No data: built from the shape.)
Tensor shifted(const Tensor& y, int64_t dim, int64_t shift) {     // y moved up by `shift`, ones below
  Shape edge = y.shape();
  edge[normalize_dim(dim, y.dim(), "cumprod")] = shift;
  return cat({Tensor(full(edge, 1, y.dtype(), y.device())), slice(y, dim, 0, y.size(dim) - shift)}, dim);
}

//   y_j = prod_{i <= j} x_i      dx_i = sum_{j >= i} dy_j conj(y_j / x_i)
// Behind the first zero z of a line every y is 0. The elements before z are served by the formula; x_z itself needs the products
// without it, which are those of x with 1 in its place; the elements behind z get 0.
struct Cumprod {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "cumprod", doc = "running products along a dimension";
  int64_t dim = 0;

  Outs infer(ArrayIn x) const { return same_shape(name, x, dim); }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = empty_like(x[0]);
    kernels::cumprod(x[0], normalize_dim(dim, x[0].dim(), name), y);
    s.output(y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), zero = eq(x, 0.0);
    const auto from_the_end = [&](const Tensor& t) { return apply(Cumsum{dim, true}, {t}); };
    if (!any(zero).item<bool>()) return div(from_the_end(mul(dy, conj(s.y(0)))), conj(x));
    const Tensor zeros_so_far = cumsum(zero, dim), first = logical_and(zero, eq(zeros_so_far, 1.0));
    const Tensor safe = masked_fill(x, zero, 1.0);
    const Tensor before = div(from_the_end(mul(dy, conj(s.y(0)))), conj(safe));
    const Tensor at_first = from_the_end(mul(dy, conj(cumprod(masked_fill(x, first, 1.0), dim))));
    return where(first, at_first, masked_fill(before, gt(zeros_so_far, 0.0), 0.0));
  }
  // Doubling (Hillis and Steele 1986): after the round of shift s, y_j is the product of the last 2s factors up to j.
  Tensor reference(const Tensors& x) const {
    Tensor y = x[0];
    const int64_t n = y.dim() == 0 ? 1 : y.size(dim);
    for (int64_t shift = 1; shift < n; shift *= 2) y = mul(y, shifted(y, dim, shift));
    return y.same(x[0]) ? clone(y) : y;
  }
  static std::vector<DType> dtypes() { return summed_dtypes(); }
  static Samples samples() {
    return {sample(Cumprod{1}, {{2, 5, 2}}).bench({{512, 256}}), sample(Cumprod{-1}, {values({3, 4}, {2, 0, 3, 4, 0, 0, 1, 2, 1, 2, 3, 0})}, "zeros"),
            sample(Cumprod{0}, {{1, 2}}, "one factor"), sample(Cumprod{0}, {{0, 2}}, "empty"), sample(Cumprod{0}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() { return {error(Cumprod{2}, {{2, 3}}, kDimRange)}; }
};

//   y_j, i_j = the greatest (least) of x_0 ... x_j and its place; dx collects dy where the extremes stand
struct CumExtreme {
  static constexpr auto name = "cummax", doc = "running maxima (cummin: minima) along a dimension and their last indices";
  static constexpr bool differentiable_backward = true;
  bool least = false;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    const char* own_name = least ? "cummin" : "cummax";
    if (is_complex(x[0].dtype())) fail<DtypeError>(own_name, ": not implemented for ", x[0].dtype(), ", which has no order");
    normalize_dim(dim, x[0].dim(), own_name);
    return {like(x[0]), out(x[0].shape(), DType::i64)};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    Array values = empty_like(x[0]), index = empty(x[0].shape(), DType::i64, x[0].device());
    kernels::cum_extreme(x[0], normalize_dim(dim, x[0].dim(), name), least, values, index);
    s.extra(index);
    return {values, index};
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[0].defined()) return {Tensor()};
    return {gather_adjoint(dys[0], s.in(0).shape, dim, Tensor(s.extra_at(0)))};
  }
  static Samples samples() {
    return {sample(CumExtreme{false, 1}, {apart({2, 4, 3})}), sample(CumExtreme{true, -1}, {apart({2, 5})}, "least"), sample(CumExtreme{false, 0}, {{0, 2}}, "empty"),
            sample(CumExtreme{false, 0}, {normal({})}, "0-dim"), sample(CumExtreme{false, 0}, {values({5}, {1, 3, 2, 3, 1})}, "ties").not_smooth()};
  }
  static ErrorSamples errors() {
    return {error(CumExtreme{false, 2}, {{2, 3}}, kDimRange), error(CumExtreme{true, 0}, {Input({2}).dtype(DType::c64)}, "not implemented for complex64")};
  }
};

//   y_j = log sum_{i <= j} exp(x_i)      dx_i = exp(x_i) sum_{j >= i} dy_j exp(-y_j)
struct LogCumsumExp {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "logcumsumexp", doc = "log of running sums of exponentials along a dimension, without overflow";
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    if (!is_real(x[0].dtype())) fail<DtypeError>(name, ": not implemented for ", x[0].dtype());
    return same_shape(name, x, dim);
  }
  Array forward(Saved& s, ArrayIn x) const {
    Array y = empty_like(x[0]);
    kernels::logcumsumexp(x[0], normalize_dim(dim, x[0].dim(), name), y);
    s.input(0);
    s.output(y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Array x = s.x(0).array();
    Array dx = empty_like(x);
    kernels::logcumsumexp_bwd(x, s.y(0).array(), dy.array(), normalize_dim(dim, x.dim(), name), dx);
    return Tensor(dx);
  }
  // Doubling, as in Cumprod, with log(exp(a) + exp(b)) for the product.
  Tensor reference(const Tensors& x) const {
    Tensor y = x[0];
    const int64_t n = y.dim() == 0 ? 1 : y.size(dim);
    for (int64_t shift = 1; shift < n; shift *= 2)
      y = cat({slice(y, dim, 0, shift), logaddexp(slice(y, dim, shift, n), slice(y, dim, 0, n - shift))}, dim);
    return y.same(x[0]) ? clone(y) : y;
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64}; }   // a half holds numbers near -1000 to +-2 only
  static Samples samples() {
    return {sample(LogCumsumExp{1}, {{2, 5, 2}}).bench({{512, 256}}), sample(LogCumsumExp{-1}, {uniform({2, 4}, -1000, -900)}, "small").tolerance(1e-6),
            sample(LogCumsumExp{0}, {{0, 2}}, "empty"), sample(LogCumsumExp{0}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() { return {error(LogCumsumExp{2}, {{2, 3}}, kDimRange)}; }
};

Tensor summable(const Tensor& x, std::optional<DType> dtype) { return to(x, dtype.value_or(is_floating(x.dtype()) ? x.dtype() : DType::i64)); }

}  // namespace

Tensor cumsum(const Tensor& input, int64_t dim, std::optional<DType> dtype) { return apply(Cumsum{dim}, {summable(input, dtype)}); }
Tensor cumprod(const Tensor& input, int64_t dim, std::optional<DType> dtype) { return apply(Cumprod{dim}, {summable(input, dtype)}); }
Tensors cummax(const Tensor& input, int64_t dim) { return apply(CumExtreme{false, dim}, {input}); }
Tensors cummin(const Tensor& input, int64_t dim) { return apply(CumExtreme{true, dim}, {input}); }
Tensor logcumsumexp(const Tensor& input, int64_t dim) {
  return apply(LogCumsumExp{dim}, {is_floating(input.dtype()) ? input : to(input, default_dtype())});
}

}  // namespace hippograd
