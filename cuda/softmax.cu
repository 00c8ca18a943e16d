// softmax and log_softmax of rows (tensor/kernels/softmax.h). Traffic to memory: x once, y once.
// Rows that fit the registers of a team of threads (cuda/team.cuh) are held there. Of others one pass finds the greatest element
// m and the sum s together (cuda/online.cuh) and a second one, which finds the row in the caches, writes.
#include "tensor/kernels/softmax.h"

#include "cuda/online.cuh"
#include "cuda/team.cuh"

namespace hippograd::cuda {
namespace {

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
    const A sum = team.join(mine, A(0), Plus()), scale = log_form ? log(sum) : 1 / sum;
#pragma unroll
    for (int k = 0; k < K; ++k) v[k] = log_form ? v[k] - scale : v[k] * scale;
    Held<T, K, V>::write(y + r * n, n, team, v);
  }
}

template <class T> __global__ void __launch_bounds__(512) softmax_fwd_kernel(bool log_form, const T* x, T* y, int64_t rows, int64_t n, bool packed) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T* from = x + r * n;
    T* to = y + r * n;
    const MaxAndSum<A> row = max_and_sum(from, n, packed);
    const A scale = log_form ? log(row.sum) : 1 / row.sum;
    const auto result = [&](A v) { return log_form ? (v - row.max) - scale : exponential_of<T>(v - row.max) * scale; };
    over_row(from, n, packed,
             [&](int64_t c, int64_t step, int count) {
               A v[kMany<T> * kPack<T>];
               take_many(from + c, step, count, A(0), v);
#pragma unroll
               for (A& e : v) e = result(e);
               put_many(to + c, step, count, v);
             },
             [&](int64_t c) { store(to[c], result(load(from[c]))); });
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
    const A total = team.join(mine, A(0), Plus());
#pragma unroll
    for (int k = 0; k < K; ++k) d[k] = log_form ? d[k] - exponential_of<T>(v[k]) * total : v[k] * (d[k] - total);
    Held<T, K, V>::write(dx + r * n, n, team, d);
  }
}
template <class T>
__global__ void __launch_bounds__(512) softmax_bwd_kernel(bool log_form, const T* y, const T* dy, T* dx, int64_t rows, int64_t n, bool packed) {
  using A = compute_t<T>;
  constexpr int K = kMany<T> * kPack<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t at = r * n;
    A mine = 0;
    over_row(y + at, n, packed,
             [&](int64_t c, int64_t step, int count) {
               A v[K], d[K];
               take_many(dy + at + c, step, count, A(0), d);
               if (!log_form) take_many(y + at + c, step, count, A(0), v);
#pragma unroll
               for (int k = 0; k < K; ++k) mine += log_form ? d[k] : v[k] * d[k];
             },
             [&](int64_t c) { mine += log_form ? load(dy[at + c]) : load(y[at + c]) * load(dy[at + c]); });
    const A total = A(row_sum(mine));
    const auto slope = [&](A v, A d) { return log_form ? d - exponential_of<T>(v) * total : v * (d - total); };
    over_row(y + at, n, packed,
             [&](int64_t c, int64_t step, int count) {
               A v[K], d[K];
               take_many(y + at + c, step, count, A(0), v);
               take_many(dy + at + c, step, count, A(0), d);
#pragma unroll
               for (int k = 0; k < K; ++k) d[k] = slope(v[k], d[k]);
               put_many(dx + at + c, step, count, d);
             },
             [&](int64_t c) { store(dx[at + c], slope(load(y[at + c]), load(dy[at + c]))); });
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
    launch("softmax", softmax_fwd_kernel<T>, row_blocks(rows), row_threads(n, kPack<T>), 0, log_form, from, to, rows, n, aligned16(from) && aligned16(to));
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
    launch("softmax", softmax_bwd_kernel<T>, row_blocks(rows), row_threads(n, kPack<T>), 0, log_form, yp, dyp, to, rows, n,
           aligned16(yp) && aligned16(dyp) && aligned16(to));
  });
}

const Bind b0(kernels::softmax_fwd, DeviceKind::CUDA, softmax_fwd, kTakesBf16);
const Bind b1(kernels::softmax_bwd, DeviceKind::CUDA, softmax_bwd, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
