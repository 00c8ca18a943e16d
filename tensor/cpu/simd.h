// Vectors of one cache line and the elementary functions that the scan kernels need on them.
//
//   Vec<T>      64 bytes of T: 16 floats or 8 doubles (one AVX-512 register, two AVX2 ones, four SSE ones)
//   exp2v(x)    2^x, 1 ulp beside the rounding of x; subnormal results kept; NaN stays NaN; -inf gives 0
//   expv(x)     e^x by reduction with a two-part ln 2, about 1 ulp
//   softplusv   max(x, 0) + log1p(exp(-|x|)), about 2 ulp, no threshold, the small tail kept
//   sigmoidv    1 / (1 + exp(-x)) in the form that keeps the small tail
//   sincosv     sine and cosine by a three-part pi/2; lanes beyond the range of that reduction go to <cmath>
//
// The polynomials are Chebyshev interpolants of (2^f - 1)/f on [-1/2, 1/2], of (atanh(s)/s - 1)/s^2 on
// s^2 <= 1/9, and of the remainders of sine and cosine on |r| <= pi/4. Every selection is a lane select,
// never a minimum or maximum that could replace a NaN by a number. No header of a CUDA file includes this.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

// Every function here is inlined, so how a 64-byte vector would be passed on a narrower processor does not matter.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define HG_INLINE inline __attribute__((always_inline))

namespace hippograd::cpu {

template <class T>
struct VecOf {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  typedef T type __attribute__((vector_size(64)));
  typedef Bits bits __attribute__((vector_size(64)));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
using VecBits = typename VecOf<T>::bits;
template <class T>
inline constexpr int kLanes = 64 / sizeof(T);

#if defined(__AVX512F__)
// The zero-masked intrinsics with a full mask: gcc 12 warns about its own header in the unmasked ones.
template <class T>
inline constexpr std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8> kAllLanes = -1;
#endif

// p is aligned to 64 bytes.
template <class T>
HG_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const Vec<T>*>(__builtin_assume_aligned(p, 64));
}
template <class T>
HG_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<Vec<T>*>(__builtin_assume_aligned(p, 64)) = v;
}

template <class T>
HG_INLINE Vec<T> splat(T s) {
  return s - Vec<T>{};  // x - 0 is x for every x, so this is a plain broadcast
}

template <class T>
HG_INLINE VecBits<T> bits_of(Vec<T> v) {
  return std::bit_cast<VecBits<T>>(v);
}

template <class T>
HG_INLINE Vec<T> absv(Vec<T> x) {
  using Bits = typename VecOf<T>::Bits;
  constexpr Bits kMagnitude = static_cast<Bits>(~(std::make_unsigned_t<Bits>(1) << (8 * sizeof(T) - 1)));
  return std::bit_cast<Vec<T>>(bits_of<T>(x) & kMagnitude);
}

// c_0 + c_1 x + ... + c_k x^k by Horner's rule.
template <class T, class... Rest>
HG_INLINE Vec<T> polynomial(Vec<T> x, T c0, Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return splat<T>(c0);
  } else {
    return polynomial<T>(x, rest...) * x + splat<T>(c0);
  }
}

// 2^52 + 2^51 (2^23 + 2^22 in float): adding it rounds to an integer and leaves that integer in the low bits.
template <class T>
inline constexpr T kRoundShift = sizeof(T) == 4 ? T(12582912) : T(6755399441055744);

template <class T>
HG_INLINE Vec<T> nearest_integer(Vec<T> x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_maskz_roundscale_ps(kAllLanes<T>, (__m512)x, 8);
  else return (Vec<T>)_mm512_maskz_roundscale_pd(kAllLanes<T>, (__m512d)x, 8);
#else
  return (x + kRoundShift<T>) - kRoundShift<T>;
#endif
}

// p * 2^n for an integer n of moderate size; in two factors, so that subnormal results are rounded once.
template <class T>
HG_INLINE Vec<T> scale_by_power_of_two(Vec<T> p, Vec<T> n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm512_maskz_scalef_ps(kAllLanes<T>, (__m512)p, (__m512)n);
  else return (Vec<T>)_mm512_maskz_scalef_pd(kAllLanes<T>, (__m512d)p, (__m512d)n);
#else
  constexpr int kMantissa = sizeof(T) == 4 ? 23 : 52, kBias = sizeof(T) == 4 ? 127 : 1023;
  VecBits<T> i = bits_of<T>(n + kRoundShift<T>) - bits_of<T>(splat<T>(kRoundShift<T>));
  VecBits<T> half = i >> 1;
  Vec<T> s1 = std::bit_cast<Vec<T>>((half + kBias) << kMantissa);
  Vec<T> s2 = std::bit_cast<Vec<T>>((i - half + kBias) << kMantissa);
  return p * s1 * s2;
#endif
}

