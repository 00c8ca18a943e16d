// Losses made of other ops (torch.nn.functional's, with its names, defaults and conventions).
#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/operators.h"

namespace hippograd {
namespace {

Tensor reduce(const char* op, const Tensor& losses, std::string_view reduction) {
  if (reduction == "none") return losses;
  if (reduction == "mean") return mean(losses);
  if (reduction == "sum") return sum(losses);
  fail<ValueError>(op, ": ", reduction, " is not a valid value for reduction ('none', 'mean' or 'sum')");
}
// Input and target in one dtype and shape.
std::pair<Tensor, Tensor> pair(const char* op, const Tensor& input, const Tensor& target) {
  const Tensors x = broadcast(op, {input, target});
  return {x[0], x[1]};
}
void same_size(const char* op, const Tensor& input, const Tensor& target) {
  if (!(input.shape() == target.shape()))
    fail<ShapeError>(op, ": Using a target size (", target.shape(), ") that is different to the input size (", input.shape(), "); they must be the same");
}
Tensor weighted(const Tensor& losses, const Tensor& weight) { return weight.defined() ? losses * weight : losses; }
Tensor zero_like(const Tensor& x) { return Tensor(zeros({}, x.dtype(), x.device())); }
double number(const Tensor& x) { return x.item<double>(); }

//   l = -w (t log x + (1 - t) log(1 - x)),  logarithms not below -100
//   dx = w (x - t) / max(x (1 - x), 1e-12)      dt = w (log(1 - x) - log x)
struct BinaryCrossEntropy {
  static constexpr auto name = "binary_cross_entropy", doc = "-(target log(input) + (1 - target) log(1 - input)) per element";
  static constexpr bool differentiable_backward = true;
  static Tensor log_of(const Tensor& x) { return clamp(log(x), -100, {}); }

  Outs infer(ArrayIn x) const {
    Dims d(name);
    d("input", x[0], "...")("target", x[1], "...");
    d.dtype("input", x[0], is_real(x[0].dtype()), "a real floating dtype");
    d.same_dtype("input", x[0], "target", x[1]);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn in) const {
    NoGrad quiet;
    const Tensor x(in[0]), t(in[1]);
    s.inputs(0, 1);
    return neg(t * log_of(x) + (1 - t) * log_of(1 - x)).array();
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor x = s.x(0), t = s.x(1);
    Tensors g(2);
    if (s.needs(0)) g[0] = dy * (x - t) / clamp(x * (1 - x), 1e-12, {});
    if (s.needs(1)) g[1] = dy * (log_of(1 - x) - log_of(x));
    return g;
  }
  static Samples samples() {
    return {sample(BinaryCrossEntropy{}, {uniform({3, 4}, 0.1, 0.9), uniform({3, 4}, 0, 1)}), sample(BinaryCrossEntropy{}, {uniform({}, 0.2, 0.8), uniform({}, 0, 1)}, "scalar"),
            sample(BinaryCrossEntropy{}, {uniform({0, 2}, 0, 1), uniform({0, 2}, 0, 1)}, "nothing")};
  }
  static ErrorSamples errors() { return {error(BinaryCrossEntropy{}, {{2, 3}, {3, 2}}, "target must be (...), got (3, 2)")}; }
};

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, std::string_view reduction, const Tensor& weight) {
  const auto [x, t] = pair("mse_loss", input, target);
  return reduce("mse_loss", weighted(square(x - t), weight), reduction);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction, const Tensor& weight) {
  const auto [x, t] = pair("l1_loss", input, target);
  return reduce("l1_loss", weighted(abs(x - t), weight), reduction);
}

//   d^2 / (2 beta) if |d| < beta, else |d| - beta / 2
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction, double beta) {
  const char* op = "smooth_l1_loss";
  if (!(beta >= 0)) fail<ValueError>(op, ": does not support negative values for beta, got ", beta);
  if (beta == 0) return l1_loss(input, target, reduction);
  const auto [x, t] = pair(op, input, target);
  const Tensor d = abs(x - t);
  return reduce(op, where(lt(d, beta), square(d) * (0.5 / beta), d - 0.5 * beta), reduction);
}

