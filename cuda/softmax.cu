// softmax and log_softmax of rows (tensor/kernels/softmax.h): one pass finds the greatest element m and the sum s together,
//   (m, s) and x:  m' = max(m, x),  s' = s exp(m - m') + exp(x - m')
// and a second one, which finds the row in the L2 cache, writes. Traffic to memory: x once, y once.
#include "tensor/kernels/softmax.h"

#include "cuda/online.cuh"

namespace hippograd::cuda {
namespace {

template <class T, int V> __global__ void softmax_fwd_kernel(bool log_form, const T* x, T* y, int64_t rows, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T* from = x + r * n;
    T* to = y + r * n;
    const MaxAndSum<A> row = max_and_sum<V>(from, n);
    const A scale = log_form ? A(log(double(row.sum))) : A(1 / double(row.sum));
    for_columns<V>(n, [&](int64_t c) {
      A v[V];
      take<V>(from + c, v);
#pragma unroll
      for (int j = 0; j < V; ++j) v[j] = log_form ? (v[j] - row.max) - scale : exponential(v[j] - row.max) * scale;
      put<V>(to + c, v);
    });
  }
}
template <class T, int V> __global__ void softmax_bwd_kernel(bool log_form, const T* y, const T* dy, T* dx, int64_t rows, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t at = r * n;
    A mine = 0;
    for_columns<V>(n, [&](int64_t c) {
      A v[V], d[V];
      take<V>(dy + at + c, d);
      if (!log_form) take<V>(y + at + c, v);
#pragma unroll
      for (int j = 0; j < V; ++j) mine += log_form ? d[j] : v[j] * d[j];
    });
    const A total = A(row_sum(mine));
    for_columns<V>(n, [&](int64_t c) {
      A v[V], d[V];
      take<V>(y + at + c, v);
      take<V>(dy + at + c, d);
#pragma unroll
      for (int j = 0; j < V; ++j) d[j] = log_form ? d[j] - exponential(v[j]) * total : v[j] * (d[j] - total);
      put<V>(dx + at + c, d);
    });
  }
}

void softmax_fwd(bool log_form, CArray x, MArray y) {
  const int64_t n = x.shape().back(), rows = n ? x.numel() / n : 0;
  if (rows == 0) return;
  visit(FloatBf16{}, x.dtype(), "softmax", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    by_pack<T>(n, [&]<int V>() { launch("softmax", softmax_fwd_kernel<T, V>, row_blocks(rows), row_threads(n, V), 0, log_form, from, to, rows, n); }, from, to);
  });
}
void softmax_bwd(bool log_form, CArray y, CArray dy, MArray dx) {
  const int64_t n = y.shape().back(), rows = n ? y.numel() / n : 0;
  if (rows == 0) return;
  visit(FloatBf16{}, y.dtype(), "softmax", [&]<class T>() {
    const T *yp = y.data<T>(), *dyp = dy.data<T>();
    T* to = dx.data<T>();
    by_pack<T>(n, [&]<int V>() { launch("softmax", softmax_bwd_kernel<T, V>, row_blocks(rows), row_threads(n, V), 0, log_form, yp, dyp, to, rows, n); },
               yp, dyp, to);
  });
}

const Bind b0(kernels::softmax_fwd, DeviceKind::CUDA, softmax_fwd, kTakesBf16);
const Bind b1(kernels::softmax_bwd, DeviceKind::CUDA, softmax_bwd, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