// Bounds beyond which 2^x is 0 or infinite; the selects keep NaN.
template <class T>
HG_INLINE Vec<T> clamp_exponent(Vec<T> x) {
  const Vec<T> low = splat<T>(sizeof(T) == 4 ? T(-160) : T(-1100)), high = splat<T>(sizeof(T) == 4 ? T(140) : T(1040));
#if defined(__AVX512F__)  // of (number, NaN) these instructions return their second operand
  constexpr auto kAll = kAllLanes<T>;
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_maskz_min_ps(kAll, (__m512)high, _mm512_maskz_max_ps(kAll, (__m512)low, (__m512)x));
  } else {
    return (Vec<T>)_mm512_maskz_min_pd(kAll, (__m512d)high, _mm512_maskz_max_pd(kAll, (__m512d)low, (__m512d)x));
  }
#else
  x = x < low ? low : x;
  return x > high ? high : x;
#endif
}

// 2^f for |f| <= 1/2.
template <class T>
HG_INLINE Vec<T> exp2_fraction(Vec<T> f) {
  if constexpr (sizeof(T) == 4) {
    return polynomial<T>(f, 1.0f, 0.6931471880262287811f, 0.2402265076056812694f, 0.05550357114219077819f,
                         0.009618082557277851491f, 0.001339086336467123438f, 0.0001545316294512069018f);
  } else {
    return polynomial<T>(f, 1.0, 0.6931471805599453094, 0.2402265069591009822, 0.05550410866482159434,
                         0.009618129107606888527, 0.001333355814641693531, 0.0001540353044173605015,
                         0.00001525273382983611839, 1.321544258792168965e-6, 1.017806244584577352e-7,
                         7.0725859492692237e-9, 4.454960598186518394e-10);
  }
}

template <class T>
HG_INLINE Vec<T> exp2v(Vec<T> x) {
  x = clamp_exponent<T>(x);
  Vec<T> n = nearest_integer<T>(x);
  return scale_by_power_of_two<T>(exp2_fraction<T>(x - n), n);
}

inline constexpr double kLog2E = 1.4426950408889634074;

template <class T>
HG_INLINE Vec<T> expv(Vec<T> x) {
  // The high part of ln 2 has so few bits that n * high is exact.
  constexpr T kHigh = sizeof(T) == 4 ? T(0.693359375) : T(6.93147180369123816490e-01);
  constexpr T kLow = sizeof(T) == 4 ? T(-2.12194440054690583e-4) : T(1.90821492927058770002e-10);
  constexpr T kLow_ = sizeof(T) == 4 ? T(-111) : T(-763), kHigh_ = sizeof(T) == 4 ? T(97) : T(721);
  x = x < kLow_ ? splat<T>(kLow_) : x;
  x = x > kHigh_ ? splat<T>(kHigh_) : x;
  Vec<T> n = nearest_integer<T>(x * T(kLog2E));
  Vec<T> r = (x - n * kHigh) - n * kLow;
  return scale_by_power_of_two<T>(exp2_fraction<T>(r * T(kLog2E)), n);
}

// log(1 + e) for 0 <= e <= 1:  2 atanh(s), s = e / (2 + e).
template <class T>
HG_INLINE Vec<T> log1p_unit(Vec<T> e) {
  Vec<T> s = e / (e + T(2)), w = s * s, p;
  if constexpr (sizeof(T) == 4) {
    p = polynomial<T>(w, 0.3333332016834961989f, 0.2000378032245560288f, 0.1411830990265524072f,
                      0.134257490114185759f);
  } else {
    p = polynomial<T>(w, 0.3333333333333332928, 0.2000000000000729134, 0.1428571428355437858,
                      0.1111111135871393149, 0.09090894718066429085, 0.07692785032479311552,
                      0.06657072104827468075, 0.06000536404795356268, 0.04400369243072336941,
                      0.0808202280597176611);
  }
  Vec<T> twice = s + s;
  return twice + twice * (w * p);
}