//   d^2 / 2 if |d| <= delta, else delta (|d| - delta / 2)
Tensor huber_loss(const Tensor& input, const Tensor& target, std::string_view reduction, double delta, const Tensor& weight) {
  const char* op = "huber_loss";
  if (!(delta > 0)) fail<ValueError>(op, ": does not support non-positive values for delta, got ", delta);
  const auto [x, t] = pair(op, input, target);
  const Tensor d = abs(x - t);
  return reduce(op, weighted(where(le(d, delta), square(d) * 0.5, (d - 0.5 * delta) * delta), weight), reduction);
}

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight, std::string_view reduction) {
  const char* op = BinaryCrossEntropy::name;
  same_size(op, input, target);
  if (input.numel() > 0) {
    NoGrad quiet;
    const Tensor x = input.detach();
    if (!(number(amin(x)) >= 0 && number(amax(x)) <= 1)) fail<ValueError>(op, ": all elements of input should be between 0 and 1");
  }
  return reduce(op, weighted(apply(BinaryCrossEntropy{}, {input, target}), weight), reduction);
}

//   (1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight, std::string_view reduction, const Tensor& pos_weight) {
  const char* op = "binary_cross_entropy_with_logits";
  if (!(input.shape() == target.shape())) fail<ShapeError>(op, ": Target size (", target.shape(), ") must be the same as input size (", input.shape(), ")");
  const Tensor tail = softplus(neg(input));
  const Tensor losses = (1 - target) * input + (pos_weight.defined() ? tail * ((pos_weight - 1) * target + 1) : tail);
  return reduce(op, weighted(losses, weight), reduction);
}

//   t (log t - x), with 0 log 0 = 0;  log_target: exp(t) (t - x)
Tensor kl_div(const Tensor& input, const Tensor& target, std::string_view reduction, bool log_target) {
  const Tensor losses = log_target ? exp(target) * (target - input) : xlogy(target, target) - target * input;
  if (reduction == "batchmean") return sum(losses) / double(input.dim() ? input.size(0) : 1);
  return reduce("kl_div", losses, reduction);
}

//   exp(x) - t x, or x - t log(x + eps); full adds Stirling's t log t - t + log(2 pi t) / 2 where t > 1
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input, bool full, double eps, std::string_view reduction) {
  Tensor losses = log_input ? exp(input) - target * input : input - target * log(input + eps);
  if (full) {
    const Tensor safe = where(gt(target, 1.0), target, zero_like(target) + 1);
    const Tensor stirling = safe * log(safe) - safe + 0.5 * log(safe * (2 * M_PI));
    losses = losses + where(gt(target, 1.0), stirling, zero_like(target));
  }
  return reduce("poisson_nll_loss", losses, reduction);
}

//   (log v + (x - t)^2 / v) / 2,  v = max(var, eps) with the gradient of var
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var, bool full, double eps, std::string_view reduction) {
  const char* op = "gaussian_nll_loss";
  if (!(eps > 0)) fail<ValueError>(op, ": eps must be positive, got ", eps);
  Tensor v = var;
  if (!(v.shape() == input.shape())) {
    Shape without_last = input.shape(), one = input.shape();
    if (input.dim() > 0) without_last.resize(input.dim() - 1), one.back() = 1;
    if (v.shape() == without_last) v = unsqueeze(v, -1);   // one variance for the last dimension
    else if (!(v.shape() == one) && v.numel() != 1) fail<ValueError>(op, ": var is of incorrect size: ", var.shape(), " for input ", input.shape());
  }
  if (v.numel() > 0 && number(amin(v.detach())) < 0) fail<ValueError>(op, ": var has negative entry/entries");
  v = v + (clamp(v.detach(), eps, {}) - v.detach());
  Tensor losses = 0.5 * (log(v) + square(input - target) / v);
  if (full) losses = losses + 0.5 * std::log(2 * M_PI);
  return reduce(op, losses, reduction);
}

Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin, std::string_view reduction) {
  return reduce("margin_ranking_loss", relu(neg(target) * (input1 - input2) + margin), reduction);
}

// x where target is 1, max(0, margin - x) where it is -1.
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin, std::string_view reduction) {
  const Tensor zero = zero_like(input);
  const Tensor losses = where(ne(target, 1.0), relu(margin - input), zero) + where(ne(target, -1.0), input, zero);
  return reduce("hinge_embedding_loss", losses, reduction);
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
  const auto [a, b] = pair("cosine_similarity", x1, x2);
  const auto length = [&](const Tensor& x) { return clamp(norm(x, 2, {dim}, true), eps, {}); };
  return sum((a / length(a)) * (b / length(b)), {dim});
}

