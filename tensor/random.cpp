#include "tensor/random.h"

#include <algorithm>
#include <numeric>

#include "tensor/accelerator.h"
#include "tensor/philox.h"

namespace hippograd {

std::array<uint32_t, 4> philox(uint64_t seed, uint64_t counter, uint64_t stream) {
  const PhiloxBlock b = philox_block(seed, counter, stream);
  return {b.word[0], b.word[1], b.word[2], b.word[3]};
}

Array Generator::take(int64_t count, Device device) {
  return fresh_array<int64_t, 2>([this, count] {
    const std::array<int64_t, 2> state{int64_t(seed_), int64_t(offset_)};
    offset_ += uint64_t((count + 1) / 2);   // a double uses two words, so half a block; floats leave some unused
    return state;
  }, device);
}

Generator& default_generator() {
  static Generator g;
  return g;
}
void manual_seed(uint64_t seed) { default_generator().set(seed); }

namespace {
// Halves and complex numbers are drawn in their real compute type.
template <class Draw> Array drawn(const Shape& shape, DType dtype, Generator& g, Device d, Draw draw) {
  if (!is_floating(dtype)) fail<DtypeError>("random: expected a floating-point dtype, got ", dtype);
  Array y = empty(shape, dtype, d);
  draw(g.take(y.numel(), d), y);
  return y;
}
}  // namespace

Array rand_uniform(const Shape& shape, double low, double high, DType dtype, Generator& g, Device d) {
  return drawn(shape, dtype, g, d, [&](const Array& state, Array& y) { kernels::uniform(state, low, high, y); });
}
Array rand_normal(const Shape& shape, double mean, double std, DType dtype, Generator& g, Device d) {
  return drawn(shape, dtype, g, d, [&](const Array& state, Array& y) { kernels::normal(state, mean, std, y); });
}
Array rand_int(const Shape& shape, int64_t low, int64_t high, Generator& g, Device d) {
  if (low >= high) fail<ValueError>("randint: expected low < high, got [", low, ", ", high, ")");
  Array y = empty(shape, DType::i64, d);
  kernels::randint(g.take(y.numel(), d), low, high, y);
  return y;
}

Array rand_perm(int64_t n, Generator& g) {   // Fisher-Yates, one 64-bit draw per step
  Array order = arange(n);
  const Array draws = rand_int({n}, 0, int64_t(1) << 62, g);
  int64_t* p = order.data<int64_t>();
  const int64_t* r = draws.data<int64_t>();
  for (int64_t i = n - 1; i > 0; --i) std::swap(p[i], p[r[i] % (i + 1)]);
  return order;
}

}  // namespace hippograd
