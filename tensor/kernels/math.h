#pragma once
// Elementary functions for pointwise kernels, written without branches: a loop over them vectorises on the CPU. Errors are
// at most 2 ulp unless said otherwise; NaN gives NaN, infinities and denormals are right. On a device its own library does it.
//
// exp     x = n ln 2 + r, |r| <= ln 2 / 2;  e^x = 2^n (1 + r phi(r)), phi a polynomial; 2^n is added to the exponent's bits
// log     x = 2^k m, m in [1/sqrt 2, sqrt 2);  with f = m - 1, s = f / (2 + f):  log m = 2 atanh s = 2 (s + s^3/3 + s^5/5 + ...)
// log1p   log(u) + (x - (u - 1)) / u  with u = 1 + x rounded: the second term is what rounding lost
// tanh    t / (t + 2), t = e^{2|x|} - 1
// sin     x = n pi/2 + r, |r| <= pi/4, in three exact steps; polynomials of sin r and cos r, chosen and signed by n mod 4
// atan    atan(min/max) by a polynomial on [0, 1], then pi/2 - y, pi - y as the quadrant asks
// asin    a polynomial below 1/2; pi/2 - 2 asin(sqrt((1 - x) / 2)) above
// pow     2^{b log2 a} in double precision, for floats
// erfc    e^{-x^2} g(u) / (1 + 2x), u = (x - k) / (x + k), k = 3.75: g is nearly flat (Shepherd and Laframboise 1981)
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "tensor/complex.h"
#include "tensor/host_device.h"

#ifdef __CUDACC__
#include <cuda/std/cmath>
#endif
#define HIPPOGRAD_INLINE HD inline __attribute__((always_inline))