// 1 - cos where target is 1, max(0, cos - margin) where it is -1; cos with 1e-12 added to both squared lengths.
Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin, std::string_view reduction) {
  const char* op = "cosine_embedding_loss";
  if (target.dim() > 1 || input1.dim() != target.dim() + 1 || input2.dim() != target.dim() + 1)
    fail<ShapeError>(op, ": inputs (N, D) go with target (N), inputs (D) with target (); got ", input1.shape(), ", ", input2.shape(), " and ", target.shape());
  const Shape last{target.dim()};
  const auto squared = [&](const Tensor& x) { return sum(square(x), last) + 1e-12; };
  const Tensor cosine = sum(input1 * input2, last) / sqrt(squared(input1) * squared(input2)), zero = zero_like(cosine);
  return reduce(op, where(eq(target, 1.0), 1 - cosine, zero) + where(eq(target, -1.0), relu(cosine - margin), zero), reduction);
}

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p, double eps, bool keepdim) {
  return norm(x1 - x2 + eps, p, {-1}, keepdim);
}

//   max(0, |a - p| - |a - n| + margin); swap: the smaller of |a - n| and |p - n|
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin, double p, double eps, bool swap,
                           std::string_view reduction) {
  const char* op = "triplet_margin_loss";
  if (anchor.dim() != positive.dim() || anchor.dim() != negative.dim())
    fail<ShapeError>(op, ": The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ", anchor.dim(),
                     "D, positive ", positive.dim(), "D, and negative ", negative.dim(), "D inputs");
  if (!(margin > 0)) fail<ValueError>(op, ": margin must be greater than 0, got ", margin);
  const Tensor near = pairwise_distance(anchor, positive, p, eps);
  Tensor far = pairwise_distance(anchor, negative, p, eps);
  if (swap) far = minimum(far, pairwise_distance(positive, negative, p, eps));
  return reduce(op, relu(near - far + margin), reduction);
}

//   log(1 + exp(-t x))
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  return reduce("soft_margin_loss", softplus(neg(target) * input), reduction);
}

//   sum_{j != t} max(0, margin - x_t + x_j)^p weight[t] / C
Tensor multi_margin_loss(const Tensor& input, const Tensor& target, double p, double margin, const Tensor& weight, std::string_view reduction) {
  const char* op = "multi_margin_loss";
  if (p != 1 && p != 2) fail<ValueError>(op, ": only p == 1 and p == 2 supported, got ", p);
  if (input.dim() < 1 || input.dim() > 2 || target.dim() != input.dim() - 1)
    fail<ShapeError>(op, ": input (N, C) goes with target (N), input (C) with target (); got ", input.shape(), " and ", target.shape());
  const Tensor index = unsqueeze(target, -1);
  const int64_t classes = input.size(-1);
  Tensor terms = relu(input - gather(input, -1, index) + margin);
  if (p == 2) terms = square(terms);
  if (weight.defined()) terms = terms * unsqueeze(reshape(index_select(weight, 0, reshape(target, {target.numel()})), target.shape()), -1);
  return reduce(op, sum(scatter(terms, -1, index, 0.0), {-1}) / double(classes), reduction);
}

//   -(t log sigma(x) + (1 - t) log sigma(-x)), averaged over the classes
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight, std::string_view reduction) {
  const Tensor losses = target * softplus(neg(input)) + (1 - target) * softplus(input);
  return reduce("multilabel_soft_margin_loss", mean(weighted(losses, weight), {-1}), reduction);
}

// target lists the labels of each row, ended by -1:  sum over labels y and non-labels j of max(0, 1 - (x_y - x_j)) / C
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction) {
  const char* op = "multilabel_margin_loss";
  if (input.dim() < 1 || input.dim() > 2 || !(input.shape() == target.shape()))
    fail<ShapeError>(op, ": target must have the shape of input, (N, C) or (C); got ", target.shape(), " and ", input.shape());
  const Tensor x = input.dim() == 1 ? unsqueeze(input, 0) : input, t = input.dim() == 1 ? unsqueeze(target, 0) : target;
  const int64_t rows = x.size(0), classes = x.size(1);
  std::vector<double> label(size_t(rows * classes), 0);   // 1 where the class is a label of the row
  const auto indices = to_vector<int64_t>(t.array());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < classes && indices[size_t(r * classes + k)] >= 0; ++k) {
      const int64_t c = indices[size_t(r * classes + k)];
      if (c >= classes) fail<IndexError>(op, ": Target ", c, " is out of bounds. (position (", r, ", ", k, "); there are ", classes, " classes)");
      label[size_t(r * classes + c)] = 1;
    }
  const Tensor is = Tensor(from_vector(label, {rows, classes}).to(x.dtype()).to(x.device()));
  const Tensor terms = relu(1 - unsqueeze(x, 2) + unsqueeze(x, 1)) * (unsqueeze(is, 2) * (1 - unsqueeze(is, 1)));   // (N, label, other)
  const Tensor losses = sum(terms, {1, 2}) / double(classes);
  return reduce(op, input.dim() == 1 ? select(losses, 0, 0) : losses, reduction);
}

}  // namespace hippograd
