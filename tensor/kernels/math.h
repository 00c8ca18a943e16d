#pragma once
// Elementary functions for pointwise kernels, written without branches: a loop over them vectorises on the CPU. Errors are
// at most 2 ulp unless said otherwise; NaN gives NaN, infinities and denormals are right. On a device its own library does it.
//
// exp     x = n ln 2 + r, |r| <= ln 2 / 2;  e^x = 2^n (1 + r + r^2/2! + ...)
// log     x = 2^k m, m in [1/sqrt 2, sqrt 2);  with f = m - 1, s = f / (2 + f):  log m = 2 atanh s = 2 (s + s^3/3 + s^5/5 + ...)
// log1p   log(u) + (x - (u - 1)) / u  with u = 1 + x rounded: the second term is what rounding lost
// tanh    t / (t + 2), t = e^{2|x|} - 1
// erfc    e^{-x^2} g(u) / (1 + 2x), u = (x - k) / (x + k), k = 3.75: g is nearly flat (Shepherd and Laframboise 1981)
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#ifdef __CUDACC__
#include "tensor/device_complex.h"
#define HD __host__ __device__
#else
#define HD
#endif
#define HIPPOGRAD_INLINE HD inline __attribute__((always_inline))

namespace hippograd::math {

// The standard library's functions under one name for both sides. Of std::complex only the arithmetic runs on a device; its
// functions come from the toolkit's own complex type there.
namespace library {
#ifdef __CUDA_ARCH__
template <class T> HIPPOGRAD_INLINE T native(T x) { return x; }
template <class R> HIPPOGRAD_INLINE ::cuda::std::complex<R> native(std::complex<R> z) { return {z.real(), z.imag()}; }
template <class T> HIPPOGRAD_INLINE T standard(T x) { return x; }
template <class R> HIPPOGRAD_INLINE std::complex<R> standard(::cuda::std::complex<R> z) { return {z.real(), z.imag()}; }
#define HIPPOGRAD_LIBRARY(NAME) \
  template <class T> HD inline auto NAME(T x) { using ::cuda::std::NAME; return standard(NAME(native(x))); }
#define HIPPOGRAD_LIBRARY2(NAME) \
  template <class T> HD inline T NAME(T x, T y) { using ::cuda::std::NAME; return standard(NAME(native(x), native(y))); }
#else
#define HIPPOGRAD_LIBRARY(NAME) template <class T> HIPPOGRAD_INLINE auto NAME(T x) { return std::NAME(x); }
#define HIPPOGRAD_LIBRARY2(NAME) template <class T> HIPPOGRAD_INLINE T NAME(T x, T y) { return std::NAME(x, y); }
#endif
HIPPOGRAD_LIBRARY(abs) HIPPOGRAD_LIBRARY(arg) HIPPOGRAD_LIBRARY(conj) HIPPOGRAD_LIBRARY(sqrt)
HIPPOGRAD_LIBRARY(exp) HIPPOGRAD_LIBRARY(log) HIPPOGRAD_LIBRARY(log10) HIPPOGRAD_LIBRARY(log2)
HIPPOGRAD_LIBRARY(sin) HIPPOGRAD_LIBRARY(cos) HIPPOGRAD_LIBRARY(tan) HIPPOGRAD_LIBRARY(asin) HIPPOGRAD_LIBRARY(acos)
HIPPOGRAD_LIBRARY(atan) HIPPOGRAD_LIBRARY(sinh) HIPPOGRAD_LIBRARY(cosh) HIPPOGRAD_LIBRARY(tanh) HIPPOGRAD_LIBRARY(asinh)
HIPPOGRAD_LIBRARY(acosh) HIPPOGRAD_LIBRARY(atanh) HIPPOGRAD_LIBRARY(floor) HIPPOGRAD_LIBRARY(ceil) HIPPOGRAD_LIBRARY(trunc)
HIPPOGRAD_LIBRARY(nearbyint) HIPPOGRAD_LIBRARY(lgamma) HIPPOGRAD_LIBRARY(signbit)
HIPPOGRAD_LIBRARY2(pow) HIPPOGRAD_LIBRARY2(fmod) HIPPOGRAD_LIBRARY2(copysign) HIPPOGRAD_LIBRARY2(atan2)
HIPPOGRAD_LIBRARY2(hypot) HIPPOGRAD_LIBRARY2(nextafter)
#undef HIPPOGRAD_LIBRARY
#undef HIPPOGRAD_LIBRARY2
}  // namespace library
using library::abs, library::arg, library::conj, library::sqrt, library::log10, library::log2, library::sin, library::cos, library::tan;
using library::asin, library::acos, library::atan, library::sinh, library::cosh, library::asinh, library::acosh, library::atanh;
using library::floor, library::ceil, library::trunc, library::nearbyint, library::lgamma, library::signbit;
using library::pow, library::fmod, library::copysign, library::atan2, library::hypot, library::nextafter;

template <class T> struct Format;
template <> struct Format<float> {
  using Int = int32_t;
  static constexpr int mantissa = 23, bias = 127, exp_terms = 7, log_terms = 5;
  static constexpr float magic = 0x1.8p23f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float exp_low = -104.5f, exp_high = 89.5f, expm1_low = -20.f;
};
template <> struct Format<double> {
  using Int = int64_t;
  static constexpr int mantissa = 52, bias = 1023, exp_terms = 13, log_terms = 11;
  static constexpr double magic = 0x1.8p52, ln2_high = 0x1.62e42fefa39p-1, ln2_low = 0x0.ef35793c7673007ep-45;
  static constexpr double exp_low = -746, exp_high = 710, expm1_low = -40;
};

template <class T> inline constexpr T kLog2e = T(1.442695040888963407359924681001892137L);
template <class T> inline constexpr T kInf = std::numeric_limits<T>::infinity();
template <class T> inline constexpr T kNaN = std::numeric_limits<T>::quiet_NaN();

// 2^n for an integer n whose power is a normal number.
template <class T> HIPPOGRAD_INLINE T power_of_two(typename Format<T>::Int n) {
  return std::bit_cast<T>((n + Format<T>::bias) << Format<T>::mantissa);
}
template <class T> constexpr T inverse_factorial(int k) {
  double f = 1;
  for (int i = 2; i <= k; ++i) f *= i;
  return T(1 / f);
}
// (e^r - 1) / r by its series.
template <class T, int K = 1> HIPPOGRAD_INLINE T phi1_series(T r) {
  if constexpr (K == Format<T>::exp_terms) return inverse_factorial<T>(K);
  else return inverse_factorial<T>(K) + r * phi1_series<T, K + 1>(r);
}
// x = n ln 2 + r, n rounded to an integer by adding and subtracting a number whose last bit is worth 1.
template <class T> struct Reduced { typename Format<T>::Int n; T r; };
template <class T> HIPPOGRAD_INLINE Reduced<T> reduce(T x) {
  const T shifted = x * kLog2e<T> + Format<T>::magic;
  const T n = shifted - Format<T>::magic;
  const auto bits = std::bit_cast<typename Format<T>::Int>(shifted) - std::bit_cast<typename Format<T>::Int>(Format<T>::magic);
  return {bits, (x - n * Format<T>::ln2_high) - n * Format<T>::ln2_low};
}
template <class T> HIPPOGRAD_INLINE T clamped(T x, T low, T high) {   // NaN stays
  const T y = x < low ? low : x;
  return y > high ? high : y;
}
// 2^n (1 + r + ...): two factors, since 2^n itself may be denormal or beyond the largest number.
template <class T> HIPPOGRAD_INLINE T scaled_exp(typename Format<T>::Int n, T r) {
  const auto half = n >> 1;
  return (T(1) + r * phi1_series<T>(r)) * power_of_two<T>(half) * power_of_two<T>(n - half);
}

#ifdef __CUDA_ARCH__
template <class T> HIPPOGRAD_INLINE T exp(T x) { return ::exp(x); }
template <class T> HIPPOGRAD_INLINE T exp2(T x) { return ::exp2(x); }
template <class T> HIPPOGRAD_INLINE T expm1(T x) { return ::expm1(x); }
template <class T> HIPPOGRAD_INLINE T log(T x) { return ::log(x); }
template <class T> HIPPOGRAD_INLINE T log1p(T x) { return ::log1p(x); }
template <class T> HIPPOGRAD_INLINE T tanh(T x) { return ::tanh(x); }
#else
template <class T> HIPPOGRAD_INLINE T exp(T x) {
  const auto [n, r] = reduce(clamped(x, Format<T>::exp_low, Format<T>::exp_high));
  return scaled_exp(n, r);
}
template <class T> HIPPOGRAD_INLINE T exp2(T x) {
  const T c = clamped(x, Format<T>::exp_low * kLog2e<T>, Format<T>::exp_high * kLog2e<T>);
  const T shifted = c + Format<T>::magic, n = shifted - Format<T>::magic;
  const auto bits = std::bit_cast<typename Format<T>::Int>(shifted) - std::bit_cast<typename Format<T>::Int>(Format<T>::magic);
  return scaled_exp(bits, (c - n) * T(0.693147180559945309417232121458L));
}
// 2^n p + (2^n - 1), p = e^r - 1, at half size so that 2^n fits.
template <class T> HIPPOGRAD_INLINE T expm1(T x) {
  const auto [n, r] = reduce(clamped(x, Format<T>::expm1_low, Format<T>::exp_high));
  const T p = r * phi1_series<T>(r), s = power_of_two<T>(n - 1);
  const T y = (s * p + (s - T(0.5))) * 2;
  return x == 0 ? x : y;
}
template <class T, int K = 1> HIPPOGRAD_INLINE T atanh_series(T z) {   // z/3 + z^2/5 + ...
  if constexpr (K == Format<T>::log_terms) return z * T(1.0 / (2 * K + 1));
  else return z * (T(1.0 / (2 * K + 1)) + atanh_series<T, K + 1>(z));
}
template <class T> HIPPOGRAD_INLINE T log(T x) {
  using Int = typename Format<T>::Int;
  constexpr T tiny = std::numeric_limits<T>::min();
  const bool denormal = x < tiny;
  const T lifted = denormal ? x * T(Int(1) << Format<T>::mantissa) : x;
  constexpr Int root = std::bit_cast<Int>(T(0.70710678118654752440L));
  const Int k = (std::bit_cast<Int>(lifted) - root) >> Format<T>::mantissa;
  const T m = std::bit_cast<T>(std::bit_cast<Int>(lifted) - k * (Int(1) << Format<T>::mantissa));
  const T f = m - 1, s = f / (f + 2), half_square = T(0.5) * f * f;
  const T e = T(k) - (denormal ? T(Format<T>::mantissa) : T(0));
  const T tail = s * (half_square + 2 * atanh_series<T>(s * s)) + e * Format<T>::ln2_low;
  const T y = e * Format<T>::ln2_high + (f - (half_square - tail));
  const T special = x == 0 ? -kInf<T> : x > 0 ? x : kNaN<T>;   // 0, infinity, NaN and negative numbers
  return x > 0 && x < kInf<T> ? y : special;
}
template <class T> HIPPOGRAD_INLINE T log1p(T x) {
  const T u = 1 + x, y = log(u) + (x - (u - 1)) / u;
  const T special = x == T(-1) ? -kInf<T> : x == kInf<T> ? x : y;
  return std::abs(x) < std::numeric_limits<T>::epsilon() / 4 ? x : special;
}
template <class T> HIPPOGRAD_INLINE T tanh(T x) {
  const T t = expm1(2 * clamped(std::abs(x), T(0), T(22)));
  return std::copysign(t / (t + 2), x);
}
#endif

// 1 / (1 + e^-x) without overflow: the small side keeps its full precision down to denormals.
template <class T> HIPPOGRAD_INLINE T sigmoid(T x) {
  const T z = exp(-std::abs(x)), d = T(1) / (1 + z);
  return x < 0 ? z * d : d;
}
template <class T> HIPPOGRAD_INLINE T softplus(T x) {   // log(1 + e^x); no threshold, so the tail is kept
  const T y = (x > 0 ? x : T(0)) + log1p(exp(-std::abs(x)));
  return x == x ? y : x;
}

// e^{x^2} erfc(x) for x >= 0, by a Chebyshev fit of g.
HIPPOGRAD_INLINE float scaled_erfc(float x) {
  constexpr float g[12] = {1.23751262f,    -0.140240608f, 0.0035863101f,   0.0822774176f,  -0.108814585f,   0.092296368f,
                           -0.0586459829f, 0.0283964821f, -0.00984549109f, 0.00168866223f, 0.000396704638f, -0.000228747234f};
  const float u = (x - 3.75f) / (x + 3.75f);
  float y = g[11];
#pragma GCC unroll 11
  for (int i = 10; i >= 0; --i) y = y * u + g[i];
  return y / (1 + 2 * x);
}
// e^{-scale x^2}; the rounding error of x^2 is put back, since the exponential would magnify it.
HIPPOGRAD_INLINE float gauss(float x, float scale) {
  const float square = x * x, lost = std::fma(x, x, -square);
  return exp(-scale * square) * (1 - scale * lost);
}
// erf(x) for |x| < 0.9 by its series 2 / sqrt(pi) sum (-1)^n x^(2n+1) / (n! (2n + 1)).
HIPPOGRAD_INLINE float erf_near(float x) {
  constexpr float c[10] = {1.12837917f,      -0.376126389f,   0.112837917f,    -0.0268661706f,  0.00522397762f,
                           -0.000854832702f, 0.000120553330f, -1.49256504e-05f, 1.64621144e-06f, -1.63658447e-07f};
  const float z = x * x;
  float y = c[9];
#pragma GCC unroll 9
  for (int i = 8; i >= 0; --i) y = y * z + c[i];
  return x * y;
}
template <class T> HIPPOGRAD_INLINE T erfc(T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float c = clamped(std::abs(x), 0.f, 11.f), y = gauss(c, 1) * scaled_erfc(c);
    const float far = x < 0 ? 2 - y : y;
    return c < 0.45f ? 1 - erf_near(x) : far;
  } else {
    return std::erfc(x);
  }
}
template <class T> HIPPOGRAD_INLINE T erf(T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float c = clamped(std::abs(x), 0.f, 5.f);
    const float far = std::copysign(1 - gauss(c, 1) * scaled_erfc(c), x);
    return c < 0.9f ? erf_near(x) : far;
  } else {
    return std::erf(x);
  }
}
// Standard normal distribution: Phi(x) = erfc(-x / sqrt 2) / 2 and phi(x) = e^{-x^2 / 2} / sqrt(2 pi).
template <class T> struct Normal { T cdf, density; };
template <class T> HIPPOGRAD_INLINE Normal<T> standard_normal(T x) {
  constexpr T root_half = T(0.70710678118654752440L), scale = T(0.39894228040143267794L);
  if constexpr (std::is_same_v<T, float>) {
    const float c = clamped(std::abs(x), 0.f, 15.f), e = gauss(c, 0.5f);
    const float tail = 0.5f * e * scaled_erfc(c * root_half);
    return {x > 0 ? 1 - tail : tail, scale * e};
  } else {
    return {T(0.5) * std::erfc(-x * root_half), scale * exp(T(-0.5) * x * x)};
  }
}

