#include "tensor/kernels/norm.h"

#include <cmath>
#include <vector>

#include "tensor/cpu/rows.h"

namespace hippograd {
namespace kernels {
constinit decltype(layer_norm_fwd) layer_norm_fwd{"layer_norm_fwd"};
constinit decltype(layer_norm_bwd) layer_norm_bwd{"layer_norm_bwd"};
constinit decltype(rms_norm_fwd) rms_norm_fwd{"rms_norm_fwd"};
constinit decltype(rms_norm_bwd) rms_norm_bwd{"rms_norm_bwd"};
}  // namespace kernels

namespace {

using namespace cpu;
using kernels::Gate;

template <class T> const T* maybe(CArray a) { return a.defined() ? a.data<T>() : nullptr; }
template <class T> T* maybe(MArray a) { return a.defined() ? a.data<T>() : nullptr; }

// 1 / sqrt(mean(d^2) + eps), where d(i, k) gives the elements. Squares that leave the range of T are scaled by the largest
// element first.
template <class T, class D> T inverse_rms(int64_t n, double eps, D&& d) {
  const double mean = row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> v = d(i, k);
    return v * v;
  }) / double(n);
  constexpr double kTiny = sizeof(T) == 4 ? 1e-30 : 1e-280;
  if ((mean >= kTiny && mean <= double(std::numeric_limits<T>::max())) || mean != mean) return T(1 / std::sqrt(mean + eps));
  double largest = 0;
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> v = absv<T>(keep_first<T>(d(i, k), k));
    for (int j = 0; j < k; ++j) largest = v[j] > largest ? double(v[j]) : largest;
  });
  if (largest == 0) return T(1 / std::sqrt(eps));
  if (std::isinf(largest)) return T(0);
  double sum = 0;
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> v = d(i, k);
    for (int j = 0; j < k; ++j) sum += (double(v[j]) / largest) * (double(v[j]) / largest);
  });
  const double relative = std::sqrt(eps) / largest;   // sqrt(mean + eps) = largest * sqrt(sum / n + eps / largest^2)
  return T(1 / largest / std::sqrt(sum / double(n) + relative * relative));
}

// Runs f(first row, last row, partial sums) for pieces of the rows and adds the partial sums (`width` numbers each) in order.
template <class T, class F> void sum_over_pieces(int64_t rows, int64_t width, double cost, T* const* totals, int count, F&& f) {
  const int64_t per_piece = std::max<int64_t>(32, (rows + 511) / 512), pieces = (rows + per_piece - 1) / per_piece;
  int64_t kept = 0;
  for (int t = 0; t < count; ++t) kept += totals[t] ? width : 0;
  std::vector<T> partial(size_t(pieces * kept), T(0));
  parallel_for(pieces, cost, [&](int64_t p) {
    T* mine[3] = {};
    T* next = partial.data() + p * kept;
    for (int t = 0; t < count; ++t)
      if (totals[t]) { mine[t] = next; next += width; }
    f(p * per_piece, std::min(rows, (p + 1) * per_piece), mine);
  });
  int64_t offset = 0;
  for (int t = 0; t < count; ++t) {
    if (!totals[t]) continue;
    for (int64_t j = 0; j < width; ++j) {
      double s = 0;
      for (int64_t p = 0; p < pieces; ++p) s += double(partial[size_t(p * kept + offset + j)]);
      totals[t][j] = T(s);
    }
    offset += width;
  }
}

// ---- layer_norm ----

template <class T> void layer_norm_row(const T* x, const T* w, const T* b, int64_t n, double eps, T* y, T* stats) {
  const T first = x[0];
  const T shift = T(row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS { return take(x + i, k) - first; }) / double(n));
  const T r = inverse_rms<T>(n, eps, [&](int64_t i, int k) HG_ALWAYS { return (take(x + i, k) - first) - shift; });
  stats[0] = shift;
  stats[1] = r;
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    Vec<T> v = ((take(x + i, k) - first) - shift) * r;
    if (w) v *= take(w + i, k);
    if (b) v += take(b + i, k);
    put(y + i, v, k);
  });
}

