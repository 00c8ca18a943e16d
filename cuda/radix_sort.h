#pragma once
// A stable sort of pairs of whole numbers (CUB's radix sort: integers only, so the result does not depend on the order in
// which blocks run).
#include <cstdint>

namespace hippograd::cuda {

// Sorts n pairs by bits [first_bit, end_bit) of their keys, on the current stream. keys[0] and values[0] hold the input;
// afterwards they point at the sorted pairs (the two buffers of each may be exchanged).
void radix_sort_pairs(uint32_t* (&keys)[2], uint32_t* (&values)[2], int64_t n, int first_bit, int end_bit);   // n < 2^31
void radix_sort_pairs(uint64_t* (&keys)[2], uint32_t* (&values)[2], int64_t n, int first_bit, int end_bit);   // n < 2^31
void radix_sort_pairs(uint64_t* (&keys)[2], uint64_t* (&values)[2], int64_t n, int first_bit, int end_bit);

inline int bits_for(uint64_t largest) {   // how many low bits hold 0 .. largest
  int bits = 0;
  while (bits < 64 && (largest >> bits) != 0) ++bits;
  return bits > 0 ? bits : 1;
}

}  // namespace hippograd::cuda