// ---- complex: the textbook formulas; multiplication without C's rescue of NaN, which would cost a branch per product ----
template <class R> using C = std::complex<R>;
template <class R> HIPPOGRAD_INLINE C<R> times(C<R> a, C<R> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}
template <class R> HIPPOGRAD_INLINE C<R> over(C<R> a, C<R> b) {   // b scaled to size 1 first: its square cannot overflow
  const R scale = std::fmax(std::abs(b.real()), std::abs(b.imag()));
  const R re = b.real() / scale, im = b.imag() / scale, d = (re * re + im * im) * scale;
  const C<R> y((a.real() * re + a.imag() * im) / d, (a.imag() * re - a.real() * im) / d);
  #ifdef __CUDA_ARCH__
  return scale == 0 || !(scale < kInf<R>) ? library::standard(library::native(a) / library::native(b)) : y;
#else
  return scale == 0 || !(scale < kInf<R>) ? a / b : y;
#endif
}
template <class R> HD C<R> exp(C<R> z) { return library::exp(z); }
template <class R> HD C<R> exp2(C<R> z) { return library::exp(z * R(0.693147180559945309417232121458L)); }
template <class R> HD C<R> expm1(C<R> z) {   // without cancellation near 0
  const R s = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * s * s, std::exp(z.real()) * std::sin(z.imag())};
}
template <class R> HD C<R> log(C<R> z) { return library::log(z); }
template <class R> HD C<R> log1p(C<R> z) {
  const R x = z.real(), y = z.imag();
  if (std::abs(x) > R(0.5) || std::abs(y) > R(0.5)) return library::log(R(1) + z);
  return {std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x)};
}
template <class R> HD C<R> tanh(C<R> z) { return library::tanh(z); }
template <class R> HD C<R> sigmoid(C<R> z) { return over(C<R>(1), R(1) + library::exp(-z)); }