template <class T> void layer_norm_row_bwd(const T* x, const T* w, const T* dy, int64_t n, const T* stats, T* dx, T* dw, T* db) {
  const T first = x[0], shift = stats[0], r = stats[1];
  const auto x_hat = [&](int64_t i, int k) HG_ALWAYS { return ((take(x + i, k) - first) - shift) * r; };
  const auto sums = row_sums<T, 2>(n, [&](int64_t i, int k, Vec<T>* out) HG_ALWAYS {
    const Vec<T> d = take(dy + i, k), h = x_hat(i, k), g = w ? d * take(w + i, k) : d;
    if (dw) put(dw + i, take(dw + i, k) + d * h, k);
    if (db) put(db + i, take(db + i, k) + d, k);
    if (dx) put(dx + i, g, k);   // rounded once: recomputed, g - mean(g) would be fused, and not be 0 where it should
    out[0] = g;
    out[1] = g * h;
  });
  if (!dx) return;
  const T mean_g = T(sums[0] / double(n)), mean_gh = T(sums[1] / double(n));
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    put(dx + i, r * ((take(dx + i, k) - mean_g) - x_hat(i, k) * mean_gh), k);
  });
}

void layer_norm_fwd_cpu(CArray x, CArray weight, CArray bias, double eps, MArray y, MArray stats) {
  visit(FloatTypes{}, x.dtype(), "layer_norm", [&]<class T>() {
    const int64_t rows = x.shape()[0], n = x.shape()[1];
    if (n == 0) return;
    const T *xp = x.data<T>(), *w = maybe<T>(weight), *b = maybe<T>(bias);
    T *yp = y.data<T>(), *sp = stats.data<T>();
    for_each_row(rows, n, 0.4, [&](int64_t r) { layer_norm_row(xp + r * n, w, b, n, eps, yp + r * n, sp + 2 * r); });
  });
}

void layer_norm_bwd_cpu(CArray x, CArray weight, CArray stats, CArray dy, MArray dx, MArray dweight, MArray dbias) {
  visit(FloatTypes{}, x.dtype(), "layer_norm", [&]<class T>() {
    const int64_t rows = x.shape()[0], n = x.shape()[1];
    const T *xp = x.data<T>(), *w = maybe<T>(weight), *sp = stats.data<T>(), *dyp = dy.data<T>();
    T* const totals[2] = {maybe<T>(dweight), maybe<T>(dbias)};
    T* dxp = maybe<T>(dx);
    sum_over_pieces<T>(rows, n, 0.6 * double(rows) * double(n), totals, 2, [&](int64_t begin, int64_t end, T* const* mine) {
      for (int64_t r = begin; r < end && n > 0; ++r)
        layer_norm_row_bwd(xp + r * n, w, dyp + r * n, n, sp + 2 * r, dxp ? dxp + r * n : nullptr, mine[0], mine[1]);
    });
  });
}

// ---- rms_norm ----

template <class T> HG_INLINE Vec<T> silu(Vec<T> z) { return z * sigmoidv<T>(z); }
template <class T> HG_INLINE Vec<T> silu_slope(Vec<T> z) {
  const Vec<T> s = sigmoidv<T>(z);
  return s * (T(1) + z * (T(1) - s));
}

template <class T, Gate kGate> void rms_norm_row(const T* x, const T* z, const T* w, int64_t n, double eps, T* y, T* stat) {
  const auto u = [&](int64_t i, int k) HG_ALWAYS {
    Vec<T> v = take(x + i, k);
    if constexpr (kGate == Gate::Before) v *= silu<T>(take(z + i, k));
    return v;
  };
  const T r = *stat = inverse_rms<T>(n, eps, u);
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    Vec<T> v = u(i, k) * r;
    if (w) v *= take(w + i, k);
    if constexpr (kGate == Gate::After) v *= silu<T>(take(z + i, k));
    put(y + i, v, k);
  });
}

