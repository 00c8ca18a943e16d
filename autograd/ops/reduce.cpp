// Reductions over dimensions. An op takes the dimensions (none: all) and whether they stay as size 1; kernels always see them as
// size 1. The gradient of the result is spread back over the reduced dimensions.
#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/reduce.h"

namespace hippograd {
namespace {

// The dimensions that a reduction runs over.
struct Over {
  Shape dims;
  bool keepdim = false;

  uint32_t mask(int rank, const char* op) const {
    if (dims.empty()) return (1u << rank) - 1;
    uint32_t m = 0;
    for (int64_t d : dims) {
      const uint32_t bit = 1u << normalize_dim(d, rank, op);
      if (m & bit) fail<ValueError>(op, ": dim ", d, " appears multiple times in the list of dims");
      m |= bit;
    }
    return m;
  }
  Shape kept(Shape shape, const char* op) const {              // reduced dimensions have size 1
    const uint32_t m = mask(shape.size(), op);
    for (int d = 0; d < shape.size(); ++d) if (m >> d & 1) shape[d] = 1;
    return shape;
  }
  Shape result(const Shape& shape, const char* op) const {
    if (keepdim) return kept(shape, op);
    const uint32_t m = mask(shape.size(), op);
    Shape y;
    for (int d = 0; d < shape.size(); ++d) if (!(m >> d & 1)) y.push_back(shape[d]);
    return y;
  }
  int64_t count(const Shape& shape, const char* op) const {    // elements per output
    const uint32_t m = mask(shape.size(), op);
    int64_t n = 1;
    for (int d = 0; d < shape.size(); ++d) if (m >> d & 1) n *= shape[d];
    return n;
  }
  // A reduction has no value for an empty set.
  void not_empty(const Shape& shape, const char* op) const {
    const uint32_t m = mask(shape.size(), op);
    for (int d = 0; d < shape.size(); ++d)
      if ((m >> d & 1) && shape[d] == 0)
        fail<IndexError>(op, ": Expected reduction dim ", d, " to have non-zero size; the input is ", shape);
  }
  // A tensor of the result's shape, stretched over the input's.
  Tensor spread(const Tensor& y, const Shape& shape, const char* op) const { return expand(reshape(y, kept(shape, op)), shape); }
};
Over one_dim(int64_t dim, bool keepdim) { return {{dim}, keepdim}; }

std::vector<DType> summed_dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
constexpr const char* kDimRange = "Dimension out of range (expected to be in range of [-2, 1], but got 2)";

//   y = sum x      dx = dy
struct Sum {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "sum", doc = "the sum over some or all dimensions";
  static constexpr bool differentiable_backward = true;
  Over over;

  Outs infer(ArrayIn x) const { return {out(over.result(x[0].shape(), name), x[0].dtype())}; }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(over.kept(x[0].shape(), name), x[0].dtype(), x[0].device());
    kernels::sum(x[0], y);
    return y.view(over.result(x[0].shape(), name));
  }
  Tensor backward(Saved& s, Tensor dy) const { return over.spread(dy, s.in(0).shape, name); }
  static std::vector<DType> dtypes() { return summed_dtypes(); }
  static Samples samples() {
    return {sample(Sum{}, {{2, 3}}).bench({{2048, 512}}), sample(Sum{{{0, -1}, true}}, {{2, 3, 4}}, "first and last"),
            sample(Sum{{{0}, false}}, {{70, 40}}, "columns").bench({{2048, 96}}), sample(Sum{{{1}, false}}, {{3, 0}}, "of nothing"),
            sample(Sum{}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(Sum{{{2}, false}}, {{2, 3}}, kDimRange), error(Sum{{{0, -2}, false}}, {{2, 3}}, "appears multiple times in the list of dims")};
  }
};

//   y = sum x / n      dx = dy / n
struct Mean {
  static constexpr auto name = "mean", doc = "the mean over some or all dimensions";
  static constexpr bool differentiable_backward = true;
  Over over;

