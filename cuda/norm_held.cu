// layer_norm and rms_norm of rows that stay in registers (cuda/team.cuh). Memory traffic:
//   forward    x once, y once; a block keeps its part of weight and bias in shared memory
//   backward   x and dy once, dx once (a row waits in shared memory between its two passes). Each thread adds up the gradients of weight and bias for its columns in registers over
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

// 1 / sqrt(mean + eps), mean = sum d(c)^2 / n. Squares that leave the range of A are scaled by the largest element first; this
// rare case reads the row again, so that it costs the usual one no registers.
template <class A, class D, class AnyTeam> HIPPOGRAD_DEVICE A inverse_rms(A mean, int n, double eps, D&& d, AnyTeam& team) {
  if ((mean >= A(1e-30) && mean <= A(3.4028234663852886e38)) || mean != mean) return __frsqrt_rn(mean + A(eps));
  A largest = 0;
#pragma unroll 1
  for (int c = team.rank; c < n; c += team.size) largest = Larger()(largest, fabs(d(c)));
  largest = team.join(largest, A(0), Larger());
  if (largest == 0) return A(1 / sqrt(eps));
  if (isinf(largest)) return A(0);
  const double inverse = 1 / double(largest), relative = sqrt(eps) * inverse;   // sqrt(mean + eps) = largest sqrt(sum / n + eps / largest^2)
  A sum = 0;
#pragma unroll 1
  for (int c = team.rank; c < n; c += team.size) {
    const A v = A(double(d(c)) * inverse);
    sum += v * v;
  }
  return A(inverse / sqrt(double(team.join(sum, A(0), Plus())) / n + relative * relative));
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
norm_fwd_kernel(const T* x, const T* w, const T* b, double eps, compute_t<T> inverse_n, T* y, compute_t<T>* stats, int64_t rows, int n) {
  using A = compute_t<T>;
  using Row = Held<T, K>;
  constexpr int V = Row::kV, P = Row::P;
  extern __shared__ __align__(16) unsigned char memory[];
  Team<kWarp, kCluster> team;
  NextRow<T, K, V, kWarp> next(memory);
  const size_t part = size_t(P) * blockDim.x * 16;
  const HeldWeight<T, K, kWarp> weight(w, n, team, memory + part), bias(b, n, team, memory + (w ? 2 : 1) * part);
  A next_first = 0;
  if (team.id < rows) {
    next.fetch(x + team.id * n, n, team);
    next_first = load(x[team.id * n]);
  }
  for (int64_t r = team.id; r < rows; r += team.count) {
    Row now;
    next.get(now);
    const A first = kCentre ? next_first : A(0);
    if (r + team.count < rows) {
      next.fetch(x + (r + team.count) * n, n, team);
      next_first = load(x[(r + team.count) * n]);
    }
    A shift = 0, squares = 0;
    if constexpr (kCentre) {
      A sum = 0, held = 0;
#pragma unroll
      for (int p = 0; p < P; ++p)
        if (Row::column(team, p) < n) {
          held += V;
#pragma unroll
          for (int j = 0; j < V; ++j) sum += now.value(p, j) - first;
        }
      const A mine = held > 0 ? __fdividef(sum, held) : A(0);
      now.forget();
#pragma unroll
      for (int p = 0; p < P; ++p)
        if (Row::column(team, p) < n)
#pragma unroll
          for (int j = 0; j < V; ++j) {
            const A d = (now.value(p, j) - first) - mine;
            squares += d * d;
          }
      now.forget();
      const Moments<A> all = team.join(Moments<A>{mine, squares, held}, Moments<A>{0, 0, 0}, JoinMoments());
      shift = all.mean, squares = all.m2;
    } else {
#pragma unroll
      for (int p = 0; p < P; ++p)
#pragma unroll
        for (int j = 0; j < V; ++j) squares += now.value(p, j) * now.value(p, j);   // 0 beyond the row
      now.forget();
      squares = team.join(squares, A(0), Plus());
    }
    const A scale = inverse_rms(squares * inverse_n, n, eps, [&](int c) { return (load(x[r * n + c]) - first) - shift; }, team);
    if (team.rank == 0) {
      if constexpr (kCentre) stats[2 * r] = shift, stats[2 * r + 1] = scale;
      else stats[r] = scale;
    }
#pragma unroll
    for (int p = 0; p < P; ++p) {
      if (Row::column(team, p) >= n) continue;
      A u[V], c[V];
      if (w) weight.get(p, n, team, u);
      if (kCentre && b) bias.get(p, n, team, c);
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        A e = ((now.value(p, j) - first) - shift) * scale;
        if (w) e *= u[j];
        if (kCentre && b) e += c[j];
        store(out.v[j], e);
      }
      *reinterpret_cast<Pack<T, V>*>(y + r * n + Row::column(team, p)) = out;
    }
  }
}

