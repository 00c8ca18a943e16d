#pragma once
// Vector loops over one contiguous row: softmax, norms, losses and attention are made of them.
//
//   for_vectors<T>(n, f)     f(i, k): elements i .. i + k - 1, k lanes (the last vector may be shorter)
//   take(p, k), put(p, v, k) load and store of the first k lanes; lanes that are not loaded are zero
//   row_sums<T, K>(n, f)     K sums at once; f(i, k, out) writes K vectors, lanes beyond k are left out
//   row_max(x, n)            largest element, NaN elements are passed over (they reach the result through the sums)
//
// Sums run in four vector accumulators for at most 1024 elements, then go to double precision. The order depends on n only.
#include <array>
#include <limits>

#include "tensor/cpu/simd.h"
#include "tensor/parallel.h"

#define HG_ALWAYS __attribute__((always_inline))   // lambdas: inlined, so that k is a constant in the main loop

namespace hippograd::cpu {

template <class T>
HG_INLINE VecBits<T> lane_numbers() {
  return []<size_t... I>(std::index_sequence<I...>) {
    return VecBits<T>{typename VecOf<T>::Bits(I)...};
  }(std::make_index_sequence<kLanes<T>>{});
}

template <class T>
HG_INLINE Vec<T> keep_first(Vec<T> v, int k) {   // lanes k and up become zero, whatever they held
  return lane_numbers<T>() < typename VecOf<T>::Bits(k) ? v : Vec<T>{};
}

template <class T>
HG_INLINE Vec<T> take(const T* p, int k) {
  Vec<T> v{};
  if (k == kLanes<T>) {
    std::memcpy(&v, p, 64);
    return v;
  }
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) v = (Vec<T>)_mm512_maskz_loadu_ps(__mmask16((1u << k) - 1), p);
  else v = (Vec<T>)_mm512_maskz_loadu_pd(__mmask8((1u << k) - 1), p);
#else
  std::memcpy(&v, p, size_t(k) * sizeof(T));
#endif
  return v;
}
template <class T>
HG_INLINE void put(T* p, Vec<T> v, int k) {
  if (k == kLanes<T>) {
    std::memcpy(p, &v, 64);
    return;
  }
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, __mmask16((1u << k) - 1), (__m512)v);
  else _mm512_mask_storeu_pd(p, __mmask8((1u << k) - 1), (__m512d)v);
#else
  std::memcpy(p, &v, size_t(k) * sizeof(T));
#endif
}

// Sum and maximum over the lanes, by halves: a fixed tree.
template <class T, int kHalf, size_t... I>
HG_INLINE Vec<T> upper_half(Vec<T> v, std::index_sequence<I...>) {   // lane i <- lane i + kHalf
  return __builtin_shufflevector(v, v, ((I + kHalf) % kLanes<T>)...);
}
template <class T, int kHalf = kLanes<T> / 2>
HG_INLINE T lane_sum(Vec<T> v) {
  v += upper_half<T, kHalf>(v, std::make_index_sequence<kLanes<T>>{});
  if constexpr (kHalf > 1) return lane_sum<T, kHalf / 2>(v);
  else return v[0];
}
template <class T, int kHalf = kLanes<T> / 2>
HG_INLINE T lane_max(Vec<T> v) {
  const Vec<T> u = upper_half<T, kHalf>(v, std::make_index_sequence<kLanes<T>>{});
  v = u > v ? u : v;
  if constexpr (kHalf > 1) return lane_max<T, kHalf / 2>(v);
  else return v[0];
}

template <class T, class F>
HG_INLINE void for_vectors(int64_t n, F&& f) {
  constexpr int W = kLanes<T>;
  int64_t i = 0;
  for (; i + W <= n; i += W) f(i, W);
  if (i < n) f(i, int(n - i));
}

template <class T, int K, class F>
HG_INLINE std::array<double, K> row_sums(int64_t n, F&& f) {
  constexpr int W = kLanes<T>, U = K > 2 ? 1 : 4 / K;   // U vectors of each sum in flight
  constexpr int64_t kBlock = 1024;
  std::array<double, K> total{};
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t stop = start + kBlock < n ? start + kBlock : n;
    Vec<T> acc[U][K] = {};
    int64_t i = start;
    for (; i + U * W <= stop; i += U * W) {
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) {
        Vec<T> term[K];
        f(i + u * W, W, term);
#pragma GCC unroll 4
        for (int j = 0; j < K; ++j) acc[u][j] += term[j];
      }
    }
    for (; i < stop; i += W) {
      const int k = stop - i < W ? int(stop - i) : W;
      Vec<T> term[K];
      if (k == W) f(i, W, term);
      else f(i, k, term);
      for (int j = 0; j < K; ++j) acc[0][j] += keep_first<T>(term[j], k);
    }
    for (int j = 0; j < K; ++j) {
      Vec<T> v = acc[0][j];
      if constexpr (U == 4) v = (v + acc[1][j]) + (acc[2][j] + acc[3][j]);
      if constexpr (U == 2) v += acc[1][j];
      total[j] += double(lane_sum<T>(v));
    }
  }
  return total;
}
// sum_i f(i, k), f giving one vector.
template <class T, class F>
HG_INLINE double row_sum(int64_t n, F&& f) {
  return row_sums<T, 1>(n, [&](int64_t i, int k, Vec<T>* out) HG_ALWAYS { out[0] = f(i, k); })[0];
}

template <class T>
HG_INLINE T row_max(const T* x, int64_t n) {
  constexpr int W = kLanes<T>;
  const Vec<T> lowest = splat<T>(-std::numeric_limits<T>::infinity());
  Vec<T> a = lowest, b = lowest;
  int64_t i = 0;
  for (; i + 2 * W <= n; i += 2 * W) {
    const Vec<T> u = take(x + i, W), v = take(x + i + W, W);
    a = u > a ? u : a;
    b = v > b ? v : b;
  }
  for (; i < n; i += W) {
    const int k = n - i < W ? int(n - i) : W;
    Vec<T> u = take(x + i, k);
    u = lane_numbers<T>() < typename VecOf<T>::Bits(k) ? u : lowest;
    a = u > a ? u : a;
  }
  return lane_max<T>(a > b ? a : b);
}

// f(r) for every row, several short rows per task; `ns` estimates the cost of one element.
template <class F>
void for_each_row(int64_t rows, int64_t columns, double ns, F&& f) {
  const int64_t per_task = columns >= 4096 ? 1 : 4096 / (columns > 0 ? columns : 1);
  const int64_t tasks = (rows + per_task - 1) / per_task;
  parallel_for(tasks, ns * double(rows) * double(columns), [&](int64_t t) {
    const int64_t stop = (t + 1) * per_task < rows ? (t + 1) * per_task : rows;
    for (int64_t r = t * per_task; r < stop; ++r) f(r);
  });
}

}  // namespace hippograd::cpu
