// Cross entropy and negative log-likelihood of rows (tensor/kernels/loss.h). Forward: one read of the logits (cuda/online.cuh),
// a row's loss and weight in double precision to scratch; one block then sums them in a fixed tree. Backward: one read, one
// write. A target out of range is reported and its row counts as ignored (cuda/errors.h).
#include "tensor/kernels/loss.h"

#include "cuda/errors.h"
#include "cuda/online.cuh"

namespace hippograd::cuda {
namespace {

using kernels::Reduction;

FaultSite target_site(const char* op, int64_t classes) {
  constexpr auto raise = [](const Fault& f) { kernels::bad_target(f.op, f.value, f.position, f.a, kFoundLate); };
  return fault_site(raise, op, classes);
}

struct Targets {
  const int64_t* target;
  int64_t ignore_index, classes;
  FaultSite site;
  // -1 if row r does not count.
  HIPPOGRAD_DEVICE int64_t operator()(int64_t r) const {
    const int64_t t = target[r];
    return t == ignore_index || t < 0 || t >= classes ? -1 : t;
  }
  HIPPOGRAD_DEVICE void check(int64_t r) const {
    const int64_t t = target[r];
    if (t != ignore_index && (t < 0 || t >= classes)) site.report(r, t);
  }
};

struct RowLoss { double loss, weight; };
struct AddLosses {
  HIPPOGRAD_DEVICE RowLoss operator()(const RowLoss& a, const RowLoss& b) const { return {a.loss + b.loss, a.weight + b.weight}; }
};

// The rows' losses brought to the form that `reduction` asks for.  None: one thread per row.  Else one block.
template <class T> __global__ void reduce_rows(Reduction reduction, const RowLoss* rows, int64_t n, T* loss, compute_t<T>* total) {
  if (reduction == Reduction::None) {
    const int64_t first = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    for (int64_t r = first; r < n; r += int64_t(gridDim.x) * blockDim.x) store(loss[r], compute_t<T>(rows[r].loss));
    if (first == 0) *total = 1;
    return;
  }
  __shared__ RowLoss scratch[32];
  RowLoss mine{0, 0};
  for (int64_t r = threadIdx.x; r < n; r += blockDim.x) mine = AddLosses()(mine, rows[r]);
  mine = block_join(mine, RowLoss{0, 0}, scratch, AddLosses());
  if (threadIdx.x > 0) return;
  const double divisor = reduction == Reduction::Sum ? 1 : mine.weight;
  store(*loss, compute_t<T>(mine.loss / divisor));
  *total = compute_t<T>(divisor);
}
template <class T> void reduce(Reduction reduction, const RowLoss* rows, int64_t n, MArray loss, MArray total) {
  const unsigned blocks = reduction == Reduction::None ? blocks_for(n, 1024, 1 << 20) : 1;
  launch("cross_entropy", reduce_rows<T>, blocks, 1024, 0, reduction, rows, n, loss.data<T>(), total.data<compute_t<T>>());
}

// dloss / total for row r.
template <class T> struct RowScale {
  const T* dloss;
  int64_t step;
  const compute_t<T>* total;
  HIPPOGRAD_DEVICE compute_t<T> operator()(int64_t r) const { return load(dloss[r * step]) / *total; }
};
template <class T> RowScale<T> row_scale(CArray dloss, CArray total) {
  return {dloss.data<T>(), dloss.dim() == 0 ? 0 : 1, total.data<compute_t<T>>()};
}
template <class T> HIPPOGRAD_DEVICE compute_t<T> weight_of(const T* w, int64_t c) { return w ? load(w[c]) : compute_t<T>(1); }

template <class T>
__global__ void __launch_bounds__(512)
cross_entropy_fwd_kernel(const T* x, Targets targets, const T* w, double smoothing, compute_t<T>* stats, RowLoss* losses, int64_t rows, bool packed) {
  using A = compute_t<T>;
  const int64_t n = targets.classes;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t t = targets(r);
    if (t < 0) {
      if (threadIdx.x == 0) {
        targets.check(r);
        stats[2 * r] = 0, stats[2 * r + 1] = 1;
        losses[r] = {0, 0};
      }
      continue;
    }
    const T* row = x + r * n;
    const MaxAndSum<A> ms = max_and_sum(row, n, packed);
    double smooth = 0;
    if (smoothing != 0) {   // sum_c weight[c] l_c: the row again
      const A log_s = log(ms.sum);
      A mine = 0;
      for_columns<1>(n, [&](int64_t c) { mine += (log_s - (load(row[c]) - ms.max)) * weight_of(w, c); });
      smooth = row_sum(mine);
    }
    if (threadIdx.x == 0) {
      const double weight = double(weight_of(w, t)), l = weight * (log(double(ms.sum)) - double(load(row[t]) - ms.max));
      stats[2 * r] = ms.max, stats[2 * r + 1] = ms.sum;
      losses[r] = {smoothing != 0 ? (1 - smoothing) * l + smoothing / double(n) * smooth : l, weight};
    }
  }
}

void cross_entropy_fwd(CArray x, CArray target, CArray weight, int64_t ignore_index, double smoothing, Reduction reduction, MArray loss, MArray stats,
                       MArray total) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  const Workspace losses(size_t(rows) * sizeof(RowLoss));
  const Targets targets{target.data<int64_t>(), ignore_index, n, target_site("cross_entropy", n)};
  visit(FloatBf16{}, x.dtype(), "cross_entropy", [&]<class T>() {
    const T* xp = x.data<T>();
    if (rows > 0)
      launch("cross_entropy", cross_entropy_fwd_kernel<T>, row_blocks(rows), row_threads(n, kPack<T>), 0, xp, targets, maybe<T>(weight), smoothing,
             stats.data<compute_t<T>>(), losses.as<RowLoss>(), rows, aligned16(xp));
    reduce<T>(reduction, losses.as<RowLoss>(), rows, loss, total);
  });
}