template <class T>
HG_INLINE Vec<T> softplusv(Vec<T> x) {
  Vec<T> positive = x < T(0) ? Vec<T>{} : x;  // NaN passes
  return positive + log1p_unit<T>(expv<T>(-absv<T>(x)));
}

template <class T>
HG_INLINE Vec<T> sigmoidv(Vec<T> x) {
  Vec<T> e = expv<T>(-absv<T>(x));
  Vec<T> numerator = x < T(0) ? e : splat<T>(T(1));
  return numerator / (e + T(1));
}

// sin and cos of each lane.
template <class T>
HG_INLINE void sincosv(Vec<T> x, Vec<T>& sine, Vec<T>& cosine) {
  constexpr T kPart1 = sizeof(T) == 4 ? T(1.5703125) : T(1.57079625129699707031);
  constexpr T kPart2 = sizeof(T) == 4 ? T(4.837512969970703125e-4) : T(7.54978941586159635335e-8);
  constexpr T kPart3 = sizeof(T) == 4 ? T(7.54978995489188216e-8) : T(5.39030285815811905290e-15);
  constexpr T kRange = sizeof(T) == 4 ? T(8192) : T(1e8);
  using Bits = typename VecOf<T>::Bits;

  Vec<T> n = (x * T(0.63661977236758134308) + kRoundShift<T>) - kRoundShift<T>;
  VecBits<T> quadrant = bits_of<T>(n + kRoundShift<T>);
  Vec<T> r = ((x - n * kPart1) - n * kPart2) - n * kPart3;
  Vec<T> w = r * r, s, c;
  if constexpr (sizeof(T) == 4) {
    s = polynomial<T>(w, -0.1666666453936584675f, 0.00833272461378369331f, -0.0001958283067883580024f);
    c = polynomial<T>(w, 0.04166666453632113423f, -0.001388827933055691695f, 0.00002454287111087026097f);
  } else {
    s = polynomial<T>(w, -0.1666666666666666436, 0.008333333333330699336, -0.0001984126983638543448,
                      2.755731591093900156e-6, -2.505109230843131667e-8, 1.591530918305795256e-10);
    c = polynomial<T>(w, 0.04166666666666666523, -0.001388888888888724138, 0.00002480158729853225905,
                      -2.755731715185886455e-7, 2.087612153460845557e-9, -1.138086817144991339e-11);
  }
  s = r + r * (w * s);
  c = T(1) - T(0.5) * w + w * w * c;
  const VecBits<T> zero{};
  VecBits<T> odd = (quadrant & Bits(1)) != zero;
  sine = odd ? c : s;
  cosine = odd ? s : c;
  sine = (quadrant & Bits(2)) != zero ? -sine : sine;
  cosine = ((quadrant + Bits(1)) & Bits(2)) != zero ? -cosine : cosine;

  VecBits<T> outside = ~(absv<T>(x) <= kRange);  // true for NaN and infinity
  for (int lane = 0; lane < kLanes<T>; ++lane) {
    if (__builtin_expect(outside[lane] != 0, 0)) {
      sine[lane] = std::sin(x[lane]);
      cosine[lane] = std::cos(x[lane]);
    }
  }
}

// Sums over lanes of K vectors at once (K a power of two): lane l of the result holds the part of v[l % K]
// that comes from the lanes congruent to l / K's block, so for K == lanes it is the full sum of v[l], and
// otherwise lanes l, l + K, l + 2K ... add up to it. log2(K) rounds of pairwise sums, a fixed tree.
template <class T, int kBit, size_t... I>
HG_INLINE Vec<T> pair_sum(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  constexpr int W = kLanes<T>, step = 1 << kBit;
  Vec<T> low = __builtin_shufflevector(a, b, ((I & step ? W : 0) + (I & ~size_t(step)))...);
  Vec<T> high = __builtin_shufflevector(a, b, ((I & step ? W : 0) + (I | step))...);
  return low + high;
}

template <class T, int K, int kBit = 0>
HG_INLINE Vec<T> lane_sums(Vec<T>* v) {
  if constexpr (K == 1) {
    return v[0];
  } else {
#pragma GCC unroll 8
    for (int j = 0; j < K / 2; ++j) {
      v[j] = pair_sum<T, kBit>(v[2 * j], v[2 * j + 1], std::make_index_sequence<kLanes<T>>{});
    }
    return lane_sums<T, K / 2, kBit + 1>(v);
  }
}

}  // namespace hippograd::cpu
