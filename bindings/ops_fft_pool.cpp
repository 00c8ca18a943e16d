// Pooling, interpolation, Fourier transforms.
#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {
namespace {

template <int axes> Tensor max_pool_values(const Tensor& x, const Shape& kernel_size, const Shape& stride, const Shape& padding, const Shape& dilation, bool ceil_mode) {
  return max_pool(x, axes, kernel_size, stride, padding, dilation, ceil_mode)[0];
}
template <int axes> Tensors max_pool_both(const Tensor& x, const Shape& kernel_size, const Shape& stride, const Shape& padding, const Shape& dilation, bool ceil_mode) {
  return max_pool(x, axes, kernel_size, stride, padding, dilation, ceil_mode);
}
template <int axes>
Tensor avg_pool_of(const Tensor& x, const Shape& kernel_size, const Shape& stride, const Shape& padding, bool ceil_mode, bool count_include_pad,
                   std::optional<int64_t> divisor_override) {
  return avg_pool(x, axes, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override);
}
template <int axes> void bind_pools() {
  const std::string n = std::to_string(axes) + "d";
  def_function("max_pool" + n + "(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False)", max_pool_values<axes>);
  def_function("max_pool" + n + "_with_indices(input, kernel_size, stride=(), padding=0, dilation=1, ceil_mode=False)", max_pool_both<axes>);
  def_function("avg_pool" + n + "(input, kernel_size, stride=(), padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)", avg_pool_of<axes>);
  def_function("adaptive_avg_pool" + n + "(input, output_size)", [](const Tensor& x, const Shape& size) { return adaptive_avg_pool(x, axes, size); });
  def_function("adaptive_max_pool" + n + "(input, output_size)", [](const Tensor& x, const Shape& size) { return adaptive_max_pool(x, axes, size); });
}
Tensor resized(const Tensor& x, py::object size, py::object scale, std::string_view mode, bool align_corners, bool recompute) {
  static Definition named;
  if (named.name.empty()) named.name = "interpolate", named.parameters = {{"size"}, {"scale_factor"}};
  std::vector<double> factors;
  if (PySequence_Check(scale.ptr()))
    for (const py::handle f : scale) factors.push_back(real_number(f.ptr(), {named, 1}));
  else if (!scale.is_none()) factors.push_back(real_number(scale.ptr(), {named, 1}));
  return interpolate(x, size.is_none() ? Shape{} : sizes(size.ptr(), {named, 0}), factors, mode, align_corners, recompute);
}

using One = Tensor (*)(const Tensor&, std::optional<int64_t>, int64_t, std::string_view);
using Many = Tensor (*)(const Tensor&, const Shape&, const Shape&, std::string_view);
template <One f> Tensor transform(const Tensor& x, std::optional<int64_t> n, int64_t dim, std::optional<std::string> norm) {
  return f(x, n, dim, norm.value_or("backward"));
}
template <Many f> Tensor transform_many(const Tensor& x, std::optional<Shape> s, std::optional<Shape> dim, std::optional<std::string> norm) {
  return f(x, s.value_or(Shape{}), dim.value_or(Shape{}), norm.value_or("backward"));
}
}  // namespace

void bind_fft_pool() {
  bind_pools<1>();
  bind_pools<2>();
  bind_pools<3>();
  def_function("interpolate(input, size=None, scale_factor=None, mode='nearest', align_corners=False, recompute_scale_factor=False)", resized);
  def_function("pixel_shuffle(input, upscale_factor)", pixel_shuffle);
  def_function("pixel_unshuffle(input, downscale_factor)", pixel_unshuffle);

  def_function("fft_fft(input, n=None, dim=-1, norm=None)", transform<fft::fft>);
  def_function("fft_ifft(input, n=None, dim=-1, norm=None)", transform<fft::ifft>);
  def_function("fft_rfft(input, n=None, dim=-1, norm=None)", transform<fft::rfft>);
  def_function("fft_irfft(input, n=None, dim=-1, norm=None)", transform<fft::irfft>);
  def_function("fft_hfft(input, n=None, dim=-1, norm=None)", transform<fft::hfft>);
  def_function("fft_ihfft(input, n=None, dim=-1, norm=None)", transform<fft::ihfft>);
  def_function("fft_fftn(input, s=None, dim=None, norm=None)", transform_many<fft::fftn>);
  def_function("fft_ifftn(input, s=None, dim=None, norm=None)", transform_many<fft::ifftn>);
  def_function("fft_rfftn(input, s=None, dim=None, norm=None)", transform_many<fft::rfftn>);
  def_function("fft_irfftn(input, s=None, dim=None, norm=None)", transform_many<fft::irfftn>);
  def_function("fft_fft2(input, s=None, dim=(-2, -1), norm=None)", transform_many<fft::fftn>);
  def_function("fft_ifft2(input, s=None, dim=(-2, -1), norm=None)", transform_many<fft::ifftn>);
  def_function("fft_rfft2(input, s=None, dim=(-2, -1), norm=None)", transform_many<fft::rfftn>);
  def_function("fft_irfft2(input, s=None, dim=(-2, -1), norm=None)", transform_many<fft::irfftn>);
  def_function("fft_fftshift(input, dim=None)", [](const Tensor& x, std::optional<Shape> dim) { return fft::fftshift(x, dim.value_or(Shape{})); });
  def_function("fft_ifftshift(input, dim=None)", [](const Tensor& x, std::optional<Shape> dim) { return fft::ifftshift(x, dim.value_or(Shape{})); });
}

}  // namespace hippograd::python