// Where the backward has its rows. Warps: in registers. Blocks: in shared memory, two rows of x and dy, so that the next one is
// on its way while this one is worked on and the registers are left to the sums. A thread reads only what it fetched itself.
template <class T, int K, bool kWarp> struct Fetched {
  using Row = Held<T, K>;
  static constexpr int V = Row::kV, P = Row::P;
  Row x_row, dy_row;        // warps
  Pack<T, V>* ring;         // blocks: (2, x and dy, P) packs of this thread

  HIPPOGRAD_DEVICE explicit Fetched(unsigned char* memory) : ring(reinterpret_cast<Pack<T, V>*>(memory) + threadIdx.x) {
    x_row.clear();
    dy_row.clear();
    if constexpr (!kWarp)
#pragma unroll
      for (int k = 0; k < 4 * P; ++k) ring[k * blockDim.x] = Pack<T, V>{};   // 0 beyond the row: adds nothing to any sum
  }
  HIPPOGRAD_DEVICE Pack<T, V>& slot(int side, int which, int p) { return ring[((side * 2 + which) * P + p) * blockDim.x]; }
  template <class AnyTeam> HIPPOGRAD_DEVICE void fetch(const T* x, const T* dy, int side, int n, const AnyTeam& team) {
    if constexpr (kWarp) {
      x_row.read(x, n, team);
      dy_row.read(dy, n, team);
    } else {
#pragma unroll
      for (int p = 0; p < P; ++p) {
        const int c = Row::column(team, p);
        if (c >= n) continue;
        __pipeline_memcpy_async(&slot(side, 0, p), x + c, 16);
        __pipeline_memcpy_async(&slot(side, 1, p), dy + c, 16);
      }
    }
  }
  HIPPOGRAD_DEVICE void get(int side, int p, Pack<T, V>& x, Pack<T, V>& dy) {
    if constexpr (kWarp) x = x_row.pack[p], dy = dy_row.pack[p];
    else x = slot(side, 0, p), dy = slot(side, 1, p);
  }
  static constexpr size_t kBytesPerThread = kWarp ? 0 : 4 * P * 16;
};

template <class A> struct Two { A a, b; };
struct AddTwo {
  template <class A> HIPPOGRAD_DEVICE Two<A> operator()(const Two<A>& s, const Two<A>& t) const { return {s.a + t.a, s.b + t.b}; }
};

template <class T, int K, bool kWarp, bool kCluster, bool kCentre>
__global__ void __launch_bounds__(kWarp ? 128 : 512)
norm_bwd_kernel(const T* x, const T* w, const compute_t<T>* stats, const T* dy, T* dx, compute_t<T>* partial, compute_t<T> inverse_n, int64_t rows, int n) {
  using A = compute_t<T>;
  using Row = Held<T, K>;
  constexpr int V = Row::kV, P = Row::P;
  extern __shared__ __align__(16) unsigned char memory[];
  Team<kWarp, kCluster> team;
  Fetched<T, K, kWarp> rows_here(memory);
  const HeldWeight<T, K, kWarp> weight(w, n, team, memory + Fetched<T, K, kWarp>::kBytesPerThread * blockDim.x);
  A dw[K] = {}, db[K] = {};
  A next_first = 0, next_shift = 0, next_scale = 0;
  const auto scalars = [&](int64_t r) {
    if constexpr (kCentre) next_first = load(x[r * n]), next_shift = stats[2 * r], next_scale = stats[2 * r + 1];
    else next_scale = stats[r];
  };
  if (team.id < rows) {
    if constexpr (!kWarp) {
      rows_here.fetch(x + team.id * n, dy + team.id * n, 0, n, team);
      __pipeline_commit();
    }
    scalars(team.id);
  }
  int side = 0;
  for (int64_t r = team.id; r < rows; r += team.count, side ^= 1) {
    const A first = next_first, shift = next_shift, scale = next_scale;
    const bool more = r + team.count < rows;
    if constexpr (kWarp) {
      rows_here.fetch(x + r * n, dy + r * n, 0, n, team);
    } else {
      if (more) rows_here.fetch(x + (r + team.count) * n, dy + (r + team.count) * n, side ^ 1, n, team);
      __pipeline_commit();
      wait_for_copies<1>();
    }
    if (more) scalars(r + team.count);
    // One pack: x_hat and g = dy weight (rounded by itself: else g - mean(g) would not be 0 where it should).
    const auto terms = [&](int p, A (&hat)[V], A (&d)[V], A (&g)[V]) {
      Pack<T, V> px, pd;
      A u[V];
      rows_here.get(side, p, px, pd);
      if (w) weight.get(p, n, team, u);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        hat[j] = kCentre ? ((load(px.v[j]) - first) - shift) * scale : load(px.v[j]) * scale;
        d[j] = load(pd.v[j]);
        g[j] = w ? multiply(d[j], u[j]) : d[j];
      }
    };
    A sum_g = 0, sum_gh = 0;
#pragma unroll
    for (int p = 0; p < P; ++p) {
      A hat[V], d[V], g[V];
      terms(p, hat, d, g);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        dw[p * V + j] += d[j] * hat[j];
        if constexpr (kCentre) db[p * V + j] += d[j];
        sum_g += g[j];
        sum_gh += g[j] * hat[j];
      }
    }
    if (!dx) continue;
    A mean_g = 0, mean_gh;
    if constexpr (kCentre) {
      const Two<A> sums = team.join(Two<A>{sum_g, sum_gh}, Two<A>{0, 0}, AddTwo());
      mean_g = sums.a * inverse_n, mean_gh = sums.b * inverse_n;
    } else {
      mean_gh = team.join(sum_gh, A(0), Plus()) * inverse_n;
    }
    if constexpr (kWarp) rows_here.x_row.forget(), rows_here.dy_row.forget();
