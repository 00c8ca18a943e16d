#pragma once
// Helpers of kernels that only move elements: plain words of the elements' size, so that five kernels serve all dtypes, and a
// division that is cheap where numbers are small.
#include "cuda/launch.cuh"

namespace hippograd::cuda {

inline Array at_least_1d(const Array& a) { return a.dim() == 0 ? a.unsqueeze(0) : a; }   // a scalar as a vector of one element

struct alignas(16) Word16 { uint64_t low, high; };

template <class F> void by_word_size(size_t bytes, F&& f) {
  switch (bytes) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<Word16>();
  }
}

// The largest word that divides `bytes` and fits both pointers' alignment.
inline size_t common_word(int64_t bytes, const void* a, const void* b) {
  const uint64_t all = uint64_t(bytes) | reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) | 16;
  return size_t(all & (~all + 1));   // the lowest bit set
}

// n / d and n % d for 0 <= n < bound: by multiplication where bound < 2^31.
struct FastDivision {
  int64_t d;
  Divider small;
  bool is_small;
  FastDivision(int64_t divisor, int64_t bound)
      : d(divisor < 1 ? 1 : divisor), small(uint32_t(d < (int64_t(1) << 31) ? d : int64_t(1) << 31)), is_small(bound < (int64_t(1) << 31)) {}
  HIPPOGRAD_DEVICE int64_t quotient(int64_t n) const { return is_small ? int64_t(small.quotient(uint32_t(n))) : n / d; }
  // Returns the quotient, leaves the remainder in n.
  HIPPOGRAD_DEVICE int64_t split(int64_t& n) const {
    const int64_t q = quotient(n);
    n -= q * d;
    return q;
  }
};

}  // namespace hippograd::cuda
