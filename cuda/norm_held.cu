// layer_norm and rms_norm of rows that stay in registers (cuda/team.cuh). Memory traffic:
//   forward    x once, y once; a block keeps its part of weight and bias in shared memory
//   backward   x and dy once, dx once. Each thread adds up the gradients of weight and bias for its columns in registers over
//              all rows of its team; a second kernel adds the teams' sums. How many teams there are depends on the shape alone.
#include "cuda/norm_held.h"

#include "cuda/pieces.cuh"
#include "cuda/team.cuh"

namespace hippograd::cuda {
namespace {

// weight or bias: thread-owned packs, copied to shared memory once by blocks, read through the cache by warps.
template <class T, int K, bool kWarp> struct HeldWeight {
  using A = compute_t<T>;
  static constexpr int V = kPack<T>, P = K / V;
  const T* from;
  Pack<T, V>* shared;

  template <class AnyTeam> HIPPOGRAD_DEVICE HeldWeight(const T* w, int n, const AnyTeam& team, unsigned char* memory) : from(w) {
    if constexpr (!kWarp) {
      shared = reinterpret_cast<Pack<T, V>*>(memory) + threadIdx.x;
#pragma unroll
      for (int p = 0; p < P; ++p) {
        const int c = Held<T, K>::column(team, p);
        if (w) shared[p * blockDim.x] = c < n ? *reinterpret_cast<const Pack<T, V>*>(w + c) : Pack<T, V>{};   // 0 beyond the row
      }
    }
  }
  template <class AnyTeam> HIPPOGRAD_DEVICE void get(int p, int n, const AnyTeam& team, A (&v)[V]) const {
    if constexpr (kWarp) {
      const int c = Held<T, K>::column(team, p);
      take<V>(from + (c < n ? c : 0), v);
    } else {
      const Pack<T, V> pack = shared[p * blockDim.x];
#pragma unroll
      for (int j = 0; j < V; ++j) v[j] = load(pack.v[j]);
    }
  }
  static size_t bytes(int threads) { return kWarp ? 0 : size_t(threads) * P * 16; }
};

// 1 / sqrt(mean + eps), mean = sum d^2 / n. Squares that leave the range of A are scaled by a power of two near the largest
// element first (two factors, each of which A holds).
template <class A, int K, class AnyTeam> HIPPOGRAD_DEVICE A inverse_rms(double mean, int n, double eps, const A (&d)[K], AnyTeam& team) {
  if ((mean >= 1e-30 && mean <= 3.4028234663852886e38) || mean != mean) return A(1) / sqrt(A(mean + eps));
  A largest = 0, sum = 0;
#pragma unroll
  for (int k = 0; k < K; ++k) largest = Larger()(largest, fabs(d[k]));
  largest = team.join(largest, A(0), Larger());
  if (largest == 0) return A(1 / sqrt(eps));
  if (isinf(largest)) return A(0);
  const int exponent = ilogbf(largest);
  const A half = ldexpf(A(1), -(exponent / 2)), rest = ldexpf(A(1), -(exponent - exponent / 2));
#pragma unroll
  for (int k = 0; k < K; ++k) sum += (d[k] * half * rest) * (d[k] * half * rest);
  const double factor = double(half) * double(rest);   // 1 / sqrt(mean + eps) = factor / sqrt(factor^2 (mean + eps))
  return A(factor / sqrt(double(team.join(sum, A(0), Plus())) / n + factor * factor * eps));
}

// Mean and sum of squares about it, of n elements; two sets joined by the formula of Chan, Golub and LeVeque (1979). Each thread
// forms those of its own elements in two passes, so one join per row is as good as two passes over the row.
template <class A> struct Moments { A mean, m2, n; };
struct JoinMoments {
  template <class A> HIPPOGRAD_DEVICE Moments<A> operator()(const Moments<A>& a, const Moments<A>& b) const {
    const A n = a.n + b.n, d = b.mean - a.mean, share = n > 0 ? __fdividef(b.n, n) : A(0);
    return {a.mean + d * share, a.m2 + b.m2 + d * (d * share * a.n), n};   // no inf * 0 where b is empty
  }
};

template <class T, int K, bool kWarp, bool kCluster, bool kCentre>
__global__ void __launch_bounds__(kWarp ? 128 : 1024)
norm_fwd_kernel(const T* x, const T* w, const T* b, double eps, double inverse_n, T* y, compute_t<T>* stats, int64_t rows, int n) {
  using A = compute_t<T>;
  using Row = Held<T, K>;
  extern __shared__ __align__(16) unsigned char memory[];
  Team<kWarp, kCluster> team;
  const HeldWeight<T, K, kWarp> weight(w, n, team, memory), bias(b, n, team, memory + (w ? size_t(Row::P) * blockDim.x * 16 : 0));
  Row next;
  next.clear();
  A next_first = 0;
  if (team.id < rows) {
    next.read(x + team.id * n, n, team);
    next_first = load(x[team.id * n]);
  }
  for (int64_t r = team.id; r < rows; r += team.count) {
    A v[K], shift = 0, squares = 0;
    const A first = kCentre ? next_first : A(0);
    next.unpack(v, n, team, first);
    if (r + team.count < rows) {
      next.read(x + (r + team.count) * n, n, team);
      next_first = load(x[(r + team.count) * n]);
    }
    double mean_square;
    if constexpr (kCentre) {
      A sum = 0, held = 0;
#pragma unroll
      for (int k = 0; k < K; ++k) v[k] -= first, sum += v[k];
#pragma unroll
      for (int p = 0; p < Row::P; ++p) held += Row::column(team, p) < n ? A(Row::kV) : A(0);
      const A mine = held > 0 ? __fdividef(sum, held) : A(0);
#pragma unroll
      for (int k = 0; k < K; ++k) {
        const A d = Row::column(team, k / Row::kV) < n ? v[k] - mine : A(0);
        squares += d * d;
      }
      const Moments<A> all = team.join(Moments<A>{mine, squares, held}, Moments<A>{0, 0, 0}, JoinMoments());
      shift = all.mean;
      mean_square = double(all.m2) * inverse_n;
#pragma unroll
      for (int k = 0; k < K; ++k) v[k] = Row::column(team, k / Row::kV) < n ? v[k] - shift : A(0);
    } else {
#pragma unroll
      for (int k = 0; k < K; ++k) squares += v[k] * v[k];
      mean_square = double(team.join(squares, A(0), Plus())) * inverse_n;
    }
    const A scale = inverse_rms(mean_square, n, eps, v, team);
    if (team.rank == 0) {
      if constexpr (kCentre) stats[2 * r] = shift, stats[2 * r + 1] = scale;
      else stats[r] = scale;
    }
#pragma unroll
    for (int p = 0; p < Row::P; ++p) {
      A u[Row::kV], c[Row::kV];
      if (w) weight.get(p, n, team, u);
      if (kCentre && b) bias.get(p, n, team, c);
#pragma unroll
      for (int j = 0; j < Row::kV; ++j) {
        A& e = v[p * Row::kV + j];
        e *= scale;
        if (w) e *= u[j];
        if (kCentre && b) e += c[j];
      }
    }
    Row::write(y + r * n, n, team, v);
  }
}

template <class T, int K, bool kWarp, bool kCluster, bool kCentre>
__global__ void __launch_bounds__(kWarp ? 128 : 512)
norm_bwd_kernel(const T* x, const T* w, const compute_t<T>* stats, const T* dy, T* dx, compute_t<T>* partial, compute_t<T> inverse_n, int64_t rows, int n) {
  using A = compute_t<T>;
  using Row = Held<T, K>;
  constexpr bool kAhead = !kWarp;   // warps: others' loads fill the time, the registers hold the sums
  struct Two { A a, b; };
  extern __shared__ __align__(16) unsigned char memory[];
  Team<kWarp, kCluster> team;
  const HeldWeight<T, K, kWarp> weight(w, n, team, memory);
  A dw[K] = {}, db[K] = {};
  Row next_x, next_dy;   // zero beyond the row: adds nothing to any sum
  next_x.clear();
  next_dy.clear();
  if (kAhead && team.id < rows) {
    next_x.read(x + team.id * n, n, team);
    next_dy.read(dy + team.id * n, n, team);
  }
  for (int64_t r = team.id; r < rows; r += team.count) {
    A hat[K], g[K];
    if constexpr (kAhead) {
      next_x.unpack(hat);
      next_dy.unpack(g);
    } else {
      Row now_x, now_dy;
      now_x.clear();
      now_dy.clear();
      now_x.read(x + r * n, n, team);
      now_dy.read(dy + r * n, n, team);
      now_x.unpack(hat);
      now_dy.unpack(g);
    }
    const A first = kCentre ? load(x[r * n]) : A(0), shift = kCentre ? stats[2 * r] : A(0), scale = kCentre ? stats[2 * r + 1] : stats[r];
    if (kAhead && r + team.count < rows) {
      next_x.read(x + (r + team.count) * n, n, team);
      next_dy.read(dy + (r + team.count) * n, n, team);
    }
    A sum_g = 0, sum_gh = 0;
#pragma unroll
    for (int p = 0; p < Row::P; ++p) {
      A u[Row::kV];
      if (w) weight.get(p, n, team, u);
#pragma unroll
      for (int j = 0; j < Row::kV; ++j) {
        const int k = p * Row::kV + j;
        hat[k] = kCentre ? ((hat[k] - first) - shift) * scale : hat[k] * scale;
        dw[k] += g[k] * hat[k];
        db[k] += g[k];
        if (w) g[k] = multiply(g[k], u[j]);   // rounded by itself: else g - mean(g) would not be 0 where it should
        sum_g += g[k];
        sum_gh += g[k] * hat[k];
      }
    }
    if (!dx) continue;
    A mean_g = 0, mean_gh;
    if constexpr (kCentre) {
      const Two sums = team.join(Two{sum_g, sum_gh}, Two{0, 0}, [](const Two& s, const Two& t) { return Two{s.a + t.a, s.b + t.b}; });
      mean_g = sums.a * inverse_n, mean_gh = sums.b * inverse_n;
    } else {
      mean_gh = team.join(sum_gh, A(0), Plus()) * inverse_n;
    }
#pragma unroll
    for (int k = 0; k < K; ++k) g[k] = scale * ((kCentre ? g[k] - mean_g : g[k]) - hat[k] * mean_gh);
    Row::write(dx + r * n, n, team, g);
  }
  if (!partial) return;
  // partial (2, pieces, n): a piece is a team, or the warps of a block, added in order.
  if constexpr (kWarp) {
    __shared__ A sums[4][32 * K];
    const int warp = int(threadIdx.x) / 32;
    for (int which = 0; which < (kCentre ? 2 : 1); ++which) {
      __syncthreads();
#pragma unroll
      for (int k = 0; k < K; ++k) sums[warp][Row::column(team, k / Row::kV) + k % Row::kV] = which ? db[k] : dw[k];
      __syncthreads();
      for (int c = int(threadIdx.x); c < n; c += int(blockDim.x))
        partial[(which * int64_t(gridDim.x) + blockIdx.x) * n + c] = (sums[0][c] + sums[1][c]) + (sums[2][c] + sums[3][c]);
    }
  } else {
    A* to = partial + team.id * n;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const int c = Row::column(team, k / Row::kV) + k % Row::kV;
      if (c >= n) continue;
      to[c] = dw[k];
      if constexpr (kCentre) to[team.count * n + c] = db[k];
    }
  }
}

template <class F> bool for_held(DType t, F&& f) {
  if (t == DType::f32) return f.template operator()<float>();
  if (t == DType::bf16) return f.template operator()<bfloat16>();
  return false;
}
template <class F> void with_centre(bool centre, F&& f) {
  if (centre) f.template operator()<true>();
  else f.template operator()<false>();
}

}  // namespace

