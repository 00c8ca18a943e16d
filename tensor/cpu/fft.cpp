// Fast Fourier transforms of any length.
//
// n = r1 r2 ... with small primes (4 counts as one): the mixed-radix algorithm of Cooley & Tukey (1965) in Stockham's order,
// which needs no bit reversal. A stage of radix r takes transforms of length n (interleaved with stride s) to r times as many
// of length m = n / r:
//     y[q + s (r p + k)] = w_n^(p k) sum_j w_r^(j k) x[q + s (p + m j)]        w_n = exp(-2 pi i / n),  p < m,  q < s
// Other n: Bluestein (1970). With j k = (j^2 + k^2 - (k - j)^2) / 2 the transform is a convolution with the chirp
// c_j = exp(-pi i j^2 / n), done by transforms of a power of two:   y_k = c_k sum_j (c_j x_j) conj(c_(k - j)).
// Real signals of even length n = 2 m are read as m complex numbers z_j = x_2j + i x_(2j + 1); with E, O the transforms of the
// even and the odd elements, Z = E + i O, so E_k = (Z_k + conj Z_(m - k)) / 2, i O_k = (Z_k - conj Z_(m - k)) / 2 and
// X_k = E_k + w_n^k O_k.
#include "tensor/kernels/fft.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <memory>
#include <mutex>
#include <numbers>
#include <vector>

#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(fft) fft{"fft"};
constinit decltype(rfft) rfft{"rfft"};
constinit decltype(irfft) irfft{"irfft"};
}  // namespace kernels

