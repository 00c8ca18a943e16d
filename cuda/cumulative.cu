// Running reductions along one dimension (tensor/kernels/cumulative.h). A scan over states with an associative join:
//
//   s_j = join(s_{j-1}, load(j)),  write(j, s_j)
//
// cumsum, cumprod   the sum or product, in double precision
// cum_extreme       (value, index): the later of equal ones
// logcumsumexp      (top, sum exp(x - top)) in double precision
// its gradient      r_j = decay_j r_{j+1} + dy_j from the end: the maps r -> decay r + dy are joined by composition
//
// A line of L elements is cut into pieces, by the shape alone: pass 1 reduces every piece, pass 2 joins the totals of the pieces
// before its own and scans. One piece: a single pass. Two kernels:
//   across  the lines lie side by side in memory (or are short): a thread per line and piece
//   along   else: a block per line and piece (many lines: a warp), tiles of 8 rows of 32 elements per warp: scans over the lanes
//           of a row, then over the rows, then over the warps
// Every tree is fixed by the shape. Bytes moved: x and y once, x twice where lines are cut.
#include "tensor/kernels/cumulative.h"

#include "cuda/convert.cuh"
#include "tensor/kernels/math.h"

namespace hippograd::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32, kRows = 8, kTile = kThreads * kRows;

// One line: j -> j * step elements from its offsets; reversed lines count from the end.
struct Line { int64_t length; bool reverse; HIPPOGRAD_DEVICE int64_t place(int64_t j) const { return reverse ? length - 1 - j : j; } };

template <class T> struct alignas(16) Room { char bytes[sizeof(T)]; };   // shared memory without constructors
template <class S> struct ScanBase {   // rows of 32 elements are scanned as they are joined: in the state
  using State = S;
  using Row = S;
  static constexpr bool commutative = false;
  HIPPOGRAD_DEVICE S widen(const S& s) const { return s; }
};

template <class T> HIPPOGRAD_DEVICE T shuffle_up(T x, int lanes) {
  static_assert(sizeof(T) % 4 == 0);
  T y;
  const uint32_t* from = reinterpret_cast<const uint32_t*>(&x);
  uint32_t* to = reinterpret_cast<uint32_t*>(&y);
#pragma unroll
  for (int w = 0; w < int(sizeof(T) / 4); ++w) to[w] = __shfl_up_sync(kFullWarp, from[w], lanes);
  return y;
}
template <class T> HIPPOGRAD_DEVICE T shuffle_down(T x, int lanes) {
  T y;
  const uint32_t* from = reinterpret_cast<const uint32_t*>(&x);
  uint32_t* to = reinterpret_cast<uint32_t*>(&y);
#pragma unroll
  for (int w = 0; w < int(sizeof(T) / 4); ++w) to[w] = __shfl_down_sync(kFullWarp, from[w], lanes);
  return y;
}
template <class T> HIPPOGRAD_DEVICE T shuffle_from(T x, int lane) {
  T y;
  const uint32_t* from = reinterpret_cast<const uint32_t*>(&x);
  uint32_t* to = reinterpret_cast<uint32_t*>(&y);
#pragma unroll
  for (int w = 0; w < int(sizeof(T) / 4); ++w) to[w] = __shfl_sync(kFullWarp, from[w], lane);
  return y;
}

// Joins the totals of pieces 0 ... piece - 1 of a line, in order.
template <class Op> HIPPOGRAD_DEVICE typename Op::State carry_of(const Op& op, const typename Op::State* totals, int64_t piece, int64_t stride) {
  typename Op::State carry = op.none();
  for (int64_t s = 0; s < piece; ++s) carry = op.join(carry, totals[s * stride]);
  return carry;
}
// The same by a whole block: each thread takes neighbouring pieces, lanes and warps are joined from left to right.
template <class Op> HIPPOGRAD_DEVICE typename Op::State block_carry(const Op& op, const typename Op::State* totals, int64_t piece, int64_t stride,
                                                                    Room<typename Op::State>* warp_total) {
  using State = typename Op::State;
  const int64_t each = (piece + kThreads - 1) / kThreads, begin = threadIdx.x * each, end = min(begin + each, piece);
  State s = op.none();
  for (int64_t i = begin; i < end; ++i) s = op.join(s, totals[i * stride]);
#pragma unroll
  for (int lanes = 1; lanes < 32; lanes *= 2) s = op.join(s, shuffle_down(s, lanes));   // lane 0 holds the warp's at the end
  if ((threadIdx.x & 31) == 0) *reinterpret_cast<State*>(warp_total[threadIdx.x >> 5].bytes) = s;
  __syncthreads();
  State carry = op.none();
  for (int w = 0; w < kWarps; ++w) carry = op.join(carry, *reinterpret_cast<const State*>(warp_total[w].bytes));
  __syncthreads();
  return carry;
}