bool norm_fwd_held(bool centre, CArray x, CArray weight, CArray bias, double eps, MArray y, MArray stats) {
  const int64_t n = x.shape().back(), rows = x.numel() / n;
  if (rows == 0) return false;
  return for_held(x.dtype(), [&]<class T>() {
    const T *xp = x.data<T>(), *w = maybe<T>(weight), *b = maybe<T>(bias);
    T* to = y.data<T>();
    std::optional<TeamPlan> plan = team_plan<T>(n, 1024, aligned16(xp) && aligned16(w) && aligned16(b) && aligned16(to));
    if (!plan || !plan->packed) return false;
    spread(*plan, rows);
    by_plan<T, false>(*plan, [&]<int K, int V, bool kWarp, bool kCluster>() {
      const size_t shared = HeldWeight<T, K, kWarp>::bytes(plan->threads) * ((w ? 1 : 0) + (b ? 1 : 0));
      with_centre(centre, [&]<bool kCentre>() {
        launch_teams(centre ? "layer_norm" : "rms_norm", *plan, norm_fwd_kernel<T, K, kWarp, kCluster, kCentre>, shared, xp, w, b, eps, 1 / double(n), to,
                     stats.data<compute_t<T>>(), rows, int(n));
      });
    });
    return true;
  });
}

