// layer_norm and rms_norm of rows (tensor/kernels/norm.h).
//
// Rows that a team of threads can hold are done by cuda/norm_held.cu. Here are the others, f64 and the gated forms.
// Forward: a block per row; the passes after the first find the row in the caches. Traffic to memory: x (z) once, y once.
// Backward: dx by a block per row in the same way; the gradients of weight and bias by blocks of columns over fixed pieces of
// rows, whose partial sums a second kernel adds in order. A column's sum is thus a function of the shape alone.
#include "tensor/kernels/norm.h"

#include "cuda/norm_held.h"
#include "cuda/pieces.cuh"
#include "cuda/rows.cuh"

namespace hippograd::cuda {
namespace {

using kernels::Gate;

// 1 / sqrt(squares / n + eps), where `squares` is the sum of d(c)^2 over the row. Squares that leave the range of A are scaled
// by the largest element first.
template <class A, class D> HIPPOGRAD_DEVICE A inverse_rms(double squares, int64_t n, double eps, D&& d) {
  const double mean = squares / double(n);
  constexpr double tiny = sizeof(A) == 4 ? 1e-30 : 1e-280, huge = sizeof(A) == 4 ? 3.4028234663852886e38 : 1.7976931348623157e308;
  if ((mean >= tiny && mean <= huge) || mean != mean) return A(1 / sqrt(mean + eps));
  __shared__ double scratch[32];
  double largest = 0;
  for_columns<1>(n, [&](int64_t c) { largest = Larger()(largest, fabs(double(d(c)))); });
  largest = block_join(largest, 0.0, scratch, Larger());
  if (largest == 0) return A(1 / sqrt(eps));
  if (isinf(largest)) return A(0);
  double sum = 0;
  for_columns<1>(n, [&](int64_t c) {
    const double v = double(d(c)) / largest;
    sum += v * v;
  });
  const double relative = sqrt(eps) / largest;   // sqrt(mean + eps) = largest * sqrt(sum / n + eps / largest^2)
  return A(1 / largest / sqrt(row_sum(sum) / double(n) + relative * relative));
}

// Sums over the row of two terms at once: f(c, first, second) adds to them.
template <int V, class A, class F> HIPPOGRAD_DEVICE void row_sums(int64_t n, F&& f, double& first, double& second) {
  struct Two { double a, b; };
  __shared__ Two scratch[32];
  A a = 0, b = 0;
  for_columns<V>(n, [&](int64_t c) { f(c, a, b); });
  const Two sums = block_join(Two{double(a), double(b)}, Two{0, 0}, scratch, [](const Two& p, const Two& q) { return Two{p.a + q.a, p.b + q.b}; });
  first = sums.a;
  second = sums.b;
}

// ---- layer_norm ----

template <class T, int V>
__global__ void layer_norm_fwd_kernel(const T* x, const T* w, const T* b, double eps, T* y, compute_t<T>* stats, int64_t rows, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T* row = x + r * n;
    const A first = load(row[0]);
    A mine = 0;
    for_columns<V>(n, [&](int64_t c) {
      A v[V];
      take<V>(row + c, v);
#pragma unroll
      for (int j = 0; j < V; ++j) mine += v[j] - first;
    });
    const A shift = A(row_sum(mine) / double(n));
    A squares = 0;
    for_columns<V>(n, [&](int64_t c) {
      A v[V];
      take<V>(row + c, v);
#pragma unroll
      for (int j = 0; j < V; ++j) squares += ((v[j] - first) - shift) * ((v[j] - first) - shift);
    });
    const A scale = inverse_rms<A>(row_sum(squares), n, eps, [&](int64_t c) { return (load(row[c]) - first) - shift; });
    if (threadIdx.x == 0) stats[2 * r] = shift, stats[2 * r + 1] = scale;
    for_columns<V>(n, [&](int64_t c) {
      A v[V], weight[V], bias[V];
      take<V>(row + c, v);
      if (w) take<V>(w + c, weight);
      if (b) take<V>(b + c, bias);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        v[j] = ((v[j] - first) - shift) * scale;
        if (w) v[j] *= weight[j];
        if (b) v[j] += bias[j];
      }
      put<V>(y + r * n + c, v);
    });
  }
}

