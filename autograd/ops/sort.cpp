// Sorting and picking by rank. Every op gives values and where they stood; the gradient of the values goes back there.
// The kernels work on rows: the dimension is moved to the end and the rest is flattened.
#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/sort.h"

namespace hippograd {
namespace {

constexpr const char* kDimRange = "Dimension out of range (expected to be in range of [-2, 1], but got 2)";

// x with `dim` last, as rows (R, N).
Array rows_of(const Array& x, int dim) {
  if (x.dim() == 0) return x.contiguous().view({1, 1});
  const Array last = x.transpose(dim, -1).contiguous();
  const int64_t n = x.shape()[dim];
  int64_t rows = 1;
  for (int d = 0; d < x.dim(); ++d) if (d != dim) rows *= x.shape()[d];
  return last.view({rows, n});
}
// Rows (R, K) back in x's place: a tensor of x's shape with K elements along dim.
Array from_rows(const Array& rows, const Shape& shape, int dim) {
  if (shape.empty()) return rows.view({});
  Shape moved = shape;
  std::swap(moved[dim], moved.back());
  moved.back() = rows.shape()[1];
  return rows.view(moved).transpose(dim, -1).contiguous();
}

// The parts that all these ops share. Self: count(n) elements along dim; run(rows, values, index); drops() the dimension?
template <class Self> struct Picking {
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    const Self& self = static_cast<const Self&>(*this);
    if (is_complex(x[0].dtype())) fail<DtypeError>(Self::name, ": not implemented for ", x[0].dtype(), ", which has no order");
    const int d = normalize_dim(self.dim, x[0].dim(), Self::name);
    Shape shape = x[0].shape();
    const int64_t count = self.count(shape.empty() ? 1 : shape[d]);
    if (!shape.empty()) {
      shape[d] = count;
      if (self.drops()) shape.erase(d);
    } else if (count != 1) {
      shape.push_back(count);
    }
    return {out(shape, x[0].dtype()), out(shape, DType::i64)};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Self& self = static_cast<const Self&>(*this);
    const int d = normalize_dim(self.dim, x[0].dim(), Self::name);
    const Array rows = rows_of(x[0], d);
    const Shape picked{rows.shape()[0], self.count(rows.shape()[1])};
    Array values = empty(picked, x[0].dtype(), x[0].device()), index = empty(picked, DType::i64, x[0].device());
    self.run(rows, values, index);
    const Array places = from_rows(index, x[0].shape(), d);
    s.extra(places);
    const Shape shape = infer(x)[0].shape;
    return {from_rows(values, x[0].shape(), d).view(shape), places.view(shape)};
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[0].defined()) return {Tensor()};
    const Tensor index(s.extra_at(0));
    return {gather_adjoint(reshape(dys[0], index.shape()), s.in(0).shape, static_cast<const Self&>(*this).dim, index)};
  }
};

struct Sort : Picking<Sort> {
  static constexpr auto name = "sort", doc = "the elements along a dimension in order, and where they stood; stable, NaN greatest";
  int64_t dim = -1;
  bool descending = false;
  static Sort along(int64_t dim, bool descending) {
    Sort s;
    s.dim = dim;
    s.descending = descending;
    return s;
  }
  int64_t count(int64_t n) const { return n; }
  bool drops() const { return false; }
  void run(CArray rows, MArray values, MArray index) const { kernels::sort(rows, descending, values, index); }
  static Samples samples() {
    return {sample(along(-1, false), {apart({2, 5})}).bench({{64, 4096}}), sample(along(0, true), {apart({4, 3})}, "descending"),
            sample(along(1, false), {apart({2, 200})}, "radix"), sample(along(1, false), {{2, 0}}, "empty"), sample(along(0, false), {normal({})}, "0-dim"),
            sample(along(0, true), {values({6}, {1, 3, 1, 3, 2, 3})}, "ties").not_smooth()};
  }
  static ErrorSamples errors() {
    return {error(along(2, false), {{2, 3}}, kDimRange), error(along(0, false), {Input({2}).dtype(DType::c64)}, "not implemented for complex64")};
  }
};

struct TopK : Picking<TopK> {
  static constexpr auto name = "topk", doc = "the k greatest (least) elements along a dimension, in order; ties to the lowest index";
  int64_t dim = -1, k = 1;
  bool largest = true;
  static TopK of(int64_t k, int64_t dim, bool largest) {
    TopK t;
    t.k = k;
    t.dim = dim;
    t.largest = largest;
    return t;
  }
  int64_t count(int64_t n) const {
    if (k < 0 || k > n) fail<IndexError>(name, ": selected index k out of range: k is ", k, ", the dimension has ", n, " elements");
    return k;
  }
  bool drops() const { return false; }
  void run(CArray rows, MArray values, MArray index) const { kernels::topk(rows, !largest, values, index); }
  static Samples samples() {
    return {sample(of(2, -1, true), {apart({3, 5})}).bench({{64, 4096}}), sample(of(3, 0, false), {apart({4, 3})}, "least"), sample(of(0, 0, true), {{3}}, "none"),
            sample(of(1, 0, true), {normal({})}, "0-dim"), sample(of(3, 0, true), {values({5}, {2, 7, 7, 1, 7})}, "ties").not_smooth()};
  }
  static ErrorSamples errors() {
    return {error(of(4, 0, true), {{3}}, "selected index k out of range"), error(of(1, 2, true), {{2, 3}}, kDimRange)};
  }
};