// A thread per (piece, line). totals: (pieces, lines).
template <class Op, int N> __global__ void __launch_bounds__(kThreads)
scan_across(Op op, Walk<N> lines, Line line, int64_t pieces, int64_t piece_length, typename Op::State* totals, bool write) {
  const int64_t unit = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (unit >= lines.numel * pieces) return;
  const int64_t piece = unit / lines.numel, l = unit % lines.numel;
  const auto at = lines.at(l);
  const int64_t begin = piece * piece_length, end = min(begin + piece_length, line.length);
  typename Op::State s = write ? carry_of(op, totals + l, piece, lines.numel) : op.none();
  constexpr int kAhead = 8;
  int64_t j = begin;
  for (; j + kAhead <= end; j += kAhead) {   // loads do not wait for the joins
    typename Op::State next[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) next[i] = op.widen(op.load(at.of, line, j + i));
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      s = op.join(s, next[i]);
      if (write) op.write(at.of, line, j + i, s);
    }
  }
  for (; j < end; ++j) {
    s = op.join(s, op.widen(op.load(at.of, line, j)));
    if (write) op.write(at.of, line, j, s);
  }
  if (!write) totals[unit] = s;
}

// The total of a piece, for a join in which order does not matter: every thread joins what it meets, then the tree of the block.
template <class Op> HIPPOGRAD_DEVICE typename Op::State piece_total(const Op& op, const int64_t* at, Line line, int64_t begin, int64_t end,
                                                                    Room<typename Op::State>* warp_total) {
  using State = typename Op::State;
  State total = op.none();
#pragma unroll 4
  for (int64_t j = begin + threadIdx.x; j < end; j += kThreads) total = op.join(total, op.widen(op.load(at, line, j)));
  return block_join(total, op.none(), reinterpret_cast<State*>(warp_total), [&](const State& a, const State& b) { return op.join(a, b); });
}

// kLineWarps warps per (line, piece): a block, or a warp where there are many lines. totals: (pieces, lines).
template <class Op, int N, int kLineWarps> __global__ void __launch_bounds__(kThreads)
scan_along(Op op, Walk<N> lines, Line line, int64_t pieces, int64_t piece_length, typename Op::State* totals, bool write) {
  using State = typename Op::State;
  using Row = typename Op::Row;
  constexpr int kTileHere = kLineWarps * 32 * kRows;
  __shared__ Room<State> warp_total[kWarps];
  const int lane = threadIdx.x & 31, warp = int(threadIdx.x) >> 5, part = warp % kLineWarps;
  const int64_t unit = int64_t(blockIdx.x) * (kWarps / kLineWarps) + warp / kLineWarps;
  if (unit >= lines.numel * pieces) return;                    // whole warps; with a block per line there is none
  const int64_t l = unit / pieces, piece = unit % pieces;
  const auto at = lines.at(l);
  const int64_t begin = piece * piece_length, end = min(begin + piece_length, line.length);
  State carry = op.none();
  if constexpr (kLineWarps > 1) {
    if (write && piece > 0) carry = block_carry(op, totals + l, piece, lines.numel, warp_total);
    if constexpr (Op::commutative)
      if (!write) {
        carry = piece_total(op, at.of, line, begin, end, warp_total);
        if (threadIdx.x == 0) totals[piece * lines.numel + l] = carry;
        return;
      }
  }
  for (int64_t tile = begin; tile < end; tile += kTileHere) {
    const int64_t first = tile + part * (32 * kRows) + lane;   // row i of this warp: first + 32 i
    Row s[kRows], ends[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) s[i] = first + 32 * i < end ? op.load(at.of, line, first + 32 * i) : op.empty_row();
#pragma unroll
    for (int lanes = 1; lanes < 32; lanes *= 2)
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        const Row left = shuffle_up(s[i], lanes);
        if (lane >= lanes) s[i] = op.join(left, s[i]);
      }
#pragma unroll
    for (int i = 0; i < kRows; ++i) ends[i] = shuffle_from(s[i], 31);
    State before = carry;
    if constexpr (kLineWarps > 1) {
      State total = op.widen(ends[0]);
#pragma unroll
      for (int i = 1; i < kRows; ++i) total = op.join(total, op.widen(ends[i]));
      if (lane == 31) *reinterpret_cast<State*>(warp_total[warp].bytes) = total;
      __syncthreads();
      for (int w = 0; w < kWarps; ++w) {
        if (w == warp) before = carry;
        carry = op.join(carry, *reinterpret_cast<const State*>(warp_total[w].bytes));
      }
      __syncthreads();
      if (!write) continue;
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      if (first + 32 * i < end) op.write(at.of, line, first + 32 * i, op.join(before, op.widen(s[i])));
      before = op.join(before, op.widen(ends[i]));
    }
    if constexpr (kLineWarps == 1) carry = before;
  }
  if (!write && threadIdx.x == 0) totals[piece * lines.numel + l] = carry;
}