void layer_norm_fwd(CArray x, CArray weight, CArray bias, double eps, MArray y, MArray stats) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  if (rows == 0 || n == 0 || norm_fwd_held(true, x, weight, bias, eps, y, stats)) return;
  visit(FloatBf16{}, x.dtype(), "layer_norm", [&]<class T>() {
    const T *xp = x.data<T>(), *w = maybe<T>(weight), *b = maybe<T>(bias);
    T* to = y.data<T>();
    by_pack<T>(n, [&]<int V>() {
      launch("layer_norm", layer_norm_fwd_kernel<T, V>, row_blocks(rows), row_threads(n, V), 0, xp, w, b, eps, to, stats.data<compute_t<T>>(), rows, n);
    }, xp, w, b, to);
  });
}

template <class T, int V>
__global__ void layer_norm_dx_kernel(const T* x, const T* w, const compute_t<T>* stats, const T* dy, T* dx, int64_t rows, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T *row = x + r * n, *d = dy + r * n;
    const A first = load(row[0]), shift = stats[2 * r], scale = stats[2 * r + 1];
    // One pack of g = dy weight (rounded by itself: within a fused multiply-add g - mean(g) would not be 0 where it should) and x_hat.
    const auto terms = [&](int64_t c, A (&g)[V], A (&hat)[V]) {
      A weight[V];
      take<V>(d + c, g);
      take<V>(row + c, hat);
      if (w) take<V>(w + c, weight);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        hat[j] = ((hat[j] - first) - shift) * scale;
        if (w) g[j] = multiply(g[j], weight[j]);
      }
    };
    double sum_g, sum_gh;
    row_sums<V, A>(n, [&](int64_t c, A& a, A& b) {
      A g[V], hat[V];
      terms(c, g, hat);
#pragma unroll
      for (int j = 0; j < V; ++j) a += g[j], b += g[j] * hat[j];
    }, sum_g, sum_gh);
    const A mean_g = A(sum_g / double(n)), mean_gh = A(sum_gh / double(n));
    for_columns<V>(n, [&](int64_t c) {
      A g[V], hat[V];
      terms(c, g, hat);
#pragma unroll
      for (int j = 0; j < V; ++j) g[j] = scale * ((g[j] - mean_g) - hat[j] * mean_gh);
      put<V>(dx + r * n + c, g);
    });
  }
}

// ---- sums over rows ----

// A block takes 32 column packs and a piece of the rows; 8 threads share a pack's rows, then join in shared memory.
constexpr int kSumColumns = 32, kSumRows = 8;