// One element of each sorted line: the k-th, or the lower median (of all, or of what is not NaN).
struct Ranked : Picking<Ranked> {
  static constexpr auto name = "kthvalue", doc = "the k-th least element along a dimension, or the lower median (median, nanmedian), and where it stood";
  static constexpr int64_t kMedian = -1, kNanMedian = -2;
  int64_t dim = -1, k = 1;                                     // k from 1
  bool keepdim = false;
  static Ranked of(int64_t k, int64_t dim, bool keepdim) {
    Ranked r;
    r.k = k;
    r.dim = dim;
    r.keepdim = keepdim;
    return r;
  }
  int64_t count(int64_t n) const {
    if (k >= 0 ? k < 1 || k > n : n == 0) {
      if (k < 0) fail<IndexError>("median: median(): Expected reduction dim to have non-zero size.");
      fail<IndexError>(name, ": kthvalue(): selected number k out of range for dimension: k is ", k, ", the dimension has ", n, " elements");
    }
    return 1;
  }
  bool drops() const { return !keepdim; }
  void run(CArray rows, MArray values, MArray index) const { kernels::order_statistic(rows, k > 0 ? k - 1 : k, values, index); }
  static Samples samples() {
    return {sample(of(2, 1, false), {apart({3, 5})}), sample(of(kMedian, 0, true), {apart({4, 3})}, "median, keepdim"),
            sample(of(kNanMedian, -1, false), {apart({2, 5})}, "nanmedian"), sample(of(1, 0, false), {normal({})}, "0-dim"), sample(of(1, 1, false), {{0, 2}}, "no rows")};
  }
  static ErrorSamples errors() {
    return {error(of(4, 0, false), {{3}}, "selected number k out of range for dimension"), error(of(0, 0, false), {{3}}, "selected number k out of range"),
            error(of(kMedian, 1, false), {{2, 0}}, "Expected reduction dim to have non-zero size")};
  }
};

struct Mode : Picking<Mode> {
  static constexpr auto name = "mode", doc = "the most frequent value along a dimension (the least of equally frequent ones) and its last index";
  int64_t dim = -1;
  bool keepdim = false;
  static Mode along(int64_t dim, bool keepdim) {
    Mode m;
    m.dim = dim;
    m.keepdim = keepdim;
    return m;
  }
  int64_t count(int64_t n) const {
    if (n == 0) fail<IndexError>(name, ": mode(): Expected reduction dim to have non-zero size.");
    return 1;
  }
  bool drops() const { return !keepdim; }
  void run(CArray rows, MArray values, MArray index) const { kernels::mode(rows, values, index); }
  static Samples samples() {
    return {sample(along(1, false), {values({2, 4}, {1, 3, 3, 2, 5, 4, 4, 5})}).not_smooth(), sample(along(0, true), {apart({3, 2})}, "keepdim").not_smooth()};
  }
  static ErrorSamples errors() { return {error(along(0, false), {{0}}, "Expected reduction dim to have non-zero size")}; }
};

Tensor flat(const Tensor& x) { return reshape(x, {x.numel()}); }
Tensor median_of_all(const Tensor& x, int64_t which) {
  if (x.numel() == 0) return Tensor(full({}, NAN, x.dtype(), x.device()));
  return apply(Ranked::of(which, 0, false), {flat(x)})[0];
}

