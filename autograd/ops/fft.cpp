// Fourier transforms, torch.fft. A transform is linear, and its adjoint is the conjugate transform: three ops that are each
// other's gradients. Everything else is padding, scaling and transforms along several dimensions in turn.
#include "tensor/kernels/fft.h"

#include <cmath>

#include "autograd/op.h"
#include "autograd/ops.h"

namespace hippograd {
namespace {

// x with `dim` last, as contiguous rows.
Array as_rows(const Array& x, int dim) {
  Shape order;
  for (int d = 0; d < x.dim(); ++d)
    if (d != dim) order.push_back(d);
  order.push_back(dim);
  const int64_t n = x.size(dim);
  return x.permute(order).contiguous().view({n ? x.numel() / n : 0, n});
}
// Rows as a tensor of `shape` whose dimension `dim` lay last.
Array from_rows(const Array& rows, const Shape& shape, int dim) {
  Shape moved = shape, order;
  moved.erase(dim);
  moved.push_back(shape[dim]);
  for (int d = 0; d < shape.size(); ++d) order.push_back(d < dim ? d : d == dim ? shape.size() - 1 : d - 1);
  return rows.view(moved).permute(order).contiguous();
}
Array row_output(const Array& rows, int64_t n, DType dtype) { return empty({rows.size(0), n}, dtype, rows.device()); }
Shape with_size(Shape shape, int dim, int64_t n) {
  shape[dim] = n;
  return shape;
}

//   y = scale F x along dim     dx = scale F^H dy
struct Fft {
  static constexpr auto name = "fft", doc = "discrete Fourier transform of a complex tensor along a dimension";
  static constexpr bool differentiable_backward = true;
  int dim = 0, sign = -1;
  double scale = 1;
  Outs infer(ArrayIn x) const {
    if (!is_complex(x[0].dtype())) fail<DtypeError>(name, ": input must be complex, got ", x[0].dtype());
    (void)normalize_dim(dim, x[0].dim(), name);
    return {like(x[0])};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array rows = as_rows(x[0], dim);
    Array y = row_output(rows, rows.size(1), rows.dtype());
    kernels::fft(sign, scale, rows, y);
    return from_rows(y, x[0].shape(), dim);
  }
  Tensor backward(Saved&, Tensor dy) const { return apply(Fft{dim, -sign, scale}, {dy}); }
  static std::vector<DType> dtypes() { return {DType::c64, DType::c128}; }
  static Samples samples() {
    return {sample(Fft{1, -1, 1}, {{3, 8}}).bench({{64, 1024}}), sample(Fft{0, 1, 0.5}, {{60, 2}}, "inverse, first dimension"),
            sample(Fft{1, -1, 1}, {{2, 17}}, "a prime").bench({{16, 1009}}), sample(Fft{1, -1, 1}, {{2, 7, 2}}, "small prime, middle"),
            sample(Fft{0, -1, 1}, {{1}}, "one element"), sample(Fft{1, -1, 1}, {{0, 4}}, "no rows"), sample(Fft{0, 1, 1}, {{46}}, "twice a prime")};
  }
  static ErrorSamples errors() { return {error(Fft{2, -1, 1}, {Input({3, 8}).dtype(DType::c64)}, "Dimension out of range")}; }
};

struct RealFft;
// The adjoint of RealFft (with the opposite sign): half a spectrum to a real signal of length n.
struct HalfFft {
  static constexpr auto name = "irfft", doc = "real part of the Fourier transform of half a spectrum";
  static constexpr bool differentiable_backward = true;
  int dim = 0, sign = 1;
  double scale = 1;
  bool doubled = true;
  int64_t n = 0;
  Outs infer(ArrayIn x) const {
    if (!is_complex(x[0].dtype())) fail<DtypeError>(name, ": input must be complex, got ", x[0].dtype());
    if (n < 1 || x[0].size(dim) != n / 2 + 1)
      fail<ShapeError>(name, ": a signal of length ", n, " has ", n / 2 + 1, " coefficients, got ", x[0].shape(), " along dimension ", dim);
    return {out(with_size(x[0].shape(), dim, n), real_of(x[0].dtype()))};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array rows = as_rows(x[0], dim);
    Array y = row_output(rows, n, real_of(rows.dtype()));
    kernels::irfft(sign, scale, doubled, rows, y);
    return from_rows(y, with_size(x[0].shape(), dim, n), dim);
  }
  Tensor backward(Saved&, Tensor dy) const;
  static std::vector<DType> dtypes() { return {DType::c64, DType::c128}; }
  static Samples samples() {
    return {sample(HalfFft{1, 1, 1, true, 8}, {{3, 5}}).bench({{64, 5}}), sample(HalfFft{0, 1, 0.5, true, 9}, {{5, 2}}, "odd length"),
            sample(HalfFft{0, -1, 1, false, 6}, {{4}}, "adjoint of rfft"), sample(HalfFft{0, 1, 1, true, 1}, {{1}}, "one element")};
  }
  static ErrorSamples errors() { return {error(HalfFft{0, 1, 1, true, 8}, {Input({4}).dtype(DType::c64)}, "a signal of length 8 has 5 coefficients")}; }
};

//   y_k = scale w_k (F x)_k for k <= n / 2, x real     dx = Re of the conjugate transform of dy
struct RealFft {
  static constexpr auto name = "rfft", doc = "Fourier transform of a real tensor along a dimension: the first half of the spectrum";
  static constexpr bool differentiable_backward = true;
  int dim = 0, sign = -1;
  double scale = 1;
  bool doubled = false;
  Outs infer(ArrayIn x) const {
    if (x[0].dtype() != DType::f32 && x[0].dtype() != DType::f64)
      fail<DtypeError>(name, ": rfft expects a real input tensor of float32 or float64, but got ", x[0].dtype());
    return {out(with_size(x[0].shape(), dim, x[0].size(dim) / 2 + 1), complex_of(x[0].dtype()))};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array rows = as_rows(x[0], dim);
    const Shape shape = infer(x)[0].shape;
    Array y = row_output(rows, shape[dim], complex_of(rows.dtype()));
    kernels::rfft(sign, scale, doubled, rows, y);
    return from_rows(y, shape, dim);
  }
  Tensor backward(Saved& s, Tensor dy) const { return apply(HalfFft{dim, -sign, scale, doubled, s.in(0).shape[dim]}, {dy}); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64}; }
  static Samples samples() {
    return {sample(RealFft{1, -1, 1}, {{3, 8}}).bench({{64, 1024}}), sample(RealFft{0, -1, 0.5}, {{9, 2}}, "odd length"),
            sample(RealFft{0, 1, 1, true}, {{6}}, "adjoint of irfft"), sample(RealFft{0, -1, 1}, {{1}}, "one element")};
  }
  static ErrorSamples errors() { return {error(RealFft{0, -1, 1}, {integers({4}, 0, 5)}, "rfft expects a real input tensor")}; }
};
Tensor HalfFft::backward(Saved&, Tensor dy) const { return apply(RealFft{dim, -sign, scale, doubled}, {dy}); }

// ---- Arguments of the functions -----------------------------------------------------------------------------------------

// The factor of a transform over n points: "backward" scales inverse transforms, "forward" the others, "ortho" both.
double scale_of(const char* op, std::string_view norm, bool forward, int64_t n) {
  if (norm == "ortho") return 1 / std::sqrt(double(n));
  if (norm == "backward") return forward ? 1 : 1 / double(n);
  if (norm == "forward") return forward ? 1 / double(n) : 1;
  fail<ValueError>(op, ": Invalid normalization mode: \"", norm, "\"; it is backward, ortho or forward");
}
Tensor floating(const char* op, const Tensor& x) {   // integers become the default dtype; half precision is refused
  if (is_half(x.dtype())) fail<DtypeError>(op, ": Unsupported dtype ", x.dtype());
  return is_floating(x.dtype()) ? x : to(x, default_dtype());
}
Tensor as_complex(const char* op, const Tensor& x) {
  const Tensor f = floating(op, x);
  return to(f, complex_of(f.dtype()));
}
Tensor as_real(const char* op, const Tensor& x) {
  if (is_complex(x.dtype())) fail<DtypeError>(op, ": expects a real input tensor, but got ", x.dtype());
  return floating(op, x);
}
// Cut or padded with zeros to n elements.
Tensor resized(const char* op, const Tensor& x, int dim, int64_t n) {
  if (n < 1) fail<ValueError>(op, ": Invalid number of data points (", n, ") specified");
  const int64_t have = x.size(dim);
  if (have == n) return x;
  if (have > n) return slice(x, dim, 0, n);
  std::vector<int64_t> amounts(size_t(2 * (x.dim() - dim)), 0);
  amounts.back() = n - have;
  return pad(x, amounts);
}

using Length = std::optional<int64_t>;

Tensor complex_transform(const char* op, const Tensor& input, Length n, int64_t dim, std::string_view norm, bool forward) {
  const int d = normalize_dim(dim, input.dim(), op);
  const Tensor x = resized(op, as_complex(op, input), d, n.value_or(input.size(d)));
  return apply(Fft{d, forward ? -1 : 1, scale_of(op, norm, forward, x.size(d))}, {x});
}
// Real to half a spectrum (rfft), or to the conjugate of an inverse (ihfft).
Tensor half_spectrum(const char* op, const Tensor& input, Length n, int64_t dim, std::string_view norm, bool forward) {
  const int d = normalize_dim(dim, input.dim(), op);
  const Tensor x = resized(op, as_real(op, input), d, n.value_or(input.size(d)));
  return apply(RealFft{d, forward ? -1 : 1, scale_of(op, norm, forward, x.size(d))}, {x});
}
// Half a spectrum to a real signal (irfft), or to the spectrum of a Hermitian signal (hfft).
Tensor from_half(const char* op, const Tensor& input, Length n, int64_t dim, std::string_view norm, bool forward) {
  const int d = normalize_dim(dim, input.dim(), op);
  const int64_t length = n.value_or(2 * (input.size(d) - 1));
  if (length < 1) fail<ValueError>(op, ": Invalid number of data points (", length, ") specified");
  const Tensor x = resized(op, as_complex(op, input), d, length / 2 + 1);
  return apply(HalfFft{d, forward ? -1 : 1, scale_of(op, norm, forward, length), true, length}, {x});
}

// Dimensions and sizes of a transform over several dimensions: the given ones, or the last as many as there are sizes, or all.
struct Axes {
  Shape dims;
  std::vector<Length> sizes;
  Axes(const char* op, const Tensor& x, const Shape& s, const Shape& given) {
    if (!s.empty() && !given.empty() && s.size() != given.size())
      fail<ValueError>(op, ": When given, dim and shape arguments must have the same length, got ", given, " and ", s);
    const int count = !given.empty() ? given.size() : !s.empty() ? s.size() : x.dim();
    if (count > x.dim()) fail<ValueError>(op, ": Got shape with ", count, " values but input tensor only has ", x.dim(), " dimensions.");
    for (int i = 0; i < count; ++i) {
      const int d = given.empty() ? x.dim() - count + i : normalize_dim(given[i], x.dim(), op);
      for (int64_t other : dims)
        if (other == d) fail<ValueError>(op, ": FFT dims must be unique, got ", given);
      dims.push_back(d);
      sizes.push_back(s.empty() || s[i] == -1 ? Length{} : Length{s[i]});
    }
  }
};

}  // namespace