template <class T, Gate kGate>
void rms_norm_row_bwd(const T* x, const T* z, const T* w, const T* dy, int64_t n, T r, T* dx, T* dz, T* dw) {
  const auto u_hat = [&](int64_t i, int k) HG_ALWAYS {   // u r
    Vec<T> v = take(x + i, k);
    if constexpr (kGate == Gate::Before) v *= silu<T>(take(z + i, k));
    return v * r;
  };
  const auto cotangent = [&](int64_t i, int k) HG_ALWAYS {   // of the ungated, weighted norm
    Vec<T> d = take(dy + i, k);
    if constexpr (kGate == Gate::After) d *= silu<T>(take(z + i, k));
    return d;
  };
  const T mean = T(row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> h = u_hat(i, k), d = cotangent(i, k);
    if (dw) put(dw + i, take(dw + i, k) + d * h, k);
    return (w ? d * take(w + i, k) : d) * h;
  }) / double(n));
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> h = u_hat(i, k);
    Vec<T> g = cotangent(i, k);
    if (w) g *= take(w + i, k);
    const Vec<T> du = r * (g - h * mean);
    if constexpr (kGate == Gate::Before) {
      const Vec<T> zv = take(z + i, k);
      if (dx) put(dx + i, du * silu<T>(zv), k);
      if (dz) put(dz + i, du * take(x + i, k) * silu_slope<T>(zv), k);
    } else {
      if (dx) put(dx + i, du, k);
      if constexpr (kGate == Gate::After)
        if (dz) put(dz + i, take(dy + i, k) * (w ? h * take(w + i, k) : h) * silu_slope<T>(take(z + i, k)), k);
    }
  });
}

template <class F> void with_gate(Gate gate, F&& f) {
  if (gate == Gate::None) f.template operator()<Gate::None>();
  else if (gate == Gate::After) f.template operator()<Gate::After>();
  else f.template operator()<Gate::Before>();
}

void rms_norm_fwd_cpu(CArray x, CArray z, CArray weight, Gate gate, double eps, MArray y, MArray stats) {
  visit(FloatTypes{}, x.dtype(), "rms_norm", [&]<class T>() {
    with_gate(gate, [&]<Gate kGate>() {
      const int64_t rows = x.shape()[0], groups = x.shape()[1], n = x.shape()[2];
      if (n == 0) return;
      const T *xp = x.data<T>(), *zp = maybe<T>(z), *w = maybe<T>(weight);
      T *yp = y.data<T>(), *sp = stats.data<T>();
      for_each_row(rows * groups, n, kGate == Gate::None ? 0.3 : 1, [&](int64_t r) {
        rms_norm_row<T, kGate>(xp + r * n, zp ? zp + r * n : nullptr, w ? w + r % groups * n : nullptr, n, eps, yp + r * n, sp + r);
      });
    });
  });
}

void rms_norm_bwd_cpu(CArray x, CArray z, CArray weight, Gate gate, CArray stats, CArray dy, MArray dx, MArray dz, MArray dweight) {
  visit(FloatTypes{}, x.dtype(), "rms_norm", [&]<class T>() {
    with_gate(gate, [&]<Gate kGate>() {
      const int64_t rows = x.shape()[0], groups = x.shape()[1], n = x.shape()[2], width = groups * n;
      const T *xp = x.data<T>(), *zp = maybe<T>(z), *w = maybe<T>(weight), *sp = stats.data<T>(), *dyp = dy.data<T>();
      T* const totals[1] = {maybe<T>(dweight)};
      T *dxp = maybe<T>(dx), *dzp = maybe<T>(dz);
      sum_over_pieces<T>(rows, width, (kGate == Gate::None ? 0.5 : 2) * double(rows) * double(width), totals, 1,
                         [&](int64_t begin, int64_t end, T* const* mine) {
        for (int64_t r = begin * groups; r < end * groups && n > 0; ++r) {
          const int64_t at = r * n, column = r % groups * n;
          rms_norm_row_bwd<T, kGate>(xp + at, zp ? zp + at : nullptr, w ? w + column : nullptr, dyp + at, n, sp[r],
                                     dxp ? dxp + at : nullptr, dzp ? dzp + at : nullptr, mine[0] ? mine[0] + column : nullptr);
        }
      });
    });
  });
}

const Bind b0(kernels::layer_norm_fwd, DeviceKind::CPU, layer_norm_fwd_cpu);
const Bind b1(kernels::layer_norm_bwd, DeviceKind::CPU, layer_norm_bwd_cpu);
const Bind b2(kernels::rms_norm_fwd, DeviceKind::CPU, rms_norm_fwd_cpu);
const Bind b3(kernels::rms_norm_bwd, DeviceKind::CPU, rms_norm_bwd_cpu);

}  // namespace
}  // namespace hippograd