Tensor quantile_of(const char* op, const Tensor& input, const Tensor& q, std::optional<int64_t> dim, bool keepdim, std::string_view interpolation, bool skip_nan) {
  if (input.numel() == 0) fail<ShapeError>(op, ": ", op, "() input tensor must be non-empty");
  if (!is_real(input.dtype())) fail<DtypeError>(op, ": ", op, "() input tensor must be either float or double dtype, got ", input.dtype());
  if (q.dim() > 1) fail<ShapeError>(op, ": ", op, "() q must be a scalar or 1D tensor");
  if (q.dtype() != input.dtype()) fail<DtypeError>(op, ": ", op, "() q tensor must be same dtype as the input tensor");
  for (double v : to_vector<double>(q.array())) if (!(v >= 0 && v <= 1)) fail<ValueError>(op, ": ", op, "() q values must be in the range [0, 1]");
  const bool known = interpolation == "linear" || interpolation == "lower" || interpolation == "higher" || interpolation == "midpoint" || interpolation == "nearest";
  if (!known) fail<ValueError>(op, ": ", op, "() interpolation must be one of linear, lower, higher, midpoint or nearest, but got ", interpolation);

  const int rank = input.dim(), d = dim ? normalize_dim(*dim, rank, op) : 0;
  const Tensor x = dim && rank > 0 ? movedim(input, {d}, {-1}) : flat(input);
  const int64_t n = x.size(-1), rows = x.numel() / n, count = q.numel();
  const Tensor sorted = sort(reshape(x, {rows, n}), -1)[0];                       // (R, N), NaN at the end
  const Tensor nans = sum(isnan(sorted), {-1}, true);                             // (R, 1)
  // the rank of each quantile, (R, Q): q (n - 1) for n elements that are not NaN; where NaN counts, a line with one gives NaN
  Tensor last = to(sub(Tensor(full({rows, 1}, double(n), DType::i64, input.device())), nans), DType::f64);
  last = clamp(sub(last, 1.0), 0.0, std::nullopt);
  Tensor rank_of = mul(to(reshape(q.detach(), {1, count}), DType::f64), last);
  if (!skip_nan) rank_of = where(expand(gt(nans, 0.0), rank_of.shape()), Tensor(full(rank_of.shape(), double(n - 1), DType::f64, input.device())), rank_of);
  if (interpolation == "lower") rank_of = floor(rank_of);
  if (interpolation == "higher") rank_of = ceil(rank_of);
  if (interpolation == "nearest") rank_of = round(rank_of);
  const Tensor low = floor(rank_of), high = ceil(rank_of);
  const Tensor a = gather(sorted, -1, to(low, DType::i64)), b = gather(sorted, -1, to(high, DType::i64));
  const Tensor weight = interpolation == "midpoint" ? Tensor(full(low.shape(), 0.5, input.dtype(), input.device())) : to(sub(rank_of, low), input.dtype());
  Tensor y = where(eq(low, high), a, lerp(a, b, weight));                         // (R, Q)

  Shape lead;
  if (dim && rank > 0) for (int k = 0; k < rank; ++k) if (k != d) lead.push_back(input.shape()[k]);
  Shape shape{count};
  for (int64_t s : lead) shape.push_back(s);
  y = reshape(transpose(y, 0, 1), shape);
  if (keepdim) {
    if (dim) y = rank > 0 ? unsqueeze(y, d + 1) : y;
    else y = reshape(y, [&] { Shape s(rank + 1, 1); s[0] = count; return s; }());
  }
  return q.dim() == 0 ? select(y, 0, 0) : y;
}

}  // namespace

Tensors sort(const Tensor& input, int64_t dim, bool descending) { return apply(Sort::along(dim, descending), {input}); }
Tensor argsort(const Tensor& input, int64_t dim, bool descending) { return sort(input.detach(), dim, descending)[1]; }
Tensor msort(const Tensor& input) { return sort(input, 0)[0]; }
Tensors topk(const Tensor& input, int64_t k, int64_t dim, bool largest) { return apply(TopK::of(k, dim, largest), {input}); }
Tensors kthvalue(const Tensor& input, int64_t k, int64_t dim, bool keepdim) {
  if (k <= 0) k = 0;                                           // not the names of the medians
  return apply(Ranked::of(k, dim, keepdim), {input});
}
Tensors median(const Tensor& input, int64_t dim, bool keepdim) { return apply(Ranked::of(Ranked::kMedian, dim, keepdim), {input}); }
Tensor median(const Tensor& input) { return median_of_all(input, Ranked::kMedian); }
Tensors nanmedian(const Tensor& input, int64_t dim, bool keepdim) { return apply(Ranked::of(Ranked::kNanMedian, dim, keepdim), {input}); }
Tensor nanmedian(const Tensor& input) { return median_of_all(input, Ranked::kNanMedian); }
Tensors mode(const Tensor& input, int64_t dim, bool keepdim) { return apply(Mode::along(dim, keepdim), {input}); }

Tensor quantile(const Tensor& input, const Tensor& q, std::optional<int64_t> dim, bool keepdim, std::string_view interpolation) {
  return quantile_of("quantile", input, q, dim, keepdim, interpolation, false);
}
Tensor quantile(const Tensor& input, double q, std::optional<int64_t> dim, bool keepdim, std::string_view interpolation) {
  return quantile(input, Tensor(full({}, q, input.dtype(), input.device())), dim, keepdim, interpolation);
}
Tensor nanquantile(const Tensor& input, const Tensor& q, std::optional<int64_t> dim, bool keepdim, std::string_view interpolation) {
  return quantile_of("nanquantile", input, q, dim, keepdim, interpolation, true);
}

}  // namespace hippograd
