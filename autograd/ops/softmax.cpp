// Softmax along one dimension.
#include "autograd/op.h"
#include "autograd/operators.h"
#include "tensor/kernels/softmax.h"

namespace hippograd {
namespace {

// The array with `dim` last, contiguous; a scalar counts as one row of one element.
Array rows_along(const Array& x, int64_t dim) { return x.dim() == 0 ? x.view({1}) : x.transpose(dim, -1).contiguous(); }
// Back to the shape it came from.
Array unrow(const Array& y, int64_t dim, const Shape& shape) {
  return shape.empty() ? y.view({}) : y.transpose(dim, -1).contiguous();
}

Outs softmax_rule(const char* op, ArrayIn x, int64_t dim) {
  normalize_dim(dim, std::max(1, x[0].dim()), op);
  Dims(op).dtype("input", x[0], is_real(x[0].dtype()), "a real floating dtype");
  return {like(x[0])};
}
Array softmax_forward(Saved& s, const Array& x, int64_t dim, bool log) {
  const Array rows = rows_along(x, dim);
  Array y = empty_like(rows);
  if (y.numel() > 0) kernels::softmax_fwd(log, rows, y);
  y = unrow(y, dim, x.shape());
  s.input(0);
  s.output(y);
  return y;
}
Tensor softmax_backward(Saved& s, const Tensor& dy, int64_t dim, bool log) {
  const Array y = rows_along(s.y().array(), dim), d = rows_along(dy.array(), dim);
  Array dx = empty_like(y);
  if (dx.numel() > 0) kernels::softmax_bwd(log, y, d, dx);
  return unrow(dx, dim, dy.shape());
}
// x - max, the maximum a constant: softmax does not change when a row is shifted.
Tensor shifted(const Tensor& x, int64_t dim) { return x.numel() == 0 ? x : x - amax(x, {dim}, true).detach(); }

//   y_c = exp(x_c - m) / sum_k exp(x_k - m),  m = max_k x_k        dx = y (dy - sum(y dy))
struct Softmax {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "softmax", doc = "exp(input) / sum(exp(input)) along a dimension";
  int64_t dim = -1;
  Outs infer(ArrayIn x) const { return softmax_rule(name, x, dim); }
  Array forward(Saved& s, ArrayIn x) const { return softmax_forward(s, x[0], dim, false); }
  Tensor backward(Saved& s, Tensor dy) const { return softmax_backward(s, dy, dim, false); }
  Tensor reference(const Tensors& x) const {
    const Tensor e = exp(shifted(x[0], dim));
    return e / sum(e, {dim}, true);
  }
  static Samples samples() {
    return {sample(Softmax{}, {{2, 5}}).bench({{4096, 1024}}).bench({{16384, 64}}), sample(Softmax{}, {{3, 1}}, "one class"),
            sample(Softmax{0}, {{5, 3}}, "first dimension"), sample(Softmax{1}, {{2, 3, 2}}, "middle dimension"),
            sample(Softmax{}, {{2, 257}}, "long row"), sample(Softmax{}, {{0, 4}}, "no rows"), sample(Softmax{}, {{2, 0}}, "no classes"),
            sample(Softmax{0}, {normal({})}, "scalar")};
  }
  static ErrorSamples errors() {
    return {error(Softmax{2}, {{2, 3}}, "Dimension out of range"), error(Softmax{}, {integers({2, 3}, 0, 5)}, "a real floating dtype")};
  }
};

//   y_c = (x_c - m) - log sum_k exp(x_k - m)        dx = dy - exp(y) sum(dy)
struct LogSoftmax {
  static constexpr Autocast autocast = Autocast::Full;
  static constexpr auto name = "log_softmax", doc = "log(softmax(input)) along a dimension, without the detour";
  int64_t dim = -1;
  Outs infer(ArrayIn x) const { return softmax_rule(name, x, dim); }
  Array forward(Saved& s, ArrayIn x) const { return softmax_forward(s, x[0], dim, true); }
  Tensor backward(Saved& s, Tensor dy) const { return softmax_backward(s, dy, dim, true); }
  Tensor reference(const Tensors& x) const {
    const Tensor a = shifted(x[0], dim);
    return a - log(sum(exp(a), {dim}, true));
  }
  static Samples samples() {
    return {sample(LogSoftmax{}, {{2, 5}}).bench({{4096, 1024}}), sample(LogSoftmax{}, {{3, 1}}, "one class").not_smooth(),
            sample(LogSoftmax{0}, {{5, 3}}, "first dimension"), sample(LogSoftmax{1}, {{2, 3, 2}}, "middle dimension"),
            sample(LogSoftmax{}, {{2, 257}}, "long row"), sample(LogSoftmax{}, {{0, 4}}, "no rows"), sample(LogSoftmax{0}, {normal({})}, "scalar")};
  }
  static ErrorSamples errors() {
    return {error(LogSoftmax{-3}, {{2, 3}}, "Dimension out of range"), error(LogSoftmax{}, {booleans({2, 3})}, "a real floating dtype")};
  }
};

}  // namespace

Tensor softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype) { return apply(Softmax{dim}, {dtype ? to(input, *dtype) : input}); }
Tensor log_softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  return apply(LogSoftmax{dim}, {dtype ? to(input, *dtype) : input});
}
Tensor softmin(const Tensor& input, int64_t dim, std::optional<DType> dtype) { return softmax(-input, dim, dtype); }

}  // namespace hippograd
