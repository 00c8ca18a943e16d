#pragma once
// Reductions of any set of dimensions of an array of any strides (tensor/kernels/reduce.h):
//
//   y[k] = finish(join over r of x[kept(k) + reduced(r)])       0 <= k < K outputs, 0 <= r < R elements each
//
// The geometry is two walks: one over what is kept (offsets in x and y), one over what is reduced (offsets in x). The
// innermost dimension of x decides:
//   rows      it is reduced: 1 to 32 lanes of a warp, or a block, share an output; 16-byte loads where the memory allows it
//   columns   it is kept: neighbouring threads have neighbouring outputs; groups of threads share a column and join in order
// Few outputs over much data: the elements of an output are cut into pieces (by the shape alone), each reduced by one block
// into scratch memory, and a second launch joins the pieces. Every tree is fixed by the shapes and strides: the same bits in
// every run. No atomics.
//
// An operation is a struct with
//   In, Total                         element type; what is accumulated (floats: double)
//   Total none()                      of no elements
//   Total block(In x[N], at, step)    of N elements at positions at, at + step, ...: joined in their own precision
//   Total join(Total a, Total b)
//   void  write(Total, int64_t at, int64_t n)    the result over n elements, to element offset `at` of the output
//   void  center(const In* first)     optional: told the first element of the output before all else
//
// Bytes moved: those of x, once; a thread loads 16 to 64 elements before it uses the first.
#include "cuda/convert.cuh"

namespace hippograd::cuda {

inline constexpr int kReduceThreads = 256;
inline constexpr int kReduceMost = 4096;        // pieces of an output at most
inline constexpr int64_t kReducePiece = 8192;   // elements of a piece at least

// Cutting of the R positions of an output: piece s takes [s * length, (s + 1) * length).
struct Pieces { int64_t count = 1, length = 0; };

template <class T> inline constexpr int kBatch = sizeof(T) >= 8 ? 8 : 16;   // elements of a thread loaded together

// The lanes of a group are neighbours in a warp; the group is a power of two.
template <class Op> HIPPOGRAD_DEVICE typename Op::Total group_join(const Op& op, typename Op::Total t, int group) {
  for (int lanes = group / 2; lanes > 0; lanes /= 2) t = op.join(t, shuffle_xor(t, lanes));
  return t;
}
template <class Op> struct JoinOf {
  const Op& op;
  HIPPOGRAD_DEVICE typename Op::Total operator()(const typename Op::Total& a, const typename Op::Total& b) const { return op.join(a, b); }
};
// Room for one Total per warp, without running constructors.
template <class T> struct alignas(16) WarpScratch { char bytes[32 * sizeof(T)]; };

template <class Op> HIPPOGRAD_DEVICE void centered(Op& op, const typename Op::In* first) {
  if constexpr (requires { op.center(first); }) op.center(first);
}
// Offsets of positions r, r + step, ... of the reduced dimensions.
template <int N> HIPPOGRAD_DEVICE void places(const Walk<1>& reduced, int64_t r, int step, int64_t (&at)[N]) {
  if (reduced.rank <= 1) {
    const int64_t stride = reduced.rank == 0 ? 0 : reduced.stride[0][0];
#pragma unroll
    for (int i = 0; i < N; ++i) at[i] = (r + i * step) * stride;
  } else {
#pragma unroll
    for (int i = 0; i < N; ++i) at[i] = reduced.at(r + i * step).of[0];
  }
}

// One output (or one piece of it) per group of `group` threads; group <= 32 or the whole block. A position is V elements; the
// `tail` elements after the last position belong to the last piece.
template <class Op, int V> __global__ void __launch_bounds__(kReduceThreads)
reduce_rows(Op op, const typename Op::In* __restrict__ x, Walk<2> kept, Walk<1> reduced, Pieces pieces, int group, int tail, typename Op::Total* partial) {
  using In = typename Op::In;
  using Total = typename Op::Total;
  constexpr int N = V == 1 ? kBatch<In> : sizeof(In) == 4 ? 8 : 4;
  const int64_t per_block = kReduceThreads / group, units = kept.numel * pieces.count;
  const int64_t unit = int64_t(blockIdx.x) * per_block + threadIdx.x / group;
  const int lane = int(threadIdx.x) % group;
  const bool valid = unit < units;                       // lanes beyond the last output help in the joins
  const int64_t k = !valid ? 0 : pieces.count == 1 ? unit : unit / pieces.count, piece = valid ? unit - k * pieces.count : 0;
  const auto at = kept.at(k);
  const In* from = x + at.of[1];
  const bool last = piece == pieces.count - 1;
  const int64_t begin = piece * pieces.length, end = valid ? (last ? reduced.numel : begin + pieces.length) : 0;
  centered(op, from);
  Total total = op.none();
  for (int64_t r = begin + lane; r < end; r += N * group) {
    int64_t place[N];
    places(reduced, r, group, place);
    Pack<In, V> p[N];
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (r + i * group < end) p[i] = *reinterpret_cast<const Pack<In, V>*>(from + place[i]);
    const bool whole = r + (N - 1) * group < end;
    if (V == 1 && whole) {
      In v[N];
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = p[i].v[0];
      total = op.join(total, op.block(v, r, group));
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i)
        if (whole || r + i * group < end) total = op.join(total, op.block(p[i].v, (r + i * group) * V, 1));
    }
  }
  if (V > 1 && last && valid)                            // the tail: one dimension, so positions follow each other in memory
    for (int64_t i = reduced.numel * V + lane, stop = reduced.numel * V + tail; i < stop; i += group) {
      const In v[1] = {from[i]};
      total = op.join(total, op.block(v, i, 1));
    }
  if (group <= 32) {
    total = group_join(op, total, group);
  } else {
    __shared__ WarpScratch<Total> scratch;
    total = block_join(total, op.none(), reinterpret_cast<Total*>(scratch.bytes), JoinOf<Op>{op});
  }
  if (!valid || lane != 0) return;
  if (partial) partial[unit] = total;                    // (K, pieces)
  else op.write(total, at.of[0], reduced.numel * V + tail);
}

