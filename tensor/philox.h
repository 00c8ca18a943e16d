#pragma once
// Philox4x32-10, one block: the same function for both sides, host and device (tensor/random.h).
#include <cstdint>

#include "tensor/host_device.h"

namespace hippograd {

struct PhiloxBlock { uint32_t word[4]; };

// Ten rounds of two 32 x 32 -> 64 bit products each; the key grows by Weyl constants.
HD inline PhiloxBlock philox_block(uint64_t seed, uint64_t counter, uint64_t stream = 0) {
  uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = uint32_t(stream), c3 = uint32_t(stream >> 32);
#ifdef __CUDA_ARCH__
#pragma unroll
#else
#pragma GCC unroll 10   // so that a loop over counters vectorises
#endif
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ key0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ key1;
    c3 = uint32_t(p0);
    key0 += 0x9E3779B9u;   // golden ratio
    key1 += 0xBB67AE85u;   // sqrt(3) - 1
  }
  return {{c0, c1, c2, c3}};
}

// 53 random bits in [0, 1).
HD inline double unit53(uint32_t high, uint32_t low) { return double((uint64_t(high) << 32 | low) >> 11) * 0x1p-53; }

}  // namespace hippograd
