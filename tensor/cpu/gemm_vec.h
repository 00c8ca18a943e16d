// Vec<T>: one SIMD register of T, the few operations that products and convolutions need.
// Chosen at compile time: AVX-512 (64 bytes), AVX2 with FMA (32 bytes), else plain loops over 16 bytes.
// `load(p, n)` and `store(p, v, n)` touch only the first n lanes (1 <= n <= lanes); lanes not loaded are zero.
// `load_even(p, n)` loads p[0], p[2], ... p[2n-2]; `add_even(p, v, n)` adds v to them and leaves those between untouched.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace hippograd::cpu {

template <class T>
struct Vec;

// p[0], p[2], ..., n of them, through memory.
template <class V, class T>
V gather_even(const T* p, int n) {
  T lanes[V::lanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[2 * i];
  return V::load(lanes);
}

template <class V, class T>
void scatter_even(T* p, V x, int n) {
  T lanes[V::lanes];
  V::store(lanes, x);
  for (int i = 0; i < n; ++i) p[2 * i] += lanes[i];
}

#if defined(__AVX512F__)

inline constexpr int kGemmRows = 12;  // rows of a register tile: 12 x 2 accumulators + 2 of B + broadcasts < 32

template <>
struct Vec<float> {
  static constexpr int lanes = 16;
  __m512 v;
  static __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Vec load(const float* p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static void store(float* p, Vec x) { _mm512_storeu_ps(p, x.v); }
  static void store(float* p, Vec x, int n) { _mm512_mask_storeu_ps(p, mask(n), x.v); }
  static Vec load_even(const float* p, int n) {  // p[0], p[2], ..., n of them
    const int count = 2 * n - 1, low = count < 16 ? count : 16;
    const __m512 x = _mm512_maskz_loadu_ps(mask(low), p), y = _mm512_maskz_loadu_ps(mask(count - low), p + 16);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return {_mm512_permutex2var_ps(x, even, y)};
  }
  static void add_even(float* p, Vec x, int n) {
    const int count = 2 * n - 1, low = count < 16 ? count : 16;
    const __mmask16 m = mask(low) & 0x5555, rest = mask(count - low) & 0x5555;
    const __m512i half = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    const __m512i other = _mm512_add_epi32(half, _mm512_set1_epi32(8));
    _mm512_mask_storeu_ps(p, m, _mm512_add_ps(_mm512_maskz_loadu_ps(m, p), _mm512_maskz_permutexvar_ps(m, half, x.v)));
    _mm512_mask_storeu_ps(p + 16, rest, _mm512_add_ps(_mm512_maskz_loadu_ps(rest, p + 16), _mm512_maskz_permutexvar_ps(rest, other, x.v)));
  }
  static Vec fma(Vec x, Vec y, Vec z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
  static Vec mul(Vec x, Vec y) { return {_mm512_mul_ps(x.v, y.v)}; }
  static Vec add(Vec x, Vec y) { return {_mm512_add_ps(x.v, y.v)}; }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 8;
  __m512d v;
  static __mmask8 mask(int n) { return static_cast<__mmask8>((1u << n) - 1u); }
  static Vec zero() { return {_mm512_setzero_pd()}; }
  static Vec broadcast(double x) { return {_mm512_set1_pd(x)}; }
  static Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static Vec load(const double* p, int n) { return {_mm512_maskz_loadu_pd(mask(n), p)}; }
  static void store(double* p, Vec x) { _mm512_storeu_pd(p, x.v); }
  static void store(double* p, Vec x, int n) { _mm512_mask_storeu_pd(p, mask(n), x.v); }
  static Vec load_even(const double* p, int n) {
    const int count = 2 * n - 1, low = count < 8 ? count : 8;
    const __m512d x = _mm512_maskz_loadu_pd(mask(low), p), y = _mm512_maskz_loadu_pd(mask(count - low), p + 8);
    return {_mm512_permutex2var_pd(x, _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), y)};
  }
  static void add_even(double* p, Vec x, int n) {
    const int count = 2 * n - 1, low = count < 8 ? count : 8;
    const __mmask8 m = mask(low) & 0x55, rest = mask(count - low) & 0x55;
    const __m512i half = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), other = _mm512_setr_epi64(4, 4, 5, 5, 6, 6, 7, 7);
    _mm512_mask_storeu_pd(p, m, _mm512_add_pd(_mm512_maskz_loadu_pd(m, p), _mm512_maskz_permutexvar_pd(m, half, x.v)));
    _mm512_mask_storeu_pd(p + 8, rest, _mm512_add_pd(_mm512_maskz_loadu_pd(rest, p + 8), _mm512_maskz_permutexvar_pd(rest, other, x.v)));
  }
  static Vec fma(Vec x, Vec y, Vec z) { return {_mm512_fmadd_pd(x.v, y.v, z.v)}; }
  static Vec mul(Vec x, Vec y) { return {_mm512_mul_pd(x.v, y.v)}; }
  static Vec add(Vec x, Vec y) { return {_mm512_add_pd(x.v, y.v)}; }
};

#elif defined(__AVX2__) && defined(__FMA__)

inline constexpr int kGemmRows = 6;  // 6 x 2 accumulators + 2 of B + 1 broadcast < 16 registers

template <>
struct Vec<float> {
  static constexpr int lanes = 8;
  __m256 v;
  static __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec broadcast(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Vec load(const float* p, int n) { return {_mm256_maskload_ps(p, mask(n))}; }
  static void store(float* p, Vec x) { _mm256_storeu_ps(p, x.v); }
  static void store(float* p, Vec x, int n) { _mm256_maskstore_ps(p, mask(n), x.v); }
  static Vec load_even(const float* p, int n) { return gather_even<Vec>(p, n); }
  static void add_even(float* p, Vec x, int n) { scatter_even(p, x, n); }
  static Vec fma(Vec x, Vec y, Vec z) { return {_mm256_fmadd_ps(x.v, y.v, z.v)}; }
  static Vec mul(Vec x, Vec y) { return {_mm256_mul_ps(x.v, y.v)}; }
  static Vec add(Vec x, Vec y) { return {_mm256_add_ps(x.v, y.v)}; }
};

template <>
struct Vec<double> {
  static constexpr int lanes = 4;
  __m256d v;
  static __m256i mask(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static Vec zero() { return {_mm256_setzero_pd()}; }
  static Vec broadcast(double x) { return {_mm256_set1_pd(x)}; }
  static Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static Vec load(const double* p, int n) { return {_mm256_maskload_pd(p, mask(n))}; }
  static void store(double* p, Vec x) { _mm256_storeu_pd(p, x.v); }
  static void store(double* p, Vec x, int n) { _mm256_maskstore_pd(p, mask(n), x.v); }
  static Vec load_even(const double* p, int n) { return gather_even<Vec>(p, n); }
  static void add_even(double* p, Vec x, int n) { scatter_even(p, x, n); }
  static Vec fma(Vec x, Vec y, Vec z) { return {_mm256_fmadd_pd(x.v, y.v, z.v)}; }
  static Vec mul(Vec x, Vec y) { return {_mm256_mul_pd(x.v, y.v)}; }
  static Vec add(Vec x, Vec y) { return {_mm256_add_pd(x.v, y.v)}; }
};

#else

inline constexpr int kGemmRows = 4;

template <class T>
struct Vec {
  static constexpr int lanes = 16 / static_cast<int>(sizeof(T));
  T v[lanes];
  static Vec broadcast(T x) {
    Vec r;
    for (int i = 0; i < lanes; ++i) r.v[i] = x;
    return r;
  }
  static Vec zero() { return broadcast(T(0)); }
  static Vec load(const T* p) { return load(p, lanes); }
  static Vec load(const T* p, int n) {
    Vec r = zero();
    std::memcpy(r.v, p, static_cast<size_t>(n) * sizeof(T));
    return r;
  }
  static void store(T* p, Vec x) { store(p, x, lanes); }
  static void store(T* p, Vec x, int n) { std::memcpy(p, x.v, static_cast<size_t>(n) * sizeof(T)); }
  static Vec load_even(const T* p, int n) { return gather_even<Vec>(p, n); }
  static void add_even(T* p, Vec x, int n) { scatter_even(p, x, n); }
  static Vec fma(Vec x, Vec y, Vec z) {
    for (int i = 0; i < lanes; ++i) z.v[i] += x.v[i] * y.v[i];
    return z;
  }
  static Vec mul(Vec x, Vec y) {
    for (int i = 0; i < lanes; ++i) x.v[i] *= y.v[i];
    return x;
  }
  static Vec add(Vec x, Vec y) {
    for (int i = 0; i < lanes; ++i) x.v[i] += y.v[i];
    return x;
  }
};

#endif

}  // namespace hippograd::cpu