// V neighbouring columns per thread, `width` threads side by side, 256 / width threads below each other. y_step: the stride
// of y along the columns of a thread.
template <class Op, int V> __global__ void __launch_bounds__(kReduceThreads)
reduce_columns(Op op, const typename Op::In* __restrict__ x, Walk<2> kept, int64_t y_step, Walk<1> reduced, Pieces pieces, int width, typename Op::Total* partial) {
  using In = typename Op::In;
  using Total = typename Op::Total;
  constexpr int N = V == 1 ? kBatch<In> : 8;
  const int64_t blocks = (kept.numel + width - 1) / width;
  const int64_t piece = int64_t(blockIdx.x) / blocks, k = int64_t(blockIdx.x) % blocks * width + threadIdx.x % width;
  const int depth = kReduceThreads / width, row = int(threadIdx.x) / width;
  const bool valid = k < kept.numel;
  const auto at = kept.at(valid ? k : 0);
  const In* from = x + at.of[1];
  const int64_t begin = piece * pieces.length, end = valid ? (piece == pieces.count - 1 ? reduced.numel : begin + pieces.length) : 0;
  Op own[V];
  Total total[V];
#pragma unroll
  for (int j = 0; j < V; ++j) {
    own[j] = op;
    centered(own[j], from + j);
    total[j] = op.none();
  }
  for (int64_t r = begin + row; r < end; r += N * depth) {
    int64_t place[N];
    places(reduced, r, depth, place);
    Pack<In, V> p[N];
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (r + i * depth < end) p[i] = *reinterpret_cast<const Pack<In, V>*>(from + place[i]);
    const bool whole = r + (N - 1) * depth < end;
#pragma unroll
    for (int j = 0; j < V; ++j) {
      In v[N];
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] = p[i].v[j];
      if (whole) {
        total[j] = op.join(total[j], own[j].block(v, r, depth));
      } else {
#pragma unroll
        for (int i = 0; i < N; ++i) {
          const In one[1] = {v[i]};
          if (r + i * depth < end) total[j] = op.join(total[j], own[j].block(one, r + i * depth, 1));
        }
      }
    }
  }
  // The threads of a column: first the lanes of a warp that share it, then the warps, in order.
  for (int lanes = width; lanes < 32; lanes *= 2)
