// Geometry of the reductions (cuda/reduce.cuh): plain host code, shared by the files that hold the kernels.
#include "cuda/reduce.cuh"

namespace hippograd::cuda {

void check_reduction(const char* op, const Array& x, const Array& y) {
  bool fits = x.dim() == y.dim();
  for (int d = 0; fits && d < x.dim(); ++d) fits = y.shape()[d] == 1 || y.shape()[d] == x.shape()[d];
  if (!fits) fail<ShapeError>(op, ": cannot reduce ", x.shape(), " to ", y.shape());
}

namespace {

// The smallest stride above 0 of a walk's operand k; none: a stride that no other undercuts.
template <int N> int64_t finest(const Walk<N>& walk, int k) {
  int64_t least = INT64_MAX;
  for (int d = 0; d < walk.rank; ++d)
    if (walk.stride[d][k] > 0 && walk.stride[d][k] < least) least = walk.stride[d][k];
  return least;
}

// x with the dimensions that are reduced (or those that are kept) narrowed to their first element.
Array narrowed(const Array& x, const Array& y, bool keep_reduced) {
  Shape shape = x.shape();
  for (int d = 0; d < x.dim(); ++d) {
    const bool is_reduced = y.shape()[d] == 1;
    if (is_reduced != keep_reduced) shape[d] = 1;
  }
  return x.as_strided(shape, x.strides(), x.offset());
}

// The kept dimensions, ordered by x's strides: neighbouring threads read neighbouring elements.
Walk<2> kept_walk(const Array& x, const Array& y) {
  if (x.numel() == 0) return Walk<2>({&y, &y});
  const Array first = narrowed(x, y, false);
  Walk<2> walk({&first, &y});
  for (int d = 0; d < walk.rank; ++d) std::swap(walk.stride[d][0], walk.stride[d][1]);   // to (y, x)
  return walk;
}
Walk<1> reduced_walk(const Array& x, const Array& y) {
  if (x.numel() == 0) return Walk<1>({&y});
  const Array line = narrowed(x, y, true);
  return Walk<1>({&line});
}

}  // namespace

ReducePlan plan_reduction(const Array& x, const Array& y) {
  ReducePlan plan{kept_walk(x, y), reduced_walk(x, y), true};
  plan.rows = plan.reduced.numel > 1 && finest(plan.reduced, 0) <= finest(plan.kept, 1);
  return plan;
}

bool rows_as_packs(ReducePlan& plan, const void* x, int itemsize, int V, int& tail) {
  Walk<1>& r = plan.reduced;
  if (r.rank == 0 || r.numel < V || r.stride[r.rank - 1][0] != 1) return false;
  if (reinterpret_cast<uintptr_t>(x) % size_t(V * itemsize) != 0) return false;
  const int last = r.rank - 1;
  if (r.rank > 1 && r.size[last] % V != 0) return false;
  for (int d = 0; d < last; ++d) if (r.stride[d][0] % V != 0) return false;
  for (int d = 0; d < plan.kept.rank; ++d) if (plan.kept.stride[d][1] % V != 0) return false;
  tail = int(r.size[last] % V);
  r.size[last] /= V;
  r.stride[last][0] *= V;
  r.numel = r.rank == 1 ? r.size[last] : r.numel / V;
  r.small = r.numel < (int64_t(1) << 31);
  if (r.small) for (int d = 0; d < r.rank; ++d) r.divider[d] = Divider(uint32_t(r.size[d]));
  return true;
}

bool columns_as_packs(ReducePlan& plan, const void* x, int itemsize, int V, int64_t& y_step) {
  Walk<2>& k = plan.kept;
  const int last = k.rank - 1;
  if (k.rank == 0 || k.stride[last][1] != 1 || k.size[last] % V != 0) return false;
  if (reinterpret_cast<uintptr_t>(x) % size_t(V * itemsize) != 0) return false;
  for (int d = 0; d < last; ++d) if (k.stride[d][1] % V != 0) return false;
  for (int d = 0; d < plan.reduced.rank; ++d) if (plan.reduced.stride[d][0] % V != 0) return false;
  y_step = k.stride[last][0];
  k.size[last] /= V;
  k.stride[last][0] *= V;
  k.stride[last][1] *= V;
  k.numel /= V;
  k.small = k.numel < (int64_t(1) << 31);
  if (k.small) for (int d = 0; d < k.rank; ++d) k.divider[d] = Divider(uint32_t(k.size[d]));
  return true;
}

// Four positions for each thread or more; the whole block where an output is long, or where there are few outputs.
int group_for(int64_t positions, int64_t outputs) {
  if (positions >= 2048 || (positions >= 256 && outputs <= 512)) return kReduceThreads;
  int group = 1;
  while (group < 32 && group * 4 < positions) group *= 2;
  return group;
}

// A warp side by side as a rule; wider where columns are short. Where everything fits the L2 cache and blocks are few, narrower,
// down to its sectors of 32 bytes.
int width_for(int64_t columns, int64_t rows, int loaded, int bytes) {
  int width = 1;
  while (width < columns && width < 32) width *= 2;
  while (width < columns && width < kReduceThreads && (kReduceThreads / width) * loaded > rows) width *= 2;
  if (columns * rows * bytes > (8 << 20)) return width;
  while (width * bytes > 32 && width > 1 && (columns + width - 1) / width < 264 && (kReduceThreads / width) * loaded < rows) width /= 2;
  return width;
}

Pieces pieces_for(int64_t positions, int64_t blocks, int64_t least) {
  constexpr int64_t kEnough = 2048;   // blocks that fill any device, with a short last wave
  int64_t count = blocks >= kEnough ? 1 : (kEnough + blocks - 1) / blocks;
  if (count > kReduceMost) count = kReduceMost;
  if (count > positions / least) count = positions / least;
  if (count < 2) return {1, positions};
  const int64_t length = (positions + count - 1) / count;
  return {(positions + length - 1) / length, length};
}

}  // namespace hippograd::cuda
