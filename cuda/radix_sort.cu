#include "cuda/radix_sort.h"

#include <cub/device/device_radix_sort.cuh>

#include "cuda/runtime.h"

namespace hippograd::cuda {
namespace {

template <class Count, class K, class V> void sort(K* (&keys)[2], V* (&values)[2], int64_t n, int first_bit, int end_bit) {
  if (n == 0) return;
  cub::DoubleBuffer<K> k(keys[0], keys[1]);
  cub::DoubleBuffer<V> v(values[0], values[1]);
  size_t bytes = 0;
  check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, k, v, Count(n), first_bit, end_bit, stream()), "radix sort");
  const Workspace scratch(bytes > 0 ? bytes : 1);   // a null pointer would ask for the size again
  check(cub::DeviceRadixSort::SortPairs(scratch.as<void>(), bytes, k, v, Count(n), first_bit, end_bit, stream()), "radix sort");
  keys[0] = k.Current();
  keys[1] = k.Alternate();
  values[0] = v.Current();
  values[1] = v.Alternate();
}

}  // namespace

void radix_sort_pairs(uint32_t* (&keys)[2], uint32_t* (&values)[2], int64_t n, int first_bit, int end_bit) {
  sort<uint32_t>(keys, values, n, first_bit, end_bit);
}
void radix_sort_pairs(uint64_t* (&keys)[2], uint32_t* (&values)[2], int64_t n, int first_bit, int end_bit) {
  sort<uint32_t>(keys, values, n, first_bit, end_bit);
}
void radix_sort_pairs(uint64_t* (&keys)[2], uint64_t* (&values)[2], int64_t n, int first_bit, int end_bit) {
  sort<uint64_t>(keys, values, n, first_bit, end_bit);
}

}  // namespace hippograd::cuda