#pragma unroll
    for (int j = 0; j < V; ++j) total[j] = op.join(total[j], shuffle_xor(total[j], lanes));
  const int entries = width < 32 ? kReduceThreads / 32 : depth;
  if (entries > 1) {
    __shared__ alignas(16) char memory[kReduceThreads * V * sizeof(Total)];
    Total* scratch = reinterpret_cast<Total*>(memory);
    const int column = int(threadIdx.x) % width, entry = width < 32 ? int(threadIdx.x) / 32 : row;
    if (width >= 32 || (threadIdx.x & 31) < width)
#pragma unroll
      for (int j = 0; j < V; ++j) scratch[(entry * width + column) * V + j] = total[j];
    __syncthreads();
    if (row == 0)
#pragma unroll
      for (int j = 0; j < V; ++j)
        for (int e = 1; e < entries; ++e) total[j] = op.join(total[j], scratch[(e * width + column) * V + j]);
  }
  if (!valid || row != 0) return;
#pragma unroll
  for (int j = 0; j < V; ++j) {
    if (partial) partial[piece * (kept.numel * V) + k * V + j] = total[j];   // (pieces, K)
    else own[j].write(total[j], at.of[0] + j * y_step, reduced.numel);
  }
}

// Joins the pieces of each output: piece s of output k lies at s * piece_stride + k * output_stride. A block per output, or a
// thread. No pieces: the value of an empty reduction.
template <class Op> __global__ void __launch_bounds__(kReduceThreads)
reduce_pieces(Op op, const typename Op::In* x, const typename Op::Total* partial, Walk<2> kept, int64_t count, int64_t piece_stride, int64_t output_stride, bool block_each, int64_t n) {
  using Total = typename Op::Total;
  const int64_t k = block_each ? int64_t(blockIdx.x) : int64_t(blockIdx.x) * kReduceThreads + threadIdx.x;
  Total total = op.none();
  if (k < kept.numel)
    for (int64_t s = block_each ? threadIdx.x : 0; s < count; s += block_each ? kReduceThreads : 1)
      total = op.join(total, partial[s * piece_stride + k * output_stride]);
  if (block_each) {
    __shared__ WarpScratch<Total> scratch;
    total = block_join(total, op.none(), reinterpret_cast<Total*>(scratch.bytes), JoinOf<Op>{op});
    if (threadIdx.x != 0) return;
  }
  if (k >= kept.numel) return;
  const auto at = kept.at(k);
  if (n > 0) centered(op, x + at.of[1]);
  op.write(total, at.of[0], n);
}

// ---- planning: plain host code ----

struct ReducePlan {
  Walk<2> kept;        // offsets in (y, x)
  Walk<1> reduced;     // offsets in x
  bool rows;
};
ReducePlan plan_reduction(const Array& x, const Array& y);
// Turns `reduced` into a walk over packs of V elements; false if it cannot be. `tail`: elements left over.
bool rows_as_packs(ReducePlan& plan, const void* x, int itemsize, int V, int& tail);
// The same for `kept`, whose last dimension must be whole packs. `y_step`: y's stride along it.
bool columns_as_packs(ReducePlan& plan, const void* x, int itemsize, int V, int64_t& y_step);
int group_for(int64_t positions, int64_t outputs);                                   // threads per output, rows
int width_for(int64_t columns, int64_t rows, int loaded, int bytes);                  // columns of a block; `bytes` per thread and row
Pieces pieces_for(int64_t positions, int64_t blocks, int64_t per_block_least);       // cut where blocks are few
void check_reduction(const char* op, const Array& x, const Array& y);

template <class Op> void reduce_pieces_launch(const char* name, const Op& op, const typename Op::In* x, const typename Op::Total* partial, const Walk<2>& kept,
                                              int64_t count, int64_t piece_stride, int64_t output_stride, int64_t n) {
  const bool block_each = count > 32;
  launch(name, reduce_pieces<Op>, block_each ? unsigned(kept.numel) : blocks_for(kept.numel, kReduceThreads), kReduceThreads, 0,
         op, x, partial, kept, count, piece_stride, output_stride, block_each, n);
}

