// softmax and log_softmax of rows (tensor/kernels/softmax.h). Traffic to memory: x once, y once.
// Rows that fit the registers of a team of threads (cuda/team.cuh) are held there. Of others one pass finds the greatest element
// m and the sum s together (cuda/online.cuh) and a second one, which finds the row in the caches, writes.
#include "tensor/kernels/softmax.h"

#include "cuda/online.cuh"
#include "cuda/team.cuh"

namespace hippograd::cuda {
namespace {

// bf16 keeps 8 bits: the fast exponential (relative error below 2^-18 where it matters) is exact enough.
template <class T> HIPPOGRAD_DEVICE compute_t<T> exponential_of(compute_t<T> x) {
  if constexpr (std::is_same_v<T, bfloat16>) return __expf(x);
  else return exponential(x);
}

template <class T, int K, int V, bool kWarp, bool kCluster>
__global__ void __launch_bounds__(kWarp ? 128 : 1024) softmax_held(bool log_form, const T* x, T* y, int64_t rows, int n) {
  using A = compute_t<T>;
  Team<kWarp, kCluster> team;
  Held<T, K, V> next;
  if (team.id < rows) next.read(x + team.id * n, n, team);
  for (int64_t r = team.id; r < rows; r += team.count) {
    A v[K], m = -A(INFINITY), mine = 0;
    next.unpack(v, n, team, m);
    if (r + team.count < rows) next.read(x + (r + team.count) * n, n, team);
#pragma unroll
    for (int k = 0; k < K; ++k) m = Larger()(m, v[k]);
    m = team.join(m, -A(INFINITY), Larger());
#pragma unroll
    for (int k = 0; k < K; ++k) {
      v[k] -= m;
      const A e = exponential_of<T>(v[k]);
      mine += e;
      if (!log_form) v[k] = e;
    }
    const A sum = A(team.join(double(mine), 0.0, Plus())), scale = log_form ? log(sum) : 1 / sum;
#pragma unroll
    for (int k = 0; k < K; ++k) v[k] = log_form ? v[k] - scale : v[k] * scale;
    Held<T, K, V>::write(y + r * n, n, team, v);
  }
}

template <class T, int V> __global__ void softmax_fwd_kernel(bool log_form, const T* x, T* y, int64_t rows, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T* from = x + r * n;
    T* to = y + r * n;
    const MaxAndSum<A> row = max_and_sum<V>(from, n);
    const A scale = log_form ? log(row.sum) : 1 / row.sum;
    for_columns<V>(n, [&](int64_t c) {
      A v[V];
      take<V>(from + c, v);
#pragma unroll
      for (int j = 0; j < V; ++j) v[j] = log_form ? (v[j] - row.max) - scale : exponential(v[j] - row.max) * scale;
      put<V>(to + c, v);
    });
  }
}

// dx = y (dy - total), total = sum y dy; log: dx = dy - exp(y) total, total = sum dy.
template <class T, int K, int V, bool kWarp, bool kCluster>
__global__ void __launch_bounds__(kWarp ? 128 : 512) softmax_bwd_held(bool log_form, const T* y, const T* dy, T* dx, int64_t rows, int n) {
  using A = compute_t<T>;
  Team<kWarp, kCluster> team;
  Held<T, K, V> next_y, next_dy;
  next_y.clear();
  next_dy.clear();
  if (team.id < rows) {
    next_y.read(y + team.id * n, n, team);
    next_dy.read(dy + team.id * n, n, team);
  }
  for (int64_t r = team.id; r < rows; r += team.count) {
    A v[K], d[K], mine = 0;
    next_y.unpack(v);
    next_dy.unpack(d);
    if (r + team.count < rows) {
      next_y.read(y + (r + team.count) * n, n, team);
      next_dy.read(dy + (r + team.count) * n, n, team);
    }
#pragma unroll
    for (int k = 0; k < K; ++k) mine += log_form ? d[k] : v[k] * d[k];
    const A total = A(team.join(double(mine), 0.0, Plus()));
#pragma unroll
    for (int k = 0; k < K; ++k) d[k] = log_form ? d[k] - exponential_of<T>(v[k]) * total : v[k] * (d[k] - total);
    Held<T, K, V>::write(dx + r * n, n, team, d);
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
    if constexpr (!std::is_same_v<T, double>)
      if (std::optional<TeamPlan> plan = team_plan<T>(n, 1024, aligned16(from) && aligned16(to))) {
        spread(*plan, rows);
        return by_plan<T>(*plan, [&]<int K, int V, bool kWarp, bool kCluster>() {
          launch_teams("softmax", *plan, softmax_held<T, K, V, kWarp, kCluster>, 0, log_form, from, to, rows, int(n));
        });
      }
    by_pack<T>(n, [&]<int V>() { launch("softmax", softmax_fwd_kernel<T, V>, row_blocks(rows), row_threads(n, V), 0, log_form, from, to, rows, n); }, from, to);
  });
}
void softmax_bwd(bool log_form, CArray y, CArray dy, MArray dx) {
  const int64_t n = y.shape().back(), rows = n ? y.numel() / n : 0;
  if (rows == 0) return;
  visit(FloatBf16{}, y.dtype(), "softmax", [&]<class T>() {
    const T *yp = y.data<T>(), *dyp = dy.data<T>();
    T* to = dx.data<T>();
    if constexpr (!std::is_same_v<T, double>)
      if (std::optional<TeamPlan> plan = team_plan<T>(n, 512, aligned16(yp) && aligned16(dyp) && aligned16(to))) {
        spread(*plan, rows, 512);
        return by_plan<T>(*plan, [&]<int K, int V, bool kWarp, bool kCluster>() {
          launch_teams("softmax", *plan, softmax_bwd_held<T, K, V, kWarp, kCluster>, 0, log_form, yp, dyp, to, rows, int(n));
        });
      }
    by_pack<T>(n, [&]<int V>() { launch("softmax", softmax_bwd_kernel<T, V>, row_blocks(rows), row_threads(n, V), 0, log_form, yp, dyp, to, rows, n); },
               yp, dyp, to);
  });
}

const Bind b0(kernels::softmax_fwd, DeviceKind::CUDA, softmax_fwd, kTakesBf16);
const Bind b1(kernels::softmax_bwd, DeviceKind::CUDA, softmax_bwd, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