namespace {

constexpr int64_t kLargestRadix = 13;

template <class T> struct Complex {           // std::complex without its rules for infinities, which cost a call per product
  T re, im;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
  friend Complex operator*(T a, Complex b) { return {a * b.re, a * b.im}; }
};
template <class T> Complex<T> conj(Complex<T> a) { return {a.re, -a.im}; }
template <class T> Complex<T> times_minus_i(Complex<T> a) { return {a.im, -a.re}; }

// exp(-2 pi i k / n), rounded once.
template <class T> Complex<T> root(int64_t k, int64_t n) {
  const double angle = -2 * std::numbers::pi * double(k % n) / double(n);
  return {T(std::cos(angle)), T(std::sin(angle))};
}

int64_t smallest_radix(int64_t n) {
  if (n % 4 == 0) return 4;
  for (int64_t r = 2; r <= kLargestRadix; ++r)
    if (n % r == 0) return r;
  return 0;
}

// The forward transform of one length: tables, made once.
template <class T> class Plan {
 public:
  using C = Complex<T>;

  explicit Plan(int64_t n) : n_(n) {
    for (int64_t k = 0; k <= n; ++k) half_roots_.push_back(root<T>(k, 2 * n));
    int64_t rest = n;
    for (int64_t r; rest > 1 && (r = smallest_radix(rest)) > 0; rest /= r) radices_.push_back(r);
    if (rest > 1) {
      make_bluestein();
      return;
    }
    roots_.reserve(size_t(n));
    for (int64_t k = 0; k < n; ++k) roots_.push_back(root<T>(k, n));
  }

  int64_t length() const { return n_; }
  const C* half_roots() const { return half_roots_.data(); }         // exp(-pi i k / n), k <= n
  int64_t scratch() const { return inner_ ? 2 * inner_->n_ : n_; }   // elements that `run` needs

  // x <- F x
  void run(C* x, C* work) const {
    if (inner_) return bluestein(x, work);
    C *from = x, *to = work;
    int64_t n = n_, s = 1;
    for (int64_t r : radices_) {
      switch (r) {
        case 2: stage2(n, s, from, to); break;
        case 4: stage4(n, s, from, to); break;
        default: stage(r, n, s, from, to);
      }
      std::swap(from, to);
      n /= r, s *= r;
    }
    if (from != x) std::copy_n(from, n_, x);
  }

 private:
  // w_n^k for a stage of length n.
  C twiddle(int64_t k, int64_t n) const { return roots_[size_t(k * (n_ / n))]; }

  // One butterfly. The loops run over whatever is contiguous: the s interleaved transforms, or, in the first stage, p.
  static void butterfly2(const C* x, C* y, int64_t m, int64_t s, C w) {
    const C a = x[0], b = x[s * m];
    y[0] = a + b;
    y[s] = w * (a - b);
  }
  static void butterfly4(const C* x, C* y, int64_t m, int64_t s, C w1, C w2, C w3) {
    const C a = x[0], b = x[s * m], c = x[2 * s * m], d = x[3 * s * m];
    const C ac = a + c, a_c = a - c, bd = b + d, b_d = times_minus_i(b - d);
    y[0] = ac + bd;
    y[s] = w1 * (a_c + b_d);
    y[2 * s] = w2 * (ac - bd);
    y[3 * s] = w3 * (a_c - b_d);
  }
  void stage2(int64_t n, int64_t s, const C* x, C* y) const {
    const int64_t m = n / 2;
    for (int64_t p = 0; p < m; ++p) {
      const C w = twiddle(p, n);
#pragma omp simd
      for (int64_t q = 0; q < s; ++q) butterfly2(x + s * p + q, y + s * 2 * p + q, m, s, w);
    }
  }
  void stage4(int64_t n, int64_t s, const C* x, C* y) const {
    const int64_t m = n / 4;
    if (s == 1) {
      const C* const roots = roots_.data();
#pragma omp simd
      for (int64_t p = 0; p < m; ++p) butterfly4(x + p, y + 4 * p, m, 1, roots[p], roots[2 * p], roots[3 * p]);
      return;
    }
    for (int64_t p = 0; p < m; ++p) {
      const C w1 = twiddle(p, n), w2 = twiddle(2 * p, n), w3 = twiddle(3 * p, n);
#pragma omp simd
      for (int64_t q = 0; q < s; ++q) butterfly4(x + s * p + q, y + s * 4 * p + q, m, s, w1, w2, w3);
    }
  }
  void stage(int64_t r, int64_t n, int64_t s, const C* x, C* y) const {   // any radix, by the definition
    const int64_t m = n / r;
    for (int64_t p = 0; p < m; ++p) {
      for (int64_t k = 0; k < r; ++k) {
        C* const u = y + s * (r * p + k);
        C w[kLargestRadix];                                                // w_n^(p k) w_r^(j k)
        for (int64_t j = 0; j < r; ++j) w[j] = twiddle(p * k, n) * twiddle(j * k % r, r);
#pragma omp simd
        for (int64_t q = 0; q < s; ++q) {
          C sum = w[0] * x[q + s * p];
          for (int64_t j = 1; j < r; ++j) sum = sum + w[j] * x[q + s * (p + m * j)];
          u[q] = sum;
        }
      }
    }
  }

  void make_bluestein() {
    int64_t m = 1;
    while (m < 2 * n_ - 1) m *= 2;
    inner_ = std::make_unique<Plan>(m);
    chirp_.reserve(size_t(n_));
    int64_t square = 0;                       // j^2 mod 2 n, without overflow
    for (int64_t j = 0; j < n_; square = (square + 2 * j + 1) % (2 * n_), ++j) chirp_.push_back(root<T>(square, 2 * n_));
    std::vector<C> work(static_cast<size_t>(m));
    kernel_.assign(size_t(m), C{0, 0});
    for (int64_t j = 0; j < n_; ++j) kernel_[size_t(j)] = kernel_[size_t((m - j) % m)] = conj(chirp_[size_t(j)]);
    inner_->run(kernel_.data(), work.data());
  }
  void bluestein(C* x, C* work) const {
    const int64_t m = inner_->n_;
    C* a = work;
    std::fill_n(a, m, C{0, 0});
    for (int64_t j = 0; j < n_; ++j) a[j] = chirp_[size_t(j)] * x[j];
    inner_->run(a, work + m);
    for (int64_t j = 0; j < m; ++j) a[j] = conj(a[j] * kernel_[size_t(j)]);   // conj: the inverse by a forward transform
    inner_->run(a, work + m);
    for (int64_t k = 0; k < n_; ++k) x[k] = (T(1) / T(m)) * (chirp_[size_t(k)] * conj(a[k]));
  }

  int64_t n_;
  std::vector<int64_t> radices_;
  std::vector<C> roots_, half_roots_, chirp_, kernel_;
  std::unique_ptr<Plan> inner_;               // Bluestein's power of two
};

// The plans of the last lengths that were used.
template <class T> std::shared_ptr<const Plan<T>> plan_for(int64_t n) {
  constexpr size_t kKept = 16;
  static std::mutex mutex;
  static std::list<std::shared_ptr<const Plan<T>>> recent;
  const std::lock_guard lock(mutex);
  for (auto it = recent.begin(); it != recent.end(); ++it) {
    if ((*it)->length() != n) continue;
    recent.splice(recent.begin(), recent, it);
    return recent.front();
  }
  recent.push_front(std::make_shared<const Plan<T>>(n));
  if (recent.size() > kKept) recent.pop_back();
  return recent.front();
}

template <class T> void conjugate(Complex<T>* x, int64_t n) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) x[j].im = -x[j].im;
}