#pragma unroll
    for (int p = 0; p < P; ++p) {
      if (Row::column(team, p) >= n) continue;
      A hat[V], d[V], g[V];
      terms(p, hat, d, g);
      Pack<T, V> out;
#pragma unroll
      for (int j = 0; j < V; ++j) store(out.v[j], scale * ((kCentre ? g[j] - mean_g : g[j]) - hat[j] * mean_gh));
      *reinterpret_cast<Pack<T, V>*>(dx + r * n + Row::column(team, p)) = out;
    }
  }
  if (!partial) return;
  // partial (2, pieces, n): a piece is a team, or the warps of a block, added in order.
  if constexpr (kWarp) {
    __shared__ A sums[4][32 * K];
    const int warp = int(threadIdx.x) / 32;
#pragma unroll
    for (int which = 0; which < (kCentre ? 2 : 1); ++which) {
      __syncthreads();
#pragma unroll
      for (int k = 0; k < K; ++k) sums[warp][Row::column(team, k / V) + k % V] = which ? db[k] : dw[k];
      __syncthreads();
      for (int c = int(threadIdx.x); c < n; c += int(blockDim.x))
        partial[(which * int64_t(gridDim.x) + blockIdx.x) * n + c] = (sums[0][c] + sums[1][c]) + (sums[2][c] + sums[3][c]);
    }
  } else {
    A* to = partial + team.id * n;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const int c = Row::column(team, k / V) + k % V;
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
      const size_t shared = HeldWeight<T, K, kWarp>::bytes(plan->threads) * (1 + (w ? 1 : 0) + (b ? 1 : 0));   // and the next row
      with_centre(centre, [&]<bool kCentre>() {
        launch_teams(centre ? "layer_norm" : "rms_norm", *plan, norm_fwd_kernel<T, K, kWarp, kCluster, kCentre>, shared, xp, w, b, eps, compute_t<T>(1 / double(n)), to,
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
    // Teams: as many as fill 132 SMs once (clusters of 4 leave some over). A constant: sums must not depend on the device.
    int64_t teams = plan->warp ? 264 : plan->cluster == 4 ? 30 : plan->cluster == 2 ? 66 : 132 * (512 / plan->threads);
    const int64_t needed = plan->warp ? (rows + 3) / 4 : rows;
    if (needed < teams) teams = needed;
    plan->blocks = unsigned(teams * plan->cluster);
    const Workspace sums(dw || db ? size_t(2 * teams * n) * sizeof(A) : 0);
    by_plan<T, false, 24>(*plan, [&]<int K, int V, bool kWarp, bool kCluster>() {
      const size_t shared = Fetched<T, K, kWarp>::kBytesPerThread * size_t(plan->threads) + (w ? HeldWeight<T, K, kWarp>::bytes(plan->threads) : 0);
      with_centre(centre, [&]<bool kCentre>() {
        launch_teams(name, *plan, norm_bwd_kernel<T, K, kWarp, kCluster, kCentre>, shared, xp, w,
                     stats.data<A>(), dyp, to, sums.as<A>(), A(1) / A(n), rows, int(n));
      });
    });
    add_pieces<T>(name, sums.as<A>(), teams, n, dw, db);
    return true;
  });
}

}  // namespace hippograd::cuda