// term(r, c, out): V terms of each of K sums at row r, columns c ...  partial (K, pieces, n).
template <int V, int K, class A, class Term> __global__ void column_sums(int64_t rows, int64_t n, int64_t per_piece, int64_t pieces, Term term, A* partial) {
  __shared__ A shared[kSumRows][K][V][kSumColumns + 1];
  const int lane = threadIdx.x % kSumColumns, line = threadIdx.x / kSumColumns;
  const int64_t groups = (n + kSumColumns * V - 1) / (kSumColumns * V);
  for (int64_t task = blockIdx.x; task < groups * pieces; task += gridDim.x) {
    const int64_t piece = task / groups, c = (task % groups * kSumColumns + lane) * V;
    const int64_t begin = piece * per_piece, end = begin + per_piece < rows ? begin + per_piece : rows;
    A sum[K][V] = {};
    if (c < n)
#pragma unroll 2
      for (int64_t r = begin + line; r < end; r += kSumRows) {
        A t[K][V];
        term(r, c, t);
#pragma unroll
        for (int k = 0; k < K; ++k)
#pragma unroll
          for (int j = 0; j < V; ++j) sum[k][j] += t[k][j];
      }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < K; ++k)
#pragma unroll
      for (int j = 0; j < V; ++j) shared[line][k][j][lane] = sum[k][j];
    __syncthreads();
    if (line == 0 && c < n)
#pragma unroll
      for (int k = 0; k < K; ++k)
#pragma unroll
        for (int j = 0; j < V; ++j) {
          A total = 0;
          for (int l = 0; l < kSumRows; ++l) total += shared[l][k][j][lane];
          partial[(k * pieces + piece) * n + c + j] = total;
        }
  }
}
template <int V, int K, class T, class Term> void sum_over_rows(const char* name, int64_t rows, int64_t n, Term term, T* first, T* second) {
  using A = compute_t<T>;
  const int64_t groups = (n + kSumColumns * V - 1) / (kSumColumns * V);
  int64_t per_piece = 32;   // pieces enough to fill the device, a function of the shape alone
  while (per_piece < 1024 && (rows + per_piece - 1) / per_piece * groups > 4096) per_piece *= 2;
  const int64_t pieces = (rows + per_piece - 1) / per_piece;
  const Workspace partial(size_t(K * pieces * n) * sizeof(A));
  if (pieces > 0)
    launch(name, column_sums<V, K, A, Term>, blocks_for(groups * pieces, 1), kSumColumns * kSumRows, 0, rows, n, per_piece, pieces, term, partial.as<A>());
  add_pieces<T>(name, partial.as<A>(), pieces, n, first, second);
}

template <class T, int V> struct LayerNormTerms {   // dy x_hat and dy
  const T* x;
  const compute_t<T>* stats;
  const T* dy;
  int64_t n;
  HIPPOGRAD_DEVICE void operator()(int64_t r, int64_t c, compute_t<T> (&out)[2][V]) const {
    const compute_t<T> first = load(x[r * n]), shift = stats[2 * r], scale = stats[2 * r + 1];
    take<V>(x + r * n + c, out[0]);
    take<V>(dy + r * n + c, out[1]);
#pragma unroll
    for (int j = 0; j < V; ++j) out[0][j] = ((out[0][j] - first) - shift) * scale * out[1][j];
  }
};

void layer_norm_bwd(CArray x, CArray weight, CArray stats, CArray dy, MArray dx, MArray dweight, MArray dbias) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  if (n == 0 || norm_bwd_held(true, x, weight, stats, dy, dx, dweight, dbias)) return;
  visit(FloatBf16{}, x.dtype(), "layer_norm", [&]<class T>() {
    const T *xp = x.data<T>(), *w = maybe<T>(weight), *dyp = dy.data<T>();
    const compute_t<T>* sp = stats.data<compute_t<T>>();
    T *to = maybe<T>(dx), *dw = maybe<T>(dweight), *db = maybe<T>(dbias);
    by_pack<T>(n, [&]<int V>() {
      if (to && rows > 0) launch("layer_norm", layer_norm_dx_kernel<T, V>, row_blocks(rows), row_threads(n, V), 0, xp, w, sp, dyp, to, rows, n);
      if (dw || db) sum_over_rows<V, 2>("layer_norm", rows, n, LayerNormTerms<T, V>{xp, sp, dyp, n}, dw, db);
    }, xp, w, dyp, to);
  });
}

// ---- rms_norm ----

template <class A> HIPPOGRAD_DEVICE A sigmoid(A z) { return A(1) / (A(1) + exponential(-z)); }
template <class A> HIPPOGRAD_DEVICE A silu(A z) { return z * sigmoid(z); }
template <class A> HIPPOGRAD_DEVICE A silu_slope(A z) {
  const A s = sigmoid(z);
  return s * (A(1) + z * (A(1) - s));
}

