// Losses over classes.
#include "autograd/op.h"
#include "autograd/operators.h"
#include "tensor/kernels/loss.h"

namespace hippograd {
namespace {

using kernels::Reduction;

Reduction parse_reduction(const char* op, std::string_view s) {
  if (s == "none") return Reduction::None;
  if (s == "mean") return Reduction::Mean;
  if (s == "sum") return Reduction::Sum;
  fail<ValueError>(op, ": ", s, " is not a valid value for reduction ('none', 'mean' or 'sum')");
}

Outs loss_rule(const char* op, ArrayIn x, Reduction reduction) {   // input (N, C), target (N), weight (C)
  Dims d(op);
  d("input", x[0], "N C")("target", x[1], "N");
  d.dtype("input", x[0], is_real(x[0].dtype()), "a real floating dtype");
  d.dtype("target", x[1], x[1].dtype() == DType::i64, "int64");
  if (x.has(2)) {
    d("weight", x[2], "C");
    d.same_dtype("input", x[0], "weight", x[2]);
  }
  return {out(reduction == Reduction::None ? Shape{x[0].shape()[0]} : Shape{}, x[0].dtype())};
}
Array dense(const Array& x) { return x.defined() ? x.contiguous() : x; }

// -sum of w_r v_r, reduced; `counted` (R): weight of each row's target, 0 for ignored rows.
Tensor reduced(const Tensor& losses, const Tensor& counted, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses) : sum(losses) / sum(counted);
}

// The pieces of the reference that concern targets: 1 for rows that count, a valid class everywhere, the target's weight.
struct Targets {
  Tensor kept, index, counted;   // (R), (R, 1), (R)
  Targets(const Tensor& target, const Tensor& weight, int64_t ignore_index, DType dtype) {
    const Tensor keep = ne(target, Tensor::number(ignore_index));
    kept = to(keep, dtype);
    const Tensor valid = target * to(keep, DType::i64);
    index = unsqueeze(valid, 1);
    counted = weight.defined() ? kept * index_select(weight, 0, valid) : kept;
  }
};

//   loss = weight[t] (log sum exp(x - m) - (x_t - m))      dx = dloss / total weight[t] (softmax(x) - onehot(t))
struct CrossEntropy {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "cross_entropy", doc = "-log softmax(input)[target], weighted, smoothed and reduced";
  int64_t ignore_index = -100;
  double smoothing = 0;
  Reduction reduction = Reduction::Mean;