namespace hippograd::math {

// The standard library's functions under one name, on the host and on a device, for numbers of both kinds (tensor/complex.h).
namespace library {
#ifdef __CUDACC__
#define HIPPOGRAD_LIBRARY(NAME) template <class T> HD inline auto NAME(T x) { return ::cuda::std::NAME(x); }
#define HIPPOGRAD_LIBRARY2(NAME) template <class T> HD inline T NAME(T x, T y) { return ::cuda::std::NAME(x, y); }
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
  using Bits = uint32_t;
  static constexpr int mantissa = 23, bias = 127, exp_terms = 6, log_terms = 5;
  static constexpr float magic = 0x1.8p23f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float exp_low = -104.5f, exp_high = 89.5f, expm1_low = -20.f, expm1_high = 88.8f;
  static constexpr float sinh_high = 89.6f, exp_normal = -87.3f, exp_largest = 0x1.62e42ep6f;        // e^x is normal; finite
  static constexpr float log10_2_high = 0x1.344p-2f, log10_2_low = 0x1.3509fap-18f;
  static constexpr float half_pi[3] = {0x1.921fb6p+0f, -0x1.777a5cp-25f, -0x1.ee59dap-50f}, angle_limit = 1e5f;
};
template <> struct Format<double> {
  using Int = int64_t;
  using Bits = uint64_t;
  static constexpr int mantissa = 52, bias = 1023, exp_terms = 13, log_terms = 11;
  static constexpr double magic = 0x1.8p52, ln2_high = 0x1.62e42fefa39p-1, ln2_low = 0x0.ef35793c7673007ep-45;
  static constexpr double exp_low = -746, exp_high = 710, expm1_low = -40, expm1_high = 709.9;
  static constexpr double sinh_high = 710.6, exp_normal = -708.3, exp_largest = 0x1.62e42fefa39efp9;
  static constexpr double log10_2_high = 0x1.34413509f8p-2, log10_2_low = -0x1.80433b83b532ap-44;
  static constexpr double half_pi[3] = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110}, angle_limit = 1e9;
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
// (e^r - 1) / r: its series in f64, and for f32 the polynomial of its degree that errs least for |r| <= ln 2 / 2.
template <class T, int K = 1> HIPPOGRAD_INLINE T phi1_series(T r) {
  constexpr float best[6] = {1.f, 0.49999993852f, 0.16666421881f, 0.041668056779f, 0.0083749656029f, 0.0013842702986f};
  constexpr T c = std::is_same_v<T, float> ? T(best[(K - 1) % 6]) : inverse_factorial<T>(K);
  if constexpr (K == Format<T>::exp_terms) return c;
  else return c + r * phi1_series<T, K + 1>(r);
}
// x = n ln 2 + r, n rounded to an integer by adding and subtracting a number whose last bit is worth 1.
template <class T> struct Reduced { typename Format<T>::Int n; T r; };
template <class T> HIPPOGRAD_INLINE Reduced<T> reduce(T x) {
  const T shifted = x * kLog2e<T> + Format<T>::magic;
  const T n = shifted - Format<T>::magic;
  const auto bits = std::bit_cast<typename Format<T>::Int>(shifted) - std::bit_cast<typename Format<T>::Int>(Format<T>::magic);
  return {bits, (x - n * Format<T>::ln2_high) - n * Format<T>::ln2_low};
}
// e^{x + small...} for exp_low <= x <= exp_largest; a NaN becomes any number. 2^n p is p with n added to its exponent; results
// below the normal numbers are made 2^64 times too large, and then scaled.
template <class T, class... Small> HIPPOGRAD_INLINE T exp_within(T x, Small... small) {
  using Bits = typename Format<T>::Bits;
  const T shifted = x * kLog2e<T> + Format<T>::magic, n = shifted - Format<T>::magic;
  const T r = (((x - n * Format<T>::ln2_high) - n * Format<T>::ln2_low) + ... + small);
  const T p = T(1) + r * phi1_series<T>(r);
  const Bits y = std::bit_cast<Bits>(p) + (std::bit_cast<Bits>(shifted) << Format<T>::mantissa);
  const T tiny = std::bit_cast<T>(y + (Bits(64) << Format<T>::mantissa)) * T(0x1p-64);
  return x < Format<T>::exp_normal ? tiny : std::bit_cast<T>(y);
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

template <class T, int kTerms = Format<T>::log_terms, int K = 1> HIPPOGRAD_INLINE T atanh_series(T z) {   // z/3 + z^2/5 + ...
  if constexpr (K == kTerms) return z * T(1.0 / (2 * K + 1));
  else return z * (T(1.0 / (2 * K + 1)) + atanh_series<T, kTerms, K + 1>(z));
}

// Our own functions of real numbers that share a name with the library's stand in `lanes`. Some are not for all numbers: loops
// send rows with far angles, and powers of zeros, infinities and NaN, to the library (tensor/cpu/elementwise.h).
template <class T> HIPPOGRAD_INLINE bool far_angle(T x) { return !(std::abs(x) <= Format<T>::angle_limit); }
template <class T> HIPPOGRAD_INLINE bool rare_power(T base, T exponent) {
  return !(std::abs(base) > 0 && std::abs(base) < kInf<T> && std::abs(exponent) < kInf<T>);
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
  const T y = exp_within(x < Format<T>::exp_low ? Format<T>::exp_low : x);
  return x <= Format<T>::exp_largest ? y : x * std::numeric_limits<T>::max();   // infinity, NaN
}
template <class T> HIPPOGRAD_INLINE T exp2(T x) {
  const T c = clamped(x, Format<T>::exp_low * kLog2e<T>, Format<T>::exp_high * kLog2e<T>);
  const T shifted = c + Format<T>::magic, n = shifted - Format<T>::magic;
  const auto bits = std::bit_cast<typename Format<T>::Int>(shifted) - std::bit_cast<typename Format<T>::Int>(Format<T>::magic);
  return scaled_exp(bits, (c - n) * T(0.693147180559945309417232121458L));
}
// 2^n p + (2^n - 1), p = e^r - 1, at half size so that 2^n fits.
template <class T> HIPPOGRAD_INLINE T expm1(T x) {
  const auto [n, r] = reduce(clamped(x, Format<T>::expm1_low, Format<T>::expm1_high));
  const T p = r * phi1_series<T>(r), s = power_of_two<T>(n - 1);
  const T y = (s * p + (s - T(0.5))) * 2;
  return x == 0 ? x : y;
}
// x = 2^e (1 + f);  log(1 + f) = f - (half_square - tail).
template <class T> struct LogParts { T e, f, half_square, tail; };
template <class T, int kTerms = Format<T>::log_terms> HIPPOGRAD_INLINE LogParts<T> log_parts(T x) {
  using Int = typename Format<T>::Int;
  constexpr T tiny = std::numeric_limits<T>::min();
  const bool denormal = x < tiny;
  const T lifted = denormal ? x * T(Int(1) << Format<T>::mantissa) : x;
  constexpr Int root = std::bit_cast<Int>(T(0.70710678118654752440L));
  const Int k = (std::bit_cast<Int>(lifted) - root) >> Format<T>::mantissa;
  const T m = std::bit_cast<T>(std::bit_cast<Int>(lifted) - k * (Int(1) << Format<T>::mantissa));
  const T f = m - 1, s = f / (f + 2), half_square = T(0.5) * f * f;
  const T e = T(k) - (denormal ? T(Format<T>::mantissa) : T(0));
  return {e, f, half_square, s * (half_square + 2 * atanh_series<T, kTerms>(s * s))};
}
template <class T> HIPPOGRAD_INLINE T log_result(T x, T y) {   // y, but the right thing for 0, infinity, NaN and negative numbers
  const T special = x == 0 ? -kInf<T> : x > 0 ? x : kNaN<T>;
  return x > 0 && x < kInf<T> ? y : special;
}
template <class T> HIPPOGRAD_INLINE T log(T x) {
  const auto [e, f, half_square, tail] = log_parts(x);
  return log_result(x, e * Format<T>::ln2_high + (f - (half_square - (tail + e * Format<T>::ln2_low))));
}
namespace lanes {
template <class T> HIPPOGRAD_INLINE T log2(T x) {
  const auto [e, f, half_square, tail] = log_parts(x);
  return log_result(x, e + (f - (half_square - tail)) * kLog2e<T>);
}
template <class T> HIPPOGRAD_INLINE T log10(T x) {
  const auto [e, f, half_square, tail] = log_parts(x);
  const T log_m = f - (half_square - tail);
  return log_result(x, e * Format<T>::log10_2_high + (log_m * T(0.43429448190325182765L) + e * Format<T>::log10_2_low));
}
}  // namespace lanes
template <class T> HIPPOGRAD_INLINE T log1p(T x) {
  const T u = 1 + x, y = log(u) + (x - (u - 1)) / u;
  const T special = x == T(-1) ? -kInf<T> : x == kInf<T> ? x : y;
  return std::abs(x) < std::numeric_limits<T>::epsilon() / 4 ? x : special;
}
template <class T> HIPPOGRAD_INLINE T tanh(T x) {
  const T t = expm1(2 * clamped(std::abs(x), T(0), T(22)));
  return std::copysign(t / (t + 2), x);
}
namespace lanes {
// h = (e^|x| - 1) / 2 does not overflow before the result does: sinh = h + h / (2h + 1), cosh = (h + 1/2) + 1 / (4h + 2).
template <class T> HIPPOGRAD_INLINE T half_expm1(T x) {
  const auto [n, r] = reduce(clamped(x, T(0), Format<T>::sinh_high));
  const T s = power_of_two<T>(n - 2);
  return (s * (r * phi1_series<T>(r)) + (s - T(0.25))) * 2;
}
template <class T> HIPPOGRAD_INLINE T sinh(T x) {   // 3 ulp
  const T h = half_expm1(std::abs(x)), y = h + h / (2 * h + 1);
  return h < kInf<T> ? (h == 0 ? x : std::copysign(y, x)) : x * kInf<T>;
}
template <class T> HIPPOGRAD_INLINE T cosh(T x) {
  const T h = half_expm1(std::abs(x));
  return (h + T(0.5)) + T(0.25) / (h + T(0.5));
}

// x = n pi/2 + r. The first product cancels most of x exactly, so the others' roundings do not count.
template <class T> struct Angle { typename Format<T>::Bits quadrant; T sine, cosine; };
template <class T> HIPPOGRAD_INLINE Angle<T> angle(T x) {
  const T shifted = x * T(0.63661977236758134308L) + Format<T>::magic, n = shifted - Format<T>::magic;
  const T r = std::fma(-n, Format<T>::half_pi[2], std::fma(-n, Format<T>::half_pi[1], std::fma(-n, Format<T>::half_pi[0], x)));
  const T w = r * r;
  T s, c;
  if constexpr (std::is_same_v<T, float>) {
    s = -0.1666666453936584675f + w * (0.00833272461378369331f - w * 0.0001958283067883580024f);
    c = 0.04166666453632112343f + w * (-0.001388827933055691695f + w * 0.00002454287111087026097f);
  } else {
    s = -0.1666666666666666436 + w * (0.008333333333330699336 + w * (-0.0001984126983638543448 + w * (2.755731591093900156e-6 +
        w * (-2.505109230843131667e-8 + w * 1.591530918305795256e-10))));
    c = 0.04166666666666666523 + w * (-0.001388888888888724138 + w * (0.00002480158729853225905 + w * (-2.755731715185886455e-7 +
        w * (2.087612153460845557e-9 - w * 1.138086817144991339e-11))));
  }
  return {std::bit_cast<typename Format<T>::Bits>(shifted), r + r * (w * s), T(1) - (T(0.5) * w - w * w * c)};
}
template <class T> HIPPOGRAD_INLINE T flipped(T x, typename Format<T>::Bits sign) {   // -x where bit 1 of sign is set
  return std::bit_cast<T>(std::bit_cast<typename Format<T>::Bits>(x) ^ ((sign & 2) << (8 * sizeof(T) - 2)));
}
template <class T> HIPPOGRAD_INLINE T sin(T x) {
  const auto a = angle(x);
  return flipped(a.quadrant & 1 ? a.cosine : a.sine, a.quadrant);
}
template <class T> HIPPOGRAD_INLINE T cos(T x) {
  const auto a = angle(x);
  return flipped(a.quadrant & 1 ? a.sine : a.cosine, a.quadrant + 1);
}
template <class T> HIPPOGRAD_INLINE T tan(T x) {   // 3 ulp
  const auto a = angle(x);
  const bool odd = a.quadrant & 1;
  return flipped((odd ? a.cosine : a.sine) / (odd ? a.sine : a.cosine), (a.quadrant & 1) << 1);
}
}  // namespace lanes
#endif

// ---- inverse functions and powers: polynomials for f32, the library's for f64 ----
namespace lanes {
#ifdef __CUDA_ARCH__
using library::log2, library::log10, library::sin, library::cos, library::tan, library::sinh, library::cosh, library::asin, library::acos;
using library::atan, library::asinh, library::acosh, library::atanh, library::atan2, library::pow;
#else
HIPPOGRAD_INLINE float atan_unit(float t) {   // 0 <= t <= 1
  constexpr float c[9] = {-0.33333299094f, 0.19998548432f, -0.1426424311f, 0.10952192402f, -0.084034674625f,
                          0.057957855361f, -0.031178081211f, 0.010914720941f, -0.0017936453888f};
  const float w = t * t;
  float y = c[8];
#pragma GCC unroll 8
  for (int i = 7; i >= 0; --i) y = y * w + c[i];
  return t + t * (w * y);
}
HIPPOGRAD_INLINE float asin_half(float t) {   // 0 <= t <= 1/2
  constexpr float c[5] = {0.16666752483f, 0.074952976192f, 0.045470378373f, 0.024179503784f, 0.042166326327f};
  const float w = t * t;
  const float y = c[0] + w * (c[1] + w * (c[2] + w * (c[3] + w * c[4])));
  return t + t * (w * y);
}
template <class T> HIPPOGRAD_INLINE T atan(T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float a = std::abs(x);
    const bool far = a > 1;
    const float y = atan_unit(far ? 1 / a : a);
    return std::copysign(far ? 1.57079632679489661923f - y : y, x);
  } else {
    return std::atan(x);
  }
}
template <class T> HIPPOGRAD_INLINE T atan2(T y, T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float a = std::abs(y), b = std::abs(x);
    const float low = a < b ? a : b, high = a < b ? b : a;   // a NaN stays in one of them
    const float ratio = high == 0 ? low : low == high ? 1 : low / high;
    const float near = atan_unit(ratio), acute = a > b ? 1.57079632679489661923f - near : near;
    return std::copysign(std::copysign(1.f, x) < 0 ? 3.14159265358979323846f - acute : acute, y);
  } else {
    return std::atan2(y, x);
  }
}
template <class T> HIPPOGRAD_INLINE T asin(T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float a = std::abs(x);
    const bool far = a > 0.5f;
    const float y = asin_half(far ? std::sqrt((1 - a) * 0.5f) : a);
    return std::copysign(far ? 1.57079632679489661923f - 2 * y : y, x);
  } else {
    return std::asin(x);
  }
}
template <class T> HIPPOGRAD_INLINE T acos(T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float a = std::abs(x);
    const bool far = a > 0.5f;
    const float y = asin_half(far ? std::sqrt((1 - a) * 0.5f) : a);
    const float wide = x < 0 ? 3.14159265358979323846f - 2 * y : 2 * y;
    return far ? wide : 1.57079632679489661923f - std::copysign(y, x);
  } else {
    return std::acos(x);
  }
}
template <class T> HIPPOGRAD_INLINE T asinh(T x) {   // log(a + sqrt(a^2 + 1)); a large: log(2a)
  if constexpr (std::is_same_v<T, float>) {
    const float a = std::abs(x), square = a * a;
    const float near = log1p(a + square / (1 + std::sqrt(1 + square))), far = log(a) + 0.69314718055994530942f;
    return std::copysign(a < 1e9f ? near : far, x);
  } else {
    return std::asinh(x);
  }
}
template <class T> HIPPOGRAD_INLINE T acosh(T x) {
  if constexpr (std::is_same_v<T, float>) {
    const float t = x - 1;
    const float near = log1p(t + std::sqrt(t * (t + 2))), far = log(x) + 0.69314718055994530942f;
    return x < 1 ? kNaN<float> : x < 1e9f ? near : far;
  } else {
    return std::acosh(x);
  }
}
template <class T> HIPPOGRAD_INLINE T atanh(T x) {   // log((1 + a) / (1 - a)) / 2
  if constexpr (std::is_same_v<T, float>) {
    const float a = std::abs(x);
    return std::copysign(0.5f * log1p(2 * a / (1 - a)), x);
  } else {
    return std::atanh(x);
  }
}
// 2^(b log2 a) for a > 0, to some 40 bits: enough for a float.
HIPPOGRAD_INLINE double rough_power(double a, double b) {
  const auto [e, f, half_square, tail] = log_parts<double, 7>(a);
  const double x = b * (e + (f - (half_square - tail)) * kLog2e<double>), c = x < -160 ? -160 : x > 160 ? 160 : x;
  const double shifted = c + Format<double>::magic, r = (c - (shifted - Format<double>::magic)) * 0.69314718055994530942;
  double p = inverse_factorial<double>(10);
#pragma GCC unroll 10
  for (int k = 9; k >= 0; --k) p = p * r + inverse_factorial<double>(k);
  return std::bit_cast<double>(std::bit_cast<uint64_t>(p) + (std::bit_cast<uint64_t>(shifted) << 52));
}
template <class T> HIPPOGRAD_INLINE T pow(T base, T exponent) {
  if constexpr (std::is_same_v<T, float>) {
    const double a = double(base), b = double(exponent), y = rough_power(std::abs(a), b);
    const double whole = std::trunc(b), half = 0.5 * b;
    const double odd = std::trunc(half) == half ? y : std::copysign(y, a), negative = whole == b ? odd : kNaN<double>;
    return float(a < 0 ? negative : y);   // all in doubles, conditions too: lanes of one width
  } else {
    return std::pow(base, exponent);
  }
}
#endif
}  // namespace lanes

