// Pooling and resampling. The windows depend on sizes alone, so averages are linear maps with an adjoint; a maximum is a
// gather at positions found in the forward pass.
#include "tensor/kernels/pool.h"

#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"

namespace hippograd {
namespace {

std::string brackets(const Shape& s) {
  std::string text = "[";
  for (int i = 0; i < s.size(); ++i) text += (i ? ", " : "") + std::to_string(s[i]);
  return text + "]";
}
std::string by(const Shape& sizes) {   // 1x4x4
  std::string text;
  for (int i = 0; i < sizes.size(); ++i) text += (i ? "x" : "") + std::to_string(sizes[i]);
  return text;
}
int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Where the windows lie: by kernel, stride, padding and dilation, or `adaptive` many that cover the input.
struct Pooling {
  const char* op = "pool";
  Shape kernel, stride, padding, dilation, adaptive;
  bool ceil_mode = false, count_padding = true;
  int axes() const { return adaptive.empty() ? kernel.size() : adaptive.size(); }

  // Windows over the last axes of x (P, size...).
  PoolWindows windows(const Shape& x) const {
    const int n = axes();
    if (x.size() != n + 2) fail<ShapeError>(op, "(): Expected ", n + 1, "D or ", n + 2, "D tensor, but got ", brackets(x));
    for (int d = 1; d < x.size(); ++d)
      if (x[d] == 0)
        fail<ShapeError>(op, "(): Expected ", n + 1, "D or ", n + 2, "D (batch mode) tensor with optional 0 dim batch size for input, but got: ",
                         brackets(x));
    if (adaptive.empty()) check_lists();
    PoolWindows w;
    Shape outputs;
    for (int a = 0; a < 3; ++a) {
      const int i = a - (3 - n);
      w.axis[a] = i < 0 ? whole() : adaptive.empty() ? regular(i, x[2 + i]) : adapted(adaptive[i], x[2 + i]);
      if (i >= 0) outputs.push_back(int64_t(w.axis[a].begin.size()));
    }
    for (int64_t size : outputs)
      if (size < 1 && adaptive.empty()) {
        Shape in = x, got = outputs;
        in.erase(0);
        got.insert(0, x[1]);
        fail<ShapeError>(op, ": Given input size: (", by(in), "). Calculated output size: (", by(got), "). Output size is too small");
      }
    return w;
  }

  void check_lists() const {
    for (int i = 0; i < kernel.size(); ++i) {
      if (kernel[i] < 1) fail<ValueError>(op, ": kernel size should be greater than zero, but got kernel_size=", kernel);
      if (stride[i] < 1) fail<ValueError>(op, ": stride should not be zero or negative, got ", stride);
      if (dilation[i] < 1) fail<ValueError>(op, ": dilation should be greater than zero, but got ", dilation);
      if (padding[i] < 0) fail<ValueError>(op, ": padding must be non-negative, but got pad=", padding[i]);
      if (2 * padding[i] > dilation[i] * (kernel[i] - 1) + 1)
        fail<ValueError>(op, ": pad should be at most half of effective kernel size, but got pad=", padding[i], ", kernel_size=", kernel[i],
                         " and dilation=", dilation[i]);
    }
  }
  static PoolAxis whole() { return {{0}, {1}, {1}, 1}; }

