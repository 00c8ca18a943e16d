// Normalisation over trailing dimensions.
#include <limits>
#include <numeric>

#include "autograd/op.h"
#include "autograd/operators.h"
#include "tensor/kernels/norm.h"

namespace hippograd {
namespace {

using kernels::Gate;

Array like_or_nothing(bool wanted, const Array& x) { return wanted ? empty_like(x) : Array{}; }
Array flat(const Array& x) { return x.defined() ? x.contiguous().view({x.numel()}) : x; }

// `parameter` (weight or bias) must have the normalised shape, and x's dtype.
void check_parameter(const char* op, const char* which, ArrayIn x, size_t i, const Shape& shape) {
  if (!x.has(i)) return;
  if (!(x[i].shape() == shape)) fail<ShapeError>(op, ": ", which, " must be ", shape, " (normalized_shape), got ", x[i].shape());
  Dims(op).same_dtype("input", x[0], which, x[i]);
}
void check_trailing(const char* op, const Array& x, const Shape& shape) {
  bool fits = shape.size() > 0 && shape.size() <= x.dim();
  for (int i = 1; fits && i <= shape.size(); ++i) fits = shape[shape.size() - i] == x.shape()[x.dim() - i];
  if (!fits) fail<ShapeError>(op, ": input must end in normalized_shape ", shape, " (at least one dimension), got ", x.shape());
  Dims(op).dtype("input", x, is_real(x.dtype()), "a real floating dtype");
}
// -1, -2, ... as many as were normalised.
Shape last_dims(int count) {
  Shape dims;
  for (int i = 1; i <= count; ++i) dims.push_back(-i);
  return dims;
}

//   y = (x - mean) r weight + bias      r = 1 / sqrt(var + eps)
//   dx = r (g - mean(g) - x_hat mean(g x_hat)),  x_hat = (x - mean) r,  g = dy weight     dweight = sum dy x_hat   dbias = sum dy
struct LayerNorm {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "layer_norm", doc = "(input - mean) / sqrt(var + eps) * weight + bias over the trailing dimensions";
  Shape shape;          // normalised
  double eps = 1e-5;

  Outs infer(ArrayIn x) const {   // input (..., shape), weight (shape), bias (shape)
    check_trailing(name, x[0], shape);
    check_parameter(name, "weight", x, 1, shape);
    check_parameter(name, "bias", x, 2, shape);
    return {like(x[0])};
  }
  Shape rows(const Array& x) const {   // (R, C)
    const int64_t n = shape.numel();
    return {n ? x.numel() / n : 0, n};
  }
  Array forward(Saved& s, ArrayIn x) const {
    const Shape r = rows(x[0]);
    Array y = empty(r, x[0].dtype(), x[0].device()), stats = empty({r[0], 2}, compute_dtype(x[0].dtype()), x[0].device());
    if (y.numel() > 0) kernels::layer_norm_fwd(x[0].contiguous().view(r), flat(x[1]), flat(x[2]), eps, y, stats);
    for (int i = 0; i < 3; ++i)
      if (x.has(size_t(i))) s.input(i);
    s.extra(stats);
    return y.view(x[0].shape());
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Array x = s.x(0).array(), weight = s.has(1) ? s.x(1).array() : Array{};
    const Shape r = rows(x);
    const Array rows_of_x = x.contiguous().view(r), one_row = empty({r[1]}, x.dtype(), x.device());
    Array dx = like_or_nothing(s.needs(0), rows_of_x), dw = like_or_nothing(s.needs(1), one_row), db = like_or_nothing(s.needs(2), one_row);
    kernels::layer_norm_bwd(rows_of_x, flat(weight), s.extra_at(0), dy.array().contiguous().view(r), dx, dw, db);
    const auto shaped = [](const Array& g, const Shape& to) { return g.defined() ? Tensor(g.view(to)) : Tensor(); };
    return {shaped(dx, x.shape()), shaped(dw, shape), shaped(db, shape)};
  }
  Tensor reference(const Tensors& x) const {
    const Shape dims = last_dims(shape.size());
    const Tensor centred = x[0] - mean(x[0], dims, true);
    Tensor y = centred * rsqrt(mean(centred * centred, dims, true) + eps);
    if (x[1].defined()) y = y * x[1];
    if (x[2].defined()) y = y + x[2];
    return y;
  }
  static Samples samples() {
    return {sample(LayerNorm{{5}}, {{3, 5}, {5}, {5}}), sample(LayerNorm{{768}}, {{1, 768}, {768}, {768}}, "wide").bench({{1024, 768}, {768}, {768}}), sample(LayerNorm{{2, 3}}, {{4, 2, 3}, {2, 3}, {2, 3}}, "two dimensions"),
            sample(LayerNorm{{37}}, {{2, 3, 37}, absent(), absent()}, "plain"), sample(LayerNorm{{4}}, {{2, 4}, {4}, absent()}, "no bias"),
            sample(LayerNorm{{4}, 0.5}, {{2, 4}, absent(), {4}}, "no weight"), sample(LayerNorm{{1}, 0.5}, {{3, 1}, {1}, {1}}, "one element"),
            sample(LayerNorm{{4}}, {{0, 4}, {4}, {4}}, "no rows"), sample(LayerNorm{{4}}, {{70, 4}, {4}, {4}}, "several pieces")};
  }
  static ErrorSamples errors() {
    return {error(LayerNorm{{5}}, {{3, 4}, absent(), absent()}, "input must end in normalized_shape (5,) (at least one dimension), got (3, 4)"),
            error(LayerNorm{{4}}, {{3, 4}, {3}, absent()}, "weight must be (4,) (normalized_shape), got (3,)"),
            error(LayerNorm{{4}}, {{3, 4}, {4}, {4, 1}}, "bias must be (4,)"),
            error(LayerNorm{{4}}, {integers({3, 4}, 0, 3), absent(), absent()}, "a real floating dtype")};
  }
};

// RMS norm of groups, with an optional gate.  input, z (..., shape), weight (shape); shape's elements form `groups` groups.
//   u = input or input silu(z) (Before)     r = 1 / sqrt(mean(u^2) + eps)     y = u r weight, times silu(z) (After)
struct RmsNorm {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "rms_norm", doc = "input / sqrt(mean(input^2) + eps) * weight over the trailing dimensions, gated by silu(z) on request";
  Shape shape;
  double eps = 1e-5;
  Gate gate = Gate::None;
  int64_t groups = 1;

