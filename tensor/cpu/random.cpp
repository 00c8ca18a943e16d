#include "tensor/random.h"

#include <cmath>
#include <numbers>

#include "tensor/kernels/math.h"
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

constexpr int kBlocks = 256;   // Philox blocks drawn together, side by side in lanes

struct Words {
  alignas(64) uint32_t w[4][kBlocks];
};
// Blocks first .. first + kBlocks - 1 of the stream: `philox_block` of tensor/philox.h, round by round for all of them.
void draw(const State& s, int64_t first, Words& out) {
  auto& w = out.w;
  const uint64_t counter = s.offset + uint64_t(first);
  for (int b = 0; b < kBlocks; ++b) {
    w[0][b] = uint32_t(counter + uint64_t(b));
    w[1][b] = uint32_t((counter + uint64_t(b)) >> 32);
    w[2][b] = w[3][b] = 0;
  }
  uint32_t key0 = uint32_t(s.seed), key1 = uint32_t(s.seed >> 32);
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (int b = 0; b < kBlocks; ++b) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * w[0][b], p1 = uint64_t(0xCD9E8D57u) * w[2][b];
      const uint32_t one = w[1][b], three = w[3][b];
      w[0][b] = uint32_t(p1 >> 32) ^ one ^ key0;
      w[1][b] = uint32_t(p1);
      w[2][b] = uint32_t(p0 >> 32) ^ three ^ key1;
      w[3][b] = uint32_t(p0);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

// make(words, buffer): the numbers of kBlocks blocks, kPer each, in order; the first n of all are stored.
template <class R, int kPer, class Make> void for_blocks(const State& s, int64_t n, double ns, R* out, Make make) {
  constexpr int64_t kChunk = int64_t(kBlocks) * kPer;
  parallel_for((n + kChunk - 1) / kChunk, double(n) * ns, [&](int64_t t) {
    Words words;
    draw(s, t * kBlocks, words);
    alignas(64) R buffer[kChunk];
    make(words.w, buffer);
    std::copy_n(buffer, std::min(kChunk, n - t * kChunk), out + t * kChunk);
  });
}

void uniform_cpu(CArray state, double low, double high, MArray y) {
  visit(InexactTypes{}, y.dtype(), "uniform", [&]<class T>() {
    using R = decltype(std::real(T{}));
    const int64_t n = y.numel() * int64_t(sizeof(T) / sizeof(R));   // complex: two reals per element
    const R below = high > low ? std::nextafter(R(high), R(low)) : std::numeric_limits<R>::infinity();
    const auto value = [=](double u) {                              // rounding may not reach `high`
      const R v = R(low + (high - low) * u);
      return v < below ? v : high > low ? below : v;
    };
    constexpr int kPer = sizeof(R) == 4 ? 4 : 2;
    for_blocks<R, kPer>(State(state), n, 1, reinterpret_cast<R*>(y.data<T>()), [&](const auto& w, R* out) {
#pragma omp simd
      for (int b = 0; b < kBlocks; ++b)
        for (int j = 0; j < kPer; ++j)
          out[b * kPer + j] = value(kPer == 4 ? double(int32_t(w[j][b] >> 8)) * 0x1p-24 : unit53(w[2 * j % 4][b], w[(2 * j + 1) % 4][b]));
    });
  });
}

void normal_cpu(CArray state, double mean, double std, MArray y) {
  visit(InexactTypes{}, y.dtype(), "normal", [&]<class T>() {
    using R = decltype(std::real(T{}));
    const bool complex = sizeof(T) != sizeof(R);
    const double s = complex ? std * std::numbers::sqrt2 / 2 : std;   // CN(0, 1): each part has variance 1/2
    const int64_t n = y.numel() * (complex ? 2 : 1);
    constexpr int kPer = sizeof(R) == 4 ? 4 : 2;
    for_blocks<R, kPer>(State(state), n, 6, reinterpret_cast<R*>(y.data<T>()), [&](const auto& w, R* out) {
      for (int j = 0; j < kPer; j += 2) {   // Box-Muller: a pair of normals from a radius and an angle
#pragma omp simd
        for (int b = 0; b < kBlocks; ++b) {
          const double u = kPer == 4 ? (double(w[j][b]) + 1) * 0x1p-32 : unit53(w[0][b], w[1][b]) + 0x1p-53;
          const double v = kPer == 4 ? double(w[j + 1][b]) * 0x1p-32 : unit53(w[2][b], w[3][b]);
          const double radius = std::sqrt(-2 * math::log(u)), angle = 2 * std::numbers::pi * v;
          out[b * kPer + j] = R(mean + s * radius * math::lanes::cos(angle));
          out[b * kPer + j + 1] = R(mean + s * radius * math::lanes::sin(angle));
        }
      }
    });
  });
}

void randint_cpu(CArray state, int64_t low, int64_t high, MArray y) {
  const uint64_t range = uint64_t(high) - uint64_t(low);
  for_blocks<int64_t, 2>(State(state), y.numel(), 4, y.data<int64_t>(), [&](const auto& w, int64_t* out) {
    for (int b = 0; b < kBlocks; ++b)
      for (int j = 0; j < 2; ++j) out[2 * b + j] = int64_t(uint64_t(low) + (uint64_t(w[2 * j][b]) << 32 | w[2 * j + 1][b]) % range);
  });
}

const Bind b0(kernels::uniform, DeviceKind::CPU, uniform_cpu);
const Bind b1(kernels::normal, DeviceKind::CPU, normal_cpu);
const Bind b2(kernels::randint, DeviceKind::CPU, randint_cpu);

}  // namespace
}  // namespace hippograd