// a / b for 1 <= b < 2^100. A device multiplies by its approximate reciprocal (2 ulp), a fifth of the instructions.
template <class T> HIPPOGRAD_INLINE T quotient(T a, T b) {
#ifdef __CUDA_ARCH__
  if constexpr (std::is_same_v<T, float>) return __fdividef(a, b);
#endif
  return a / b;
}
// 1 / (1 + e^-x) without overflow: the small side keeps its full precision down to denormals.
template <class T> HIPPOGRAD_INLINE T sigmoid(T x) {
  const T z = exp(-std::abs(x));
  return quotient(x < 0 ? z : T(1), 1 + z);
}
// log(1 + z) for 0 <= z <= 1: 2 atanh(s), s = z / (2 + z).
template <class T> HIPPOGRAD_INLINE T log1p_unit(T z) {
  const T s = quotient(z, z + 2), w = s * s, twice = s + s;
  if constexpr (std::is_same_v<T, float>)
    return twice + twice * (w * (0.3333332016834961989f + w * (0.2000378032245560288f + w * (0.1411830990265524072f + w * 0.134257490114185759f))));
  else return twice + twice * atanh_series<T>(w);
}
template <class T> HIPPOGRAD_INLINE T softplus(T x) {   // log(1 + e^x); no threshold, so the tail is kept
  const T y = (x > 0 ? x : T(0)) + log1p_unit(exp(-std::abs(x)));
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
// e^{-scale x^2} for |x| <= 15; the rounding error of x^2 is put back, since the exponential would magnify it.
HIPPOGRAD_INLINE float gauss(float x, float scale) {
  const float square = x * x, lost = std::fma(x, x, -square);
#ifdef __CUDA_ARCH__
  return exp(-scale * square) * (1 - scale * lost);
#else
  const float low = -scale * square < Format<float>::exp_low ? Format<float>::exp_low : -scale * square;
  return exp_within(low, -scale * lost);
#endif
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
// Phi(-x) e^{x^2 / 2} for 0 <= x <= 15 (Mills' ratio), a polynomial of t = 1 / (1 + 0.3 x).
HIPPOGRAD_INLINE float mills(float x) {
  constexpr float c[11] = {5.076102222e-7f, 0.1196748511f,   0.1196910337f, 0.1095521957f,  0.08086067805f, 0.09025289353f,
                           -0.06996656326f, 0.181734685f,    -0.2214175314f, 0.1097891169f, -0.02017186855f};
  const float t = quotient(1.f, 1 + 0.3f * x);
  float y = c[10];
#pragma GCC unroll 10
  for (int i = 9; i >= 0; --i) y = y * t + c[i];
  return y;
}
template <class T> HIPPOGRAD_INLINE Normal<T> standard_normal(T x) {
  constexpr T root_half = T(0.70710678118654752440L), scale = T(0.39894228040143267794L);
  if constexpr (std::is_same_v<T, float>) {
    const float c = clamped(std::abs(x), 0.f, 14.5f), e = gauss(c, 0.5f), tail = e * mills(c);
    return {x > 0 ? 1 - tail : tail, scale * e};
  } else {
    return {T(0.5) * std::erfc(-x * root_half), scale * exp(T(-0.5) * x * x)};
  }
}
template <class T> HIPPOGRAD_INLINE T gelu(T x) {   // 6 ulp: x Phi(x) = max(x, 0) - |x| Phi(-|x|)
  if constexpr (std::is_same_v<T, float>) {
    const float c = clamped(std::abs(x), 0.f, 14.5f);
    return (x < 0 ? 0 : x) - c * mills(c) * gauss(c, 0.5f);
  } else {
    return x * standard_normal(x).cdf;
  }
}

// ---- complex: the textbook formulas; multiplication without C's rescue of NaN, which would cost a branch per product ----
template <class R> using C = Complex<R>;
template <class R> HIPPOGRAD_INLINE C<R> times(C<R> a, C<R> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}
template <class R> HIPPOGRAD_INLINE C<R> over(C<R> a, C<R> b) {   // b scaled to size 1 first: its square cannot overflow
  const R scale = std::fmax(std::abs(b.real()), std::abs(b.imag()));
  const R re = b.real() / scale, im = b.imag() / scale, d = (re * re + im * im) * scale;
  const C<R> y((a.real() * re + a.imag() * im) / d, (a.imag() * re - a.real() * im) / d);
    return scale == 0 || !(scale < kInf<R>) ? a / b : y;

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
