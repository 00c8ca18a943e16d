// Mean and variance, log-sum-exp, norms, each in one pass over the data.
//
// moments    with d = x - c, c the first element:  mean = c + sum d / n,  m2 = sum d^2 - (sum d)^2 / n, in double precision.
//            The difference loses at most log2 of (mean - c)^2 / variance <= n bits, of the 29 that double has over float
// logsumexp  (top, sum exp(x - top)): the lesser top's sum is scaled by exp(top_lesser - top)
// norm       sum of |x|^p in double precision, then the root; p = 0: a count; p = +-inf: an extreme
#include <cmath>

#include "cuda/reduce.cuh"
#include "tensor/kernels/reduce.h"

namespace hippograd::cuda {
namespace {

// ---- moments ----

template <class M> struct MomentTotal { M sum; double squares; };   // of d = x - c
template <class T> struct Moments {
  using In = T;
  using C = compute_t<T>;
  using M = std::conditional_t<is_complex_v<T>, complex128, double>;
  using Total = MomentTotal<M>;
  C* mean;
  real_t<C>* m2;
  M c = M(0);
  static HIPPOGRAD_DEVICE double square(const M& d) {
    if constexpr (is_complex_v<M>) return d.real() * d.real() + d.imag() * d.imag();
    else return d * d;
  }
  HIPPOGRAD_DEVICE void center(const T* first) {
    c = convert<M>(*first);
    if (square(c - c) != 0) c = M(0);   // infinite, or a NaN
  }
  HIPPOGRAD_DEVICE Total none() const { return {M(0), 0}; }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    Total t = none();
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const M d = convert<M>(x[i]) - c;
      t.sum += d;
      t.squares += square(d);
    }
    return t;
  }
  HIPPOGRAD_DEVICE Total join(const Total& a, const Total& b) const { return {a.sum + b.sum, a.squares + b.squares}; }
  HIPPOGRAD_DEVICE void write(const Total& t, int64_t at, int64_t n) const {
    const M shift = t.sum / double(n);
    const double rest = n == 0 ? 0 : t.squares - square(shift) * double(n);
    mean[at] = convert<C>(c + shift);
    m2[at] = real_t<C>(rest < 0 ? 0 : rest);
  }
};

// bf16 is summed as it is; the kernel's own outputs are f32 then, for whoever goes on computing with them.
void moments(CArray x, MArray mean, MArray m2) {
  check_reduction("moments", x, mean);
  if (is_half(mean.dtype()) || is_half(m2.dtype())) {
    detail::Widened<Array&> wide_mean(mean, false), wide_m2(m2, false);
    return moments(x, wide_mean.get(), wide_m2.get());
  }
  visit(InexactBf16{}, x.dtype(), "var", [&]<class T>() {
    using C = compute_t<T>;
    if (mean.dtype() != dtype_of<C> || m2.dtype() != dtype_of<real_t<C>>)
      fail<DtypeError>("moments: the outputs of ", x.dtype(), " must be ", dtype_of<C>, " and ", dtype_of<real_t<C>>, ", got ", mean.dtype(), " and ", m2.dtype());
    constexpr int V = std::is_same_v<C, float> ? kPack<T> : 1;
    reduce<V, V>("moments", Moments<T>{mean.data<C>(), m2.data<real_t<C>>()}, x, mean);
  });
}

// ---- log-sum-exp ----

template <class C> struct ExpTotal { C top; double sum; };
template <class T> struct LogSumExp {
  using In = T;
  using C = compute_t<T>;
  using Total = ExpTotal<C>;
  T* y;
  static HIPPOGRAD_DEVICE C higher(C a, C b) { return b > a || b != b ? b : a; }
  static HIPPOGRAD_DEVICE C infinity() { return std::numeric_limits<C>::infinity(); }
  HIPPOGRAD_DEVICE Total none() const { return {-infinity(), 0}; }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    C top = load(x[0]);
#pragma unroll
    for (int i = 1; i < N; ++i) top = higher(top, load(x[i]));
    if (top == -infinity()) return {top, 0};
    C sum = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) sum += exp(load(x[i]) - top);
    return {top, double(sum)};
  }
  HIPPOGRAD_DEVICE Total join(const Total& a, const Total& b) const {
    const C top = higher(a.top, b.top);
    return {top, scaled(a, top) + scaled(b, top)};
  }
  static HIPPOGRAD_DEVICE double scaled(const Total& t, C top) { return t.top == top ? t.sum : t.sum * double(exp(t.top - top)); }
  HIPPOGRAD_DEVICE void write(const Total& t, int64_t at, int64_t) const {
    const bool infinite = t.top == infinity() || t.top == -infinity();
    store(y[at], infinite ? t.top : C(double(t.top) + log(t.sum)));   // a NaN stays
  }
};