  static std::vector<bool> differentiable() { return {true, false, false}; }
  Outs infer(ArrayIn x) const {
    if (!(smoothing >= 0 && smoothing <= 1)) fail<ValueError>(name, ": label_smoothing must be between 0.0 and 1.0, got ", smoothing);
    return loss_rule(name, x, reduction);
  }
  Array forward(Saved& s, ArrayIn x) const {
    const int64_t rows = x[0].shape()[0];
    const DType wide = compute_dtype(x[0].dtype());
    Array loss = empty(reduction == Reduction::None ? Shape{rows} : Shape{}, x[0].dtype(), x[0].device());
    Array stats = empty({rows, 2}, wide, x[0].device()), total = empty({}, wide, x[0].device());
    kernels::cross_entropy_fwd(x[0].contiguous(), x[1].contiguous(), dense(x[2]), ignore_index, smoothing, reduction, loss, stats, total);
    for (int i = 0; i < 3; ++i)
      if (x.has(size_t(i))) s.input(i);
    s.extra(stats);
    s.extra(total);
    return loss;
  }
  Tensors backward(Saved& s, Tensor dloss) const {
    const Array x = s.x(0).array().contiguous(), weight = s.has(2) ? s.x(2).array().contiguous() : Array{};
    Array dx = empty_like(x);
    kernels::cross_entropy_bwd(x, s.x(1).array().contiguous(), weight, ignore_index, smoothing, s.extra_at(0), s.extra_at(1),
                               dloss.array().contiguous(), dx);
    return {dx, Tensor(), Tensor()};
  }
  Tensor reference(const Tensors& x) const {
    const Tensor weight = x.size() > 2 ? x[2] : Tensor();
    const Targets t(x[1], weight, ignore_index, x[0].dtype());
    const Tensor l = -log_softmax(x[0], 1);   // (R, C)
    Tensor losses = squeeze(gather(l, 1, t.index), {1}) * t.counted;
    if (smoothing > 0) {
      const Tensor all = sum(weight.defined() ? l * weight : l, {1}) * t.kept;
      losses = losses * (1 - smoothing) + all * (smoothing / double(x[0].size(1)));
    }
    return reduced(losses, t.counted, reduction);
  }
  static Samples samples() {
    const Input targets = values({4}, {2, 0, 4, 1}).dtype(DType::i64), holes = values({4}, {2, -100, 4, -100}).dtype(DType::i64);
    const Input weight = uniform({5}, 0.5, 2);
    return {sample(CrossEntropy{}, {{4, 5}, targets, absent()}).bench({{256, 32000}, integers({256}, 0, 32000), absent()}).bench({{2048, 32}, integers({2048}, 0, 32), absent()}),
            sample(CrossEntropy{}, {{4, 5}, holes, weight}, "weights, ignored rows"),
            sample(CrossEntropy{-100, 0.2}, {{4, 5}, holes, weight}, "smoothed, weights, ignored rows"),
            sample(CrossEntropy{-100, 0.1, Reduction::Sum}, {{4, 5}, targets, absent()}, "smoothed sum"),
            sample(CrossEntropy{2, 0, Reduction::None}, {{4, 5}, targets, weight}, "per row, class 2 ignored"),
            sample(CrossEntropy{}, {{3, 1}, integers({3}, 0, 1), absent()}, "one class"),
            sample(CrossEntropy{-100, 0, Reduction::Sum}, {{0, 5}, integers({0}, 0, 5), absent()}, "no rows"),
            sample(CrossEntropy{-100, 0.3, Reduction::None}, {{2, 67}, integers({2}, 0, 67), absent()}, "many classes")};
  }
  static ErrorSamples errors() {
    return {error(CrossEntropy{}, {{2, 3}, values({2}, {1, 7}).dtype(DType::i64), absent()}, "cross_entropy: Target 7 is out of bounds. (position 1"),
            error(CrossEntropy{}, {{2, 3}, values({2}, {-1, 0}).dtype(DType::i64), absent()}, "Target -1 is out of bounds. (position 0"),
            error(CrossEntropy{}, {{2, 3}, integers({3}, 0, 3), absent()}, "target must be (N,), got (3,); N is 2 in input"),
            error(CrossEntropy{}, {{2, 3}, integers({2}, 0, 3), {4}}, "weight must be (C,), got (4,); C is 3 in input"),
            error(CrossEntropy{-100, 1.5}, {{2, 3}, integers({2}, 0, 3), absent()}, "label_smoothing must be between 0.0 and 1.0")};
  }
};

//   loss = -weight[t] x_t     dx_t = -dloss / total weight[t]
struct NllLoss {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "nll_loss", doc = "-input[target], weighted and reduced; input holds log-probabilities";
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::Mean;

