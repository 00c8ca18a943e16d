// Norms over channels, made of layer_norm and pointwise ops, so every derivative comes with them.
#include "autograd/operators.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

// weight or bias (C) for an input of this rank: (C, 1, ...), channels in dimension 1.
Tensor per_channel(const Tensor& p, int rank) {
  Shape shape(std::max(1, rank - 1), 1);
  shape[0] = p.numel();
  return reshape(p, shape);
}
void check_channels(const char* op, const char* which, const Tensor& p, int64_t channels) {
  if (p.defined() && !(p.shape() == Shape{channels}))
    fail<ShapeError>(op, ": ", which, " must be (C,), got ", p.shape(), "; C is ", channels, " in input");
}
Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Tensor y = x;
  if (weight.defined()) y = y * per_channel(weight, x.dim());
  if (bias.defined()) y = y + per_channel(bias, x.dim());
  return y;
}
// Each row (a group of channels of one example, or a channel of the whole batch) normalised.
Tensor normalised_rows(const Tensor& x, int64_t rows, double eps) {
  const int64_t n = rows ? x.numel() / rows : 0;
  return n == 0 ? x : reshape(layer_norm(reshape(x, {rows, n}), {n}, {}, {}, eps), x.shape());
}

// running = (1 - momentum) running + momentum value, in place: a buffer, not part of any graph.
void update_running(const Tensor& running, const Tensor& value, double momentum) {
  Array storage = running.array();
  const Tensor next = running.detach() * (1 - momentum) + to(value, running.dtype()) * momentum;
  kernels::copy(next.array(), storage);
  storage.storage()->bump_version();
}
// Mean and unbiased variance of `x` over `dims`, averaged over what is left but the channels.
void update_statistics(const Tensor& x, const Shape& dims, const Tensor& running_mean, const Tensor& running_var, double momentum, bool per_example) {
  NoGrad quiet;
  const Tensors s = var_mean(x.detach(), dims, 1);
  const auto over_batch = [&](const Tensor& t) { return per_example ? mean(t, {0}) : t; };
  if (running_var.defined()) update_running(running_var, over_batch(s[0]), momentum);
  if (running_mean.defined()) update_running(running_mean, over_batch(s[1]), momentum);
}

// y = (x - mean) / sqrt(var + eps) weight + bias with given statistics: one factor and one term per channel.
Tensor with_statistics(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight, const Tensor& bias, double eps) {
  Tensor scale = rsqrt(to(var, x.dtype()) + eps);
  if (weight.defined()) scale = scale * weight;
  Tensor shift = neg(to(mean, x.dtype()) * scale);
  if (bias.defined()) shift = shift + bias;
  return affine(x, scale, shift);
}

Shape but_channels(int rank, int first) {
  Shape dims;
  for (int d = 0; d < rank; ++d) if (d != 1 && d >= first) dims.push_back(d);
  return dims;
}

}  // namespace

Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight, const Tensor& bias, double eps) {
  const char* op = "group_norm";
  if (input.dim() < 2) fail<ShapeError>(op, ": input must be (N, C, ...), got ", input.shape());
  const int64_t channels = input.size(1);
  if (num_groups < 1 || channels % num_groups != 0)
    fail<ShapeError>(op, ": Expected number of channels in input to be divisible by num_groups, but got input of shape ", input.shape(), " and num_groups=", num_groups);
  check_channels(op, "weight", weight, channels);
  check_channels(op, "bias", bias, channels);
  return affine(normalised_rows(input, input.size(0) * num_groups, eps), weight, bias);
}

Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                  bool training, double momentum, double eps) {
  const char* op = "batch_norm";
  if (input.dim() < 2) fail<ShapeError>(op, ": input must be (N, C, ...), got ", input.shape());
  const int64_t channels = input.size(1);
  check_channels(op, "running_mean", running_mean, channels);
  check_channels(op, "running_var", running_var, channels);
  check_channels(op, "weight", weight, channels);
  check_channels(op, "bias", bias, channels);
  if (!training) {
    if (!running_mean.defined() || !running_var.defined()) fail<ValueError>(op, ": Expected running_mean and running_var to be defined when training=False");
    return with_statistics(input, running_mean, running_var, weight, bias, eps);
  }
  if (channels > 0 && input.numel() / channels == 1)
    fail<ValueError>(op, ": Expected more than 1 value per channel when training, got input size ", input.shape());
  const Tensor by_channel = transpose(input, 0, 1);   // (C, N, ...)
  const Tensor y = transpose(normalised_rows(by_channel, channels, eps), 0, 1);
  update_statistics(input, but_channels(input.dim(), 0), running_mean, running_var, momentum, false);
  return affine(y, weight, bias);
}

Tensor instance_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                     bool use_input_stats, double momentum, double eps) {
  const char* op = "instance_norm";
  if (input.dim() < 2) fail<ShapeError>(op, ": input must be (N, C, ...), got ", input.shape());
  const int64_t channels = input.size(1), pixels = input.size(0) * channels > 0 ? input.numel() / (input.size(0) * channels) : 0;
  check_channels(op, "running_mean", running_mean, channels);
  check_channels(op, "running_var", running_var, channels);
  if (!use_input_stats) {
    if (!running_mean.defined() || !running_var.defined())
      fail<ValueError>(op, ": Expected running_mean and running_var to be defined when use_input_stats is false");
    return with_statistics(input, running_mean, running_var, weight, bias, eps);
  }
  if (pixels == 1) fail<ValueError>(op, ": Expected more than 1 spatial element when training, got input size ", input.shape());
  const Tensor y = group_norm(input, std::max<int64_t>(1, channels), weight, bias, eps);
  if (running_mean.defined() || running_var.defined()) update_statistics(input, but_channels(input.dim(), 2), running_mean, running_var, momentum, true);
  return y;
}

Tensor normalize(const Tensor& input, double p, int64_t dim, double eps) {
  return input / clamp(norm(input, p, {dim}, true), eps, {});
}

}  // namespace hippograd