void logsumexp(CArray x, MArray y) {
  check_reduction("logsumexp", x, y);
  if (x.dtype() != y.dtype()) fail<DtypeError>("logsumexp: input is ", x.dtype(), ", output ", y.dtype());
  visit(FloatBf16{}, x.dtype(), "logsumexp", [&]<class T>() {
    reduce<std::is_same_v<compute_t<T>, float> ? kPack<T> : 1, 1>("logsumexp", LogSumExp<T>{y.data<T>()}, x, y);
  });
}

// ---- norms ----

template <class T> HIPPOGRAD_DEVICE auto magnitude(const T& x) {
  if constexpr (is_complex_v<T>) return hypot(x.real(), x.imag());
  else return fabs(load(x));
}
template <class T> HIPPOGRAD_DEVICE void write_real(real_t<T>* y, int64_t at, double v) {
  if constexpr (std::is_same_v<T, compute_t<T>>) y[at] = real_t<T>(v);
  else store(y[at], float(v));
}

enum class Power { zero, one, two, other };
template <class T, Power kPower> struct PowerSum {
  using In = T;
  using Total = double;
  real_t<T>* y;
  double p;
  HIPPOGRAD_DEVICE Total none() const { return 0; }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    double sum = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if constexpr (kPower == Power::two && is_complex_v<T>) sum += double(x[i].real()) * double(x[i].real()) + double(x[i].imag()) * double(x[i].imag());
      else if constexpr (kPower == Power::two) sum += double(load(x[i])) * double(load(x[i]));
      else if constexpr (kPower == Power::one) sum += double(magnitude(x[i]));
      else if constexpr (kPower == Power::zero) sum += magnitude(x[i]) != 0;
      else sum += double(pow(magnitude(x[i]), real_t<compute_t<T>>(p)));
    }
    return sum;
  }
  HIPPOGRAD_DEVICE Total join(Total a, Total b) const { return a + b; }
  HIPPOGRAD_DEVICE void write(Total t, int64_t at, int64_t) const {
    write_real<T>(y, at, kPower == Power::two ? sqrt(t) : kPower == Power::other ? pow(t, 1 / p) : t);
  }
};
template <class T> struct ExtremeMagnitude {
  using In = T;
  using Total = real_t<compute_t<T>>;
  real_t<T>* y;
  bool least;
  HIPPOGRAD_DEVICE Total none() const { return least ? std::numeric_limits<Total>::infinity() : Total(0); }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    Total best = magnitude(x[0]);
#pragma unroll
    for (int i = 1; i < N; ++i) best = join(best, magnitude(x[i]));
    return best;
  }
  HIPPOGRAD_DEVICE Total join(Total a, Total b) const { return (least ? b < a : b > a) || b != b ? b : a; }
  HIPPOGRAD_DEVICE void write(Total t, int64_t at, int64_t) const { write_real<T>(y, at, t); }
};

void norm(CArray x, double p, MArray y) {
  check_reduction("norm", x, y);
  visit(InexactBf16{}, x.dtype(), "norm", [&]<class T>() {
    if (y.dtype() != dtype_of<real_t<T>>) fail<DtypeError>("norm: input is ", x.dtype(), ", output ", y.dtype());
    real_t<T>* to = y.data<real_t<T>>();
    constexpr int V = std::is_same_v<compute_t<T>, float> ? kPack<T> : 1;
    if (p == 2) reduce<V, V>("norm", PowerSum<T, Power::two>{to, p}, x, y);
    else if (p == 1) reduce<1, 1>("norm", PowerSum<T, Power::one>{to, p}, x, y);
    else if (p == 0) reduce<1, 1>("norm", PowerSum<T, Power::zero>{to, p}, x, y);
    else if (std::isinf(p)) reduce<1, 1>("norm", ExtremeMagnitude<T>{to, p < 0}, x, y);
    else reduce<1, 1>("norm", PowerSum<T, Power::other>{to, p}, x, y);
  });
}

const Bind b0(kernels::moments, DeviceKind::CUDA, moments, kTakesBf16);
const Bind b1(kernels::logsumexp, DeviceKind::CUDA, logsumexp, kTakesBf16);
const Bind b2(kernels::norm, DeviceKind::CUDA, norm, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