  static std::vector<bool> differentiable() { return {true, false, false}; }
  Outs infer(ArrayIn x) const { return loss_rule(name, x, reduction); }
  Array forward(Saved& s, ArrayIn x) const {
    Array loss = empty(reduction == Reduction::None ? Shape{x[0].shape()[0]} : Shape{}, x[0].dtype(), x[0].device());
    Array total = empty({}, compute_dtype(x[0].dtype()), x[0].device());
    kernels::nll_loss_fwd(x[0].contiguous(), x[1].contiguous(), dense(x[2]), ignore_index, reduction, loss, total);
    for (int i = 0; i < 3; ++i)
      if (x.has(size_t(i))) s.input(i);
    s.extra(total);
    return loss;
  }
  Tensors backward(Saved& s, Tensor dloss) const {
    Array dx = empty(s.in(0).shape, s.in(0).dtype, s.in(0).device);
    kernels::nll_loss_bwd(s.x(1).array().contiguous(), s.has(2) ? s.x(2).array().contiguous() : Array{}, ignore_index, s.extra_at(0),
                          dloss.array().contiguous(), dx);
    return {dx, Tensor(), Tensor()};
  }
  Tensor reference(const Tensors& x) const {
    const Targets t(x[1], x.size() > 2 ? x[2] : Tensor(), ignore_index, x[0].dtype());
    return reduced(-squeeze(gather(x[0], 1, t.index), {1}) * t.counted, t.counted, reduction);
  }
  static Samples samples() {
    const Input targets = values({4}, {2, 0, 4, 1}).dtype(DType::i64), holes = values({4}, {2, -100, 4, -100}).dtype(DType::i64);
    return {sample(NllLoss{}, {{4, 5}, targets, absent()}), sample(NllLoss{}, {{4, 5}, holes, uniform({5}, 0.5, 2)}, "weights, ignored rows"),
            sample(NllLoss{-100, Reduction::None}, {{4, 5}, holes, absent()}, "per row"),
            sample(NllLoss{-100, Reduction::Sum}, {{0, 5}, integers({0}, 0, 5), absent()}, "no rows")};
  }
  static ErrorSamples errors() {
    return {error(NllLoss{}, {{2, 3}, values({2}, {1, 3}).dtype(DType::i64), absent()}, "nll_loss: Target 3 is out of bounds. (position 1"),
            error(NllLoss{}, {{2, 3}, {2}, absent()}, "target must be int64")};
  }
};

// input (N, C, d1, ...) or (C) and target (N, d1, ...) or () as rows (R, C) and (R).
struct ClassRows {
  Tensor input, target;
  Shape target_shape;
  ClassRows(const char* op, const Tensor& x, const Tensor& t) : target_shape(t.shape()) {
    if (x.dim() < 1) fail<ShapeError>(op, ": input must be (C) or (N, C, ...), got ", x.shape());
    if (t.dtype() != DType::i64 && t.dtype() != DType::u8)
      fail<DtypeError>(op, ": expected target dtype to be Long or Byte, but got ", t.dtype());
    if (x.dim() > 1 && t.dim() > 0 && x.size(0) != t.size(0))
      fail<ShapeError>(op, ": Expected input batch_size (", x.size(0), ") to match target batch_size (", t.size(0), ").");
    Shape want = x.shape();
    want.erase(x.dim() == 1 ? 0 : 1);
    if (!(t.shape() == want)) fail<ShapeError>(op, ": target must be ", want, " for input of shape ", x.shape(), ", got ", t.shape());
    const int64_t classes = x.dim() == 1 ? x.size(0) : x.size(1);
    input = reshape(x.dim() > 2 ? movedim(x, {1}, {-1}) : x, {want.numel(), classes});
    target = reshape(to(t, DType::i64), {want.numel()});
  }
  Tensor restore(const Tensor& loss, Reduction reduction) const { return reduction == Reduction::None ? reshape(loss, target_shape) : loss; }
};

// Targets that are probabilities: -sum_c weight[c] q_c log softmax(x)_c, q = (1 - smoothing) target + smoothing / C.
Tensor soft_cross_entropy(const Tensor& x, const Tensor& target, const Tensor& weight, double smoothing, Reduction reduction) {
  const char* op = "cross_entropy";
  if (!(target.shape() == x.shape())) fail<ShapeError>(op, ": target must be ", x.shape(), " (class probabilities), got ", target.shape());
  const int64_t dim = x.dim() == 1 ? 0 : 1, classes = x.size(dim);
  const Tensor q = smoothing > 0 ? target * (1 - smoothing) + smoothing / double(classes) : target;
  Tensor l = log_softmax(x, dim) * q;
  if (weight.defined()) {
    if (!(weight.shape() == Shape{classes})) fail<ShapeError>(op, ": weight must be (C), got ", weight.shape(), "; C is ", classes, " in input");
    Shape shape(x.dim(), 1);
    shape[int(dim)] = classes;
    l = l * reshape(weight, shape);
  }
  const Tensor losses = -sum(l, {dim});
  if (reduction == Reduction::None) return losses;
  const Tensor total = sum(losses);
  const int64_t rows = x.dim() == 1 ? 1 : x.numel() / std::max<int64_t>(1, classes);
  return reduction == Reduction::Sum ? total : total / double(rows);
}

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore_index, std::string_view reduction,
                     double label_smoothing) {
  const Reduction r = parse_reduction("cross_entropy", reduction);
  if (is_real(target.dtype())) return soft_cross_entropy(input, target, weight, label_smoothing, r);
  const ClassRows rows("cross_entropy", input, target);
  return rows.restore(apply(CrossEntropy{ignore_index, label_smoothing, r}, {rows.input, rows.target, weight}), r);
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight, int64_t ignore_index, std::string_view reduction) {
  const Reduction r = parse_reduction("nll_loss", reduction);
  const ClassRows rows("nll_loss", input, target);
  return rows.restore(apply(NllLoss{ignore_index, r}, {rows.input, rows.target, weight}), r);
}

}  // namespace hippograd