// For every row: load(row, buffer, plan) fills it, the transform runs in it, store(row, buffer, plan) takes the result.
template <class T, class Load, class Store> void for_each_row(int64_t rows, int64_t n, int sign, Load load, Store store) {
  using C = Complex<T>;
  if (rows == 0 || n == 0) return;
  const auto plan = plan_for<T>(n);
  const int64_t parts = std::min<int64_t>(rows, in_parallel() ? 1 : num_threads()), space = n + plan->scratch();
  std::vector<C> buffers(size_t(parts * space));   // here: nothing may throw in the parallel region
  const double cost = double(rows) * double(n) * (2 + 0.5 * std::log2(double(n) + 1));
  parallel_for(parts, cost, [&](int64_t part) {
    C* x = buffers.data() + part * space;
    for (int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row) {
      load(row, x, *plan);
      if (sign > 0) conjugate(x, n);
      plan->run(x, x + n);
      if (sign > 0) conjugate(x, n);
      store(row, x, *plan);
    }
  });
}

template <class F> void by_precision(DType t, const char* op, F f) { visit(FloatTypes{}, real_of(t), op, f); }

void fft_cpu(int sign, double scale, CArray x, MArray y) {
  by_precision(x.dtype(), "fft", [&]<class T>() {
    using C = Complex<T>;
    const int64_t n = x.shape()[1];
    const C* from = static_cast<const C*>(x.raw());
    C* to = static_cast<C*>(y.raw());
    for_each_row<T>(x.shape()[0], n, sign, [=](int64_t row, C* buffer, const Plan<T>&) { std::copy_n(from + row * n, n, buffer); },
                    [=](int64_t row, const C* buffer, const Plan<T>&) { for (int64_t k = 0; k < n; ++k) to[row * n + k] = T(scale) * buffer[k]; });
  });
}

// The weight of coefficient k of a real signal of length n.
double weight(bool doubled, int64_t k, int64_t n) { return doubled && k != 0 && 2 * k != n ? 2 : 1; }