// sum_c weight[c], by one block.
template <class T> __global__ void weight_sum(const T* w, int64_t classes, compute_t<T>* sum) {
  compute_t<T> mine = 0;
  for (int64_t c = threadIdx.x; c < classes; c += blockDim.x) mine += load(w[c]);
  const double all = row_sum(mine);
  if (threadIdx.x == 0) *sum = compute_t<T>(all);
}

// all_weights: null where every weight is 1.
template <class T>
__global__ void __launch_bounds__(512)
cross_entropy_bwd_kernel(const T* x, Targets targets, const T* w, const compute_t<T>* all_weights, double smoothing, const compute_t<T>* stats,
                         RowScale<T> row_scale, T* dx, int64_t rows, bool packed) {
  using A = compute_t<T>;
  const int64_t n = targets.classes;
  const A smooth = A(smoothing / double(n)), all = all_weights ? *all_weights : A(n);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    const int64_t t = targets(r);
    const T* row = x + r * n;
    T* to = dx + r * n;
    if (t < 0) {
      over_row(row, n, packed, [&](int64_t c, int64_t step, int count) { put_many(to + c, step, count, {}); }, [&](int64_t c) { store(to[c], A(0)); });
      continue;
    }
    const A m = stats[2 * r], hit = A(1 - smoothing) * weight_of(w, t), factor = (hit + smooth * all) / stats[2 * r + 1], scale = row_scale(r);
    const auto slope = [&](A v, int64_t c, bool is_target) {
      A d = multiply(exponential_of<T>(v - m), factor);
      if (smooth != 0) d -= smooth * weight_of(w, c);
      if (is_target) d -= hit;
      return d * scale;
    };
    over_row(row, n, packed,
             [&](int64_t c, int64_t step, int count) {
               A v[kMany<T> * kPack<T>];
               take_many(row + c, step, count, A(0), v);
#pragma unroll
               for (int u = 0; u < kMany<T>; ++u) {
                 if (u >= count) continue;
                 const int64_t first = c + u * step, hit_at = t - first;
                 const int at = hit_at >= 0 && hit_at < kPack<T> ? int(hit_at) : -1;
#pragma unroll
                 for (int j = 0; j < kPack<T>; ++j) v[u * kPack<T> + j] = slope(v[u * kPack<T> + j], first + j, j == at);
               }
               put_many(to + c, step, count, v);
             },
             [&](int64_t c) { store(to[c], slope(load(row[c]), c, c == t)); });
  }
}