template <class T, int V, Gate kGate>
__global__ void rms_norm_fwd_kernel(const T* x, const T* z, const T* weights, double eps, T* y, compute_t<T>* stats, int64_t rows, int64_t groups, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const T *row = x + r * n, *gate = z + r * n, *w = weights ? weights + r % groups * n : nullptr;
    const auto pack = [&](int64_t c, A (&u)[V]) {
      take<V>(row + c, u);
      if constexpr (kGate == Gate::Before) {
        A g[V];
        take<V>(gate + c, g);
#pragma unroll
        for (int j = 0; j < V; ++j) u[j] *= silu(g[j]);
      }
    };
    A squares = 0;
    for_columns<V>(n, [&](int64_t c) {
      A u[V];
      pack(c, u);
#pragma unroll
      for (int j = 0; j < V; ++j) squares += u[j] * u[j];
    });
    const A scale = inverse_rms<A>(row_sum(squares), n, eps, [&](int64_t c) {
      A u = load(row[c]);
      if constexpr (kGate == Gate::Before) u *= silu(load(gate[c]));
      return u;
    });
    if (threadIdx.x == 0) stats[r] = scale;
    for_columns<V>(n, [&](int64_t c) {
      A u[V], weight[V], g[V];
      pack(c, u);
      if (w) take<V>(w + c, weight);
      if constexpr (kGate == Gate::After) take<V>(gate + c, g);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        u[j] *= scale;
        if (w) u[j] *= weight[j];
        if constexpr (kGate == Gate::After) u[j] *= silu(g[j]);
      }
      put<V>(y + r * n + c, u);
    });
  }
}

template <class F> void with_gate(Gate gate, F&& f) {
  if (gate == Gate::None) f.template operator()<Gate::None>();
  else if (gate == Gate::After) f.template operator()<Gate::After>();
  else f.template operator()<Gate::Before>();
}

void rms_norm_fwd(CArray x, CArray z, CArray weight, Gate gate, double eps, MArray y, MArray stats) {
  const int64_t groups = x.shape()[1], rows = x.shape()[0] * groups, n = x.shape()[2];
  if (rows == 0 || n == 0) return;
  if (gate == Gate::None && groups == 1 && norm_fwd_held(false, x, weight, {}, eps, y, stats)) return;
  visit(FloatBf16{}, x.dtype(), "rms_norm", [&]<class T>() {
    const T *xp = x.data<T>(), *zp = maybe<T>(z), *w = maybe<T>(weight);
    T* to = y.data<T>();
    by_pack<T>(n, [&]<int V>() {
      with_gate(gate, [&]<Gate kGate>() {
        launch("rms_norm", rms_norm_fwd_kernel<T, V, kGate>, row_blocks(rows), row_threads(n, V), 0, xp, zp, w, eps, to, stats.data<compute_t<T>>(), rows,
               groups, n);
      });
    }, xp, zp, w, to);
  });
}

// One pack of a row of the backward:  u_hat = u r  and  d = dy, times silu(z) if After (the cotangent of the weighted norm).
template <class T, int V, Gate kGate> struct RmsPack {
  using A = compute_t<T>;
  A x[V], z[V], u_hat[V], d[V], dy[V];
  HIPPOGRAD_DEVICE RmsPack(const T* xp, const T* zp, const T* dyp, A scale) {
    take<V>(xp, x);
    take<V>(dyp, dy);
    if constexpr (kGate != Gate::None) take<V>(zp, z);
#pragma unroll
    for (int j = 0; j < V; ++j) {
      u_hat[j] = kGate == Gate::Before ? x[j] * silu(z[j]) * scale : x[j] * scale;
      d[j] = kGate == Gate::After ? dy[j] * silu(z[j]) : dy[j];
    }
  }
};

