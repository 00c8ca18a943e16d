// Reductions that transform each element first: variance, log-sum-exp, norms.
#include <cmath>

#include "tensor/cpu/reduce_loops.h"
#include "tensor/kernels/reduce.h"

namespace hippograd {
namespace kernels {
constinit decltype(moments) moments{"moments"};
constinit decltype(logsumexp) logsumexp{"logsumexp"};
constinit decltype(norm) norm{"norm"};
}  // namespace kernels

namespace {
using namespace cpu;

template <class T> using RealOf = typename Eigen::NumTraits<T>::Real;

struct Deviation { auto operator()(const auto& x, const auto& c) const { return x - c; } };
struct SquaredDeviation { auto operator()(const auto& x, const auto& c) const { return (x - c).abs2(); } };
struct ExpDifference { auto operator()(const auto& x, const auto& c) const { return (x - c).exp(); } };
struct Magnitude { auto operator()(const auto& x, const auto&) const { return x.abs(); } };
struct SquaredMagnitude { auto operator()(const auto& x, const auto&) const { return x.abs2(); } };
struct MagnitudeToPower {
  double p;
  auto operator()(const auto& x, const auto&) const { return x.abs().pow(RealOf<typename std::decay_t<decltype(x)>::Scalar>(p)); }
};
struct OneIfSet {
  auto operator()(const auto& x, const auto&) const {
    using Scalar = typename std::decay_t<decltype(x)>::Scalar;
    return (x != Scalar(0)).template cast<RealOf<Scalar>>();
  }
};

// m rounds mean; with d = mean - m:  sum |x - mean|^2 = sum |x - m|^2 - n |d|^2 and n d = sum (x - m).
void moments_cpu(CArray x, MArray mean, MArray m2) {
  check_reduction("moments", x, mean);
  const int64_t outputs = mean.numel();
  if (outputs == 0) return;
  const double n = double(x.numel()) / double(outputs);
  visit(InexactTypes{}, x.dtype(), "var", [&]<class T>() {
    using R = RealOf<T>;
    using Total = typename Plus<T>::Total;
    std::vector<Total> first(static_cast<size_t>(outputs));
    std::vector<double> second(static_cast<size_t>(outputs));
    T* m = mean.data<T>();
    cpu::reduce<Plus<T>, T>(x, mean, first.data(), 0.05 * sizeof(T));
    for (int64_t k = 0; k < outputs; ++k) m[k] = T(first[size_t(k)] / n);
    cpu::reduce<Plus<T>, T, Deviation, T>(x, mean, first.data(), 0.1 * sizeof(T), {}, m);
    cpu::reduce<Plus<R>, T, SquaredDeviation, T>(x, mean, second.data(), 0.1 * sizeof(T), {}, m);
    for (int64_t k = 0; k < outputs; ++k) {
      m2.data<R>()[k] = R(std::max(0.0, second[size_t(k)] - std::norm(first[size_t(k)]) / n));
      if (second[size_t(k)] != second[size_t(k)]) m2.data<R>()[k] = std::numeric_limits<R>::quiet_NaN();
    }
  });
}

void logsumexp_cpu(CArray x, MArray y) {
  check_reduction("logsumexp", x, y);
  visit(FloatTypes{}, x.dtype(), "logsumexp", [&]<class T>() {
    const int64_t outputs = y.numel();
    std::vector<T> top(static_cast<size_t>(outputs));
    std::vector<double> total(static_cast<size_t>(outputs));
    cpu::reduce<Greatest<T>, T>(x, y, top.data(), 0.05 * sizeof(T));
    std::vector<T> shift = top;
    for (T& s : shift) if (std::isinf(s)) s = T(0);            // all -inf, or an inf: their own exponentials tell
    cpu::reduce<Plus<T>, T, ExpDifference, T>(x, y, total.data(), 0.5 * sizeof(T), {}, shift.data());
    for (int64_t k = 0; k < outputs; ++k) y.data<T>()[k] = T(std::log(total[size_t(k)]) + double(shift[size_t(k)]));
  });
}

void norm_cpu(CArray x, double p, MArray y) {
  check_reduction("norm", x, y);
  visit(InexactTypes{}, x.dtype(), "norm", [&]<class T>() {
    using R = RealOf<T>;
    R* to = y.data<R>();
    const int64_t outputs = y.numel();
    const double ns = 0.05 * sizeof(T);
    if (p == 1) cpu::reduce<Plus<R>, T>(x, y, to, ns, Magnitude{});
    else if (p == 0) cpu::reduce<Plus<R>, T>(x, y, to, ns, OneIfSet{});
    else if (p == INFINITY) cpu::reduce<Greatest<R>, T>(x, y, to, ns, Magnitude{});
    else if (p == -INFINITY) cpu::reduce<Least<R>, T>(x, y, to, ns, Magnitude{});
    else if (p == 2) {
      cpu::reduce<Plus<R>, T>(x, y, to, ns, SquaredMagnitude{});
      for (int64_t k = 0; k < outputs; ++k) to[k] = std::sqrt(to[k]);
    } else {
      cpu::reduce<Plus<R>, T>(x, y, to, ns * 30, MagnitudeToPower{p});
      for (int64_t k = 0; k < outputs; ++k) to[k] = std::pow(to[k], R(1 / p));
    }
  });
}

const Bind b0(kernels::moments, DeviceKind::CPU, moments_cpu);
const Bind b1(kernels::logsumexp, DeviceKind::CPU, logsumexp_cpu);
const Bind b2(kernels::norm, DeviceKind::CPU, norm_cpu);

}  // namespace
}  // namespace hippograd