void cross_entropy_bwd(CArray x, CArray target, CArray weight, int64_t ignore_index, double smoothing, CArray stats, CArray total, CArray dloss, MArray dx) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  if (rows == 0 || n == 0) return;
  const Targets targets{target.data<int64_t>(), ignore_index, n, target_site("cross_entropy", n)};
  visit(FloatBf16{}, x.dtype(), "cross_entropy", [&]<class T>() {
    using A = compute_t<T>;
    const T* xp = x.data<T>();
    T* to = dx.data<T>();
    const Workspace all(weight.defined() && smoothing != 0 ? sizeof(A) : 0);
    if (all.as<A>()) launch("cross_entropy", weight_sum<T>, 1, 1024, 0, weight.data<T>(), n, all.as<A>());
    launch("cross_entropy", cross_entropy_bwd_kernel<T>, row_blocks(rows), row_threads(n, kPack<T>), 0, xp, targets, maybe<T>(weight), all.as<A>(), smoothing,
           stats.data<A>(), row_scale<T>(dloss, total), to, rows, aligned16(xp) && aligned16(to));
  });
}

// ---- negative log-likelihood ----

template <class T> struct NllRow {
  const T* x;
  const T* w;
  Targets targets;
  RowLoss* losses;
  HIPPOGRAD_DEVICE void operator()(int64_t r) const {
    const int64_t t = targets(r);
    if (t < 0) {
      targets.check(r);
      losses[r] = {0, 0};
      return;
    }
    const double weight = double(weight_of(w, t));
    losses[r] = {-weight * double(load(x[r * targets.classes + t])), weight};
  }
};
void nll_loss_fwd(CArray x, CArray target, CArray weight, int64_t ignore_index, Reduction reduction, MArray loss, MArray total) {
  const int64_t rows = x.shape()[0], n = x.shape()[1];
  const Workspace losses(size_t(rows) * sizeof(RowLoss));
  const Targets targets{target.data<int64_t>(), ignore_index, n, target_site("nll_loss", n)};
  visit(FloatBf16{}, x.dtype(), "nll_loss", [&]<class T>() {
    for_each("nll_loss", rows, NllRow<T>{x.data<T>(), maybe<T>(weight), targets, losses.as<RowLoss>()});
    reduce<T>(reduction, losses.as<RowLoss>(), rows, loss, total);
  });
}

template <class T> struct NllSlope {
  const T* w;
  Targets targets;
  RowScale<T> scale;
  T* dx;
  HIPPOGRAD_DEVICE void operator()(int64_t r) const {
    const int64_t t = targets(r);
    if (t >= 0) store(dx[r * targets.classes + t], -scale(r) * weight_of(w, t));
  }
};
void nll_loss_bwd(CArray target, CArray weight, int64_t ignore_index, CArray total, CArray dloss, MArray dx) {
  const int64_t rows = dx.shape()[0], n = dx.shape()[1];
  if (dx.numel() == 0) return;
  const Targets targets{target.data<int64_t>(), ignore_index, n, target_site("nll_loss", n)};
  check(cudaMemsetAsync(dx.raw(), 0, size_t(dx.numel()) * itemsize(dx.dtype()), stream()), "nll_loss");
  visit(FloatBf16{}, dx.dtype(), "nll_loss", [&]<class T>() {
    for_each("nll_loss", rows, NllSlope<T>{maybe<T>(weight), targets, row_scale<T>(dloss, total), dx.data<T>()});
  });
}

const Bind b0(kernels::cross_entropy_fwd, DeviceKind::CUDA, cross_entropy_fwd, kTakesBf16);
const Bind b1(kernels::cross_entropy_bwd, DeviceKind::CUDA, cross_entropy_bwd, kTakesBf16);
const Bind b2(kernels::nll_loss_fwd, DeviceKind::CUDA, nll_loss_fwd, kTakesBf16);
const Bind b3(kernels::nll_loss_bwd, DeviceKind::CUDA, nll_loss_bwd, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
