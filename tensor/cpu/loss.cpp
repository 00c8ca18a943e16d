#include "tensor/kernels/loss.h"

#include <cmath>
#include <vector>

#include "tensor/cpu/rows.h"

namespace hippograd {
namespace kernels {
constinit decltype(cross_entropy_fwd) cross_entropy_fwd{"cross_entropy_fwd"};
constinit decltype(cross_entropy_bwd) cross_entropy_bwd{"cross_entropy_bwd"};
constinit decltype(nll_loss_fwd) nll_loss_fwd{"nll_loss_fwd"};
constinit decltype(nll_loss_bwd) nll_loss_bwd{"nll_loss_bwd"};

void bad_target(const char* op, int64_t value, int64_t row, int64_t classes, std::string_view note) {
  fail<IndexError>(op, ": Target ", value, " is out of bounds. (position ", row, " of target; there are ", classes, " classes)", note);
}
}  // namespace kernels

namespace {

using namespace cpu;
using kernels::Reduction;

void check_targets(const char* op, const int64_t* t, int64_t rows, int64_t classes, int64_t ignore_index) {
  for (int64_t r = 0; r < rows; ++r)
    if (t[r] != ignore_index && (t[r] < 0 || t[r] >= classes))
      kernels::bad_target(op, t[r], r, classes);
}

// The rows' losses (f64) and the weights of their targets, brought to the form that `reduction` asks for.
template <class T> void reduce(Reduction reduction, const std::vector<double>& losses, const std::vector<double>& weights, MArray loss, MArray total) {
  if (reduction == Reduction::None) {
    T* out = loss.data<T>();
    for (size_t r = 0; r < losses.size(); ++r) out[r] = T(losses[r]);
    *total.data<T>() = T(1);
    return;
  }
  double sum = 0, divisor = 0;
  for (double l : losses) sum += l;
  for (double w : weights) divisor += w;
  if (reduction == Reduction::Sum) divisor = 1;
  *loss.data<T>() = T(sum / divisor);
  *total.data<T>() = T(divisor);
}

// dloss / total for row r.
template <class T> struct RowScale {
  const T* dloss;
  int64_t step;
  T total;
  RowScale(CArray d, CArray t) : dloss(d.data<T>()), step(d.dim() == 0 ? 0 : 1), total(*t.data<T>()) {}
  T operator()(int64_t r) const { return dloss[r * step] / total; }
};

template <class T> T weight_of(const T* w, int64_t c) { return w ? w[c] : T(1); }
template <class T> T weight_sum(const T* w, int64_t classes) {
  return w ? T(row_sum<T>(classes, [&](int64_t i, int k) HG_ALWAYS { return take(w + i, k); })) : T(classes);
}

template <class T> double cross_entropy_row(const T* x, int64_t t, const T* w, int64_t classes, double smoothing, T* stats) {
  const T m = row_max(x, classes);
  const double s = row_sum<T>(classes, [&](int64_t i, int k) HG_ALWAYS { return expv<T>(take(x + i, k) - m); });
  stats[0] = m;
  stats[1] = T(s);
  const double log_s = std::log(s);
  const double l = double(weight_of(w, t)) * (log_s - double(x[t] - m));
  if (smoothing == 0) return l;
  const T log_st = T(log_s);
  const double all = row_sum<T>(classes, [&](int64_t i, int k) HG_ALWAYS {   // sum_c weight[c] l_c
    const Vec<T> v = log_st - (take(x + i, k) - m);
    return w ? v * take(w + i, k) : v;
  });
  return (1 - smoothing) * l + smoothing / double(classes) * all;
}

void cross_entropy_fwd_cpu(CArray x, CArray target, CArray weight, int64_t ignore_index, double smoothing, Reduction reduction,
                           MArray loss, MArray stats, MArray total) {
  visit(FloatTypes{}, x.dtype(), "cross_entropy", [&]<class T>() {
    const int64_t rows = x.shape()[0], classes = x.shape()[1];
    const int64_t* t = target.data<int64_t>();
    check_targets("cross_entropy", t, rows, classes, ignore_index);
    const T *xp = x.data<T>(), *w = weight.defined() ? weight.data<T>() : nullptr;
    T* sp = stats.data<T>();
    std::vector<double> losses(static_cast<size_t>(rows)), weights(static_cast<size_t>(rows));
    for_each_row(rows, classes, 0.5, [&](int64_t r) {
      if (t[r] == ignore_index) {
        sp[2 * r] = 0, sp[2 * r + 1] = 1;
        return;
      }
      losses[size_t(r)] = cross_entropy_row(xp + r * classes, t[r], w, classes, smoothing, sp + 2 * r);
      weights[size_t(r)] = double(weight_of(w, t[r]));
    });
    reduce<T>(reduction, losses, weights, loss, total);
  });
}

template <class T> void cross_entropy_row_bwd(const T* x, int64_t t, const T* w, int64_t classes, double smoothing, T all_weights,
                                              const T* stats, T scale, T* dx) {
  const T m = stats[0], smooth = T(smoothing / double(classes)), hit = T(1 - smoothing) * weight_of(w, t);
  const T factor = (hit + smooth * all_weights) / stats[1];
  for_vectors<T>(classes, [&](int64_t i, int k) HG_ALWAYS {
    Vec<T> d = expv<T>(take(x + i, k) - m) * factor;
    if (smooth != 0) d -= w ? smooth * take(w + i, k) : splat<T>(smooth);
    put(dx + i, d * scale, k);
  });
  // The target's element anew, from the difference itself: scaled once, like its neighbours.
  const T e = expv<T>(splat<T>(x[t] - m))[0];
  dx[t] = ((e * factor - (smooth != 0 ? smooth * weight_of(w, t) : T(0))) - hit) * scale;
}

void cross_entropy_bwd_cpu(CArray x, CArray target, CArray weight, int64_t ignore_index, double smoothing, CArray stats, CArray total,
                           CArray dloss, MArray dx) {
  visit(FloatTypes{}, x.dtype(), "cross_entropy", [&]<class T>() {
    const int64_t rows = x.shape()[0], classes = x.shape()[1];
    const int64_t* t = target.data<int64_t>();
    const T *xp = x.data<T>(), *w = weight.defined() ? weight.data<T>() : nullptr, *sp = stats.data<T>();
    const T all_weights = weight_sum(w, classes);
    const RowScale<T> scale(dloss, total);
    T* dxp = dx.data<T>();
    for_each_row(rows, classes, 0.5, [&](int64_t r) {
      T* to = dxp + r * classes;
      if (t[r] == ignore_index) std::fill_n(to, classes, T(0));
      else cross_entropy_row_bwd(xp + r * classes, t[r], w, classes, smoothing, all_weights, sp + 2 * r, scale(r), to);
    });
  });
}

void nll_loss_fwd_cpu(CArray x, CArray target, CArray weight, int64_t ignore_index, Reduction reduction, MArray loss, MArray total) {
  visit(FloatTypes{}, x.dtype(), "nll_loss", [&]<class T>() {
    const int64_t rows = x.shape()[0], classes = x.shape()[1];
    const int64_t* t = target.data<int64_t>();
    check_targets("nll_loss", t, rows, classes, ignore_index);
    const T *xp = x.data<T>(), *w = weight.defined() ? weight.data<T>() : nullptr;
    std::vector<double> losses(static_cast<size_t>(rows)), weights(static_cast<size_t>(rows));
    for (int64_t r = 0; r < rows; ++r) {
      if (t[r] == ignore_index) continue;
      weights[size_t(r)] = double(weight_of(w, t[r]));
      losses[size_t(r)] = -weights[size_t(r)] * double(xp[r * classes + t[r]]);
    }
    reduce<T>(reduction, losses, weights, loss, total);
  });
}

void nll_loss_bwd_cpu(CArray target, CArray weight, int64_t ignore_index, CArray total, CArray dloss, MArray dx) {
  visit(FloatTypes{}, dx.dtype(), "nll_loss", [&]<class T>() {
    const int64_t rows = dx.shape()[0], classes = dx.shape()[1];
    const int64_t* t = target.data<int64_t>();
    const T* w = weight.defined() ? weight.data<T>() : nullptr;
    const RowScale<T> scale(dloss, total);
    T* to = dx.data<T>();
    std::fill_n(to, rows * classes, T(0));
    for (int64_t r = 0; r < rows; ++r)
      if (t[r] != ignore_index) to[r * classes + t[r]] = -scale(r) * weight_of(w, t[r]);
  });
}

const Bind b0(kernels::cross_entropy_fwd, DeviceKind::CPU, cross_entropy_fwd_cpu);
const Bind b1(kernels::cross_entropy_bwd, DeviceKind::CPU, cross_entropy_bwd_cpu);
const Bind b2(kernels::nll_loss_fwd, DeviceKind::CPU, nll_loss_fwd_cpu);
const Bind b3(kernels::nll_loss_bwd, DeviceKind::CPU, nll_loss_bwd_cpu);

}  // namespace
}  // namespace hippograd
