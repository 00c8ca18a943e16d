#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace hippograd {
namespace kernels {
constinit decltype(uniform) uniform{"uniform"};
constinit decltype(normal) normal{"normal"};
constinit decltype(randint) randint{"randint"};
}  // namespace kernels

namespace {

struct State {
  uint64_t seed, offset;
  explicit State(const Array& s) : seed(uint64_t(s.data<int64_t>()[0])), offset(uint64_t(s.data<int64_t>()[1])) {}
};

// f(block, first element of the block, number of elements) for every Philox block of n elements.
template <class F> void for_blocks(const State& s, int64_t n, int per_block, F f) {
  constexpr int64_t kChunk = 1024;   // blocks per task
  const int64_t blocks = (n + per_block - 1) / per_block, tasks = (blocks + kChunk - 1) / kChunk;
  parallel_for(tasks, double(blocks) * 30, [&](int64_t t) {
    for (int64_t b = t * kChunk; b < std::min(blocks, (t + 1) * kChunk); ++b)
      f(philox(s.seed, s.offset + uint64_t(b)), b * per_block, int(std::min<int64_t>(per_block, n - b * per_block)));
  });
}

void uniform_cpu(CArray state, double low, double high, MArray y) {
  visit(InexactTypes{}, y.dtype(), "uniform", [&]<class T>() {
    using R = decltype(std::real(T{}));
    const int64_t n = y.numel() * int64_t(sizeof(T) / sizeof(R));   // complex: two reals per element
    R* out = reinterpret_cast<R*>(y.data<T>());
    constexpr int per = sizeof(R) == 4 ? 4 : 2;
    for_blocks(State(state), n, per, [&](const auto& w, int64_t i, int m) {
      for (int j = 0; j < m; ++j) {
        const double u = per == 4 ? double(w[j] >> 8) * 0x1p-24 : unit53(w[2 * j], w[2 * j + 1]);
        const R v = R(low + (high - low) * u);
        out[i + j] = v < R(high) || high <= low ? v : std::nextafter(R(high), R(low));   // rounding may not reach `high`
      }
    });
  });
}

void normal_cpu(CArray state, double mean, double std, MArray y) {
  visit(InexactTypes{}, y.dtype(), "normal", [&]<class T>() {
    using R = decltype(std::real(T{}));
    const bool complex = sizeof(T) != sizeof(R);
    const double s = complex ? std * std::numbers::sqrt2 / 2 : std;   // CN(0, 1): each part has variance 1/2
    const int64_t n = y.numel() * (complex ? 2 : 1);
    R* out = reinterpret_cast<R*>(y.data<T>());
    constexpr int per = sizeof(R) == 4 ? 4 : 2;
    for_blocks(State(state), n, per, [&](const auto& w, int64_t i, int m) {
      for (int j = 0; j < m; j += 2) {   // Box-Muller: a pair of normals from a radius and an angle
        const double u = per == 4 ? (double(w[j]) + 1) * 0x1p-32 : unit53(w[0], w[1]) + 0x1p-53;
        const double v = per == 4 ? double(w[j + 1]) * 0x1p-32 : unit53(w[2], w[3]);
        const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::numbers::pi * v;
        out[i + j] = R(mean + s * radius * std::cos(angle));
        if (j + 1 < m) out[i + j + 1] = R(mean + s * radius * std::sin(angle));
      }
    });
  });
}

void randint_cpu(CArray state, int64_t low, int64_t high, MArray y) {
  int64_t* out = y.data<int64_t>();
  const uint64_t range = uint64_t(high) - uint64_t(low);
  for_blocks(State(state), y.numel(), 2, [&](const auto& w, int64_t i, int m) {
    for (int j = 0; j < m; ++j) out[i + j] = int64_t(uint64_t(low) + (uint64_t(w[2 * j]) << 32 | w[2 * j + 1]) % range);
  });
}

const Bind b0(kernels::uniform, DeviceKind::CPU, uniform_cpu);
const Bind b1(kernels::normal, DeviceKind::CPU, normal_cpu);
const Bind b2(kernels::randint, DeviceKind::CPU, randint_cpu);

}  // namespace
}  // namespace hippograd