template <class Op, int V> void launch_rows(const char* name, const Op& op, const typename Op::In* x, const ReducePlan& p, int tail) {
  using Total = typename Op::Total;
  const int64_t K = p.kept.numel, positions = p.reduced.numel;
  const int group = group_for(positions, K);
  const Pieces pieces = group < kReduceThreads ? Pieces{1, positions} : pieces_for(positions, K, kReducePiece / V);
  const unsigned blocks = blocks_for(K * pieces.count, kReduceThreads / group);
  if (pieces.count == 1) return launch(name, reduce_rows<Op, V>, blocks, kReduceThreads, 0, op, x, p.kept, p.reduced, pieces, group, tail, nullptr);
  const Workspace partial(size_t(K * pieces.count) * sizeof(Total));
  launch(name, reduce_rows<Op, V>, blocks, kReduceThreads, 0, op, x, p.kept, p.reduced, pieces, group, tail, partial.as<Total>());
  reduce_pieces_launch(name, op, x, partial.as<Total>(), p.kept, pieces.count, 1, pieces.count, positions * V + tail);
}

// `all`: the walk over every single output, for the second launch.
template <class Op, int V> void launch_columns(const char* name, const Op& op, const typename Op::In* x, const ReducePlan& p, const Walk<2>& all, int64_t y_step) {
  using Total = typename Op::Total;
  const int64_t K = p.kept.numel, R = p.reduced.numel;   // K: packs of columns
  constexpr int kLoaded = V == 1 ? kBatch<typename Op::In> : 8;
  const int width = width_for(K, R, kLoaded, V * int(sizeof(typename Op::In)));
  const int64_t column_blocks = (K + width - 1) / width, depth = kReduceThreads / width;
  const bool short_columns = R <= 4 * kLoaded * depth;   // quicker than a second launch
  const Pieces pieces = short_columns ? Pieces{1, R} : pieces_for(R, column_blocks, 2 * kLoaded * depth);
  const unsigned blocks = unsigned(column_blocks * pieces.count);
  if (pieces.count == 1)
    return launch(name, reduce_columns<Op, V>, blocks, kReduceThreads, 0, op, x, p.kept, y_step, p.reduced, pieces, width, nullptr);
  const Workspace partial(size_t(K * V * pieces.count) * sizeof(Total));
  launch(name, reduce_columns<Op, V>, blocks, kReduceThreads, 0, op, x, p.kept, y_step, p.reduced, pieces, width, partial.as<Total>());
  reduce_pieces_launch(name, op, x, partial.as<Total>(), all, pieces.count, K * V, 1, R);
}

// y: geometry of the output that op.write writes. kRowPack, kColumnPack: elements of a pack, where it is worth its compile time.
template <int kRowPack, int kColumnPack, class Op> void reduce(const char* name, const Op& op, const Array& x, const Array& y) {
  using In = typename Op::In;
  if (y.numel() == 0) return;
  ReducePlan plan = plan_reduction(x, y);
  if (x.numel() == 0) return reduce_pieces_launch<Op>(name, op, nullptr, nullptr, plan.kept, 0, 1, 1, 0);
  const In* data = x.data<In>();
  if (plan.rows) {
    int tail = 0;
    if constexpr (kRowPack > 1)
      if (rows_as_packs(plan, data, sizeof(In), kRowPack, tail)) return launch_rows<Op, kRowPack>(name, op, data, plan, tail);
    return launch_rows<Op, 1>(name, op, data, plan, 0);
  }
  const Walk<2> all = plan.kept;
  if constexpr (kColumnPack > 1) {
    int64_t y_step = 0;
    if (columns_as_packs(plan, data, sizeof(In), kColumnPack, y_step)) return launch_columns<Op, kColumnPack>(name, op, data, plan, all, y_step);
  }
  launch_columns<Op, 1>(name, op, data, plan, all, 0);
}

}  // namespace hippograd::cuda
