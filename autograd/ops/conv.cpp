// Convolutions. conv(x, w), its adjoint in x and its adjoint in w are three faces of one trilinear form
// (tensor/kernels/conv.h), so each is differentiated by the other two, to any order. conv1d is conv2d with one row;
// conv3d adds up conv2d over the depth of its kernel; conv_transpose is the adjoint in x.
#include "tensor/kernels/conv.h"

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"

namespace hippograd {
namespace {

std::string brackets(const Shape& s) {   // sizes as PyTorch's messages write them
  std::string text = "[";
  for (int i = 0; i < s.size(); ++i) text += (i ? ", " : "") + std::to_string(s[i]);
  return text + "]";
}

void check_geometry(const char* op, const ConvGeometry& g) {
  for (int a = 0; a < 2; ++a) {
    if (g.stride[a] < 1) fail<ValueError>(op, ": non-positive stride is not supported, got [", g.stride[0], ", ", g.stride[1], "]");
    if (g.padding[a] < 0) fail<ValueError>(op, ": negative padding is not supported, got [", g.padding[0], ", ", g.padding[1], "]");
    if (g.dilation[a] < 1) fail<ValueError>(op, ": dilation should be greater than zero, but got [", g.dilation[0], ", ", g.dilation[1], "]");
  }
  if (g.groups < 1) fail<ValueError>(op, ": groups must be at least 1, got ", g.groups);
}
void check_same_dtype(const char* op, const Array& a, const char* what, const Array& b) {
  if (a.dtype() != b.dtype())
    fail<DtypeError>(op, ": expected scalar type ", a.dtype(), " but found ", b.dtype(), ": input and ", what, " must have one dtype");
  if (!is_real(a.dtype())) fail<DtypeError>(op, ": input must be a real floating tensor, got ", a.dtype());
}
void check_kernel_fits(const char* op, const ConvGeometry& g, const Shape& x, const Shape& w) {
  int64_t padded[2], reach[2];
  for (int a = 0; a < 2; ++a) {
    padded[a] = x[2 + a] + 2 * g.padding[a];
    reach[a] = g.dilation[a] * (w[2 + a] - 1) + 1;
  }
  if (padded[0] < reach[0] || padded[1] < reach[1] || w[2] < 1 || w[3] < 1)
    fail<ShapeError>(op, ": Calculated padded input size per channel: (", padded[0], " x ", padded[1], "). Kernel size: (", reach[0], " x ",
                     reach[1], "). Kernel size can't be greater than actual input size");
}
// The channels of x (N, C, H, W), of the weight (O, C / groups, KH, KW) and the groups must agree.
void check_channels(const char* op, const ConvGeometry& g, const Shape& x, const Shape& w) {
  if (x.size() != 4 || w.size() != 4)
    fail<ShapeError>(op, ": Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: ", brackets(x), ", weight of size ",
                     brackets(w));
  if (w[0] % g.groups)
    fail<ShapeError>(op, ": Given groups=", g.groups, ", expected weight to be divisible by ", g.groups,
                     " at dimension 0, but got weight of size ", brackets(w), " instead");
  if (x[1] != w[1] * g.groups)
    fail<ShapeError>(op, ": Given groups=", g.groups, ", weight of size ", brackets(w), ", expected input", brackets(x), " to have ",
                     w[1] * g.groups, " channels, but got ", x[1], " channels instead");
}
Shape output_shape(const ConvGeometry& g, const Shape& x, const Shape& w) {
  return {x[0], w[0], g.outputs(0, x[2], w[2]), g.outputs(1, x[3], w[3])};
}

std::vector<DType> conv_dtypes() { return {DType::f32, DType::f64, DType::bf16}; }
ConvGeometry geometry(int64_t stride, int64_t padding, int64_t dilation = 1, int64_t groups = 1) {
  return {{stride, stride}, {padding, padding}, {dilation, dilation}, groups};
}

// Patches of x (N, C, H, W): (N, C, KH, KW, OH, OW).
struct Im2col {
  static constexpr auto name = "im2col", doc = "the patches of an image around every output pixel";
  static constexpr bool differentiable_backward = true;
  ConvGeometry g;
  int64_t taps[2];