template <class T, int V, Gate kGate>
__global__ void rms_norm_dx_kernel(const T* x, const T* z, const T* weights, const compute_t<T>* stats, const T* dy, T* dx, T* dz, int64_t rows,
                                   int64_t groups, int64_t n) {
  using A = compute_t<T>;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t at = r * n;
    const T* w = weights ? weights + r % groups * n : nullptr;
    const A scale = stats[r];
    A mine = 0;
    for_columns<V>(n, [&](int64_t c) {
      const RmsPack<T, V, kGate> p(x + at + c, z + at + c, dy + at + c, scale);
      A weight[V];
      if (w) take<V>(w + c, weight);
#pragma unroll
      for (int j = 0; j < V; ++j) mine += (w ? p.d[j] * weight[j] : p.d[j]) * p.u_hat[j];
    });
    const A mean = A(row_sum(mine) / double(n));
    for_columns<V>(n, [&](int64_t c) {
      const RmsPack<T, V, kGate> p(x + at + c, z + at + c, dy + at + c, scale);
      A weight[V], to_x[V], to_z[V];
      if (w) take<V>(w + c, weight);
#pragma unroll
      for (int j = 0; j < V; ++j) {
        const A du = scale * ((w ? p.d[j] * weight[j] : p.d[j]) - p.u_hat[j] * mean);
        if constexpr (kGate == Gate::Before) {
          to_x[j] = du * silu(p.z[j]);
          to_z[j] = du * p.x[j] * silu_slope(p.z[j]);
        } else {
          to_x[j] = du;
          if constexpr (kGate == Gate::After) to_z[j] = p.dy[j] * (w ? p.u_hat[j] * weight[j] : p.u_hat[j]) * silu_slope(p.z[j]);
        }
      }
      if (dx) put<V>(dx + at + c, to_x);
      if constexpr (kGate != Gate::None)
        if (dz) put<V>(dz + at + c, to_z);
    });
  }
}

template <class T, int V, Gate kGate> struct RmsNormTerms {   // d u_hat, for rows of all groups side by side
  const T *x, *z;
  const compute_t<T>* stats;
  const T* dy;
  int64_t groups, n;
  HIPPOGRAD_DEVICE void operator()(int64_t r, int64_t c, compute_t<T> (&out)[1][V]) const {
    const int64_t at = r * groups * n + c;
    const RmsPack<T, V, kGate> p(x + at, z + at, dy + at, stats[r * groups + (groups == 1 ? 0 : c / n)]);
#pragma unroll
    for (int j = 0; j < V; ++j) out[0][j] = p.d[j] * p.u_hat[j];
  }
};

void rms_norm_bwd(CArray x, CArray z, CArray weight, Gate gate, CArray stats, CArray dy, MArray dx, MArray dz, MArray dweight) {
  const int64_t groups = x.shape()[1], rows = x.shape()[0], n = x.shape()[2];
  if (n == 0) return;
  Array no_bias;
  if (gate == Gate::None && groups == 1 && norm_bwd_held(false, x, weight, stats, dy, dx, dweight, no_bias)) return;
  visit(FloatBf16{}, x.dtype(), "rms_norm", [&]<class T>() {
    const T *xp = x.data<T>(), *zp = maybe<T>(z), *w = maybe<T>(weight), *dyp = dy.data<T>();
    const compute_t<T>* sp = stats.data<compute_t<T>>();
    T *dxp = maybe<T>(dx), *dzp = maybe<T>(dz), *dw = maybe<T>(dweight);
    by_pack<T>(n, [&]<int V>() {
      with_gate(gate, [&]<Gate kGate>() {
        if ((dxp || dzp) && rows * groups > 0)
          launch("rms_norm", rms_norm_dx_kernel<T, V, kGate>, row_blocks(rows * groups), row_threads(n, V), 0, xp, zp, w, sp, dyp, dxp, dzp, rows * groups,
                 groups, n);
        if (dw) sum_over_rows<V, 1>("rms_norm", rows, groups * n, RmsNormTerms<T, V, kGate>{xp, zp, sp, dyp, groups, n}, dw, static_cast<T*>(nullptr));
      });
    }, xp, zp, w, dyp, dxp, dzp);
  });
}

const Bind b0(kernels::layer_norm_fwd, DeviceKind::CUDA, layer_norm_fwd, kTakesBf16);
const Bind b1(kernels::layer_norm_bwd, DeviceKind::CUDA, layer_norm_bwd, kTakesBf16);
const Bind b2(kernels::rms_norm_fwd, DeviceKind::CUDA, rms_norm_fwd, kTakesBf16);
const Bind b3(kernels::rms_norm_bwd, DeviceKind::CUDA, rms_norm_bwd, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