// ---- special functions, term by term in double ----
// zeta(s, a) = sum_k (a + k)^-s, s > 1, a > 0 (Hurwitz): nine terms, then Euler and Maclaurin's correction.
HD inline double hurwitz_zeta(double s, double a) {
  double sum = 0;
  for (int k = 0; k < 9; ++k, a += 1) sum += std::pow(a, -s);
  const double power = std::pow(a, -s);
  sum += a * power / (s - 1) + power / 2;
  // B_2j / (2j)!
  constexpr double b[] = {1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000.0, 1.0 / 74724249600.0};
  double term = s * power / a;
  for (int j = 0; j < 7; ++j) {
    sum += b[j] * term;
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) / (a * a);
  }
  return sum;
}
HD inline double digamma(double x) {
  constexpr double pi = 3.14159265358979323846;
  if (x == 0) return std::copysign(kInf<double>, -x);
  if (x < 0) {
    if (x == std::floor(x)) return kNaN<double>;
    return digamma(1 - x) - pi / std::tan(pi * (x - std::floor(x)));
  }
  double shift = 0;
  for (; x < 10; x += 1) shift -= 1 / x;
  const double z = 1 / (x * x);   // log x - 1/(2x) - sum B_2k / (2k x^2k)
  const double tail = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return shift + std::log(x) - 0.5 / x - tail;
}
HD inline double polygamma(double n, double x) {   // the n-th derivative of digamma, n >= 1
  constexpr double pi = 3.14159265358979323846;
  if (x != x) return x;
  if (x <= 0 && x == std::floor(x)) return std::fmod(n, 2) == 1 ? kInf<double> : kNaN<double>;
  if (x < 0) {   // psi_1 reflects in closed form; for the others, walk up: psi_n(x) = psi_n(x + 1) - (-1)^n n! / x^(n + 1)
    if (n == 1) {
      const double s = std::sin(pi * x);
      return pi * pi / (s * s) - polygamma(1, 1 - x);
    }
    const double sign = std::fmod(n, 2) == 1 ? -1 : 1;
    double sum = 0;
    for (; x < 0; x += 1) sum -= sign * std::tgamma(n + 1) / std::pow(x, n + 1);
    return sum + polygamma(n, x);
  }
  return (std::fmod(n, 2) == 1 ? 1 : -1) * std::tgamma(n + 1) * hurwitz_zeta(n + 1, x);
}
// The x with erf(x) = y: Winitzki's start (relative error 2e-3), then Halley steps; near +-1 on erfc, which keeps its digits.
HD inline double erfinv(double y) {
  const double a = std::abs(y);
  if (!(a < 1)) return a == 1 ? std::copysign(kInf<double>, y) : kNaN<double>;
  if (a < 1e-9) return y * 0.88622692545275801365;
  constexpr double c = 0.147, pi = 3.14159265358979323846;
  const double l = std::log1p(-a * a), t = 2 / (pi * c) + l / 2;
  double x = std::sqrt(std::sqrt(t * t - l / c) - t);
  for (int i = 0; i < 3; ++i) {
    const double error = a < 0.5 ? std::erf(x) - a : (1 - a) - std::erfc(x);
    const double step = error / (1.12837916709551257390 * std::exp(-x * x));
    x -= step / (1 + x * step);
  }
  return std::copysign(x, y);
}

}  // namespace hippograd::math
