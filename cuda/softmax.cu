// softmax and log_softmax of rows (tensor/kernels/softmax.h). Traffic to memory: x once, y once.
// Rows that fit the registers of a team of threads (cuda/team.cuh) are held there. Of others one pass finds the greatest element
// m and the sum s together (cuda/online.cuh) and a second one, which finds the row in the caches, writes.
#include "tensor/kernels/softmax.h"

#include "cuda/online.cuh"
#include "cuda/team.cuh"

namespace hippograd::cuda {
namespace {

// Each warp takes its own greatest element out, so that one join per row is enough (cuda/online.cuh).
template <class T, int K, int V, bool kWarp, bool kCluster>
__global__ void __launch_bounds__(kWarp ? 128 : 1024) softmax_held(bool log_form, const T* x, T* y, int64_t rows, int n) {
  using A = compute_t<T>;
  using Row = Held<T, K, V>;
  constexpr bool kKeep = std::is_same_v<T, A>;   // exponentials stay where the elements were; bf16 forms them twice
  const A lowest = -A(INFINITY);
  Team<kWarp, kCluster> team;
  extern __shared__ __align__(16) unsigned char memory[];
  NextRow<T, K, V, kWarp> next(memory);
  if (team.id < rows) next.fetch(x + team.id * n, n, team);
  for (int64_t r = team.id; r < rows; r += team.count) {
    Row now;
    next.get(now);
    if (r + team.count < rows) next.fetch(x + (r + team.count) * n, n, team);
    A m = lowest, sum = 0;
#pragma unroll
    for (int p = 0; p < Row::P; ++p)
      if (Row::column(team, p) < n)
#pragma unroll
        for (int j = 0; j < V; ++j) m = Larger()(m, now.value(p, j));
    m = warp_join(m, Larger());
    now.forget();
    const A base = m == lowest ? A(0) : m;   // -inf - 0: such elements add nothing
#pragma unroll
    for (int p = 0; p < Row::P; ++p)
      if (Row::column(team, p) < n)
#pragma unroll
        for (int j = 0; j < V; ++j) {
          const A e = exponential_of<T>(now.value(p, j) - base);
          sum += e;
          if constexpr (kKeep)
            if (!log_form) now.pack[p].v[j] = e;
        }
    now.forget();
    const MaxAndSum<A> all = team.join_warps(MaxAndSum<A>{m, warp_join(sum, Plus())}, MaxAndSum<A>{lowest, 0}, JoinMaxAndSum());
    const A total = all.max == lowest ? A(NAN) : all.sum, shift = log_form || !kKeep ? all.max : A(0);
    const A scale = log_form ? log(total) : kKeep ? exponential(m - all.max) / total : 1 / total;
#pragma unroll
    for (int p = 0; p < Row::P; ++p) {
      if (Row::column(team, p) >= n) continue;
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A v = now.value(p, j) - shift;
        store(out.v[j], log_form ? v - scale : kKeep ? v * scale : exponential_of<T>(v) * scale);
      }
      *reinterpret_cast<Pack<T, V>*>(y + r * n + Row::column(team, p)) = out;
    }
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
  using Row = Held<T, K, V>;
  Team<kWarp, kCluster> team;
  Row next_y, next_dy;   // zero beyond the row
  next_y.clear();
  next_dy.clear();
  if (team.id < rows) {
    next_y.read(y + team.id * n, n, team);
    next_dy.read(dy + team.id * n, n, team);
  }
  for (int64_t r = team.id; r < rows; r += team.count) {
    Row now_y = next_y, now_dy = next_dy;
    if (r + team.count < rows) {
      next_y.read(y + (r + team.count) * n, n, team);
      next_dy.read(dy + (r + team.count) * n, n, team);
    }
    A mine = 0;
#pragma unroll
    for (int p = 0; p < Row::P; ++p)
#pragma unroll
      for (int j = 0; j < V; ++j) mine += log_form ? now_dy.value(p, j) : now_y.value(p, j) * now_dy.value(p, j);
    now_y.forget();
    now_dy.forget();
    const A total = team.join(mine, A(0), Plus());
#pragma unroll
    for (int p = 0; p < Row::P; ++p) {
      if (Row::column(team, p) >= n) continue;
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A v = now_y.value(p, j), d = now_dy.value(p, j);
        store(out.v[j], log_form ? d - exponential_of<T>(v) * total : v * (d - total));
      }
      *reinterpret_cast<Pack<T, V>*>(dx + r * n + Row::column(team, p)) = out;
    }
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
          launch_teams("softmax", *plan, softmax_held<T, K, V, kWarp, kCluster>, NextRow<T, K, V, kWarp>::kBytesPerThread * size_t(plan->threads), log_form, from, to, rows, int(n));
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
