// Fourier transforms (tensor/kernels/fft.h): cuFFT's unscaled ones between two passes of our own.
//
//   rfft    R2C gives sum_j exp(-2 pi i j k / n) x_j for k <= n / 2; the other sign is its conjugate, x being real.
//   irfft   C2R gives X_0 + 2 Re sum_{0 < k < n/2} X_k exp(2 pi i j k / n) + X_{n/2} (-1)^j, X_0 and X_{n/2} real. So `doubled`
//           weights are C2R's own, others halve the middle; the other sign conjugates X:  Re(conj(F) w x) = Re(F w conj(x)).
//           The imaginary parts of X_0 and X_{n/2} meet real factors only and do not reach the real part: they are zeroed.
#include "tensor/kernels/fft.h"

#include "cuda/cufft.h"
#include "cuda/launch.cuh"

namespace hippograd::cuda {
namespace {

template <class C> struct ScaleComplex {
  using R = typename C::value_type;
  C* x;
  R scale;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { x[i] = {scale * x[i].real(), scale * x[i].imag()}; }
};
template <class T> struct ScaleReal {         // the transform of one point, real
  const Complex<T>* x;
  T* y;
  T scale;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { y[i] = scale * x[i].real(); }
};
template <class T> struct ScaleToComplex {
  const T* x;
  Complex<T>* y;
  T scale;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const { y[i] = {scale * x[i], T(0)}; }
};
// Coefficient k of a real signal of length n; `edge`: it stands for itself only.
HIPPOGRAD_DEVICE bool is_edge(int64_t k, int64_t n) { return k == 0 || 2 * k == n; }

template <class T> struct FinishSpectrum {    // after R2C, in place
  Complex<T>* y;
  int64_t n, half;
  T edge, middle;
  bool conj;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const T s = is_edge(i % half, n) ? edge : middle;
    y[i] = {s * y[i].real(), conj ? -(s * y[i].imag()) : s * y[i].imag()};
  }
};
template <class T> struct PrepareSpectrum {   // before C2R
  const Complex<T>* x;
  Complex<T>* y;
  int64_t n, half;
  T edge, middle;
  bool conj;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const bool e = is_edge(i % half, n);
    const T s = e ? edge : middle, im = s * x[i].imag();
    y[i] = {s * x[i].real(), e ? T(0) : conj ? -im : im};
  }
};

template <class F> void by_precision(DType t, const char* op, F f) { visit(FloatTypes{}, real_of(t), op, f); }

// cuFFT reads whole complex elements, also of real arrays.
bool aligned(CArray x) { return reinterpret_cast<uintptr_t>(x.raw()) % size_t(itemsize(complex_of(x.dtype()))) == 0; }
Array as_aligned(CArray x) { return aligned(x) ? x : x.clone(); }
// Runs f with y, or with an array that is copied to y where y is not aligned.
template <class F> void with_output(MArray y, F f) {
  if (aligned(y)) return f(y);
  Array fresh = empty_like(y);
  f(fresh);
  check(cudaMemcpyAsync(y.raw(), fresh.raw(), size_t(y.numel() * itemsize(y.dtype())), cudaMemcpyDeviceToDevice, stream()), "fft");
}

void fft(int sign, double scale, CArray x, MArray y) {
  if (y.numel() == 0) return;
  by_precision(x.dtype(), "fft", [&]<class T>() {
    using C = Complex<T>;
    const int64_t rows = x.shape()[0], n = x.shape()[1];
    if (n == 1) {
      check(cudaMemcpyAsync(y.raw(), x.raw(), size_t(rows) * sizeof(C), cudaMemcpyDeviceToDevice, stream()), "fft");
    } else {
      const Array in = as_aligned(x);
      fft_rows(std::is_same_v<T, float> ? FftType::C2C : FftType::Z2Z, sign, n, rows, const_cast<void*>(in.raw()), y.raw());
    }
    if (scale != 1) for_each("fft_scale", y.numel(), ScaleComplex<C>{y.data<C>(), T(scale)});
  });
}

void rfft(int sign, double scale, bool doubled, CArray x, MArray y) {
  if (x.numel() == 0) return;
  by_precision(x.dtype(), "rfft", [&]<class T>() {
    const int64_t rows = x.shape()[0], n = x.shape()[1], half = y.shape()[1];
    if (n == 1) return for_each("rfft_scale", rows, ScaleToComplex<T>{x.data<T>(), y.data<Complex<T>>(), T(scale)});
    const Array in = as_aligned(x);
    fft_rows(std::is_same_v<T, float> ? FftType::R2C : FftType::D2Z, -1, n, rows, const_cast<void*>(in.raw()), y.raw());
    if (scale == 1 && !doubled && sign < 0) return;
    for_each("rfft_scale", y.numel(),
             FinishSpectrum<T>{y.data<Complex<T>>(), n, half, T(scale), T(doubled ? 2 * scale : scale), sign > 0});
  });
}

void irfft(int sign, double scale, bool doubled, CArray x, MArray y) {
  if (y.numel() == 0) return;
  by_precision(x.dtype(), "irfft", [&]<class T>() {
    using C = Complex<T>;
    const int64_t rows = y.shape()[0], n = y.shape()[1], half = x.shape()[1];
    if (n == 1) return for_each("irfft_scale", rows, ScaleReal<T>{x.data<C>(), y.data<T>(), T(scale)});
    const Workspace spectrum(size_t(rows * half) * sizeof(C));   // C2R writes into its input
    for_each("irfft_scale", rows * half,
             PrepareSpectrum<T>{x.data<C>(), spectrum.as<C>(), n, half, T(scale), T(doubled ? scale : scale / 2), sign < 0});
    with_output(y, [&](MArray to) { fft_rows(std::is_same_v<T, float> ? FftType::C2R : FftType::Z2D, 1, n, rows, spectrum.as<C>(), to.raw()); });
  });
}

const Bind b0(kernels::fft, DeviceKind::CUDA, fft);
const Bind b1(kernels::rfft, DeviceKind::CUDA, rfft);
const Bind b2(kernels::irfft, DeviceKind::CUDA, irfft);

}  // namespace
}  // namespace hippograd::cuda