void rfft_cpu(int sign, double scale, bool doubled, CArray x, MArray y) {
  by_precision(x.dtype(), "rfft", [&]<class T>() {
    using C = Complex<T>;
    const int64_t rows = x.shape()[0], n = x.shape()[1], half = y.shape()[1];
    const T* from = x.data<T>();
    C* to = static_cast<C*>(y.raw());
    const auto factor = [=](int64_t k) { return T(scale * weight(doubled, k, n)); };
    if (n % 2 == 0 && n > 0) {
      const int64_t m = n / 2;
      for_each_row<T>(rows, m, -1, [=](int64_t row, C* z, const Plan<T>&) { std::copy_n(reinterpret_cast<const C*>(from + row * n), m, z); },
                      [=](int64_t row, const C* z, const Plan<T>& plan) {
                        const C* const w = plan.half_roots();
                        C* const out = to + row * half;
                        const T inner = T(0.5 * scale * (doubled ? 2 : 1)), upright = sign > 0 ? -inner : inner;
#pragma omp simd
                        for (int64_t k = 1; k < m; ++k) {
                          const C a = z[k], b = conj(z[m - k]), sum = (a + b) + w[k] * times_minus_i(a - b);
                          out[k] = {inner * sum.re, upright * sum.im};
                        }
                        out[0] = {T(scale) * (z[0].re + z[0].im), T(0)};
                        out[m] = {T(scale) * (z[0].re - z[0].im), T(0)};
                      });
      return;
    }
    for_each_row<T>(rows, n, sign, [=](int64_t row, C* buffer, const Plan<T>&) { for (int64_t j = 0; j < n; ++j) buffer[j] = {from[row * n + j], T(0)}; },
                    [=](int64_t row, const C* buffer, const Plan<T>&) { for (int64_t k = 0; k < half; ++k) to[row * half + k] = factor(k) * buffer[k]; });
  });
}
// y_j = Re sum_k weight_k X_k exp(+- 2 pi i j k / n): the full spectrum has half of weight_k X_k at k, its conjugate at n - k.
void irfft_cpu(int sign, double scale, bool doubled, CArray x, MArray y) {
  by_precision(x.dtype(), "irfft", [&]<class T>() {
    using C = Complex<T>;
    const int64_t rows = y.shape()[0], n = y.shape()[1], half = x.shape()[1];
    const C* from = static_cast<const C*>(x.raw());
    T* to = y.data<T>();
    if (n % 2 == 0 && n > 0) {
      const int64_t m = n / 2;
      for_each_row<T>(rows, m, +1,
                      [=](int64_t row, C* z, const Plan<T>& plan) {
                        const C *const w = plan.half_roots(), *const in = from + row * half;
                        const T inner = T(0.5 * scale * (doubled ? 2 : 1)), upright = sign > 0 ? inner : -inner;
#pragma omp simd
                        for (int64_t k = 1; k < m; ++k) {
                          const C a{inner * in[k].re, upright * in[k].im}, b{inner * in[m - k].re, -upright * in[m - k].im};
                          const C odd = conj(w[k]) * (a - b);
                          z[k] = (a + b) + C{-odd.im, odd.re};
                        }
                        const T first = T(scale) * in[0].re, last = T(scale) * in[m].re;
                        z[0] = {first + last, first - last};
                      },
                      [=](int64_t row, const C* z, const Plan<T>&) { std::copy_n(z, m, reinterpret_cast<C*>(to + row * n)); });
      return;
    }
    for_each_row<T>(rows, n, sign,
                    [=](int64_t row, C* buffer, const Plan<T>&) {
                      std::fill_n(buffer, n, C{0, 0});
                      for (int64_t k = 0; k < half; ++k) buffer[k] = T(scale * weight(doubled, k, n)) * from[row * half + k];
                    },
                    [=](int64_t row, const C* buffer, const Plan<T>&) { for (int64_t j = 0; j < n; ++j) to[row * n + j] = buffer[j].re; });
  });
}

const Bind b0(kernels::fft, DeviceKind::CPU, fft_cpu);
const Bind b1(kernels::rfft, DeviceKind::CPU, rfft_cpu);
const Bind b2(kernels::irfft, DeviceKind::CPU, irfft_cpu);

}  // namespace
}  // namespace hippograd
