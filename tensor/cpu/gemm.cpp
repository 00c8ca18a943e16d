// The entry points of gemm.h: choice of the rung, complex products from real ones, and the naive definition.
#include "tensor/cpu/gemm.h"

#include <algorithm>
#include <complex>
#include <type_traits>
#include <vector>

#include "tensor/parallel.h"

namespace hippograd::cpu {
namespace {

template <class T>
inline constexpr bool kIsReal = std::is_floating_point_v<T>;
template <class T>
inline constexpr bool kIsComplex = false;
template <class R>
inline constexpr bool kIsComplex<std::complex<R>> = true;

constexpr double kForkWork = 2e4;  // multiply-adds of the naive loop that take about 20 us

template <class T>
GemmArgs<T> product_of_batch(const GemmArgs<T>& g, int64_t s, int64_t a_batch, int64_t b_batch,
                             int64_t c_batch) {
  GemmArgs<T> one = g;
  one.a += s * a_batch;
  one.b += s * b_batch;
  one.c += s * c_batch;
  return one;
}

// Real and imaginary parts of a strided matrix, as two contiguous ones.
template <class R>
struct Planes {
  std::vector<R> re, im;
  Planes(const std::complex<R>* x, int64_t rows, int64_t cols, int64_t row, int64_t col)
      : re(static_cast<size_t>(rows * cols)), im(re.size()) {
    size_t at = 0;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < cols; ++j, ++at) {
        const std::complex<R> value = x[i * row + j * col];
        re[at] = value.real();
        im[at] = value.imag();
      }
    }
  }
};

// (A + iA') (B + iB') = (AB - A'B') + i (AB' + A'B): four real products, then one pass for alpha, bias and C.
template <class R>
void gemm_complex(const GemmArgs<std::complex<R>>& g, int threads) {
  using C = std::complex<R>;
  const Planes<R> a(g.a, g.m, g.k, g.a_row, g.a_col), b(g.b, g.k, g.n, g.b_row, g.b_col);
  std::vector<R> re(static_cast<size_t>(g.m * g.n)), im(re.size());
  auto add_product = [&](const std::vector<R>& x, const std::vector<R>& y, std::vector<R>& z, R alpha, bool add) {
    gemm_tiled<R>({g.m, g.n, g.k, x.data(), g.k, 1, y.data(), g.n, 1, z.data(), g.n, nullptr, add, alpha}, 1, 0, 0,
                  0, threads);
  };
  add_product(a.re, b.re, re, R(1), false);
  add_product(a.im, b.im, re, R(-1), true);
  add_product(a.re, b.im, im, R(1), false);
  add_product(a.im, b.re, im, R(1), true);
  size_t at = 0;
  for (int64_t i = 0; i < g.m; ++i) {
    for (int64_t j = 0; j < g.n; ++j, ++at) {
      C& c = g.c[i * g.c_row + j];
      const C sum = g.alpha == C(1) ? C(re[at], im[at]) : g.alpha * C(re[at], im[at]);
      c = (g.accumulate ? c : C(0)) + sum + (g.bias ? g.bias[j] : C(0));
    }
  }
}

// Calls f(s) for every product of the batch, in parallel when there is enough work.
template <class F>
void for_each_product(int64_t batch, double work, int threads, F f) {
  const int team = work < kForkWork ? 1 : static_cast<int>(std::clamp<int64_t>(threads, 1, batch));
  parallel_tasks(batch, team, [&](int64_t s, int) { f(s); });
}

}  // namespace

// The definition, with the loops ordered so that the inner one runs along rows of B and C.
template <class T>
void gemm_naive(const GemmArgs<T>& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    T* c = g.c + i * g.c_row;
    if (!g.accumulate) std::fill_n(c, g.n, T(0));
    for (int64_t p = 0; p < g.k; ++p) {
      const T x = static_cast<T>(g.alpha * g.a[i * g.a_row + p * g.a_col]);
      const T* b = g.b + p * g.b_row;
      for (int64_t j = 0; j < g.n; ++j) c[j] = static_cast<T>(c[j] + x * b[j * g.b_col]);
    }
    if (g.bias) {
      for (int64_t j = 0; j < g.n; ++j) c[j] = static_cast<T>(c[j] + g.bias[j]);
    }
  }
}

template <class T>
void gemm_batched(const GemmArgs<T>& g, int64_t batch, int64_t a_batch, int64_t b_batch, int64_t c_batch,
                  int threads, GemmKernel kernel) {
  if (g.m == 0 || g.n == 0 || batch == 0) return;
  if constexpr (kIsReal<T>) {
    if (kernel == GemmKernel::Tiled) return gemm_tiled(g, batch, a_batch, b_batch, c_batch, threads);
  }
  if constexpr (kIsComplex<T>) {
    if (kernel == GemmKernel::Tiled) {
      for (int64_t s = 0; s < batch; ++s) gemm_complex(product_of_batch(g, s, a_batch, b_batch, c_batch), threads);
      return;
    }
  }
  const double work = static_cast<double>(batch) * static_cast<double>(g.m) * static_cast<double>(g.n) *
                      static_cast<double>(g.k);
  for_each_product(batch, work, threads, [&](int64_t s) {
    const GemmArgs<T> one = product_of_batch(g, s, a_batch, b_batch, c_batch);
    if constexpr (kIsReal<T>) {
      if (kernel == GemmKernel::Eigen) return gemm_eigen(one);
    }
    gemm_naive(one);
  });
}

template <class T>
void gemm(const GemmArgs<T>& args, int threads, GemmKernel kernel) {
  gemm_batched(args, 1, 0, 0, 0, threads, kernel);
}

#define HIPPOGRAD_GEMM(T)                                                                                    \
  template void gemm_naive(const GemmArgs<T>&);                                                              \
  template void gemm(const GemmArgs<T>&, int, GemmKernel);                                                   \
  template void gemm_batched(const GemmArgs<T>&, int64_t, int64_t, int64_t, int64_t, int, GemmKernel);
HIPPOGRAD_GEMM(float)
HIPPOGRAD_GEMM(double)
HIPPOGRAD_GEMM(std::complex<float>)
HIPPOGRAD_GEMM(std::complex<double>)
HIPPOGRAD_GEMM(int64_t)
HIPPOGRAD_GEMM(int32_t)
HIPPOGRAD_GEMM(uint8_t)
#undef HIPPOGRAD_GEMM

}  // namespace hippograd::cpu