  Outs infer(ArrayIn x) const {
    if (!is_floating(x[0].dtype()))
      fail<DtypeError>(name, ": mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ", x[0].dtype());
    return {out(over.result(x[0].shape(), name), x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(over.kept(x[0].shape(), name), x[0].dtype(), x[0].device());
    kernels::mean(x[0], y);
    return y.view(over.result(x[0].shape(), name));
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Shape& shape = s.in(0).shape;
    return over.spread(div(dy, double(over.count(shape, name))), shape, name);
  }
  static std::vector<DType> dtypes() { return summed_dtypes(); }
  static Samples samples() {
    return {sample(Mean{}, {{2, 3}}).bench({{2048, 512}}), sample(Mean{{{1}, true}}, {{3, 4, 2}}, "keepdim"), sample(Mean{{{-1}, false}}, {{0, 4}}, "no rows"),
            sample(Mean{}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(Mean{{{2}, false}}, {{2, 3}}, kDimRange), error(Mean{}, {integers({2}, 0, 4)}, "must be either a floating point or complex dtype")};
  }
};

// All products that leave out one element along dim:  e_i = prod_{j != i} x_j.
Tensor products_of_others(const Tensor& x, int64_t dim) {
  const int64_t n = x.size(dim);
  Shape edge = x.shape();
  edge[normalize_dim(dim, x.dim(), "prod")] = 1;
  const Tensor one(full(edge, 1, x.dtype(), x.device()));
  const auto before = [&](const Tensor& v) { return cat({one, cumprod(slice(v, dim, 0, n - 1), dim)}, dim); };
  return mul(before(x), flip(before(flip(x, {dim})), {dim}));
}

//   y = prod x      dx_i = dy conj(prod_{j != i} x_j)
struct Prod {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "prod", doc = "the product along a dimension";
  static constexpr bool differentiable_backward = true;
  int64_t dim = 0;
  bool keepdim = false;

  Outs infer(ArrayIn x) const { return {out(one_dim(dim, keepdim).result(x[0].shape(), name), x[0].dtype())}; }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = empty(one_dim(dim, keepdim).kept(x[0].shape(), name), x[0].dtype(), x[0].device());
    kernels::prod(x[0], y);
    return y.view(infer(x)[0].shape);
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), g = one_dim(dim, keepdim).spread(dy, x.shape(), name);
    if (x.dim() == 0 || x.size(dim) <= 1) return g;
    return mul(g, conj(products_of_others(x, dim)));
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(Prod{1, false}, {{2, 3, 2}}).bench({{512, 64}}), sample(Prod{-1, true}, {values({2, 3}, {0, 2, 3, 0, 0, 5})}, "zeros"),
            sample(Prod{0, false}, {{1, 2}}, "one factor"), sample(Prod{0, false}, {{0, 2}}, "of nothing"), sample(Prod{0, false}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() { return {error(Prod{2, false}, {{2, 3}}, kDimRange)}; }
};

//   y = max x (min x)      dx = dy shared by the elements equal to y
struct Extreme {
  static constexpr auto name = "amax", doc = "the greatest (least: amin) element over some or all dimensions; ties share the gradient; NaN wins";
  static constexpr bool differentiable_backward = true;
  bool least = false;
  Over over;

  const char* own_name() const { return least ? "amin" : "amax"; }
  Outs infer(ArrayIn x) const {
    if (is_complex(x[0].dtype())) fail<DtypeError>(own_name(), ": not implemented for ", x[0].dtype(), ", which has no order");
    over.not_empty(x[0].shape(), own_name());
    return {out(over.result(x[0].shape(), own_name()), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    Array y = empty(over.kept(x[0].shape(), name), x[0].dtype(), x[0].device());
    kernels::extreme(x[0], least, y);
    y = y.view(infer(x)[0].shape);
    s.extra(y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0).detach();
    const Tensor equal = to(eq(x, over.spread(Tensor(s.extra_at(0)), x.shape(), name)), x.dtype());
    const Tensor ties = sum(equal, over.dims, over.keepdim);
    return mul(over.spread(div(dy, ties), x.shape(), name), equal);
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::bf16}; }
  static Samples samples() {
    return {sample(Extreme{false, {}}, {apart({2, 3})}).bench({{2048, 512}}), sample(Extreme{true, {{0, -1}, true}}, {apart({2, 3, 4})}, "least"),
            sample(Extreme{false, {{0}, false}}, {apart({3, 40})}, "columns"), sample(Extreme{false, {{1}, false}}, {{0, 2}}, "no rows"),
            sample(Extreme{false, {}}, {values({4}, {3, 1, 3, 3})}, "ties").not_smooth(), sample(Extreme{false, {}}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(Extreme{false, {{1}, false}}, {{2, 0}}, "Expected reduction dim 1 to have non-zero size"), error(Extreme{true, {{2}, false}}, {{2, 3}}, kDimRange),
            error(Extreme{}, {Input({2}).dtype(DType::c64)}, "not implemented for complex64")};
  }
};

//   y, i = x_i, the first place of the greatest (least) element along dim      dx_i = dy
struct MaxAlong {
  static constexpr auto name = "max", doc = "the greatest (least: min) element along a dimension and its first index; NaN wins";
  static constexpr bool differentiable_backward = true;
  bool least = false;
  int64_t dim = 0;
  bool keepdim = false;

  const char* own_name() const { return least ? "min" : "max"; }
  Outs infer(ArrayIn x) const {
    if (is_complex(x[0].dtype())) fail<DtypeError>(own_name(), ": not implemented for ", x[0].dtype(), ", which has no order");
    const Over over = one_dim(dim, keepdim);
    over.not_empty(x[0].shape(), own_name());
    const Shape shape = over.result(x[0].shape(), own_name());
    return {out(shape, x[0].dtype()), out(shape, DType::i64)};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Array lines = x[0].dim() == 0 ? x[0].unsqueeze(0) : x[0];
    const Shape kept = one_dim(dim, true).kept(lines.shape(), name), shape = infer(x)[0].shape;
    Array values = empty(kept, x[0].dtype(), x[0].device()), index = empty(kept, DType::i64, x[0].device());
    kernels::arg_extreme(lines, normalize_dim(dim, lines.dim(), name), least, values, index);
    s.extra(index.view(one_dim(dim, true).kept(x[0].shape(), name)));
    return {values.view(shape), index.view(shape)};
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[0].defined()) return {Tensor()};
    const Tensor index(s.extra_at(0));
    return {gather_adjoint(reshape(dys[0], index.shape()), s.in(0).shape, dim, index)};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::bf16}; }
  static Samples samples() {
    return {sample(MaxAlong{false, 1, false}, {apart({2, 3, 4})}).bench({{2048, 512}}), sample(MaxAlong{true, -1, true}, {apart({3, 40})}, "least, keepdim"),
            sample(MaxAlong{false, 0, false}, {{1, 3}}, "one row"), sample(MaxAlong{false, 1, false}, {{0, 2}}, "empty"),
            sample(MaxAlong{false, 0, false}, {normal({})}, "0-dim"), sample(MaxAlong{false, 0, false}, {values({5}, {1, 7, 7, 2, 7})}, "ties").not_smooth()};
  }
  static ErrorSamples errors() {
    return {error(MaxAlong{false, 2, false}, {{2, 3}}, kDimRange), error(MaxAlong{true, 1, false}, {{2, 0}}, "Expected reduction dim 1 to have non-zero size")};
  }
};

// The place of the greatest (least) element along dim.
struct ArgMax {
  static constexpr auto name = "argmax", doc = "the first index of the greatest (least: argmin) element along a dimension; NaN wins";
  bool least = false;
  int64_t dim = 0;
  bool keepdim = false;

  Outs infer(ArrayIn x) const { return {MaxAlong{least, dim, keepdim}.infer(x)[1]}; }
  Array forward(Saved&, ArrayIn x) const {
    Saved nothing;
    return MaxAlong{least, dim, keepdim}.forward(nothing, x)[1];
  }
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<bool> differentiable() { return {false}; }
  static Samples samples() {
    return {sample(ArgMax{false, 1, false}, {{2, 3, 4}}).bench({{2048, 512}}), sample(ArgMax{true, 0, true}, {{3, 4}}, "least"), sample(ArgMax{false, 0, false}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() { return {error(ArgMax{false, 1, false}, {{2, 0}}, "Expected reduction dim 1 to have non-zero size")}; }
};

struct AnyAll {
  static constexpr auto name = "any", doc = "whether any (all: whether every) element is not zero, over some or all dimensions";
  bool all = false;
  Over over;

  Outs infer(ArrayIn x) const {
    return {out(over.result(x[0].shape(), all ? "all" : "any"), x[0].dtype() == DType::u8 ? DType::u8 : DType::b8)};   // u8 stays, as in PyTorch
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(over.kept(x[0].shape(), name), DType::b8, x[0].device());
    kernels::any(x[0], all, y);
    return y.view(infer(x)[0].shape).to(infer(x)[0].dtype);
  }
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<bool> differentiable() { return {false}; }
  static std::vector<DType> dtypes() { return summed_dtypes(); }
  static Samples samples() {
    return {sample(AnyAll{false, {}}, {booleans({2, 3})}), sample(AnyAll{true, {{1}, false}}, {{2, 3}}, "all of floats"), sample(AnyAll{true, {}}, {booleans({0})}, "of nothing")};
  }
  static ErrorSamples errors() { return {error(AnyAll{false, {{2}, false}}, {{2, 3}}, kDimRange)}; }
};

struct CountNonzero {
  static constexpr auto name = "count_nonzero", doc = "how many elements are not zero, over some or all dimensions";
  Over over;

  Outs infer(ArrayIn x) const { return {out(over.result(x[0].shape(), name), DType::i64)}; }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(over.kept(x[0].shape(), name), DType::i64, x[0].device());
    kernels::count_nonzero(x[0], y);
    return y.view(infer(x)[0].shape);
  }
  Tensor backward(Saved&, Tensor) const { return {}; }
  static std::vector<bool> differentiable() { return {false}; }
  static std::vector<DType> dtypes() { return summed_dtypes(); }
  static Samples samples() { return {sample(CountNonzero{}, {booleans({2, 3})}), sample(CountNonzero{{{0}, false}}, {{2, 3}}, "columns")}; }
  static ErrorSamples errors() { return {error(CountNonzero{{{2}, false}}, {{2, 3}}, kDimRange)}; }
};

//   m = mean x   v = sum |x - m|^2 / (n - correction)      dx = dm / n + 2 dv (x - m) / (n - correction)
// root: sqrt(v), whose gradient is 0 where it is 0.
struct VarMean {
  static constexpr auto name = "var_mean", doc = "variance (or standard deviation) and mean over some or all dimensions, in two passes";
  static constexpr bool differentiable_backward = true;
  Over over;
  double correction = 1;
  bool root = false;

  double degrees(const Shape& shape) const { return std::max(0.0, double(over.count(shape, name)) - correction); }
  Outs infer(ArrayIn x) const {
    const char* own_name = root ? "std" : "var";
    if (!is_floating(x[0].dtype()))
      fail<DtypeError>(own_name, ": ", own_name, " only support floating point and complex dtypes, got ", x[0].dtype());
    const Shape shape = over.result(x[0].shape(), own_name);
    return {out(shape, real_of(x[0].dtype())), out(shape, x[0].dtype())};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const DType wide = compute_dtype(x[0].dtype());
    const Shape kept = over.kept(x[0].shape(), name), shape = infer(x)[0].shape;
    Array mean = empty(kept, wide, x[0].device()), spread = empty(kept, real_of(wide), x[0].device());
    kernels::moments(x[0], mean, spread);
    kernels::unary(unary_id<pointwise::DivNumber>, spread, degrees(x[0].shape()), 0, spread);
    if (root) kernels::unary(unary_id<pointwise::Sqrt>, spread, 0, 0, spread);
    Arrays ys{spread.view(shape).to(real_of(x[0].dtype())), mean.view(shape).to(x[0].dtype())};
    s.input(0);
    s.output(ys[0], 0);
    s.output(ys[1], 1);
    return ys;
  }
  Tensors backward(Saved& s, Tensors dys) const {
    const Tensor x = s.x(0);
    const Shape& shape = x.shape();
    Tensor g;
    if (dys[0].defined()) {
      Tensor dv = dys[0];
      if (root) {
        const Tensor y = s.y(0);
        dv = masked_fill(div(dv, mul(y, 2.0)), eq(y, 0.0), 0.0);
      }
      g = mul(sub(x, over.spread(s.y(1), shape, name)), over.spread(mul(dv, 2 / degrees(shape)), shape, name));
    }
    if (dys[1].defined()) {
      const Tensor dm = over.spread(div(dys[1], double(over.count(shape, name))), shape, name);
      g = g.defined() ? add(g, dm) : dm;
    }
    return {g};
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(VarMean{}, {{2, 3}}).bench({{2048, 512}}), sample(VarMean{{{0, 2}, true}, 0, true}, {{2, 3, 4}}, "std, biased"),
            sample(VarMean{{{0}, false}, 1, false}, {{5, 40}}, "columns"), sample(VarMean{{{1}, false}, 0, false}, {{3, 1}}, "one element"),
            sample(VarMean{{{-1}, false}, 1, false}, {{0, 3}}, "no rows")};
  }
  static ErrorSamples errors() {
    return {error(VarMean{{{2}, false}, 1, false}, {{2, 3}}, kDimRange), error(VarMean{}, {integers({3}, 0, 5)}, "only support floating point and complex dtypes")};
  }
};

//   y = log sum exp(x)      dx = dy exp(x - y)
struct LogSumExp {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "logsumexp", doc = "log of the sum of exponentials over some or all dimensions, without overflow";
  static constexpr bool differentiable_backward = true;
  Over over;

  Outs infer(ArrayIn x) const {
    if (!is_real(x[0].dtype())) fail<DtypeError>(name, ": logsumexp(): Expected floating point type for result tensor, but got: ", x[0].dtype());
    return {out(over.result(x[0].shape(), name), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    Array y = empty(over.kept(x[0].shape(), name), x[0].dtype(), x[0].device());
    kernels::logsumexp(x[0], y);
    y = y.view(infer(x)[0].shape);
    s.input(0);
    s.output(y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), y = s.y(0);
    const Tensor finite = masked_fill(y, eq(y, -INFINITY), 0.0);   // all elements -inf: exp(-inf - 0) = 0, not NaN
    return mul(over.spread(dy, x.shape(), name), exp(sub(x, over.spread(finite, x.shape(), name))));
  }
  static Samples samples() {
    Sample large = sample(LogSumExp{{{0}, false}}, {uniform({4, 3}, 800, 1000)}, "large");
    return {sample(LogSumExp{{{1}, false}}, {{2, 3}}).bench({{2048, 512}}), sample(LogSumExp{{{0, -1}, true}}, {{2, 3, 4}}, "keepdim"), large.tolerance(1e-6),
            sample(LogSumExp{}, {normal({})}, "0-dim"), sample(LogSumExp{{{1}, false}}, {{0, 2}}, "no rows")};
  }
  static ErrorSamples errors() {
    return {error(LogSumExp{{{2}, false}}, {{2, 3}}, kDimRange), error(LogSumExp{}, {integers({2}, 0, 4)}, "Expected floating point type")};
  }
};

//   y = (sum |x|^p)^(1/p)      dx = dy sgn(x) (|x| / y)^(p-1), 0 where x or y is 0
// p = +-inf: the elements with |x| = y share dy.
struct Norm {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "vector_norm", doc = "(sum |x|^p)^(1/p) over some or all dimensions";
  static constexpr bool differentiable_backward = true;
  double p = 2;
  Over over;

  Outs infer(ArrayIn x) const {
    if (!is_floating(x[0].dtype()))
      fail<DtypeError>(name, ": linalg.vector_norm: Expected a floating point or complex tensor as input. Got ", x[0].dtype());
    if (std::isinf(p) || p < 0) over.not_empty(x[0].shape(), name);
    return {out(over.result(x[0].shape(), name), real_of(x[0].dtype()))};
  }
  Array forward(Saved& s, ArrayIn x) const {
    Array y = empty(over.kept(x[0].shape(), name), real_of(x[0].dtype()), x[0].device());
    kernels::norm(x[0], p, y);
    y = y.view(infer(x)[0].shape);
    s.input(0);
    s.output(y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0);
    const Shape& shape = x.shape();
    if (p == 0) return mul(x, 0.0);
    if (p == 1) return mul(sgn(x), over.spread(dy, shape, name));
    const Tensor y = s.y(0);
    if (std::isinf(p)) {
      const Tensor equal = to(eq(abs(x).detach(), over.spread(y.detach(), shape, name)), y.dtype());
      return mul(sgn(x), mul(equal, over.spread(div(dy, sum(equal, over.dims, over.keepdim)), shape, name)));
    }
    const auto scaled = [&](const Tensor& scale) { return over.spread(masked_fill(mul(dy, scale), eq(y, 0.0), 0.0), shape, name); };
    if (p == 2) return mul(x, scaled(reciprocal(y)));
    return mul(mul(sgn(x), masked_fill(pow(abs(x), p - 1), eq(x, 0.0), 0.0)), scaled(pow(y, 1 - p)));
  }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(Norm{}, {{2, 3}}).bench({{2048, 512}}), sample(Norm{1, {{1}, false}}, {apart({2, 3})}, "1"),
            sample(Norm{3.5, {{0}, true}}, {apart({3, 2})}, "3.5"), sample(Norm{INFINITY, {{1}, false}}, {values({2, 3}, {0.3, -0.8, 0.5, 2, 1, -0.6})}, "inf"),
            sample(Norm{-INFINITY, {}}, {values({4}, {0.3, -0.1, 0.7, -2})}, "-inf"), sample(Norm{0, {}}, {{3}}, "0").not_smooth(), sample(Norm{2, {{1}, false}}, {{0, 2}}, "no rows")};
  }
  static ErrorSamples errors() {
    return {error(Norm{2, {{2}, false}}, {{2, 3}}, kDimRange), error(Norm{}, {integers({2}, 0, 4)}, "Expected a floating point or complex tensor"),
            error(Norm{INFINITY, {}}, {{0}}, "to have non-zero size")};
  }
};

Tensor summable(const Tensor& x, std::optional<DType> dtype) { return to(x, dtype.value_or(is_floating(x.dtype()) ? x.dtype() : DType::i64)); }
Tensor as_dtype(const Tensor& x, std::optional<DType> dtype) { return dtype ? to(x, *dtype) : x; }
Tensor flat(const Tensor& x) { return reshape(x, {x.numel()}); }

}  // namespace

Tensor sum(const Tensor& input, const Shape& dims, bool keepdim, std::optional<DType> dtype) {
  Tensor y = apply(Sum{{dims, keepdim}}, {summable(input, dtype && *dtype == DType::b8 ? DType::i64 : dtype)});
  return as_dtype(y, dtype);
}
Tensor mean(const Tensor& input, const Shape& dims, bool keepdim, std::optional<DType> dtype) {
  return apply(Mean{{dims, keepdim}}, {as_dtype(input, dtype)});
}
Tensor nansum(const Tensor& input, const Shape& dims, bool keepdim, std::optional<DType> dtype) {
  return sum(is_floating(input.dtype()) ? masked_fill(input, isnan(input), 0.0) : input, dims, keepdim, dtype);
}
Tensor nanmean(const Tensor& input, const Shape& dims, bool keepdim, std::optional<DType> dtype) {
  if (!is_floating(input.dtype())) fail<DtypeError>("nanmean: nanmean(): expected input to have floating point or complex dtype but got ", input.dtype());
  const Tensor x = as_dtype(input, dtype);
  return div(nansum(x, dims, keepdim), to(sum(logical_not(isnan(x)), dims, keepdim), x.dtype()));
}
Tensor prod(const Tensor& input, std::optional<int64_t> dim, bool keepdim, std::optional<DType> dtype) {
  const Tensor x = summable(input, dtype && *dtype == DType::b8 ? DType::i64 : dtype);
  if (!dim) return as_dtype(apply(Prod{0, false}, {flat(x)}), dtype);
  return as_dtype(apply(Prod{*dim, keepdim}, {x}), dtype);
}

Tensor amax(const Tensor& input, const Shape& dims, bool keepdim) { return apply(Extreme{false, {dims, keepdim}}, {input}); }
Tensor amin(const Tensor& input, const Shape& dims, bool keepdim) { return apply(Extreme{true, {dims, keepdim}}, {input}); }
Tensors aminmax(const Tensor& input, std::optional<int64_t> dim, bool keepdim) {
  const Shape dims = dim ? Shape{*dim} : Shape{};
  return {amin(input, dims, keepdim), amax(input, dims, keepdim)};
}
Tensor max(const Tensor& input) { return amax(input); }
Tensor min(const Tensor& input) { return amin(input); }
Tensors max(const Tensor& input, int64_t dim, bool keepdim) { return apply(MaxAlong{false, dim, keepdim}, {input}); }
Tensors min(const Tensor& input, int64_t dim, bool keepdim) { return apply(MaxAlong{true, dim, keepdim}, {input}); }

static Tensor arg_extreme(const Tensor& input, bool least, std::optional<int64_t> dim, bool keepdim) {
  if (dim) return apply(ArgMax{least, *dim, keepdim}, {input.detach()});
  const Tensor y = apply(ArgMax{least, 0, false}, {flat(input.detach())});
  return keepdim ? reshape(y, Shape(input.dim(), 1)) : y;
}
Tensor argmax(const Tensor& input, std::optional<int64_t> dim, bool keepdim) { return arg_extreme(input, false, dim, keepdim); }
Tensor argmin(const Tensor& input, std::optional<int64_t> dim, bool keepdim) { return arg_extreme(input, true, dim, keepdim); }

Tensor any(const Tensor& input, const Shape& dims, bool keepdim) { return apply(AnyAll{false, {dims, keepdim}}, {input}); }
Tensor all(const Tensor& input, const Shape& dims, bool keepdim) { return apply(AnyAll{true, {dims, keepdim}}, {input}); }
Tensor count_nonzero(const Tensor& input, const Shape& dims) { return apply(CountNonzero{{dims, false}}, {input}); }

Tensors var_mean(const Tensor& input, const Shape& dims, double correction, bool keepdim) {
  return apply(VarMean{{dims, keepdim}, correction, false}, {input});
}
Tensors std_mean(const Tensor& input, const Shape& dims, double correction, bool keepdim) {
  return apply(VarMean{{dims, keepdim}, correction, true}, {input});
}
Tensor var(const Tensor& input, const Shape& dims, double correction, bool keepdim) { return var_mean(input, dims, correction, keepdim)[0]; }
Tensor std(const Tensor& input, const Shape& dims, double correction, bool keepdim) { return std_mean(input, dims, correction, keepdim)[0]; }

Tensor logsumexp(const Tensor& input, const Shape& dims, bool keepdim) {
  return apply(LogSumExp{{dims, keepdim}}, {is_floating(input.dtype()) ? input : to(input, default_dtype())});
}
Tensor vector_norm(const Tensor& input, double ord, const Shape& dims, bool keepdim, std::optional<DType> dtype) {
  return apply(Norm{ord, {dims, keepdim}}, {as_dtype(input, dtype)});
}
Tensor norm(const Tensor& input, double p, const Shape& dims, bool keepdim, std::optional<DType> dtype) {
  return vector_norm(input, p, dims, keepdim, dtype);
}

}  // namespace hippograd