// arrays[0] is what is written; `dim` as the slots count it (0-dim: one element).
template <class Op, int N> void scan(const char* name, Op op, const std::array<const Array*, N>& arrays, int dim, bool reverse) {
  using State = typename Op::State;
  const Array& y = *arrays[0];
  if (y.numel() == 0) return;
  const Line line{y.dim() == 0 ? 1 : y.shape()[dim], reverse};
  std::array<Array, N> firsts;
  std::array<const Array*, N> pointers;
  for (int k = 0; k < N; ++k) {
    const Array& a = *arrays[size_t(k)];
    firsts[size_t(k)] = a.dim() == 0 ? a : a.slice(dim, 0, 1);
    pointers[size_t(k)] = &firsts[size_t(k)];
    op.step[k] = a.dim() == 0 ? 1 : a.strides()[dim];
  }
  const Walk<N> lines(pointers);
  const int64_t neighbour = lines.rank > 0 ? lines.stride[lines.rank - 1][0] : 0;
  const bool across = line.length <= 16 || (lines.numel >= 32 && neighbour > 0 && neighbour < op.step[0]);
  // Enough threads to fill a device, in pieces that are worth a pass.
  const int64_t units = across ? lines.numel / kThreads + 1 : lines.numel, least = across ? 64 : 2 * kTile;
  int64_t pieces = units >= 1024 ? 1 : (1024 + units - 1) / units;
  if (pieces > line.length / least) pieces = line.length / least;
  if (pieces > (across ? 256 : 1024)) pieces = across ? 256 : 1024;
  if (pieces < 1) pieces = 1;
  int64_t length = (line.length + pieces - 1) / pieces;
  if (!across) length = (length + kTile - 1) / kTile * kTile;
  pieces = (line.length + length - 1) / length;
  const bool warp_each = !across && pieces == 1 && lines.numel >= 2048;
  const unsigned blocks = across ? blocks_for(lines.numel * pieces, kThreads) : blocks_for(lines.numel * pieces, warp_each ? kWarps : 1);
  const auto kernel = across ? scan_across<Op, N> : warp_each ? scan_along<Op, N, 1> : scan_along<Op, N, kWarps>;
  const Workspace totals(pieces > 1 ? size_t(lines.numel * pieces) * sizeof(State) : 0);
  if (pieces > 1) launch(name, kernel, blocks, kThreads, 0, op, lines, line, pieces, length, totals.as<State>(), false);
  launch(name, kernel, blocks, kThreads, 0, op, lines, line, pieces, length, totals.as<State>(), true);
}

// ---- operations: arrays[0] is y, then the inputs in order ----

template <class T> struct Wide { using type = T; };
template <> struct Wide<float> { using type = double; };
template <> struct Wide<complex64> { using type = complex128; };

