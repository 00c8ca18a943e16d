#pragma once
// What this machine can do, measured in the same run as the ops: a benchmark's floor is what its memory traffic, its
// multiplications or its exponentials would take at these rates. Copies, triads (a = b + s c), multiply-adds in registers and
// exponentials of numbers that lie in the first cache, on as many threads as the ops use.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "tensor/cpu/simd.h"
#include "tensor/parallel.h"

namespace hippograd::bench {

inline double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

struct Limits {
  double copy = 0, triad = 0;                // bytes/s read and written, arrays far larger than the caches
  double cached_triad = 0;                   // bytes/s, 6 MB in all: where the ops' operands often lie
  double flops = 0;                          // f32 additions and multiplications/s
  double exps = 0;                           // exponentials/s
  static constexpr double kCachedBytes = 16e6;
  double bandwidth(double bytes) const { return bytes < kCachedBytes ? std::max(cached_triad, triad) : std::max(copy, triad); }
};

// Seconds of the fastest of `runs` calls: limits are maxima.
template <class F> double fastest(int runs, F&& f) {
  double best = 1e30;
  for (int i = 0; i < runs; ++i) {
    const double start = now();
    f();
    best = std::min(best, now() - start);
  }
  return best;
}

template <class F> void on_all_threads(F&& f) {   // f(share, shares)
  const int n = num_threads();
  parallel_tasks(n, n, [&](int64_t i, int) { f(i, n); });
}

inline double triad_rate(int64_t n, int repeats, double streams, float factor) {   // a = b + factor c; streams 2: a copy
  using Floats = cpu::Vec<float>;
  std::vector<Floats> a(size_t(n / 16)), b(size_t(n / 16)), c(size_t(n / 16));
  const double seconds = fastest(8, [&] {
    on_all_threads([&](int64_t share, int64_t shares) {
      const int64_t first = n / 16 * share / shares, last = n / 16 * (share + 1) / shares;
      for (int r = 0; r < repeats; ++r) {
        if (streams == 2) for (int64_t i = first; i < last; ++i) a[size_t(i)] = b[size_t(i)];
        else for (int64_t i = first; i < last; ++i) a[size_t(i)] = b[size_t(i)] + factor * c[size_t(i)];
        asm volatile("" ::: "memory");
      }
    });
  });
  return streams * 4.0 * double(n) * repeats / seconds;
}

inline double flop_rate() {
  constexpr int kChains = 16, kSteps = 200000;   // enough chains to hide the latency of a multiply-add
  const double seconds = fastest(12, [&] {
    on_all_threads([&](int64_t, int64_t) {
      cpu::Vec<float> acc[kChains], x = cpu::splat<float>(0.999f), y = cpu::splat<float>(0.001f);
      for (auto& v : acc) v = x;
      for (int i = 0; i < kSteps; ++i) {
#pragma GCC unroll 16
        for (int k = 0; k < kChains; ++k) acc[k] = acc[k] * x + y;
      }
      for (auto& v : acc) x += v;
      volatile float kept = x[0];   // or the compiler would drop the loop
      (void)kept;
    });
  });
  return 2.0 * 16 * kChains * kSteps * num_threads() / seconds;
}

inline double exp_rate() {
  constexpr int kVectors = 256, kRepeats = 200;
  const double seconds = fastest(12, [&] {
    on_all_threads([&](int64_t, int64_t) {
      cpu::Vec<float> x[kVectors], y[kVectors];
      for (int i = 0; i < kVectors; ++i) x[i] = cpu::splat<float>(float(i) * -0.01f);
      for (int r = 0; r < kRepeats; ++r) {
        for (int i = 0; i < kVectors; ++i) y[i] = cpu::exp2v<float>(x[i]);
        asm volatile("" :: "r"(x), "r"(y) : "memory");
      }
    });
  });
  return 16.0 * kVectors * kRepeats * num_threads() / seconds;
}

inline Limits measure_limits() {
  Limits l;
  l.copy = triad_rate(16 << 20, 1, 2, 1);
  l.triad = triad_rate(16 << 20, 1, 3, 0.5f);
  l.cached_triad = triad_rate(512 << 10, 20, 3, 0.5f);
  l.flops = flop_rate();
  l.exps = exp_rate();
  return l;
}

}  // namespace hippograd::bench