bool norm_bwd_held(bool centre, CArray x, CArray weight, CArray stats, CArray dy, MArray dx, MArray dweight, MArray dbias) {
  const char* name = centre ? "layer_norm" : "rms_norm";
  const int64_t n = x.shape().back(), rows = x.numel() / n;
  if (rows == 0) return false;
  return for_held(x.dtype(), [&]<class T>() {
    using A = compute_t<T>;
    const T *xp = x.data<T>(), *w = maybe<T>(weight), *dyp = dy.data<T>();
    T *to = maybe<T>(dx), *dw = maybe<T>(dweight), *db = maybe<T>(dbias);
    std::optional<TeamPlan> plan = team_plan<T>(n, 512, aligned16(xp) && aligned16(w) && aligned16(dyp) && aligned16(to), 768);
    if (!plan || !plan->packed) return false;
    // Teams: as many as fill 132 SMs once (clusters of 4 do not come out even: 32 of them). A constant: sums must not depend on the device.
    int64_t teams = plan->warp ? 396 : plan->cluster == 4 ? 32 : plan->cluster == 2 ? 64 : 132 * (512 / plan->threads);
    const int64_t needed = plan->warp ? (rows + 3) / 4 : rows;
    if (needed < teams) teams = needed;
    plan->blocks = unsigned(teams * plan->cluster);
    const Workspace sums(dw || db ? size_t(2 * teams * n) * sizeof(A) : 0);
    by_plan<T, false, 24>(*plan, [&]<int K, int V, bool kWarp, bool kCluster>() {
      with_centre(centre, [&]<bool kCentre>() {
        launch_teams(name, *plan, norm_bwd_kernel<T, K, kWarp, kCluster, kCentre>, w ? HeldWeight<T, K, kWarp>::bytes(plan->threads) : 0, xp, w,
                     stats.data<A>(), dyp, to, sums.as<A>(), A(1) / A(n), rows, int(n));
      });
    });
    add_pieces<T>(name, sums.as<A>(), teams, n, dw, db);
    return true;
  });
}

}  // namespace hippograd::cuda