  Outs infer(ArrayIn x) const {
    check_geometry(name, g);
    if (x[0].dim() != 4) fail<ShapeError>(name, ": input must be (N, C, H, W), got ", x[0].shape());
    check_kernel_fits(name, g, x[0].shape(), {1, 1, taps[0], taps[1]});
    const Shape s = x[0].shape();
    return {out({s[0], s[1], taps[0], taps[1], g.outputs(0, s[2], taps[0]), g.outputs(1, s[3], taps[1])}, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(infer(x)[0].shape, x[0].dtype(), x[0].device());
    kernels::im2col(g, x[0].contiguous(), y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const;
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(Im2col{geometry(1, 0), {2, 3}}, {{2, 2, 4, 5}}).bench({{16, 32, 32, 32}}),
            sample(Im2col{{{2, 1}, {1, 2}, {1, 2}, 1}, {3, 2}}, {{1, 2, 5, 4}}, "stride, padding, dilation"),
            sample(Im2col{geometry(3, 2), {1, 1}}, {{1, 1, 1, 1}}, "mostly padding"), sample(Im2col{geometry(1, 0), {2, 2}}, {{0, 1, 3, 3}}, "no images")};
  }
  static ErrorSamples errors() {
    return {error(Im2col{geometry(1, 0), {4, 1}}, {{1, 1, 3, 3}}, "Kernel size can't be greater than actual input size"),
            error(Im2col{geometry(0, 0), {1, 1}}, {{1, 1, 3, 3}}, "non-positive stride")};
  }
};
// The adjoint: patches added to an image of zeros, of size `size`.
struct Col2im {
  static constexpr auto name = "col2im", doc = "adds patches to an image of zeros";
  static constexpr bool differentiable_backward = true;
  ConvGeometry g;
  int64_t size[2];

  Outs infer(ArrayIn x) const {
    check_geometry(name, g);
    const Shape s = x[0].shape();
    if (s.size() != 6) fail<ShapeError>(name, ": input must be (N, C, KH, KW, OH, OW), got ", s);
    const int64_t h = g.outputs(0, size[0], s[2]), w = g.outputs(1, size[1], s[3]);
    if (s[4] != h || s[5] != w)
      fail<ShapeError>(name, ": an image of ", size[0], " x ", size[1], " has ", h, " x ", w, " patches, got ", s[4], " x ", s[5]);
    return {out({s[0], s[1], size[0], size[1]}, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(infer(x)[0].shape, x[0].dtype(), x[0].device());
    kernels::col2im(g, x[0].contiguous(), y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const { return apply(Im2col{g, {s.in(0).shape[2], s.in(0).shape[3]}}, {dy}); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(Col2im{geometry(1, 0), {4, 5}}, {{2, 2, 2, 3, 3, 3}}),
            sample(Col2im{{{2, 1}, {1, 2}, {1, 2}, 1}, {5, 4}}, {{1, 2, 3, 2, 3, 6}}, "stride, padding, dilation")};
  }
  static ErrorSamples errors() { return {error(Col2im{geometry(1, 0), {4, 5}}, {{2, 2, 2, 3, 3, 4}}, "has 3 x 3 patches, got 3 x 4")}; }
};
Tensor Im2col::backward(Saved& s, Tensor dy) const { return apply(Col2im{g, {s.in(0).shape[2], s.in(0).shape[3]}}, {dy}); }

struct Conv2dInput;
struct Conv2dWeight;

//   y = conv(x, w) + b     dx = adjoint in x of (dy, w)     dw = adjoint in w of (x, dy)     db = dy summed over n, y, x
struct Conv2d {
  static constexpr Autocast autocast = Autocast::Low;
  static constexpr auto name = "conv2d", doc = "two-dimensional cross-correlation with stride, padding, dilation and groups";
  static constexpr bool differentiable_backward = true;
  ConvGeometry g;

  Outs infer(ArrayIn x) const {
    check_geometry(name, g);
    check_same_dtype(name, x[0], "weight", x[1]);
    check_channels(name, g, x[0].shape(), x[1].shape());
    const Shape w = x[1].shape();
    if (x.has(2)) {
      check_same_dtype(name, x[0], "bias", x[2]);
      if (!(x[2].shape() == Shape{w[0]}))
        fail<ShapeError>(name, ": Given weight of size ", brackets(w), ", expected bias to be 1-dimensional with ", w[0],
                         " elements, but got bias of size ", brackets(x[2].shape()), " instead");
    }
    check_kernel_fits(name, g, x[0].shape(), w);
    return {out(output_shape(g, x[0].shape(), w), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    Array y = empty(output_shape(g, x[0].shape(), x[1].shape()), x[0].dtype(), x[0].device());
    kernels::conv2d(g, x[0].contiguous(), x[1].contiguous(), x.has(2) ? x[2].contiguous() : Array{}, y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const;
  // Patches times the weight matrix of each group.
  Tensor reference(const Tensors& x) const {
    const Shape w = x[1].shape(), y = output_shape(g, x[0].shape(), w);
    const int64_t depth = w[1] * w[2] * w[3], pixels = y[2] * y[3];
    const Tensor cols = reshape(apply(Im2col{g, {w[2], w[3]}}, {x[0]}), {y[0], g.groups, depth, pixels});
    const Tensor product = reshape(matmul(reshape(x[1], {g.groups, w[0] / g.groups, depth}), cols), y);
    return x.size() > 2 && x[2].defined() ? add(product, reshape(x[2], {w[0], 1, 1})) : product;
  }
  static std::vector<DType> dtypes() { return conv_dtypes(); }
  static Samples samples() {
    return {sample(Conv2d{geometry(1, 1)}, {{2, 3, 5, 4}, {4, 3, 3, 3}, {4}}).bench({{16, 64, 32, 32}, {64, 64, 3, 3}, {64}}),
            sample(Conv2d{geometry(2, 1)}, {{1, 3, 6, 7}, {2, 3, 3, 3}, {2}}, "stride 2").bench({{16, 3, 64, 64}, {32, 3, 3, 3}, {32}}),
            sample(Conv2d{{{1, 2}, {2, 0}, {2, 1}, 2}}, {{2, 4, 5, 6}, {6, 2, 2, 3}, absent()}, "groups, dilation, no bias"),
            sample(Conv2d{geometry(1, 1, 1, 4)}, {{2, 4, 5, 5}, {4, 1, 3, 3}, {4}}, "depthwise").bench({{64, 4, 32, 32}, {4, 1, 3, 3}, {4}}),
            sample(Conv2d{geometry(2, 0, 1, 2)}, {{1, 2, 5, 5}, {4, 1, 2, 2}, {4}}, "depthwise, two outputs per channel"),
            sample(Conv2d{geometry(1, 0)}, {{2, 3, 2, 3}, {4, 3, 1, 1}, {4}}, "pointwise").bench({{16, 64, 32, 32}, {128, 64, 1, 1}, {128}}),
            sample(Conv2d{geometry(1, 0)}, {{1, 1, 1, 1}, {1, 1, 1, 1}, {1}}, "single element"),
            sample(Conv2d{geometry(1, 1)}, {{0, 2, 4, 4}, {3, 2, 3, 3}, {3}}, "no images"),
            sample(Conv2d{geometry(1, 3)}, {{1, 1, 2, 2}, {1, 1, 3, 3}, absent()}, "more padding than image"),
            sample(Conv2d{geometry(16, 0)}, {{2, 3, 32, 32}, {4, 3, 16, 16}, {4}}, "patch embedding")};
  }
  static ErrorSamples errors() {
    const Conv2d op{geometry(1, 0)};
    return {error(op, {{1, 3, 8, 8}, {4, 2, 3, 3}}, "Given groups=1, weight of size [4, 2, 3, 3], expected input[1, 3, 8, 8] to have 2 channels, but got 3"),
            error(op, {{1, 3, 8, 8}, {4, 3, 9, 3}}, "Calculated padded input size per channel: (8 x 8). Kernel size: (9 x 3)."),
            error(op, {{1, 3, 8, 8}, {4, 3, 3, 3}, {3}}, "expected bias to be 1-dimensional with 4 elements, but got bias of size [3] instead"),
            error(Conv2d{geometry(0, 0)}, {{1, 3, 8, 8}, {4, 3, 3, 3}}, "non-positive stride"),
            error(Conv2d{geometry(1, -1)}, {{1, 3, 8, 8}, {4, 3, 3, 3}}, "negative padding"),
            error(Conv2d{geometry(1, 0, 1, 2)}, {{1, 4, 8, 8}, {3, 2, 3, 3}}, "expected weight to be divisible by 2"),
            error(op, {{1, 3, 8, 8}, integers({4, 3, 3, 3}, 0, 5)}, "must have one dtype")};
  }
};

// The adjoint in x: the image of size `size` whose product with any x is <dy, conv(x, w)>.
//   dx = adj(dy, w)     d(dy) = conv(ddx, w)     dw = adjoint in w of (ddx, dy)
struct Conv2dInput {
  static constexpr Autocast autocast = Autocast::Low;
  static constexpr auto name = "conv2d_input", doc = "adjoint of conv2d in its input: transposed convolution";
  static constexpr bool differentiable_backward = true;
  ConvGeometry g;
  int64_t size[2];

  Shape image(ArrayIn x) const { return {x[0].size(0), x[1].size(1) * g.groups, size[0], size[1]}; }
  Outs infer(ArrayIn x) const {
    check_geometry(name, g);
    check_same_dtype(name, x[0], "weight", x[1]);
    if (x[0].dim() != 4 || x[1].dim() != 4)
      fail<ShapeError>(name, ": input and weight must have 4 dimensions, got ", x[0].shape(), " and ", x[1].shape());
    if (x[0].size(1) != x[1].size(0))
      fail<ShapeError>(name, ": Given transposed=1, weight of size ", brackets(x[1].shape()), ", expected input", brackets(x[0].shape()),
                       " to have ", x[1].size(0), " channels, but got ", x[0].size(1), " channels instead");
    check_channels(name, g, image(x), x[1].shape());
    const Shape y = output_shape(g, image(x), x[1].shape());
    if (!(y == x[0].shape())) fail<ShapeError>(name, ": an image ", image(x), " gives ", y, ", got ", x[0].shape());
    return {out(image(x), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    Array dx = empty(image(x), x[0].dtype(), x[0].device());
    kernels::conv2d_input(g, x[0].contiguous(), x[1].contiguous(), dx);
    return dx;
  }
  Tensors backward(Saved& s, Tensor ddx) const;
  static std::vector<DType> dtypes() { return conv_dtypes(); }
  static Samples samples() {
    return {sample(Conv2dInput{geometry(1, 1), {5, 4}}, {{2, 4, 5, 4}, {4, 3, 3, 3}}).bench({{64, 64, 5, 4}, {64, 64, 3, 3}}),
            sample(Conv2dInput{geometry(2, 1), {6, 7}}, {{1, 2, 3, 4}, {2, 3, 3, 3}}, "stride 2"),
            sample(Conv2dInput{{{1, 2}, {2, 0}, {2, 1}, 2}, {5, 6}}, {{2, 6, 7, 2}, {6, 2, 2, 3}}, "groups, dilation"),
            sample(Conv2dInput{geometry(2, 0, 1, 2), {5, 5}}, {{1, 4, 2, 2}, {4, 1, 2, 2}}, "depthwise")};
  }
  static ErrorSamples errors() {
    return {error(Conv2dInput{geometry(1, 0), {8, 8}}, {{1, 3, 8, 8}, {4, 2, 3, 3}}, "Given transposed=1"),
            error(Conv2dInput{geometry(1, 0), {8, 8}}, {{1, 4, 8, 8}, {4, 2, 3, 3}}, "gives (1, 4, 6, 6), got (1, 4, 8, 8)")};
  }
};

// The adjoint in w: the kernel of `taps` whose product with any w is <dy, conv(x, w)>.
//   dw = adj(x, dy)     dx = adjoint in x of (dy, ddw)     d(dy) = conv(x, ddw)
struct Conv2dWeight {
  static constexpr auto name = "conv2d_weight", doc = "adjoint of conv2d in its weight";
  static constexpr bool differentiable_backward = true;
  ConvGeometry g;
  int64_t taps[2];

  Shape kernel(ArrayIn x) const { return {x[1].size(1), x[0].size(1) / g.groups, taps[0], taps[1]}; }
  Outs infer(ArrayIn x) const {
    check_geometry(name, g);
    check_same_dtype(name, x[0], "dy", x[1]);
    if (x[0].dim() != 4 || x[1].dim() != 4) fail<ShapeError>(name, ": input and dy must have 4 dimensions, got ", x[0].shape(), " and ", x[1].shape());
    check_channels(name, g, x[0].shape(), kernel(x));
    const Shape y = output_shape(g, x[0].shape(), kernel(x));
    if (!(y == x[1].shape())) fail<ShapeError>(name, ": an image ", x[0].shape(), " gives ", y, ", got ", x[1].shape());
    return {out(kernel(x), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    Array dw = empty(kernel(x), x[0].dtype(), x[0].device());
    kernels::conv2d_weight(g, x[0].contiguous(), x[1].contiguous(), dw);
    return dw;
  }
  Tensors backward(Saved& s, Tensor ddw) const {
    Tensors grads(2);
    const Shape x = s.in(0).shape;
    if (s.needs(0)) grads[0] = apply(Conv2dInput{g, {x[2], x[3]}}, {s.x(1), ddw});
    if (s.needs(1)) grads[1] = apply(Conv2d{g}, {s.x(0), ddw, Tensor()});
    return grads;
  }
  static std::vector<DType> dtypes() { return conv_dtypes(); }
  static Samples samples() {
    return {sample(Conv2dWeight{geometry(1, 1), {3, 3}}, {{2, 3, 5, 4}, {2, 4, 5, 4}}).bench({{16, 64, 32, 32}, {16, 64, 32, 32}}),
            sample(Conv2dWeight{geometry(2, 1), {3, 3}}, {{1, 3, 6, 7}, {1, 2, 3, 4}}, "stride 2"),
            sample(Conv2dWeight{{{1, 2}, {2, 0}, {2, 1}, 2}, {2, 3}}, {{2, 4, 5, 6}, {2, 6, 7, 2}}, "groups, dilation"),
            sample(Conv2dWeight{geometry(2, 0, 1, 2), {2, 2}}, {{1, 2, 5, 5}, {1, 4, 2, 2}}, "depthwise")};
  }
  static ErrorSamples errors() {
    return {error(Conv2dWeight{geometry(1, 0), {3, 3}}, {{1, 3, 8, 8}, {1, 4, 8, 8}}, "gives (1, 4, 6, 6), got (1, 4, 8, 8)")};
  }
};

Tensors Conv2d::backward(Saved& s, Tensor dy) const {
  Tensors grads(3);
  const Shape x = s.in(0).shape, w = s.in(1).shape;
  if (s.needs(0)) grads[0] = apply(Conv2dInput{g, {x[2], x[3]}}, {dy, s.x(1)});
  if (s.needs(1)) grads[1] = apply(Conv2dWeight{g, {w[2], w[3]}}, {s.x(0), dy});
  if (s.has(2) && s.needs(2)) grads[2] = reshape(sum_to(dy, {w[0], 1, 1}), {w[0]});
  return grads;
}
Tensors Conv2dInput::backward(Saved& s, Tensor ddx) const {
  Tensors grads(2);
  const Shape w = s.in(1).shape;
  if (s.needs(0)) grads[0] = apply(Conv2d{g}, {ddx, s.x(1), Tensor()});
  if (s.needs(1)) grads[1] = apply(Conv2dWeight{g, {w[2], w[3]}}, {ddx, s.x(0)});
  return grads;
}

// ---- The functions: any number of axes, one number for all axes or one each, images without a batch. ----------------------

// `list` as one number per axis.
Shape per_axis(const char* op, const char* argument, const Shape& list, int axes) {
  if (list.size() == axes) return list;
  if (list.size() != 1)
    fail<ValueError>(op, ": expected ", argument, " to be a single integer value or a list of ", axes,
                     " values to match the convolution dimensions, but got ", argument, "=", brackets(list));
  return Shape(axes, list[0]);
}
struct AxisLists {
  Shape stride, padding, dilation;
  AxisLists(const char* op, int axes, const Shape& s, const Shape& p, const Shape& d)
      : stride(per_axis(op, "stride", s, axes)), padding(per_axis(op, "padding", p, axes)), dilation(per_axis(op, "dilation", d, axes)) {}
  // The geometry of two of the axes; axis -1 is a single row.
  ConvGeometry at(int h, int w, int64_t groups) const {
    ConvGeometry g;
    for (int a = 0; a < 2; ++a) {
      const int axis = a ? w : h;
      if (axis >= 0) g.stride[a] = stride[axis], g.padding[a] = padding[axis], g.dilation[a] = dilation[axis];
    }
    g.groups = groups;
    return g;
  }
};

// Refuses an input that is neither (C, size...) nor (N, C, size...); true if it has no batch.
bool without_batch(const char* op, const Tensor& x, const Tensor& weight, int axes) {
  if (x.dim() != axes + 1 && x.dim() != axes + 2)
    fail<ShapeError>(op, ": Expected ", axes + 1, "D (unbatched) or ", axes + 2, "D (batched) input to ", op, ", but got input of size: ",
                     brackets(x.shape()));
  if (weight.dim() != axes + 2)
    fail<ShapeError>(op, ": expected weight to have ", axes + 2, " dimensions (out, in / groups, kernel...), got weight of size ",
                     brackets(weight.shape()));
  return x.dim() == axes + 1;
}
void check_conv(const char* op, const Tensor& x, const Tensor& w, int64_t groups) {   // in the caller's terms, for 1 and 3 axes
  if (groups < 1) fail<ValueError>(op, ": groups must be at least 1, got ", groups);
  if (w.size(0) % groups == 0 && x.size(1) == w.size(1) * groups) return;
  if (w.size(0) % groups)
    fail<ShapeError>(op, ": Given groups=", groups, ", expected weight to be divisible by ", groups, " at dimension 0, but got weight of size ",
                     brackets(w.shape()), " instead");
  fail<ShapeError>(op, ": Given groups=", groups, ", weight of size ", brackets(w.shape()), ", expected input", brackets(x.shape()), " to have ",
                   w.size(1) * groups, " channels, but got ", x.size(1), " channels instead");
}

}  // namespace

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
              int64_t groups) {
  const AxisLists lists("conv2d", 2, stride, padding, dilation);
  if (without_batch("conv2d", input, weight, 2))
    return squeeze(conv2d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups), {0});
  return apply(Conv2d{lists.at(0, 1, groups)}, {input, weight, bias});
}

Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
              int64_t groups) {
  const AxisLists lists("conv1d", 1, stride, padding, dilation);
  if (without_batch("conv1d", input, weight, 1))
    return squeeze(conv1d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups), {0});
  check_conv("conv1d", input, weight, groups);
  return squeeze(apply(Conv2d{lists.at(-1, 0, groups)}, {unsqueeze(input, 2), unsqueeze(weight, 2), bias}), {2});
}

// Slice by slice of the kernel's depth: the planes of the input that this slice meets join the batch.
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, const Shape& padding, const Shape& dilation,
              int64_t groups) {
  const AxisLists lists("conv3d", 3, stride, padding, dilation);
  if (without_batch("conv3d", input, weight, 3))
    return squeeze(conv3d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups), {0});
  check_conv("conv3d", input, weight, groups);
  check_geometry("conv3d", lists.at(0, 0, groups));
  const int64_t n = input.size(0), c = input.size(1), depth = weight.size(2), d = lists.dilation[0], s = lists.stride[0], p = lists.padding[0];
  const int64_t planes = (input.size(2) + 2 * p - d * (depth - 1) - 1) / s + 1;
  if (depth < 1 || input.size(2) + 2 * p < d * (depth - 1) + 1)
    fail<ShapeError>("conv3d: Kernel size can't be greater than actual input size: depth ", depth, ", padded input ", input.size(2) + 2 * p);
  const Tensor padded = p > 0 ? pad(input, {0, 0, 0, 0, p, p}) : input;
  const ConvGeometry g = lists.at(1, 2, groups);
  Tensor y;
  for (int64_t i = 0; i < depth; ++i) {
    const Tensor met = slice(padded, 2, i * d, i * d + (planes - 1) * s + 1, s);                        // (N, C, planes, H, W)
    const Tensor images = reshape(transpose(met, 1, 2), {n * planes, c, input.size(3), input.size(4)});
    const Tensor term = apply(Conv2d{g}, {images, select(weight, 2, i), i == 0 ? bias : Tensor()});
    y = y.defined() ? add(y, term) : term;
  }
  return transpose(reshape(y, {n, planes, weight.size(0), y.size(2), y.size(3)}), 1, 2);
}

Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, std::string_view padding,
                   const Shape& dilation, int64_t groups) {
  const int axes = weight.dim() - 2;
  if (axes < 1 || axes > 3) fail<ShapeError>("convolution: weight must have 3, 4 or 5 dimensions, got ", weight.shape());
  const char* op = axes == 1 ? "conv1d" : axes == 2 ? "conv2d" : "conv3d";
  const auto conv = axes == 1 ? conv1d : axes == 2 ? conv2d : conv3d;
  if (padding == "valid") return conv(input, weight, bias, stride, {0}, dilation, groups);
  if (padding != "same") fail<ValueError>(op, ": padding must be a number per axis, 'valid' or 'same', got '", padding, "'");
  for (int64_t s : stride)
    if (s != 1) fail<ValueError>(op, ": padding='same' is not supported for strided convolutions, got stride ", stride);
  // d (k - 1) zeros per axis; an odd one goes to the end.
  const Shape d = per_axis(op, "dilation", dilation, axes);
  Shape amount;
  std::vector<int64_t> extra;   // for pad: the last axis first
  for (int a = 0; a < axes; ++a) amount.push_back(d[a] * (weight.size(2 + a) - 1) / 2);
  for (int a = axes - 1; a >= 0; --a) {
    extra.push_back(0);
    extra.push_back(d[a] * (weight.size(2 + a) - 1) % 2);
  }
  bool even = true;
  for (int64_t e : extra) even = even && e == 0;
  return conv(even ? input : pad(input, extra), weight, bias, stride, amount, dilation, groups);
}

namespace {
Tensor conv_transpose(const char* op, int axes, const Tensor& x, const Tensor& w, const Tensor& bias, const AxisLists& lists,
                      const Shape& output_padding, int64_t groups) {
  const Shape extra = per_axis(op, "output_padding", output_padding, axes);
  if (groups < 1) fail<ValueError>(op, ": groups must be at least 1, got ", groups);
  if (x.size(1) != w.size(0))
    fail<ShapeError>(op, ": Given transposed=1, weight of size ", brackets(w.shape()), ", expected input", brackets(x.shape()), " to have ",
                     w.size(0), " channels, but got ", x.size(1), " channels instead");
  const ConvGeometry g = axes == 1 ? lists.at(-1, 0, groups) : lists.at(0, 1, groups);
  check_geometry(op, g);
  const Tensor x4 = axes == 1 ? unsqueeze(x, 2) : x, w4 = axes == 1 ? unsqueeze(w, 2) : w;
  int64_t size[2];
  for (int a = 0; a < 2; ++a) {
    const int64_t more = axes == 2 ? extra[a] : a == 1 ? extra[0] : 0;
    if (more < 0 || more >= g.stride[a])
      fail<ValueError>(op, ": output padding must be smaller than either stride or dilation, but got output_padding ", more, ", stride ",
                       g.stride[a], ", dilation ", g.dilation[a], " (here: smaller than the stride)");
    size[a] = (x4.size(2 + a) - 1) * g.stride[a] - 2 * g.padding[a] + g.dilation[a] * (w4.size(2 + a) - 1) + more + 1;
    if (size[a] < 1) fail<ShapeError>(op, ": input ", x.shape(), " with weight ", w.shape(), " gives an output of size ", size[a]);
  }
  Tensor y = apply(Conv2dInput{g, {size[0], size[1]}}, {x4, w4});
  if (bias.defined()) {
    if (!(bias.shape() == Shape{y.size(1)}))
      fail<ShapeError>(op, ": Given transposed=1, weight of size ", brackets(w.shape()), ", expected bias to be 1-dimensional with ", y.size(1),
                       " elements, but got bias of size ", brackets(bias.shape()), " instead");
    y = add(y, reshape(bias, {y.size(1), 1, 1}));
  }
  return axes == 1 ? squeeze(y, {2}) : y;
}
}  // namespace

Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, const Shape& padding,
                        const Shape& output_padding, int64_t groups, const Shape& dilation) {
  const AxisLists lists("conv_transpose1d", 1, stride, padding, dilation);
  const bool single = without_batch("conv_transpose1d", input, weight, 1);
  const Tensor y = conv_transpose("conv_transpose1d", 1, single ? unsqueeze(input, 0) : input, weight, bias, lists, output_padding, groups);
  return single ? squeeze(y, {0}) : y;
}
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, const Shape& padding,
                        const Shape& output_padding, int64_t groups, const Shape& dilation) {
  const AxisLists lists("conv_transpose2d", 2, stride, padding, dilation);
  const bool single = without_batch("conv_transpose2d", input, weight, 2);
  const Tensor y = conv_transpose("conv_transpose2d", 2, single ? unsqueeze(input, 0) : input, weight, bias, lists, output_padding, groups);
  return single ? squeeze(y, {0}) : y;
}

Tensor im2col(const Tensor& input, const Shape& kernel_size, const Shape& dilation, const Shape& padding, const Shape& stride) {
  if (input.dim() == 3) return squeeze(im2col(unsqueeze(input, 0), kernel_size, dilation, padding, stride), {0});
  if (input.dim() != 4) fail<ShapeError>("unfold: Expected 3D or 4D (batch mode) tensor, got input of size ", brackets(input.shape()));
  const AxisLists lists("unfold", 2, stride, padding, dilation);
  const Shape k = per_axis("unfold", "kernel_size", kernel_size, 2);
  const Tensor cols = apply(Im2col{lists.at(0, 1, 1), {k[0], k[1]}}, {input});
  return reshape(cols, {input.size(0), input.size(1) * k[0] * k[1], cols.size(4) * cols.size(5)});
}
Tensor col2im(const Tensor& input, const Shape& output_size, const Shape& kernel_size, const Shape& dilation, const Shape& padding,
              const Shape& stride) {
  if (input.dim() == 2) return squeeze(col2im(unsqueeze(input, 0), output_size, kernel_size, dilation, padding, stride), {0});
  if (input.dim() != 3) fail<ShapeError>("fold: Expected 2D or 3D (batch mode) tensor for input, got input of size ", brackets(input.shape()));
  const AxisLists lists("fold", 2, stride, padding, dilation);
  const Shape k = per_axis("fold", "kernel_size", kernel_size, 2), size = per_axis("fold", "output_size", output_size, 2);
  const ConvGeometry g = lists.at(0, 1, 1);
  check_geometry("fold", g);
  const int64_t taps = k[0] * k[1], h = g.outputs(0, size[0], k[0]), w = g.outputs(1, size[1], k[1]);
  if (taps < 1 || input.size(1) % taps)
    fail<ShapeError>("fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=",
                     input.size(1), " and kernel_size=", k, ".");
  if (input.size(2) != h * w)
    fail<ShapeError>("fold: Given output_size=", size, ", kernel_size=", k, ", dilation=", lists.dilation, ", padding=", lists.padding,
                     ", stride=", lists.stride, ", expected size of input's dimension 2 to match the calculated number of sliding blocks ", h,
                     " * ", w, " = ", h * w, ", but got input.size(2)=", input.size(2), ".");
  return apply(Col2im{g, {size[0], size[1]}}, {reshape(input, {input.size(0), input.size(1) / taps, k[0], k[1], h, w})});
}

}  // namespace hippograd