  Outs infer(ArrayIn x) const {   // input, weight, z
    check_trailing(name, x[0], shape);
    check_parameter(name, "weight", x, 1, shape);
    if (groups < 1 || shape.numel() % groups != 0)
      fail<ShapeError>(name, ": the group size must divide the ", shape.numel(), " elements of normalized_shape ", shape, "; got ", groups, " groups");
    if ((gate == Gate::None) == x.has(2)) fail<ValueError>(name, ": z belongs to the gated forms, and only to them");
    if (x.has(2)) {
      if (!(x[2].shape() == x[0].shape())) fail<ShapeError>(name, ": z must be ", x[0].shape(), ", got ", x[2].shape());
      Dims(name).same_dtype("input", x[0], "z", x[2]);
    }
    return {like(x[0])};
  }
  Shape rows(const Array& x) const {   // (R, G, C)
    const int64_t n = shape.numel();
    return {n ? x.numel() / n : 0, groups, n / groups};
  }
  Array forward(Saved& s, ArrayIn x) const {
    const Shape r = rows(x[0]);
    Array y = empty(r, x[0].dtype(), x[0].device()), stats = empty({r[0], r[1]}, compute_dtype(x[0].dtype()), x[0].device());
    const Array z = x.has(2) ? x[2].contiguous().view(r) : Array{};
    if (y.numel() > 0) kernels::rms_norm_fwd(x[0].contiguous().view(r), z, flat(x[1]), gate, eps, y, stats);
    for (int i = 0; i < 3; ++i)
      if (x.has(size_t(i))) s.input(i);
    s.extra(stats);
    return y.view(x[0].shape());
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Array x = s.x(0).array(), weight = s.has(1) ? s.x(1).array() : Array{}, z = s.has(2) ? s.x(2).array() : Array{};
    const Shape r = rows(x);
    const Array rows_of_x = x.contiguous().view(r);
    Array dx = like_or_nothing(s.needs(0), rows_of_x), dz = like_or_nothing(s.needs(2), rows_of_x);
    Array dw = s.needs(1) ? empty({shape.numel()}, x.dtype(), x.device()) : Array{};
    kernels::rms_norm_bwd(rows_of_x, z.defined() ? z.contiguous().view(r) : z, flat(weight), gate, s.extra_at(0), dy.array().contiguous().view(r), dx, dz, dw);
    const auto shaped = [](const Array& g, const Shape& to) { return g.defined() ? Tensor(g.view(to)) : Tensor(); };
    return {shaped(dx, x.shape()), shaped(dw, shape), shaped(dz, x.shape())};
  }
  Tensor reference(const Tensors& x) const {
    Tensor u = x[0];
    if (gate == Gate::Before) u = u * silu(x[2]);
    Shape grouped = rows(x[0].array());
    const Tensor rows_of_u = reshape(u, grouped);   // (R, G, C)
    Tensor y = reshape(rows_of_u * rsqrt(mean(rows_of_u * rows_of_u, {-1}, true) + eps), x[0].shape());
    if (x[1].defined()) y = y * x[1];
    if (gate == Gate::After) y = y * silu(x[2]);
    return y;
  }
  static Samples samples() {
    return {sample(RmsNorm{{5}}, {{3, 5}, {5}, absent()}), sample(RmsNorm{{768}}, {{1, 768}, {768}, absent()}, "wide").bench({{1024, 768}, {768}, absent()}), sample(RmsNorm{{37}}, {{2, 37}, absent(), absent()}, "no weight"),
            sample(RmsNorm{{2, 3}, 0.1}, {{4, 2, 3}, {2, 3}, absent()}, "two dimensions"),
            sample(RmsNorm{{6}, 1e-5, Gate::After, 1}, {{4, 6}, {6}, {4, 6}}, "gate after"),
            sample(RmsNorm{{6}, 1e-5, Gate::Before, 2}, {{2, 2, 6}, {6}, {2, 2, 6}}, "gate before, two groups"),
            sample(RmsNorm{{6}, 1e-5, Gate::After, 3}, {{70, 6}, {6}, {70, 6}}, "gate after, three groups"),
            sample(RmsNorm{{6}, 1e-5, Gate::Before, 1}, {{3, 6}, absent(), {3, 6}}, "gate before, no weight"),
            sample(RmsNorm{{4}}, {{0, 4}, {4}, absent()}, "no rows"), sample(RmsNorm{{1}, 0.5}, {{3, 1}, {1}, absent()}, "one element")};
  }
  static ErrorSamples errors() {
    return {error(RmsNorm{{5}}, {{3, 4}, absent(), absent()}, "input must end in normalized_shape (5,)"),
            error(RmsNorm{{4}}, {{3, 4}, {3}, absent()}, "weight must be (4,) (normalized_shape), got (3,)"),
            error(RmsNorm{{4}, 1e-5, Gate::After}, {{3, 4}, {4}, {3, 5}}, "z must be (3, 4), got (3, 5)"),
            error(RmsNorm{{4}, 1e-5, Gate::None, 3}, {{3, 4}, {4}, absent()}, "the group size must divide the 4 elements")};
  }
};

}  // namespace

Tensor layer_norm(const Tensor& input, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias, double eps) {
  return apply(LayerNorm{normalized_shape, eps}, {input, weight, bias});
}

Tensor rms_norm(const Tensor& input, const Shape& normalized_shape, const Tensor& weight, std::optional<double> eps) {
  const double machine = input.dtype() == DType::f64 ? std::numeric_limits<double>::epsilon() : input.dtype() == DType::bf16 ? 0x1p-7
                       : input.dtype() == DType::f16 ? 0x1p-10 : double(std::numeric_limits<float>::epsilon());
  return apply(RmsNorm{normalized_shape, eps.value_or(machine)}, {input, weight, Tensor()});
}

Tensor rms_norm_gated(const Tensor& input, const Tensor& z, const Tensor& weight, double eps, int64_t group_size, bool norm_before_gate) {
  if (input.dim() == 0) fail<ShapeError>("rms_norm_gated: input must be (..., C), got ()");
  const int64_t width = input.shape().back();
  const int64_t size = group_size > 0 ? group_size : std::max<int64_t>(1, width);
  if (width % size != 0) fail<ShapeError>("rms_norm_gated: group_size must divide the last dimension of input, ", width, "; got ", group_size);
  return apply(RmsNorm{{width}, eps, norm_before_gate ? Gate::After : Gate::Before, std::max<int64_t>(1, width / size)}, {input, weight, z});
}

}  // namespace hippograd