  PoolAxis regular(int i, int64_t size) const {
    const int64_t k = kernel[i], s = stride[i], p = padding[i], d = dilation[i];
    int64_t outputs = floor_div(size + 2 * p - d * (k - 1) - 1 + (ceil_mode ? s - 1 : 0), s) + 1;
    if (ceil_mode && (outputs - 1) * s >= size + p) --outputs;   // no window may lie in the padding alone
    PoolAxis axis;
    axis.step = d;
    for (int64_t o = 0; o < outputs; ++o) {
      const int64_t from = o * s - p, to = from + d * (k - 1) + 1;
      int64_t begin = from;
      while (begin < 0) begin += d;
      const int64_t end = std::min(to, size);
      axis.begin.push_back(begin);
      axis.end.push_back(end);
      axis.count.push_back(count_padding ? std::min(to, size + p) - from : end - begin);
    }
    return axis;
  }
  static PoolAxis adapted(int64_t outputs, int64_t size) {
    PoolAxis axis;
    for (int64_t o = 0; o < outputs; ++o) {
      axis.begin.push_back(o * size / outputs);
      axis.end.push_back(((o + 1) * size + outputs - 1) / outputs);
      axis.count.push_back(axis.end.back() - axis.begin.back());
    }
    return axis;
  }
};

// (N, C, size...) as the (N C, D, H, W) of the kernels.
Shape planes(const Shape& x) {
  Shape s{x[0] * x[1], 1, 1, 1};
  for (int d = 2; d < x.size(); ++d) s[4 - (x.size() - d)] = x[d];
  return s;
}
Shape pooled(const Shape& x, const PoolWindows& w) {
  Shape s{x[0], x[1]};
  for (int a = 3 - (x.size() - 2); a < 3; ++a) s.push_back(int64_t(w.axis[a].begin.size()));
  return s;
}
void check_real(const char* op, const Array& x) {
  if (!is_real(x.dtype())) fail<DtypeError>(op, ": not implemented for '", x.dtype(), "'; input must be a real floating tensor");
}

//   y_w = max of x over window w, at position i_w     dx_i = sum of dy_w over the windows with i_w = i
//   x (N, C, size...)   y, indices (N, C, outputs...)
struct MaxPool {
  static constexpr auto name = "max_pool", doc = "the largest element of every window, and its position";
  static constexpr bool differentiable_backward = true;
  Pooling p;

  Outs infer(ArrayIn x) const {
    check_real(p.op, x[0]);
    const Shape y = pooled(x[0].shape(), p.windows(x[0].shape()));
    return {out(y, x[0].dtype()), out(y, DType::i64)};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const PoolWindows w = p.windows(x[0].shape());
    const Shape shape = pooled(x[0].shape(), w);
    Array y = empty(planes(shape), x[0].dtype(), x[0].device()), index = empty(planes(shape), DType::i64, x[0].device());
    kernels::max_pool(w, x[0].contiguous().view(planes(x[0].shape())), y, index);
    if (s.active()) s.extra(index.view({shape[0], shape[1], index.numel() ? -1 : 0}));
    return {y.view(shape), index.view(shape)};
  }
  Tensors backward(Saved& s, Tensors dys) const {
    const Meta& x = s.in(0);
    if (!dys[0].defined()) return {Tensor()};
    const Array& index = s.extra_at(0);
    const int64_t channels = x.shape[0] * x.shape[1], plane = channels > 0 ? x.shape.numel() / channels : 0;
    const Tensor flat(zeros({x.shape[0], x.shape[1], plane}, x.dtype, x.device));
    return {reshape(scatter_add(flat, 2, Tensor(index), reshape(dys[0], index.shape())), x.shape)};
  }
  static Samples samples() {
    const Shape one{1, 1}, none{0, 0};
    return {sample(MaxPool{{"max_pool2d", {2, 2}, {2, 2}, none, one, {}}}, {apart({2, 3, 4, 6})}).bench({{16, 32, 32, 32}}),
            sample(MaxPool{{"max_pool2d", {3, 2}, {1, 2}, one, {1, 2}, {}}}, {apart({1, 2, 5, 7})}, "overlapping, padded, dilated"),
            sample(MaxPool{{"max_pool2d", {3, 3}, {2, 2}, one, one, {}, true}}, {apart({1, 1, 6, 6})}, "ceil mode"),
            sample(MaxPool{{"max_pool1d", {2}, {2}, {0}, {1}, {}}}, {apart({2, 2, 5})}, "one axis"),
            sample(MaxPool{{"max_pool3d", {2, 2, 1}, {1, 2, 1}, {0, 1, 0}, {1, 1, 1}, {}}}, {apart({1, 2, 3, 4, 2})}, "three axes"),
            sample(MaxPool{{"adaptive_max_pool2d", {}, {}, {}, {}, {2, 3}}}, {apart({2, 2, 5, 4})}, "adaptive"),
            sample(MaxPool{{"max_pool2d", {1, 1}, {1, 1}, none, one, {}}}, {apart({1, 1, 1, 1})}, "single element"),
            sample(MaxPool{{"max_pool2d", {2, 2}, {2, 2}, none, one, {}}}, {apart({0, 3, 4, 4})}, "no images")};
  }
  static ErrorSamples errors() {
    const Shape one{1, 1}, none{0, 0};
    return {error(MaxPool{{"max_pool2d", {5, 5}, {5, 5}, none, one, {}}}, {{1, 1, 4, 4}},
                  "Given input size: (1x4x4). Calculated output size: (1x0x0). Output size is too small"),
            error(MaxPool{{"max_pool2d", {2, 2}, {2, 2}, {2, 2}, one, {}}}, {{1, 1, 4, 4}}, "pad should be at most half of effective kernel size"),
            error(MaxPool{{"max_pool2d", {2, 2}, {0, 2}, none, one, {}}}, {{1, 1, 4, 4}}, "stride should not be zero"),
            error(MaxPool{{"max_pool2d", {2, 2}, {2, 2}, none, one, {}}}, {integers({1, 1, 4, 4}, 0, 5)}, "not implemented for 'int64'")};
  }
};

//   y_w = sum of x over window w / divisor     dx_i = sum of dy_w / divisor over the windows that hold i
struct AveragePool {
  static constexpr auto name = "avg_pool", doc = "the mean of every window";
  static constexpr bool differentiable_backward = true;
  Pooling p;
  int64_t divisor = 0;

