// Transposing a matrix in memory, by blocks of 4 x 4 in registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace hippograd::cpu {

// to (4 x 4, rows `to_row` apart) = transpose of from (4 x 4, rows `from_row` apart).
template <class T>
inline void transpose4(T* to, int64_t to_row, const T* from, int64_t from_row) {
#if defined(__SSE2__)
  if constexpr (std::is_same_v<T, float>) {
    __m128 r0 = _mm_loadu_ps(from), r1 = _mm_loadu_ps(from + from_row);
    __m128 r2 = _mm_loadu_ps(from + 2 * from_row), r3 = _mm_loadu_ps(from + 3 * from_row);
    _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
    _mm_storeu_ps(to, r0);
    _mm_storeu_ps(to + to_row, r1);
    _mm_storeu_ps(to + 2 * to_row, r2);
    _mm_storeu_ps(to + 3 * to_row, r3);
    return;
  } else if constexpr (std::is_same_v<T, double>) {
    for (int h = 0; h < 4; h += 2) {    // 2 x 2 blocks
      for (int q = 0; q < 4; q += 2) {
        const __m128d x = _mm_loadu_pd(from + h * from_row + q), y = _mm_loadu_pd(from + (h + 1) * from_row + q);
        _mm_storeu_pd(to + q * to_row + h, _mm_unpacklo_pd(x, y));
        _mm_storeu_pd(to + (q + 1) * to_row + h, _mm_unpackhi_pd(x, y));
      }
    }
    return;
  }
#endif
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) to[j * to_row + i] = from[i * from_row + j];
  }
}

// to[j, i] = from[i, j] for i < rows, j < cols; rows of each matrix have unit stride. No overlap.
template <class T>
void transpose(T* to, int64_t to_row, const T* from, int64_t from_row, int64_t rows, int64_t cols) {
  constexpr int64_t kStripe = 64;                 // so many rows of `to` stay in L1 while all of `from` goes by
  for (int64_t j0 = 0; j0 < cols; j0 += kStripe) {
    const int64_t end = std::min(cols, j0 + kStripe);
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
      int64_t j = j0;
      for (; j + 4 <= end; j += 4) transpose4(to + j * to_row + i, to_row, from + i * from_row + j, from_row);
      for (; j < end; ++j) {
        for (int64_t r = i; r < i + 4; ++r) to[j * to_row + r] = from[r * from_row + j];
      }
    }
    for (; i < rows; ++i) {
      for (int64_t j = j0; j < end; ++j) to[j * to_row + i] = from[i * from_row + j];
    }
  }
}

}  // namespace hippograd::cpu
