#include "tensor/kernels/dropout.h"

#include <algorithm>

#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace hippograd {
namespace kernels {
constinit decltype(dropout) dropout{"dropout"};
constinit decltype(bernoulli) bernoulli{"bernoulli"};
}  // namespace kernels

namespace {

constexpr int kBlocks = 64;   // Philox blocks computed side by side: the loop over them vectorises

// words[4 b + k] = word k of block first + b.
void philox_words(uint64_t seed, uint64_t first, uint32_t* words) {
#pragma omp simd
  for (int b = 0; b < kBlocks; ++b) {
    const PhiloxBlock block = philox_block(seed, first + uint64_t(b));
    words[4 * b] = block.word[0];
    words[4 * b + 1] = block.word[1];
    words[4 * b + 2] = block.word[2];
    words[4 * b + 3] = block.word[3];
  }
}

// f(first element, n, words) for pieces of n <= 4 kBlocks elements.
template <class F> void for_words(const Array& state, int64_t count, F f) {
  constexpr int64_t kPiece = 4 * kBlocks, kTask = 16 * kPiece;
  const uint64_t seed = uint64_t(state.data<int64_t>()[0]), offset = uint64_t(state.data<int64_t>()[1]);
  parallel_for((count + kTask - 1) / kTask, double(count) * 1.2, [&](int64_t t) {
    for (int64_t i = t * kTask; i < std::min(count, (t + 1) * kTask); i += kPiece) {
      alignas(64) uint32_t words[4 * kBlocks];
      philox_words(seed, offset + uint64_t(i / 4), words);
      f(i, std::min(kPiece, count - i), words);
    }
  });
}

void dropout_cpu(CArray state, CArray x, double p, MArray y) {
  const uint32_t threshold = uint32_t(std::min(p * 0x1p32, 0x1p32 - 1));
  visit(FloatTypes{}, x.dtype(), "dropout", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const T scale = T(1 / (1 - p));
    for_words(state, x.numel(), [=](int64_t i, int64_t n, const uint32_t* words) {
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) to[i + j] = words[j] < threshold ? T(0) : from[i + j] * scale;
    });
  });
}

void bernoulli_cpu(CArray state, CArray x, MArray y) {
  visit(FloatTypes{}, x.dtype(), "bernoulli", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_words(state, x.numel(), [=](int64_t i, int64_t n, const uint32_t* words) {
      for (int64_t j = 0; j < n; ++j) to[i + j] = T(double(words[j]) * 0x1p-32 < double(from[i + j]));
    });
  });
}

const Bind b0(kernels::dropout, DeviceKind::CPU, dropout_cpu);
const Bind b1(kernels::bernoulli, DeviceKind::CPU, bernoulli_cpu);

}  // namespace
}  // namespace hippograd