template <class T, bool kProduct> struct Accumulate {
  using State = typename Wide<compute_t<T>>::type;
  using Row = std::conditional_t<kProduct, State, compute_t<T>>;   // sums of up to 32 elements in their own precision
  static constexpr bool commutative = true;
  T* y;
  const T* x;
  int64_t step[2];
  HIPPOGRAD_DEVICE State none() const { return kProduct ? State(1) : State(0); }
  HIPPOGRAD_DEVICE Row empty_row() const { return kProduct ? Row(1) : Row(0); }
  HIPPOGRAD_DEVICE State widen(const Row& r) const { return convert<State>(r); }
  HIPPOGRAD_DEVICE Row load(const int64_t* at, Line line, int64_t j) const { return convert<Row>(x[at[1] + line.place(j) * step[1]]); }
  template <class S> HIPPOGRAD_DEVICE S join(const S& a, const S& b) const {
    if constexpr (kProduct && is_complex_v<T>) return math::times(a, b);
    else if constexpr (kProduct) return a * b;
    else return a + b;
  }
  HIPPOGRAD_DEVICE void write(const int64_t* at, Line line, int64_t j, const State& s) const { y[at[0] + line.place(j) * step[0]] = convert<T>(s); }
};

template <class C> struct Placed { C value; int64_t place; };
template <class T> using Carried = std::conditional_t<(std::is_integral_v<T> && sizeof(T) < 4), int32_t, T>;
template <class T> struct Extreme : ScanBase<Placed<Carried<T>>> {
  using C = Carried<T>;
  using State = Placed<C>;   // place < 0: nothing yet
  T* values;
  int64_t* index;
  const T* x;
  bool least;
  int64_t step[3];
  Extreme(T* v, int64_t* i, const T* from, bool l) : values(v), index(i), x(from), least(l) {}
  HIPPOGRAD_DEVICE State none() const { return {C(0), -1}; }
  HIPPOGRAD_DEVICE State empty_row() const { return none(); }
  HIPPOGRAD_DEVICE State load(const int64_t* at, Line, int64_t j) const { return {C(x[at[2] + j * step[2]]), j}; }
  HIPPOGRAD_DEVICE State join(const State& a, const State& b) const {   // a before b
    if (a.place < 0) return b;
    if (b.place < 0) return a;
    return b.value != b.value || (least ? b.value <= a.value : b.value >= a.value) ? b : a;
  }
  HIPPOGRAD_DEVICE void write(const int64_t* at, Line, int64_t j, const State& s) const {
    values[at[0] + j * step[0]] = T(s.value);
    index[at[1] + j * step[1]] = s.place;
  }
};

struct ExpSum { double top, sum; };
template <class T> struct LogSumExp : ScanBase<ExpSum> {
  T* y;
  const T* x;
  int64_t step[2];
  LogSumExp(T* to, const T* from) : y(to), x(from) {}
  static HIPPOGRAD_DEVICE double infinity() { return std::numeric_limits<double>::infinity(); }
  HIPPOGRAD_DEVICE State none() const { return {-infinity(), 0}; }
  HIPPOGRAD_DEVICE State empty_row() const { return none(); }
  HIPPOGRAD_DEVICE State load(const int64_t* at, Line, int64_t j) const {
    const double v = convert<double>(x[at[1] + j * step[1]]);
    return {v, v == -infinity() ? 0.0 : 1.0};
  }
  HIPPOGRAD_DEVICE State join(const State& a, const State& b) const {
    const double top = b.top > a.top || b.top != b.top ? b.top : a.top;   // a NaN stays
    return {top, scaled(a, top) + scaled(b, top)};
  }
  static HIPPOGRAD_DEVICE double scaled(const State& s, double top) { return s.top == top ? s.sum : s.sum * exp(s.top - top); }
  HIPPOGRAD_DEVICE void write(const int64_t* at, Line, int64_t j, const State& s) const {
    const bool infinite = s.top == infinity() || s.top == -infinity();
    y[at[0] + j * step[0]] = T(infinite ? s.top : s.top + log(s.sum));
  }
};