  Outs infer(ArrayIn x) const {
    check_real(p.op, x[0]);
    return {out(pooled(x[0].shape(), p.windows(x[0].shape())), x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    const PoolWindows w = p.windows(x[0].shape());
    const Shape shape = pooled(x[0].shape(), w);
    Array y = empty(planes(shape), x[0].dtype(), x[0].device());
    kernels::avg_pool(w, divisor, x[0].contiguous().view(planes(x[0].shape())), y);
    return y.view(shape);
  }
  Tensor backward(Saved& s, Tensor dy) const;
  static Samples samples() {
    const Shape one{1, 1}, none{0, 0};
    return {sample(AveragePool{{"avg_pool2d", {2, 2}, {2, 2}, none, one, {}}}, {{2, 3, 4, 6}}).bench({{16, 32, 32, 32}}),
            sample(AveragePool{{"avg_pool2d", {3, 2}, {2, 1}, one, one, {}, true}}, {{1, 2, 6, 5}}, "padding counts, ceil mode"),
            sample(AveragePool{{"avg_pool2d", {3, 2}, {2, 1}, one, one, {}, true, false}}, {{1, 2, 6, 5}}, "padding does not count"),
            sample(AveragePool{{"avg_pool2d", {2, 2}, {2, 2}, none, one, {}}, 3}, {{1, 2, 4, 4}}, "divisor"),
            sample(AveragePool{{"avg_pool1d", {3}, {2}, {1}, {1}, {}}}, {{2, 2, 5}}, "one axis"),
            sample(AveragePool{{"adaptive_avg_pool2d", {}, {}, {}, {}, {2, 3}}}, {{2, 2, 5, 4}}, "adaptive").bench({{16, 96, 8, 8}}),
            sample(AveragePool{{"adaptive_avg_pool3d", {}, {}, {}, {}, {1, 2, 1}}}, {{1, 2, 3, 4, 2}}, "three axes"),
            sample(AveragePool{{"adaptive_avg_pool2d", {}, {}, {}, {}, {3, 3}}}, {{1, 1, 1, 1}}, "repeats a single element"),
            sample(AveragePool{{"avg_pool2d", {2, 2}, {2, 2}, none, one, {}}}, {{0, 3, 4, 4}}, "no images")};
  }
  static ErrorSamples errors() {
    return {error(AveragePool{{"avg_pool2d", {5, 5}, {5, 5}, {0, 0}, {1, 1}, {}}}, {{1, 1, 4, 4}}, "Output size is too small"),
            error(AveragePool{{"avg_pool2d", {2, 2}, {2, 2}, {0, 0}, {1, 1}, {}}}, {{4, 4}}, "Expected 3D or 4D tensor, but got [4, 4]")};
  }
};
struct AveragePoolInput {
  static constexpr auto name = "avg_pool_input", doc = "adjoint of avg_pool";
  static constexpr bool differentiable_backward = true;
  Pooling p;
  int64_t divisor = 0;
  Shape size;

  Outs infer(ArrayIn x) const {
    const Shape y = pooled(size, p.windows(size));
    if (!(x[0].shape() == y)) fail<ShapeError>(name, ": dy must be ", y, ", got ", x[0].shape());
    return {out(size, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array dx = empty(planes(size), x[0].dtype(), x[0].device());
    kernels::avg_pool_input(p.windows(size), divisor, x[0].contiguous().view(planes(x[0].shape())), dx);
    return dx.view(size);
  }
  Tensor backward(Saved&, Tensor ddx) const { return apply(AveragePool{p, divisor}, {ddx}); }
  static Samples samples() {
    return {sample(AveragePoolInput{{"avg_pool2d", {3, 2}, {2, 1}, {1, 1}, {1, 1}, {}, true}, 0, {1, 2, 6, 5}}, {{1, 2, 4, 6}}),
            sample(AveragePoolInput{{"adaptive_avg_pool2d", {}, {}, {}, {}, {2, 3}}, 0, {2, 2, 5, 4}}, {{2, 2, 2, 3}}, "adaptive")};
  }
  static ErrorSamples errors() {
    return {error(AveragePoolInput{{"adaptive_avg_pool1d", {}, {}, {}, {}, {2}}, 0, {2, 2, 5}}, {{2, 2, 3}}, "dy must be (2, 2, 2), got (2, 2, 3)")};
  }
};
Tensor AveragePool::backward(Saved& s, Tensor dy) const { return apply(AveragePoolInput{p, divisor, s.in(0).shape}, {dy}); }

// ---- Resampling along one axis ------------------------------------------------------------------------------------------

// Output i is a weighted sum of `taps` inputs.
struct Weights {
  Array index, weight;          // (outputs, taps), on the CPU
  int64_t inputs = 0;
};

// x (A, N, B) -> y (A, M, B) along axis `dim` of any tensor.
struct Resample {
  static constexpr auto name = "resample", doc = "every element along an axis becomes a weighted sum of elements of the input along that axis";
  static constexpr bool differentiable_backward = true;
  int dim = 0;
  Weights w;

  Outs infer(ArrayIn x) const {
    if (x[0].size(dim) != w.inputs) fail<ShapeError>(name, ": input must have size ", w.inputs, " in dimension ", dim, ", got ", x[0].shape());
    Shape s = x[0].shape();
    s[dim] = w.index.size(0);
    return {out(s, x[0].dtype())};
  }
  static Shape three(const Shape& s, int dim) {
    Shape t{1, s[dim], 1};
    for (int d = 0; d < s.size(); ++d)
      if (d != dim) t[d < dim ? 0 : 2] *= s[d];
    return t;
  }
  Array forward(Saved&, ArrayIn x) const {
    const Shape shape = infer(x)[0].shape;
    Array y = empty(three(shape, dim), x[0].dtype(), x[0].device());
    kernels::resample(x[0].contiguous().view(three(x[0].shape(), dim)), w.index.to(y.device()), w.weight.to(y.device()), y);
    return y.view(shape);
  }
  Tensor backward(Saved&, Tensor dy) const;
  static Weights example() { return {from_vector<int64_t>({0, 1, 1, 3, 2, 2}, {3, 2}), from_vector<double>({0.5, 0.5, 2, -1, 0.25, 1}, {3, 2}), 4}; }
  static Samples samples() {
    return {sample(Resample{1, example()}, {{2, 4, 3}}), sample(Resample{2, example()}, {{2, 3, 4}}, "last axis"),
            sample(Resample{0, example()}, {{4, 0}}, "empty")};
  }
  static ErrorSamples errors() { return {error(Resample{1, example()}, {{2, 3}}, "input must have size 4 in dimension 1, got (2, 3)")}; }
};
struct ResampleInput {
  static constexpr auto name = "resample_input", doc = "adjoint of resample";
  static constexpr bool differentiable_backward = true;
  int dim = 0;
  Weights w;

  Outs infer(ArrayIn x) const {
    if (x[0].size(dim) != w.index.size(0)) fail<ShapeError>(name, ": dy must have size ", w.index.size(0), " in dimension ", dim, ", got ", x[0].shape());
    Shape s = x[0].shape();
    s[dim] = w.inputs;
    return {out(s, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Shape shape = infer(x)[0].shape;
    Array dx = empty(Resample::three(shape, dim), x[0].dtype(), x[0].device());
    kernels::resample_input(x[0].contiguous().view(Resample::three(x[0].shape(), dim)), w.index.to(dx.device()), w.weight.to(dx.device()), dx);
    return dx.view(shape);
  }
  Tensor backward(Saved&, Tensor ddx) const { return apply(Resample{dim, w}, {ddx}); }
  static Samples samples() { return {sample(ResampleInput{1, Resample::example()}, {{2, 3, 3}}), sample(ResampleInput{0, Resample::example()}, {{3}})}; }
  static ErrorSamples errors() { return {error(ResampleInput{1, Resample::example()}, {{2, 4}}, "dy must have size 3 in dimension 1, got (2, 4)")}; }
};
Tensor Resample::backward(Saved&, Tensor dy) const { return apply(ResampleInput{dim, w}, {dy}); }

// ---- The functions ------------------------------------------------------------------------------------------------------

Shape per_axis(const char* op, const char* argument, const Shape& list, int axes) {
  if (list.size() == axes) return list;
  if (list.size() != 1) fail<ValueError>(op, ": ", argument, " must either be a single int, or a list of ", axes, " ints, got ", list);
  return Shape(axes, list[0]);
}
Pooling pooling(const char* op, int axes, const Shape& kernel, const Shape& stride, const Shape& padding, const Shape& dilation, bool ceil_mode) {
  const Shape k = per_axis(op, "kernel_size", kernel, axes);
  return {op, k, stride.empty() ? k : per_axis(op, "stride", stride, axes), per_axis(op, "padding", padding, axes),
          per_axis(op, "dilation", dilation, axes), {}, ceil_mode, true};
}
// f on a batch; an input (C, size...) becomes a batch of one and loses it again.
template <class F> auto batched(const Tensor& x, int axes, F f) {
  if (x.dim() != axes + 1) return f(x);
  auto y = f(unsqueeze(x, 0));
  if constexpr (std::is_same_v<decltype(y), Tensors>) {
    for (Tensor& t : y) t = squeeze(t, {0});
  } else {
    y = squeeze(y, {0});
  }
  return y;
}
constexpr const char* kMaxNames[] = {"max_pool1d", "max_pool2d", "max_pool3d"};
constexpr const char* kAverageNames[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
constexpr const char* kAdaptiveMaxNames[] = {"adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"};
constexpr const char* kAdaptiveAverageNames[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d"};
void check_axes(const char* op, int axes) {
  if (axes < 1 || axes > 3) fail<ValueError>(op, ": 1, 2 or 3 axes are supported, got ", axes);
}
// -1 keeps the input's size, as None does in PyTorch.
Shape adaptive_sizes(const char* op, const Tensor& x, const Shape& output_size, int axes) {
  Shape sizes = per_axis(op, "output_size", output_size, axes);
  for (int a = 0; a < axes; ++a) {
    if (x.dim() >= axes && sizes[a] == -1) sizes[a] = x.size(a - axes);
    if (sizes[a] < 0) fail<ValueError>(op, ": elements of output_size must be greater than or equal to 0, got ", output_size);
  }
  return sizes;
}

}  // namespace

Tensors max_pool(const Tensor& input, int axes, const Shape& kernel_size, const Shape& stride, const Shape& padding, const Shape& dilation,
                 bool ceil_mode) {
  check_axes("max_pool", axes);
  const MaxPool op{pooling(kMaxNames[axes - 1], axes, kernel_size, stride, padding, dilation, ceil_mode)};
  return batched(input, axes, [&](const Tensor& x) { return apply(op, {x}); });
}
Tensor avg_pool(const Tensor& input, int axes, const Shape& kernel_size, const Shape& stride, const Shape& padding, bool ceil_mode,
                bool count_include_pad, std::optional<int64_t> divisor_override) {
  check_axes("avg_pool", axes);
  AveragePool op{pooling(kAverageNames[axes - 1], axes, kernel_size, stride, padding, {1}, ceil_mode), divisor_override.value_or(0)};
  if (divisor_override && *divisor_override == 0) fail<ValueError>(op.p.op, ": divisor must be not zero");
  op.p.count_padding = count_include_pad;
  return batched(input, axes, [&](const Tensor& x) { return apply(op, {x}); });
}
Tensors adaptive_max_pool(const Tensor& input, int axes, const Shape& output_size) {
  check_axes("adaptive_max_pool", axes);
  const char* name = kAdaptiveMaxNames[axes - 1];
  const MaxPool op{{name, {}, {}, {}, {}, adaptive_sizes(name, input, output_size, axes)}};
  return batched(input, axes, [&](const Tensor& x) { return apply(op, {x}); });
}
Tensor adaptive_avg_pool(const Tensor& input, int axes, const Shape& output_size) {
  check_axes("adaptive_avg_pool", axes);
  const char* name = kAdaptiveAverageNames[axes - 1];
  const AveragePool op{{name, {}, {}, {}, {}, adaptive_sizes(name, input, output_size, axes)}};
  return batched(input, axes, [&](const Tensor& x) { return apply(op, {x}); });
}

// ---- interpolate --------------------------------------------------------------------------------------------------------

namespace {

// Weights of `outputs` values along an axis of `inputs`. `scale`: the step of the input per output if it is given by the
// caller, else 0. Positions follow PyTorch: output i stands at step (i + 1/2) - 1/2, or at step i if the corners are aligned.
Weights nearest_weights(int64_t inputs, int64_t outputs, double scale, bool exact) {
  const float step = scale > 0 ? float(scale) : float(inputs) / float(outputs);   // in float, as the positions are rounded down
  std::vector<int64_t> index;
  for (int64_t i = 0; i < outputs; ++i)
    index.push_back(std::min(inputs - 1, int64_t(std::floor((float(i) + (exact ? 0.5f : 0.0f)) * step))));
  return {from_vector(index, {outputs, 1}), full({outputs, 1}, 1, DType::f64), inputs};
}
double position(int64_t i, int64_t inputs, int64_t outputs, double scale, bool align_corners) {
  if (align_corners) return outputs > 1 ? double(i) * double(inputs - 1) / double(outputs - 1) : 0;
  return (double(i) + 0.5) * (scale > 0 ? scale : double(inputs) / double(outputs)) - 0.5;
}
Weights linear_weights(int64_t inputs, int64_t outputs, double scale, bool align_corners) {
  std::vector<int64_t> index;
  std::vector<double> weight;
  for (int64_t i = 0; i < outputs; ++i) {
    const double at = std::max(0.0, position(i, inputs, outputs, scale, align_corners));
    const int64_t left = std::min(int64_t(at), inputs - 1), right = std::min(left + 1, inputs - 1);
    const double t = std::min(1.0, at - double(left));
    index.insert(index.end(), {left, right});
    weight.insert(weight.end(), {1 - t, t});
  }
  return {from_vector(index, {outputs, 2}), from_vector(weight, {outputs, 2}), inputs};
}
// Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = -3/4.
double cubic_near(double x) { return (1.25 * x - 2.25) * x * x + 1; }                       // |x| <= 1: (a+2) x^3 - (a+3) x^2 + 1
double cubic_far(double x) { return ((-0.75 * x + 3.75) * x - 6) * x + 3; }                 // 1 < |x| < 2: a x^3 - 5a x^2 + 8a x - 4a
Weights cubic_weights(int64_t inputs, int64_t outputs, double scale, bool align_corners) {
  std::vector<int64_t> index;
  std::vector<double> weight;
  for (int64_t i = 0; i < outputs; ++i) {
    const double at = position(i, inputs, outputs, scale, align_corners), floor = std::floor(at), t = at - floor;
    for (int64_t k = -1; k <= 2; ++k) index.push_back(std::clamp<int64_t>(int64_t(floor) + k, 0, inputs - 1));
    weight.insert(weight.end(), {cubic_far(t + 1), cubic_near(t), cubic_near(1 - t), cubic_far(2 - t)});
  }
  return {from_vector(index, {outputs, 4}), from_vector(weight, {outputs, 4}), inputs};
}

}  // namespace

Tensor interpolate(const Tensor& input, const Shape& size, const std::vector<double>& scale_factor, std::string_view mode, bool align_corners,
                   bool recompute_scale_factor) {
  const int axes = input.dim() - 2;
  if (axes < 1 || axes > 3) fail<ShapeError>("interpolate: Only 3D, 4D and 5D input Tensors supported, got ", input.shape());
  if (size.empty() == scale_factor.empty())
    fail<ValueError>("interpolate: ", size.empty() ? "either size or scale_factor should be defined" : "only one of size or scale_factor should be defined");
  const bool nearest = mode == "nearest" || mode == "nearest-exact", cubic = mode == "bicubic";
  const bool linear = mode == "linear" || mode == "bilinear" || mode == "trilinear", area = mode == "area";
  const int wanted = mode == "linear" ? 1 : mode == "bilinear" || cubic ? 2 : mode == "trilinear" ? 3 : axes;
  if (!nearest && !linear && !cubic && !area)
    fail<ValueError>("interpolate: mode must be nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ", mode, ")");
  if (wanted != axes) fail<ValueError>("interpolate: Got ", input.dim(), "D input, but ", mode, " mode needs ", wanted + 2, "D input");
  if (align_corners && !linear && !cubic)
    fail<ValueError>("interpolate: align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear");
  const int given = size.empty() ? int(scale_factor.size()) : size.size();
  if (given != 1 && given != axes)
    fail<ValueError>("interpolate: Input and ", size.empty() ? "scale_factor" : "output", " must have the same number of spatial dimensions, got ",
                     axes, " and ", given);
  Shape target;
  std::vector<double> step(size_t(axes), 0);   // 0: from the sizes
  for (int a = 0; a < axes; ++a) {
    if (!size.empty()) {
      target.push_back(size[given == 1 ? 0 : a]);
    } else {
      const double s = scale_factor[given == 1 ? 0 : size_t(a)];
      target.push_back(int64_t(std::floor(double(input.size(2 + a)) * s)));
      if (!recompute_scale_factor && s > 0) step[size_t(a)] = 1 / s;
    }
    if (target[a] < 1 || input.size(2 + a) < 1)
      fail<ShapeError>("interpolate: Input and output sizes should be greater than 0, but got input ", input.shape(), " output ", target);
  }
  if (area) return adaptive_avg_pool(input, axes, target);
  Tensor y = input;
  for (int a = axes - 1; a >= 0; --a) {
    const int64_t n = input.size(2 + a), m = target[a];
    if (n == m && (size.empty() ? step[size_t(a)] == 1 || step[size_t(a)] == 0 : true)) continue;   // the identity
    const Weights w = nearest ? nearest_weights(n, m, step[size_t(a)], mode == "nearest-exact")
                      : linear ? linear_weights(n, m, step[size_t(a)], align_corners)
                               : cubic_weights(n, m, step[size_t(a)], align_corners);
    y = apply(Resample{2 + a, w}, {y});
  }
  return y.same(input) ? clone(input) : y;
}

// (..., C r^2, H, W) -> (..., C, H r, W r)
Tensor pixel_shuffle(const Tensor& input, int64_t upscale_factor) {
  const int64_t r = upscale_factor;
  if (input.dim() < 3) fail<ShapeError>("pixel_shuffle expects input to have at least 3 dimensions, but got input with ", input.dim(), " dimension(s)");
  if (r < 1) fail<ValueError>("pixel_shuffle expects a positive upscale_factor, but got ", r);
  const int64_t c = input.size(-3), h = input.size(-2), w = input.size(-1);
  if (c % (r * r))
    fail<ShapeError>("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but input.size(-3)=", c,
                     " is not divisible by ", r * r);
  Shape result = input.shape();
  result.resize(input.dim() - 3);
  const int64_t n = result.numel();
  for (int64_t s : {c / (r * r), h * r, w * r}) result.push_back(s);
  return reshape(permute(reshape(input, {n, c / (r * r), r, r, h, w}), {0, 1, 4, 2, 5, 3}), result);
}
Tensor pixel_unshuffle(const Tensor& input, int64_t downscale_factor) {
  const int64_t r = downscale_factor;
  if (input.dim() < 3) fail<ShapeError>("pixel_unshuffle expects input to have at least 3 dimensions, but got input with ", input.dim(), " dimension(s)");
  if (r < 1) fail<ValueError>("pixel_unshuffle expects a positive downscale_factor, but got ", r);
  const int64_t c = input.size(-3), h = input.size(-2), w = input.size(-1);
  if (h % r) fail<ShapeError>("pixel_unshuffle expects height to be divisible by downscale_factor, but input.size(-2)=", h, " is not divisible by ", r);
  if (w % r) fail<ShapeError>("pixel_unshuffle expects width to be divisible by downscale_factor, but input.size(-1)=", w, " is not divisible by ", r);
  Shape result = input.shape();
  result.resize(input.dim() - 3);
  const int64_t n = result.numel();
  for (int64_t s : {c * r * r, h / r, w / r}) result.push_back(s);
  return reshape(permute(reshape(input, {n, c, h / r, r, w / r, r}), {0, 1, 3, 5, 2, 4}), result);
}

}  // namespace hippograd