namespace fft {

Tensor fft(const Tensor& input, Length n, int64_t dim, std::string_view norm) { return complex_transform("fft", input, n, dim, norm, true); }
Tensor ifft(const Tensor& input, Length n, int64_t dim, std::string_view norm) { return complex_transform("ifft", input, n, dim, norm, false); }
Tensor rfft(const Tensor& input, Length n, int64_t dim, std::string_view norm) { return half_spectrum("rfft", input, n, dim, norm, true); }
Tensor irfft(const Tensor& input, Length n, int64_t dim, std::string_view norm) { return from_half("irfft", input, n, dim, norm, false); }
Tensor hfft(const Tensor& input, Length n, int64_t dim, std::string_view norm) { return from_half("hfft", input, n, dim, norm, true); }
Tensor ihfft(const Tensor& input, Length n, int64_t dim, std::string_view norm) { return half_spectrum("ihfft", input, n, dim, norm, false); }

Tensor fftn(const Tensor& input, const Shape& s, const Shape& dim, std::string_view norm) {
  const Axes axes("fftn", input, s, dim);
  Tensor y = as_complex("fftn", input);
  for (int i = 0; i < axes.dims.size(); ++i) y = fft(y, axes.sizes[size_t(i)], axes.dims[i], norm);
  return y;
}
Tensor ifftn(const Tensor& input, const Shape& s, const Shape& dim, std::string_view norm) {
  const Axes axes("ifftn", input, s, dim);
  Tensor y = as_complex("ifftn", input);
  for (int i = 0; i < axes.dims.size(); ++i) y = ifft(y, axes.sizes[size_t(i)], axes.dims[i], norm);
  return y;
}
Tensor rfftn(const Tensor& input, const Shape& s, const Shape& dim, std::string_view norm) {
  const Axes axes("rfftn", input, s, dim);
  const int last = axes.dims.size() - 1;
  if (last < 0) fail<ValueError>("rfftn: must transform at least one axis");
  Tensor y = rfft(input, axes.sizes.back(), axes.dims[last], norm);
  for (int i = 0; i < last; ++i) y = fft(y, axes.sizes[size_t(i)], axes.dims[i], norm);
  return y;
}
Tensor irfftn(const Tensor& input, const Shape& s, const Shape& dim, std::string_view norm) {
  const Axes axes("irfftn", input, s, dim);
  const int last = axes.dims.size() - 1;
  if (last < 0) fail<ValueError>("irfftn: must transform at least one axis");
  Tensor y = input;
  for (int i = 0; i < last; ++i) y = ifft(y, axes.sizes[size_t(i)], axes.dims[i], norm);
  return irfft(y, axes.sizes.back(), axes.dims[last], norm);
}

Tensor fftfreq(int64_t n, double d, DType dtype) {
  if (n < 0) fail<ValueError>("fftfreq: n must not be negative, got ", n);
  std::vector<double> f;
  for (int64_t k = 0; k < n; ++k) f.push_back(double(k < (n + 1) / 2 ? k : k - n) / (double(n) * d));
  return Tensor(from_vector(f, {n}).to(dtype));
}
Tensor rfftfreq(int64_t n, double d, DType dtype) {
  if (n < 0) fail<ValueError>("rfftfreq: n must not be negative, got ", n);
  std::vector<double> f;
  for (int64_t k = 0; k <= n / 2; ++k) f.push_back(double(k) / (double(n) * d));
  return Tensor(from_vector(f, {n / 2 + 1}).to(dtype));
}

namespace {
// The elements of every given dimension (all, if none is given) moved on by `shift(size)`, around the end.
template <class F> Tensor rolled(const char* op, const Tensor& x, const Shape& dims, F shift) {
  Tensor y = x;
  for (int i = 0; i < (dims.empty() ? x.dim() : dims.size()); ++i) {
    const int d = dims.empty() ? i : normalize_dim(dims[i], x.dim(), op);
    const int64_t n = x.size(d), k = n ? shift(n) % n : 0;
    if (k > 0) y = cat({slice(y, d, n - k, n), slice(y, d, 0, n - k)}, d);
  }
  return y.same(x) ? clone(x) : y;
}
}  // namespace
Tensor fftshift(const Tensor& input, const Shape& dim) { return rolled("fftshift", input, dim, [](int64_t n) { return n / 2; }); }
Tensor ifftshift(const Tensor& input, const Shape& dim) { return rolled("ifftshift", input, dim, [](int64_t n) { return (n + 1) / 2; }); }

}  // namespace fft
}  // namespace hippograd