// dx_i = exp(x_i - y_i) r_i,  r_i = dy_i + exp(y_i - y_{i+1}) r_{i+1}; y rises along the line, so no exponent is positive.
struct Affine { double factor, term; };   // r -> factor r + term
template <class T> struct LogSumExpGradient : ScanBase<Affine> {
  T* dx;
  const T *x, *y, *dy;
  int64_t step[4];
  LogSumExpGradient(T* to, const T* from, const T* result, const T* upstream) : dx(to), x(from), y(result), dy(upstream) {}
  HIPPOGRAD_DEVICE State none() const { return {1, 0}; }
  HIPPOGRAD_DEVICE State empty_row() const { return none(); }
  HIPPOGRAD_DEVICE State load(const int64_t* at, Line line, int64_t j) const {
    const int64_t i = line.place(j);
    const double own = y[at[2] + i * step[2]], next = j == 0 ? own : double(y[at[2] + (i + 1) * step[2]]);
    return {own == next ? 1 : exp(own - next), double(dy[at[3] + i * step[3]])};
  }
  HIPPOGRAD_DEVICE State join(const State& a, const State& b) const { return {a.factor * b.factor, b.factor * a.term + b.term}; }
  HIPPOGRAD_DEVICE void write(const int64_t* at, Line line, int64_t j, const State& s) const {
    const int64_t i = line.place(j);
    const double xi = x[at[1] + i * step[1]], yi = y[at[2] + i * step[2]];
    dx[at[0] + i * step[0]] = T(xi == -LogSumExp<T>::infinity() ? 0 : exp(xi - yi) * s.term);
  }
};

// ---- slots ----

using ScannedTypes = Types<float, double, complex64, complex128, int64_t, bfloat16>;

void same_dtype(const char* op, CArray x, MArray y) {
  if (x.dtype() != y.dtype()) fail<DtypeError>(op, ": input is ", x.dtype(), ", output ", y.dtype());
}
void cumsum(CArray x, int dim, bool reverse, MArray y) {
  same_dtype("cumsum", x, y);
  visit(ScannedTypes{}, x.dtype(), "cumsum", [&]<class T>() { scan<Accumulate<T, false>, 2>("cumsum", {y.data<T>(), x.data<T>(), {}}, {&y, &x}, dim, reverse); });
}
void cumprod(CArray x, int dim, MArray y) {
  same_dtype("cumprod", x, y);
  visit(ScannedTypes{}, x.dtype(), "cumprod", [&]<class T>() { scan<Accumulate<T, true>, 2>("cumprod", {y.data<T>(), x.data<T>(), {}}, {&y, &x}, dim, false); });
}
void cum_extreme(CArray x, int dim, bool least, MArray values, MArray index) {
  same_dtype("cum_extreme", x, values);
  visit(RealTypes{}, x.dtype(), least ? "cummin" : "cummax", [&]<class T>() {
    scan<Extreme<T>, 3>("cum_extreme", {values.data<T>(), index.data<int64_t>(), x.data<T>(), least}, {&values, &index, &x}, dim, false);
  });
}
void logcumsumexp(CArray x, int dim, MArray y) {
  same_dtype("logcumsumexp", x, y);
  visit(FloatTypes{}, x.dtype(), "logcumsumexp", [&]<class T>() { scan<LogSumExp<T>, 2>("logcumsumexp", {y.data<T>(), x.data<T>()}, {&y, &x}, dim, false); });
}
void logcumsumexp_bwd(CArray x, CArray y, CArray dy, int dim, MArray dx) {
  visit(FloatTypes{}, x.dtype(), "logcumsumexp", [&]<class T>() {
    scan<LogSumExpGradient<T>, 4>("logcumsumexp_bwd", {dx.data<T>(), x.data<T>(), y.data<T>(), dy.data<T>()}, {&dx, &x, &y, &dy}, dim, true);
  });
}

const Bind b0(kernels::cumsum, DeviceKind::CUDA, cumsum, kTakesBf16);
const Bind b1(kernels::cumprod, DeviceKind::CUDA, cumprod, kTakesBf16);
const Bind b2(kernels::cum_extreme, DeviceKind::CUDA, cum_extreme);
const Bind b3(kernels::logcumsumexp, DeviceKind::CUDA, logcumsumexp);
const Bind b4(kernels::logcumsumexp_bwd, DeviceKind::CUDA, logcumsumexp_bwd);

}  // namespace
}  // namespace hippograd::cuda
