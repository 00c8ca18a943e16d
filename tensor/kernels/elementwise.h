#pragma once
// Pointwise kernels. The mathematics is written once per op as a functor on scalars, and stands in one of the lists at the
// end: the CPU vectorises the loop around it, CUDA calls it per thread. Shapes equal (expand first: a stride of 0 costs
// nothing), any strides; y may be one of the inputs.
//
// Rules for a functor: no branches around arithmetic where speed matters (`?:` between computed values vectorises);
// elementary functions come from tensor/kernels/math.h; parameters are its members p and q, in the order the slot passes
// them. `types` says which element types it takes; the result type decides the type of y. `exact`: a single rounding,
// so that special loops for scalar operands give the same bits. A functor whose formula is not for all numbers says which are
// `rare`, and has a `careful` formula for them: a device whose library is exact everywhere need not ask.
#include <algorithm>
#include <cstdlib>

#include "tensor/kernel.h"
#include "tensor/kernels/math.h"

namespace hippograd {

// Which element types a functor is made for.
enum TypeSet : unsigned {
  kRealTypes = 1, kComplexTypes = 2, kIntTypes = 4, kBoolType = 8,
  kInexact = kRealTypes | kComplexTypes, kNumbers = kInexact | kIntTypes, kOrdered = kRealTypes | kIntTypes | kBoolType,
  kRealOrInt = kRealTypes | kIntTypes, kBits = kIntTypes | kBoolType, kEverything = 15
};
template <class T> constexpr unsigned type_bit() {
  if (std::is_same_v<T, bool>) return kBoolType;
  if (std::is_integral_v<T>) return kIntTypes;
  return std::is_floating_point_v<T> ? kRealTypes : kComplexTypes;
}

namespace pointwise {

template <class T> inline constexpr bool kIsBool = std::is_same_v<T, bool>;
template <class T> inline constexpr bool kIsInt = std::is_integral_v<T> && !kIsBool<T>;
template <class T> inline constexpr bool kIsReal = std::is_floating_point_v<T>;
template <class T> inline constexpr bool kIsComplex = !std::is_arithmetic_v<T>;
template <class T> struct RealOf { using type = T; };
template <class R> struct RealOf<Complex<R>> { using type = R; };
template <class T> using Real = typename RealOf<T>::type;

// The parameters p, q as a number of type T: (p, q) are the parts of a complex one.
template <class T> HIPPOGRAD_INLINE T constant(double p, double q = 0) {
  if constexpr (kIsComplex<T>) return T(Real<T>(p), Real<T>(q));
  else if constexpr (kIsInt<T>)
    return p >= double(std::numeric_limits<T>::max()) ? std::numeric_limits<T>::max()
           : p <= double(std::numeric_limits<T>::min()) ? std::numeric_limits<T>::min() : T(p);
  else return T(p);
}

// Arithmetic: integers wrap around, bool is a two-element field with + = or, * = and.
template <class T> HIPPOGRAD_INLINE T plus(T a, T b) {
  if constexpr (kIsBool<T>) return a | b;
  else if constexpr (kIsInt<T>) return T(uint64_t(a) + uint64_t(b));
  else return a + b;
}
template <class T> HIPPOGRAD_INLINE T minus(T a, T b) {
  if constexpr (kIsInt<T>) return T(uint64_t(a) - uint64_t(b));
  else return a - b;
}
template <class T> HIPPOGRAD_INLINE T times(T a, T b) {
  if constexpr (kIsBool<T>) return a & b;
  else if constexpr (kIsInt<T>) return T(uint64_t(a) * uint64_t(b));
  else if constexpr (kIsComplex<T>) return math::times(a, b);
  else return a * b;
}
template <class T> HIPPOGRAD_INLINE T over(T a, T b) {
  if constexpr (kIsComplex<T>) return math::over(a, b);
  else return a / b;
}
template <class T> HIPPOGRAD_INLINE bool nan(T x) {
  if constexpr (kIsReal<T>) return x != x;
  else if constexpr (kIsComplex<T>) return x.real() != x.real() || x.imag() != x.imag();
  else return false;
}
template <class T> HIPPOGRAD_INLINE bool truth(T x) { return x != T(0); }

// A functor of one line: NAME(types, argument list) { body }, each argument of type T.
#define HIPPOGRAD_UNARY(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; template <class T> HIPPOGRAD_INLINE auto operator()(T x) const { __VA_ARGS__ } }
#define HIPPOGRAD_UNARY_P(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; double p; template <class T> HIPPOGRAD_INLINE auto operator()(T x) const { __VA_ARGS__ } }
#define HIPPOGRAD_UNARY_PQ(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; double p, q; template <class T> HIPPOGRAD_INLINE auto operator()(T x) const { __VA_ARGS__ } }
#define HIPPOGRAD_BINARY(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; template <class T> HIPPOGRAD_INLINE auto operator()(T a, T b) const { __VA_ARGS__ } }
#define HIPPOGRAD_BINARY_EXACT(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; static constexpr bool exact = true; template <class T> HIPPOGRAD_INLINE auto operator()(T a, T b) const { __VA_ARGS__ } }
#define HIPPOGRAD_BINARY_P(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; double p; template <class T> HIPPOGRAD_INLINE auto operator()(T a, T b) const { __VA_ARGS__ } }
#define HIPPOGRAD_TERNARY(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; template <class T> HIPPOGRAD_INLINE auto operator()(T a, T b, T c) const { __VA_ARGS__ } }
#define HIPPOGRAD_TERNARY_P(NAME, TYPES, ...) \
  struct NAME { static constexpr unsigned types = TYPES; double p; template <class T> HIPPOGRAD_INLINE auto operator()(T a, T b, T c) const { __VA_ARGS__ } }

// ---- arithmetic ----
HIPPOGRAD_BINARY_EXACT(Add, kEverything, return plus(a, b););
HIPPOGRAD_BINARY_EXACT(Sub, kNumbers, return minus(a, b););
HIPPOGRAD_BINARY_EXACT(Mul, kEverything, return times(a, b););
HIPPOGRAD_BINARY_EXACT(Div, kInexact, return over(a, b););
HIPPOGRAD_BINARY_P(AddScaled, kNumbers, return plus(a, times(constant<T>(p), b)););             // a + p b
HIPPOGRAD_UNARY_PQ(AddNumber, kNumbers, return plus(x, constant<T>(p, q)););
HIPPOGRAD_UNARY_PQ(RsubNumber, kNumbers, return minus(constant<T>(p, q), x););                  // p - x
HIPPOGRAD_UNARY_PQ(MulNumber, kNumbers, return times(x, constant<T>(p, q)););
HIPPOGRAD_UNARY_PQ(DivNumber, kInexact, return over(x, constant<T>(p, q)););
HIPPOGRAD_UNARY_PQ(RdivNumber, kInexact, return over(constant<T>(p, q), x););                   // p / x
HIPPOGRAD_UNARY(Neg, kNumbers, if constexpr (kIsInt<T>) return minus(T(0), x); else return -x;);
HIPPOGRAD_UNARY(Square, kNumbers, return times(x, x););
HIPPOGRAD_UNARY(Reciprocal, kInexact, return over(T(1), x););
HIPPOGRAD_UNARY(Abs, kNumbers, if constexpr (kIsInt<T>) return x < T(0) ? minus(T(0), x) : x; else return math::abs(x););
HIPPOGRAD_UNARY(Sign, kOrdered, if constexpr (kIsBool<T>) return x; else return T(T(x > T(0)) - T(x < T(0))););
HIPPOGRAD_UNARY(Sgn, kComplexTypes, const auto r = math::abs(x); return r == 0 ? T(0) : T(x.real() / r, x.imag() / r););

// Quotient and remainder towards minus infinity (Python) and towards zero (C). Integer divisors are checked for 0 before.
struct FloorDivide {
  static constexpr unsigned types = kRealOrInt;
  template <class T> HIPPOGRAD_INLINE T operator()(T a, T b) const {
    if constexpr (kIsInt<T>) {
      if constexpr (std::is_signed_v<T>) if (b == T(-1)) return minus(T(0), a);   // the lowest integer has no positive twin
      const T quotient = T(a / b), rest = T(a % b);
      return T(quotient - T(rest != 0 && (rest < 0) != (b < 0)));
    } else {
      if (b == 0) return a / b;
      const T rest = math::fmod(a, b);
      T quotient = (a - rest) / b;
      if (rest != 0 && (b < 0) != (rest < 0)) quotient -= 1;
      if (quotient == 0) return math::copysign(T(0), a / b);
      const T down = math::floor(quotient);
      return quotient - down > T(0.5) ? down + 1 : down;
    }
  }
};
struct TruncDivide {
  static constexpr unsigned types = kRealOrInt;
  template <class T> HIPPOGRAD_INLINE T operator()(T a, T b) const {
    if constexpr (kIsInt<T>) {
      if constexpr (std::is_signed_v<T>) if (b == T(-1)) return minus(T(0), a);
      return T(a / b);
    } else {
      return math::trunc(a / b);
    }
  }
};
struct Remainder {   // the sign of b
  static constexpr unsigned types = kRealOrInt;
  template <class T> HIPPOGRAD_INLINE T operator()(T a, T b) const {
    if constexpr (kIsInt<T>) {
      if constexpr (std::is_signed_v<T>) if (b == T(-1)) return T(0);
      const T rest = T(a % b);
      return rest != 0 && (rest < 0) != (b < 0) ? T(rest + b) : rest;
    } else {
      const T rest = math::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
  }
};
struct Fmod {        // the sign of a
  static constexpr unsigned types = kRealOrInt;
  template <class T> HIPPOGRAD_INLINE T operator()(T a, T b) const {
    if constexpr (kIsInt<T>) {
      if constexpr (std::is_signed_v<T>) if (b == T(-1)) return T(0);
      return T(a % b);
    } else {
      return math::fmod(a, b);
    }
  }
};

// Integer powers by squaring; a negative exponent leaves 1/a rounded to zero.
template <class T> HD inline T integer_power(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    if (b < 0) return a == T(1) ? T(1) : a == T(-1) ? (b % 2 ? T(-1) : T(1)) : T(0);
  T y = 1;
  for (; b; b = T(b >> 1), a = times(a, a))
    if (b & 1) y = times(y, a);
  return y;
}
struct Pow {
  static constexpr unsigned types = kNumbers;
  template <class T> HIPPOGRAD_INLINE T operator()(T a, T b) const {
    if constexpr (kIsInt<T>) return integer_power(a, b);
    else if constexpr (kIsComplex<T>) return b == T(0) ? T(1) : a == T(0) && b.real() > 0 ? T(0) : math::pow(a, b);
    else return math::lanes::pow(a, b);
  }
  template <class T> static HIPPOGRAD_INLINE bool rare(T a, T b) requires std::is_same_v<T, float> { return math::rare_power(a, b); }
  template <class T> static HIPPOGRAD_INLINE T careful(T a, T b) { return math::pow(a, b); }
};
struct PowNumber {   // x^p; the loop for a common p is a multiplication or a root
  static constexpr unsigned types = kNumbers;
  double p, q;
  template <class T> HIPPOGRAD_INLINE T operator()(T x) const { return Pow{}(x, constant<T>(p, q)); }
  template <class T> HIPPOGRAD_INLINE bool rare(T x) const requires std::is_same_v<T, float> { return math::rare_power(x, T(p)); }
  template <class T> HIPPOGRAD_INLINE T careful(T x) const { return math::pow(x, T(p)); }
};
HIPPOGRAD_UNARY(Cube, kNumbers, return times(times(x, x), x););

// ---- elementary functions ----
#define HIPPOGRAD_STD(NAME, TYPES, FUNCTION) HIPPOGRAD_UNARY(NAME, TYPES, return math::FUNCTION(x);)
#define HIPPOGRAD_MATH(NAME, TYPES, FUNCTION) HIPPOGRAD_UNARY(NAME, TYPES, return math::FUNCTION(x);)
// Complex numbers through the library.
#define HIPPOGRAD_REAL_MATH(NAME, FUNCTION) \
  HIPPOGRAD_UNARY(NAME, kInexact, if constexpr (kIsComplex<T>) return math::FUNCTION(x); else return math::lanes::FUNCTION(x);)
#define HIPPOGRAD_ANGLE(NAME, FUNCTION)                                                                           \
  struct NAME {                                                                                                   \
    static constexpr unsigned types = kInexact;                                                                   \
    template <class T> HIPPOGRAD_INLINE auto operator()(T x) const {                                              \
      if constexpr (kIsComplex<T>) return math::FUNCTION(x); else return math::lanes::FUNCTION(x);                \
    }                                                                                                             \
    template <class T> static HIPPOGRAD_INLINE bool rare(T x) requires kIsReal<T> { return math::far_angle(x); }  \
    template <class T> static HIPPOGRAD_INLINE T careful(T x) { return math::FUNCTION(x); }                       \
  }
HIPPOGRAD_STD(Sqrt, kInexact, sqrt);
HIPPOGRAD_UNARY(Rsqrt, kInexact, return over(T(1), T(math::sqrt(x))););
HIPPOGRAD_MATH(Exp, kInexact, exp);
HIPPOGRAD_MATH(Exp2, kInexact, exp2);
HIPPOGRAD_MATH(Expm1, kInexact, expm1);
HIPPOGRAD_MATH(Log, kInexact, log);
HIPPOGRAD_UNARY(Log2, kInexact, if constexpr (kIsReal<T>) return math::lanes::log2(x); else return math::log(x) / Real<T>(0.693147180559945309417232121458L););
HIPPOGRAD_REAL_MATH(Log10, log10);
HIPPOGRAD_MATH(Log1p, kInexact, log1p);
HIPPOGRAD_ANGLE(Sin, sin);
HIPPOGRAD_ANGLE(Cos, cos);
HIPPOGRAD_ANGLE(Tan, tan);
HIPPOGRAD_REAL_MATH(Asin, asin);
HIPPOGRAD_REAL_MATH(Acos, acos);
HIPPOGRAD_REAL_MATH(Atan, atan);
HIPPOGRAD_REAL_MATH(Sinh, sinh);
HIPPOGRAD_REAL_MATH(Cosh, cosh);
HIPPOGRAD_MATH(Tanh, kInexact, tanh);
HIPPOGRAD_REAL_MATH(Asinh, asinh);
HIPPOGRAD_REAL_MATH(Acosh, acosh);
HIPPOGRAD_REAL_MATH(Atanh, atanh);
HIPPOGRAD_MATH(Erf, kRealTypes, erf);
HIPPOGRAD_MATH(Erfc, kRealTypes, erfc);
HIPPOGRAD_UNARY(Erfinv, kRealTypes, return T(math::erfinv(double(x))););
HIPPOGRAD_UNARY(Lgamma, kRealTypes, return math::lgamma(x););
HIPPOGRAD_UNARY(Digamma, kRealTypes, return T(math::digamma(double(x))););
HIPPOGRAD_UNARY_P(Polygamma, kRealTypes, return T(math::polygamma(p, double(x))););
HIPPOGRAD_UNARY(Sinc, kInexact, const T a = x * T(3.14159265358979323846L); return x == T(0) ? T(1) : T(math::sin(a) / a););
// d/dx sinc: (cos(pi x) - sinc(x)) / x; by its series near 0, where the difference cancels
struct SincDerivative {
  static constexpr unsigned types = kInexact;
  template <class T> HD T operator()(T x) const {
    const T a = x * T(3.14159265358979323846L), z = a * a;
    if (math::abs(a) < Real<T>(0.5))
      return -T(3.14159265358979323846L) * a * (T(1) / T(3) - z * (T(1) / T(30) - z * (T(1) / T(840) - z * (T(1) / T(45360) - z * (T(1) / T(3991680) - z / T(518918400))))));
    return (math::cos(a) - math::sin(a) / a) / x;
  }
};
HIPPOGRAD_BINARY(Atan2, kRealTypes, return math::lanes::atan2(a, b););
HIPPOGRAD_BINARY(Hypot, kRealTypes, return math::hypot(a, b););
HIPPOGRAD_BINARY(Xlogy, kInexact, return nan(b) ? b : a == T(0) ? T(0) : T(times(a, T(math::log(b)))););
HIPPOGRAD_BINARY(Xlog1py, kRealTypes, return nan(b) ? b : a == T(0) ? T(0) : T(a * math::log1p(b)););
// log(e^a + e^b) = max + log1p(e^-|a-b|); equal infinities stay
HIPPOGRAD_BINARY(Logaddexp, kRealTypes, const T m = a > b ? a : b; const T y = m + math::log1p_unit(math::exp(-math::abs(a - b)));
                 return nan(a) ? a : nan(b) ? b : a == b && math::abs(a) == math::kInf<T> ? a : y;);
HIPPOGRAD_BINARY(Logaddexp2, kRealTypes, const T m = a > b ? a : b; const T y = m + math::log1p_unit(math::exp2(-math::abs(a - b))) * math::kLog2e<T>;
                 return nan(a) ? a : nan(b) ? b : a == b && math::abs(a) == math::kInf<T> ? a : y;);

// ---- rounding ----
HIPPOGRAD_STD(Floor, kRealTypes, floor);
HIPPOGRAD_STD(Ceil, kRealTypes, ceil);
HIPPOGRAD_STD(Trunc, kRealTypes, trunc);
HIPPOGRAD_STD(Round, kRealTypes, nearbyint);                                                       // halves to even
HIPPOGRAD_UNARY_P(RoundDecimals, kRealTypes, const T s = T(math::pow(10.0, math::abs(p)));
                  return p < 0 ? math::nearbyint(x / s) * s : math::nearbyint(x * s) / s;);

// ---- activations ----
HIPPOGRAD_MATH(Sigmoid, kInexact, sigmoid);
HIPPOGRAD_UNARY(Silu, kRealTypes, return x * math::sigmoid(x););
HIPPOGRAD_UNARY(GeluExact, kRealTypes, return math::gelu(x););
// x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): the same as x/2 (1 + tanh u), without its cancellation
template <class T> HIPPOGRAD_INLINE T gelu_angle(T x) { return T(1.59576912160573071176L) * (x + T(0.044715L) * x * x * x); }
HIPPOGRAD_UNARY(GeluTanh, kRealTypes, return x * math::sigmoid(gelu_angle(x)););
HIPPOGRAD_UNARY(Relu, kRealOrInt, return x < T(0) ? T(0) : x;);                                     // NaN stays
HIPPOGRAD_UNARY_PQ(Softplus, kRealTypes, const T z = x * T(p); return z > T(q) ? x : math::softplus(z) / T(p););   // p: beta, q: threshold
HIPPOGRAD_UNARY_PQ(Elu, kRealTypes, return x > 0 ? T(q) * x : T(q * p) * math::expm1(x););              // q max(x, p (e^x - 1))
HIPPOGRAD_UNARY_P(Celu, kRealTypes, return x > 0 ? x : T(p) * math::expm1(x / T(p)););
HIPPOGRAD_UNARY_P(LeakyRelu, kRealTypes, return x > 0 ? x : x * T(p););
HIPPOGRAD_UNARY(Hardsigmoid, kRealTypes, return math::clamped(x + 3, T(0), T(6)) / 6;);
HIPPOGRAD_UNARY(Hardswish, kRealTypes, return x * math::clamped(x + 3, T(0), T(6)) / 6;);
// tanh(log(1 + e^x)) = n / (n + 2), n = e^x (e^x + 2); with z = e^-|x| above 0: (1 + 2z) / (1 + 2z + 2z^2)
HIPPOGRAD_UNARY(Mish, kRealTypes, const T z = math::exp(-math::abs(x)), n = x > 0 ? 1 + 2 * z : z * (z + 2); return x * (n / (n + (x > 0 ? 2 * z * z : T(2)))););
HIPPOGRAD_UNARY(Softsign, kRealTypes, return x / (1 + math::abs(x)););
HIPPOGRAD_UNARY(Logsigmoid, kRealTypes, return -math::softplus(-x););
HIPPOGRAD_UNARY_P(Softshrink, kRealTypes, return x > T(p) ? x - T(p) : x < T(-p) ? x + T(p) : nan(x) ? x : T(0););
HIPPOGRAD_UNARY_P(Hardshrink, kRealTypes, return x >= T(-p) && x <= T(p) ? T(0) : x;);
HIPPOGRAD_UNARY_PQ(Threshold, kRealOrInt, return x <= constant<T>(p) ? constant<T>(q) : x;);
HIPPOGRAD_UNARY(SwishClamped, kRealTypes, return x * math::sigmoid(math::clamped(x, T(-10), T(10))););
HIPPOGRAD_BINARY(SiluMul, kRealTypes, return a * math::sigmoid(a) * b;);
HIPPOGRAD_BINARY(BiasGelu, kRealTypes, return math::gelu(T(a + b)););
HIPPOGRAD_BINARY(BiasSilu, kRealTypes, return (a + b) * math::sigmoid(a + b););
HIPPOGRAD_BINARY(BiasRelu, kRealTypes, const T s = a + b; return s < T(0) ? T(0) : s;);

// Their derivatives, fused with the cotangent: a is dy, b the input x (or the output y where it says so).
HIPPOGRAD_BINARY(ReluBackward, kRealTypes, return b <= 0 ? T(0) : a;);                               // b = y
HIPPOGRAD_BINARY(SigmoidBackward, kRealTypes, return a * b * (1 - b););                              // b = y
HIPPOGRAD_BINARY(TanhBackward, kRealTypes, return a * (1 - b * b););                                 // b = y
template <class T> HIPPOGRAD_INLINE T silu_derivative(T x) { const T s = math::sigmoid(x); return s * (1 + x * (1 - s)); }
HIPPOGRAD_BINARY(SiluBackward, kRealTypes, return a * silu_derivative(b););
template <class T> HIPPOGRAD_INLINE T gelu_derivative(T x) { const auto n = math::standard_normal(x); return n.cdf + x * n.density; }
HIPPOGRAD_BINARY(GeluExactBackward, kRealTypes, return a * gelu_derivative(b););
HIPPOGRAD_BINARY(GeluTanhBackward, kRealTypes, const T s = math::sigmoid(gelu_angle(b)), du = T(1.59576912160573071176L) * (1 + T(0.134145L) * b * b);
                 return a * (s + b * s * (1 - s) * du););
HIPPOGRAD_BINARY_P(SoftplusBackward, kRealTypes, return a * math::sigmoid(b * T(p)););                // p: beta; no threshold
HIPPOGRAD_BINARY(SwishClampedBackward, kRealTypes, const T s = math::sigmoid(math::clamped(b, T(-10), T(10)));
                 return a * (b < -10 || b > 10 ? s : s * (1 + b * (1 - s))););
HIPPOGRAD_TERNARY(SiluMulBackward, kRealTypes, return a * c * silu_derivative(b););                  // dy, a, b -> da

// ---- order ----
HIPPOGRAD_BINARY_EXACT(Maximum, kOrdered, return nan(a) ? a : nan(b) ? b : a > b ? a : b;);
HIPPOGRAD_BINARY_EXACT(Minimum, kOrdered, return nan(a) ? a : nan(b) ? b : a < b ? a : b;);
HIPPOGRAD_BINARY_EXACT(Fmax, kOrdered, return nan(a) ? b : nan(b) ? a : a > b ? a : b;);
HIPPOGRAD_BINARY_EXACT(Fmin, kOrdered, return nan(a) ? b : nan(b) ? a : a < b ? a : b;);
HIPPOGRAD_UNARY_PQ(Clamp, kRealOrInt, const T low = constant<T>(p), high = constant<T>(q); const T y = x < low ? low : x; return y > high ? high : y;);
// x raised to b, then lowered to c; a NaN anywhere shows
HIPPOGRAD_TERNARY(ClampTensor, kRealOrInt, const T y = a < b || nan(b) ? b : a; return nan(a) ? a : y > c || nan(c) ? c : y;);
HIPPOGRAD_BINARY_EXACT(Eq, kEverything, return a == b;);
HIPPOGRAD_BINARY_EXACT(Ne, kEverything, return a != b;);
HIPPOGRAD_BINARY_EXACT(Lt, kOrdered, return a < b;);
HIPPOGRAD_BINARY_EXACT(Le, kOrdered, return a <= b;);
HIPPOGRAD_UNARY_PQ(EqNumber, kNumbers, return x == constant<T>(p, q););
HIPPOGRAD_UNARY_PQ(NeNumber, kNumbers, return x != constant<T>(p, q););
HIPPOGRAD_UNARY_P(LtNumber, kRealOrInt, return x < constant<T>(p););
HIPPOGRAD_UNARY_P(LeNumber, kRealOrInt, return x <= constant<T>(p););
HIPPOGRAD_UNARY_P(GtNumber, kRealOrInt, return x > constant<T>(p););
HIPPOGRAD_UNARY_P(GeNumber, kRealOrInt, return x >= constant<T>(p););
HIPPOGRAD_UNARY(IsNan, kEverything, return nan(x););
HIPPOGRAD_UNARY(IsInf, kEverything, if constexpr (kIsReal<T>) return math::abs(x) == math::kInf<T>;
                else if constexpr (kIsComplex<T>) return math::abs(x.real()) == math::kInf<Real<T>> || math::abs(x.imag()) == math::kInf<Real<T>>;
                else return false;);
HIPPOGRAD_UNARY(Signbit, kOrdered, if constexpr (kIsReal<T>) return math::signbit(x); else return x < T(0););
HIPPOGRAD_BINARY(Copysign, kRealTypes, return math::copysign(a, b););
HIPPOGRAD_BINARY(Heaviside, kOrdered, return nan(a) ? a : a == T(0) ? b : T(a > T(0)););
HIPPOGRAD_BINARY(Nextafter, kRealTypes, return math::nextafter(a, b););

// ---- logic ----
HIPPOGRAD_BINARY_EXACT(LogicalAnd, kEverything, return truth(a) && truth(b););
HIPPOGRAD_BINARY_EXACT(LogicalOr, kEverything, return truth(a) || truth(b););
HIPPOGRAD_BINARY_EXACT(LogicalXor, kEverything, return truth(a) != truth(b););
HIPPOGRAD_UNARY(LogicalNot, kEverything, return !truth(x););
HIPPOGRAD_BINARY_EXACT(BitwiseAnd, kBits, return T(a & b););
HIPPOGRAD_BINARY_EXACT(BitwiseOr, kBits, return T(a | b););
HIPPOGRAD_BINARY_EXACT(BitwiseXor, kBits, return T(a ^ b););
HIPPOGRAD_UNARY(BitwiseNot, kBits, if constexpr (kIsBool<T>) return !x; else return T(~x););
// A shift by a negative count or by all bits gives 0 (or the sign, to the right).
HIPPOGRAD_BINARY(ShiftLeft, kIntTypes, return b < T(0) || b >= T(8 * sizeof(T)) ? T(0) : T(uint64_t(a) << (uint64_t(b) & 63)););
HIPPOGRAD_BINARY(ShiftRight, kIntTypes, return b < T(0) || b >= T(8 * sizeof(T)) ? (a < T(0) ? T(-1) : T(0)) : T(a >> b););

// ---- three inputs ----
struct Where {       // a: bool
  static constexpr unsigned types = kEverything;
  static constexpr bool condition = true, exact = true;
  template <class T> HIPPOGRAD_INLINE T operator()(bool a, T b, T c) const {
    if constexpr (kIsReal<T>) {   // by bits: a choice between two numbers in memory would become a jump
      using Bits = typename math::Format<T>::Bits;
      const Bits mask = Bits(0) - Bits(a);
      return std::bit_cast<T>(Bits((std::bit_cast<Bits>(b) & mask) | (std::bit_cast<Bits>(c) & ~mask)));
    } else if constexpr (kIsInt<T>) {
      const T mask = T(-int64_t(a));
      return T((b & mask) | (c & T(~mask)));
    } else {
      return a ? b : c;
    }
  }
};
HIPPOGRAD_TERNARY(Lerp, kInexact, return plus(a, times(c, T(b - a))););                               // a + w (b - a), w = c
HIPPOGRAD_TERNARY_P(Addcmul, kNumbers, return plus(a, times(constant<T>(p), times(b, c))););
HIPPOGRAD_TERNARY_P(Addcdiv, kInexact, return plus(a, times(constant<T>(p), over(b, c))););

// ---- complex ----
HIPPOGRAD_UNARY(Conj, kComplexTypes, return math::conj(x););
HIPPOGRAD_UNARY(Angle, kInexact, if constexpr (kIsComplex<T>) return math::arg(x);
                else return nan(x) ? x : x < 0 ? T(3.14159265358979323846L) : T(0););
HIPPOGRAD_BINARY(MakeComplex, kRealTypes, return Complex<T>(a, b););
HIPPOGRAD_BINARY(Polar, kRealTypes, return Complex<T>(a * math::cos(b), a * math::sin(b)););
HIPPOGRAD_BINARY_EXACT(MulConj, kInexact, if constexpr (kIsComplex<T>) return times(a, math::conj(b)); else return a * b;);   // a conj(b)

}  // namespace pointwise

template <class... F> struct FunctorList {
  static constexpr int size = sizeof...(F);
  template <class G> static constexpr int find() {
    int i = 0;
    const bool found = ((std::is_same_v<F, G> || (++i, false)) || ...);
    return found ? i : -1;
  }
};

// clang-format off
using UnaryFunctors = FunctorList<
    pointwise::Neg, pointwise::Square, pointwise::Reciprocal, pointwise::Abs, pointwise::Sign, pointwise::Sgn, pointwise::Cube,
    pointwise::AddNumber, pointwise::RsubNumber, pointwise::MulNumber, pointwise::DivNumber, pointwise::RdivNumber, pointwise::PowNumber,
    pointwise::Sqrt, pointwise::Rsqrt, pointwise::Exp, pointwise::Exp2, pointwise::Expm1, pointwise::Log, pointwise::Log2, pointwise::Log10,
    pointwise::Log1p, pointwise::Sin, pointwise::Cos, pointwise::Tan, pointwise::Asin, pointwise::Acos, pointwise::Atan, pointwise::Sinh,
    pointwise::Cosh, pointwise::Tanh, pointwise::Asinh, pointwise::Acosh, pointwise::Atanh, pointwise::Erf, pointwise::Erfc, pointwise::Erfinv,
    pointwise::Lgamma, pointwise::Digamma, pointwise::Polygamma, pointwise::Sinc, pointwise::SincDerivative,
    pointwise::Floor, pointwise::Ceil, pointwise::Trunc, pointwise::Round, pointwise::RoundDecimals,
    pointwise::Sigmoid, pointwise::Silu, pointwise::GeluExact, pointwise::GeluTanh, pointwise::Relu, pointwise::Softplus, pointwise::Elu,
    pointwise::Celu, pointwise::LeakyRelu, pointwise::Hardsigmoid, pointwise::Hardswish, pointwise::Mish, pointwise::Softsign,
    pointwise::Logsigmoid, pointwise::Softshrink, pointwise::Hardshrink, pointwise::Threshold, pointwise::SwishClamped,
    pointwise::Clamp, pointwise::EqNumber, pointwise::NeNumber, pointwise::LtNumber, pointwise::LeNumber, pointwise::GtNumber,
    pointwise::GeNumber, pointwise::IsNan, pointwise::IsInf, pointwise::Signbit, pointwise::LogicalNot, pointwise::BitwiseNot,
    pointwise::Conj, pointwise::Angle>;
using BinaryFunctors = FunctorList<
    pointwise::Add, pointwise::Sub, pointwise::Mul, pointwise::Div, pointwise::AddScaled, pointwise::FloorDivide, pointwise::TruncDivide,
    pointwise::Remainder, pointwise::Fmod, pointwise::Pow, pointwise::Atan2, pointwise::Hypot, pointwise::Xlogy, pointwise::Xlog1py,
    pointwise::Logaddexp, pointwise::Logaddexp2, pointwise::SiluMul, pointwise::BiasGelu, pointwise::BiasSilu, pointwise::BiasRelu,
    pointwise::ReluBackward, pointwise::SigmoidBackward, pointwise::TanhBackward, pointwise::SiluBackward, pointwise::GeluExactBackward,
    pointwise::GeluTanhBackward, pointwise::SoftplusBackward, pointwise::SwishClampedBackward, pointwise::Maximum, pointwise::Minimum, pointwise::Fmax, pointwise::Fmin,
    pointwise::Eq, pointwise::Ne, pointwise::Lt, pointwise::Le, pointwise::Copysign, pointwise::Heaviside, pointwise::Nextafter,
    pointwise::LogicalAnd, pointwise::LogicalOr, pointwise::LogicalXor, pointwise::BitwiseAnd, pointwise::BitwiseOr, pointwise::BitwiseXor,
    pointwise::ShiftLeft, pointwise::ShiftRight, pointwise::MakeComplex, pointwise::Polar, pointwise::MulConj>;
using TernaryFunctors = FunctorList<
    pointwise::Where, pointwise::Lerp, pointwise::Addcmul, pointwise::Addcdiv, pointwise::ClampTensor, pointwise::SiluMulBackward>;
// clang-format on

template <class F> inline constexpr int unary_id = UnaryFunctors::find<F>();
template <class F> inline constexpr int binary_id = BinaryFunctors::find<F>();
template <class F> inline constexpr int ternary_id = TernaryFunctors::find<F>();

namespace kernels {
// y = f(x), f = UnaryFunctors[id]{p, q}. y has the functor's result type: x's, or bool, or the real type of a complex x.
extern constinit Kernel<void(int id, CArray x, double p, double q, MArray y)> unary;
// y = f(a, b), f = BinaryFunctors[id]{p}; a and b of one dtype. Integer division by zero is an error.
extern constinit Kernel<void(int id, CArray a, CArray b, double p, MArray y)> binary;
// y = f(a, b, c), f = TernaryFunctors[id]{p}; one dtype (Where: a is bool, the others of one dtype).
extern constinit Kernel<void(int id, CArray a, CArray b, CArray c, double p, MArray y)> ternary;
}  // namespace kernels

}  // namespace hippograd
