#include "tensor/kernels/softmax.h"

#include <cmath>

#include "tensor/cpu/rows.h"

namespace hippograd {
namespace kernels {
constinit decltype(softmax_fwd) softmax_fwd{"softmax_fwd"};
constinit decltype(softmax_bwd) softmax_bwd{"softmax_bwd"};
}  // namespace kernels

namespace {

using namespace cpu;

template <class T> void softmax_row(const T* x, int64_t n, T* y) {
  const T m = row_max(x, n);
  const double s = row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> e = expv<T>(take(x + i, k) - m);
    put(y + i, e, k);
    return e;
  });
  const T inverse = T(1 / s);
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS { put(y + i, take(y + i, k) * inverse, k); });
}

template <class T> void log_softmax_row(const T* x, int64_t n, T* y) {
  const T m = row_max(x, n);
  const T log_s = T(std::log(row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS { return expv<T>(take(x + i, k) - m); })));
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS { put(y + i, (take(x + i, k) - m) - log_s, k); });
}

template <class T> void softmax_row_bwd(const T* y, const T* dy, int64_t n, T* dx) {
  const T inner = T(row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS { return take(y + i, k) * take(dy + i, k); }));
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS { put(dx + i, take(y + i, k) * (take(dy + i, k) - inner), k); });
}

template <class T> void log_softmax_row_bwd(const T* y, const T* dy, int64_t n, T* dx) {
  const T total = T(row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS { return take(dy + i, k); }));
  for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS { put(dx + i, take(dy + i, k) - expv<T>(take(y + i, k)) * total, k); });
}

void softmax_fwd_cpu(bool log, CArray x, MArray y) {
  visit(FloatTypes{}, x.dtype(), "softmax", [&]<class T>() {
    const int64_t columns = x.shape().back(), rows = columns ? x.numel() / columns : 0;
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_each_row(rows, columns, 0.5, [&](int64_t r) {
      if (log) log_softmax_row(from + r * columns, columns, to + r * columns);
      else softmax_row(from + r * columns, columns, to + r * columns);
    });
  });
}

void softmax_bwd_cpu(bool log, CArray y, CArray dy, MArray dx) {
  visit(FloatTypes{}, y.dtype(), "softmax", [&]<class T>() {
    const int64_t columns = y.shape().back(), rows = columns ? y.numel() / columns : 0;
    const T *yp = y.data<T>(), *dyp = dy.data<T>();
    T* to = dx.data<T>();
    for_each_row(rows, columns, 0.5, [&](int64_t r) {
      const int64_t at = r * columns;
      if (log) log_softmax_row_bwd(yp + at, dyp + at, columns, to + at);
      else softmax_row_bwd(yp + at, dyp + at, columns, to + at);
    });
  });
}

const Bind b0(kernels::softmax_fwd, DeviceKind::CPU, softmax_fwd_cpu);
const Bind b1(kernels::softmax_bwd, DeviceKind::CPU, softmax_bwd_cpu);

}  // namespace
}  // namespace hippograd
