#pragma once
// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// Element i of a tensor drawn at (seed, offset) depends on nothing but seed and offset + i / 4: the same numbers for any
// thread count, and on every device.
#include <array>
#include <cstdint>

#include "tensor/array.h"
#include "tensor/kernel.h"

namespace hippograd {

// One block of four 32-bit words for a 64-bit key (seed) and a 64-bit counter, `stream` in the upper counter words.
std::array<uint32_t, 4> philox(uint64_t seed, uint64_t counter, uint64_t stream = 0);

class Generator {
 public:
  explicit Generator(uint64_t seed = 0) : seed_(seed) {}
  uint64_t seed() const { return seed_; }
  uint64_t offset() const { return offset_; }
  void set(uint64_t seed, uint64_t offset = 0) { seed_ = seed; offset_ = offset; }
  // The (seed, offset) for `count` elements, on `device`; moves on by the blocks they use. i64[2] for the random slots. While a
  // step is captured the numbers are taken anew before each replay.
  Array take(int64_t count, Device device = {});
 private:
  uint64_t seed_, offset_ = 0;
};
Generator& default_generator();
void manual_seed(uint64_t seed);

namespace kernels {
// y contiguous, f32 or f64. state: i64[2] (seed, offset); element i uses word i % 4 of block offset + i / 4.
extern constinit Kernel<void(CArray state, double low, double high, MArray y)> uniform;    // low + (high - low) u, u in [0, 1)
extern constinit Kernel<void(CArray state, double mean, double std, MArray y)> normal;     // Box-Muller on word pairs
extern constinit Kernel<void(CArray state, int64_t low, int64_t high, MArray y)> randint;  // integers in [low, high), y i64
}  // namespace kernels

// x -> uniform draws etc. on `generator`; dtype f32 or f64 (halves are rounded from f32).
Array rand_uniform(const Shape& shape, double low, double high, DType dtype, Generator& g = default_generator(), Device d = {});
Array rand_normal(const Shape& shape, double mean, double std, DType dtype, Generator& g = default_generator(), Device d = {});
Array rand_int(const Shape& shape, int64_t low, int64_t high, Generator& g = default_generator(), Device d = {});
Array rand_perm(int64_t n, Generator& g = default_generator());

}  // namespace hippograd
