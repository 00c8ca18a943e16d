// Scaled dot-product attention (tensor/kernels/attention.h) on the CUDA cores: every mask, clamp, dropout, dtype and width.
// attention_mma.cu takes bf16 without extras, attention_small.cu f32 with up to 64 keys and narrow heads.
//
// Tiles of 32 x 32 scores. A block of 8 warps owns 32 rows of the result, 4 per warp, and 128 of its columns, 4 per lane, in
// registers; it walks over the other side 32 at a time: scores (lane = other), weights to shared memory, weighted sum
// (lane = column). Wider results are further blocks, which compute the scores again.
//   forward    rows are queries: online softmax (Milakov & Gimelshein 2018; Dao et al. 2022)
//   dq, dmask  rows are queries; p = exp(s - lse) again
//   dk, dv     rows are keys, other are the queries of all heads that share them, in order: no atomics
#include "cuda/attention.cuh"

#include <optional>

namespace hippograd::cuda {
namespace {

constexpr int kTile = 32, kWarps = 8, kOwn = kTile / kWarps, kColumns = 128, kPerLane = kColumns / 32;

template <class T> using Problem = AttentionProblem<T>;

// A matrix of which a block reads rows: offset of its slice, valid rows, columns.
template <class T> struct Rows {
  const Slices<T>& of;
  int64_t base, count, width;
  HIPPOGRAD_DEVICE T at(int64_t r, int64_t c) const { return r < count && c < width ? of.at(base + r * of.row + c * of.column) : T(0); }
};
template <class T> struct Memory {   // shared
  T a[kTile][kTile + 1], b[kTile][kTile + 1], weights[kTile][kTile + 1], values[kTile][kColumns];
};

// dots[r] = row own0 + 4 warp + r of `own` times row other0 + lane of `other`.
template <class T> HIPPOGRAD_DEVICE void dot_rows(Memory<T>& s, const Rows<T>& own, int64_t own0, const Rows<T>& other, int64_t other0, T (&dots)[kOwn]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int r = 0; r < kOwn; ++r) dots[r] = 0;
  for (int64_t c0 = 0; c0 < own.width; c0 += kTile) {
    __syncthreads();
    for (int row = warp; row < kTile; row += kWarps) {
      s.a[row][lane] = own.at(own0 + row, c0 + lane);
      s.b[row][lane] = other.at(other0 + row, c0 + lane);
    }
    __syncthreads();
#pragma unroll 8
    for (int c = 0; c < kTile; ++c) {
      const T y = s.b[lane][c];
#pragma unroll
      for (int r = 0; r < kOwn; ++r) dots[r] += s.a[warp * kOwn + r][c] * y;
    }
  }
}
// sums[r][j] += sum over 32 others of weights[r][other] values[other][column]. A weight of zero does not meet its value, which
// may be NaN behind a hidden key.
template <class T> HIPPOGRAD_DEVICE void add_weighted(Memory<T>& s, const Rows<T>& values, int64_t other0, int64_t column0, T (&sums)[kOwn][kPerLane]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  __syncthreads();
  for (int row = warp; row < kTile; row += kWarps)
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) s.values[row][lane + 32 * j] = values.at(other0 + row, column0 + lane + 32 * j);
  __syncthreads();
#pragma unroll 4
  for (int o = 0; o < kTile; ++o) {
    T v[kPerLane];
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) v[j] = s.values[o][lane + 32 * j];
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
      const T w = s.weights[warp * kOwn + r][o];
      if (w != 0)
#pragma unroll
        for (int j = 0; j < kPerLane; ++j) sums[r][j] += w * v[j];
    }
  }
}

// Which part of the result a block owns: blocks (batch, head, tile of rows, chunk of columns), the last fastest.
struct Part {
  int64_t batch, head, row0, chunk;
  HIPPOGRAD_DEVICE Part(int64_t block, int64_t heads, int64_t rows, int64_t chunks) {
    const int64_t tiles = (rows + kTile - 1) / kTile;
    chunk = block % chunks, block /= chunks;
    row0 = block % tiles * kTile, block /= tiles;
    head = block % heads, batch = block / heads;
  }
};
template <class T> HIPPOGRAD_DEVICE bool is_done(const Problem<T>& a) { return a.only_if && *a.only_if == 0; }
template <class T> HIPPOGRAD_DEVICE void store_half_or_full(void* to, bool half, int64_t i, T x) {
  if constexpr (std::is_same_v<T, float>)
    if (half) return store(static_cast<bfloat16*>(to)[i], x);
  static_cast<T*>(to)[i] = x;
}

template <class T> __global__ void __launch_bounds__(32 * kWarps) attention_forward(Problem<T> a, void* out, T* lse, int64_t chunks) {
  if (is_done(a)) return;
  extern __shared__ double shared_memory[];
  Memory<T>& s = *reinterpret_cast<Memory<T>*>(shared_memory);
  const AttentionSizes& n = a.sizes;
  const Part part(blockIdx.x, n.heads, n.queries, chunks);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t group = part.head / n.shared, own0 = part.row0 + warp * kOwn, column0 = part.chunk * kColumns;
  const Rows<T> q{a.q, a.q.slice(part.batch, part.head), n.queries, n.width}, k{a.k, a.k.slice(part.batch, group), n.keys, n.width},
      v{a.v, a.v.slice(part.batch, group), n.keys, n.value_width};
  const int64_t mask_at = a.mask.data ? a.mask.slice(part.batch, part.head) : 0, query0 = a.query_index(part.batch, part.head, own0);

  T top[kOwn], total[kOwn], sums[kOwn][kPerLane] = {};
#pragma unroll
  for (int r = 0; r < kOwn; ++r) top[r] = -math::kInf<T>, total[r] = 0;
  const int64_t keys = a.visible_keys(min(part.row0 + kTile, n.queries));
  for (int64_t key0 = 0; key0 < keys; key0 += kTile) {
    T scores[kOwn];
    dot_rows(s, q, part.row0, k, key0, scores);
    const int64_t m = key0 + lane;
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
      bool clamped;
      const T score = own0 + r < n.queries && m < n.keys ? a.shown(mask_at, own0 + r, m, scores[r], clamped) : -math::kInf<T>;
      const T next = fmax(top[r], warp_join(score, [](T x, T y) { return fmax(x, y); }));
      T weight = score == -math::kInf<T> ? T(0) : math::exp(score - next);
      const T shrink = top[r] == -math::kInf<T> ? T(0) : math::exp(top[r] - next);
      total[r] = total[r] * shrink + warp_join(weight, Plus{});
      top[r] = next;
#pragma unroll
      for (int j = 0; j < kPerLane; ++j) sums[r][j] = shrink == 0 ? T(0) : sums[r][j] * shrink;
      if (a.config.dropout > 0 && weight != 0) weight = a.dropped(query0 + r, m, weight);
      s.weights[warp * kOwn + r][lane] = weight;
    }
    add_weighted(s, v, key0, column0, sums);
  }
#pragma unroll
  for (int r = 0; r < kOwn; ++r) {
    if (own0 + r >= n.queries) continue;
    const T inverse = total[r] == 0 ? T(0) : T(1) / total[r];
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      const int64_t c = column0 + lane + 32 * j;
      if (c < n.value_width) store_half_or_full(out, a.q.half, (query0 + r) * n.value_width + c, total[r] == 0 ? T(0) : sums[r][j] * inverse);
    }
    if (lane == 0 && part.chunk == 0) lse[query0 + r] = total[r] == 0 ? math::kInf<T> : top[r] + math::log(total[r]);
  }
}

// inner[row] = sum_q out dout; 0 for a query that sees no key, whatever dout holds there. One warp per row.
template <class T> __global__ void inner_products(Problem<T> a, Slices<T> out, const T* lse, T* inner) {
  const AttentionSizes& n = a.sizes;
  const int64_t row = int64_t(blockIdx.x) * kWarps + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (is_done(a) || row >= n.batch * n.heads * n.queries) return;
  const int64_t slice = row / n.queries;
  const int64_t at = a.dout.slice(slice / n.heads, slice % n.heads) + row % n.queries * a.dout.row;
  T sum = 0;
  if (lse[row] != math::kInf<T>)
    for (int64_t c = lane; c < n.value_width; c += 32) sum += out.at(row * n.value_width + c) * a.dout.at(at + c * a.dout.column);
  sum = warp_join(sum, Plus{});
  if (lane == 0) inner[row] = sum;
}

template <class T>
__global__ void __launch_bounds__(32 * kWarps) query_gradient(Problem<T> a, const T* lse, const T* inner, void* dq, void* dmask, int64_t chunks) {
  if (is_done(a)) return;
  extern __shared__ double shared_memory[];
  Memory<T>& s = *reinterpret_cast<Memory<T>*>(shared_memory);
  const AttentionSizes& n = a.sizes;
  const Part part(blockIdx.x, n.heads, n.queries, chunks);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t group = part.head / n.shared, own0 = part.row0 + warp * kOwn, column0 = part.chunk * kColumns;
  const Rows<T> q{a.q, a.q.slice(part.batch, part.head), n.queries, n.width}, k{a.k, a.k.slice(part.batch, group), n.keys, n.width},
      v{a.v, a.v.slice(part.batch, group), n.keys, n.value_width}, dout{a.dout, a.dout.slice(part.batch, part.head), n.queries, n.value_width};
  const int64_t mask_at = a.mask.data ? a.mask.slice(part.batch, part.head) : 0, query0 = a.query_index(part.batch, part.head, own0);

  T sums[kOwn][kPerLane] = {};
  const int64_t visible = a.visible_keys(min(part.row0 + kTile, n.queries)), keys = dmask ? n.keys : visible;
  for (int64_t key0 = 0; key0 < keys; key0 += kTile) {
    T scores[kOwn], dweights[kOwn];
    dot_rows(s, q, part.row0, k, key0, scores);
    dot_rows(s, dout, part.row0, v, key0, dweights);
    const int64_t m = key0 + lane;
#pragma unroll
    for (int r = 0; r < kOwn; ++r) {
      T ds = 0;
      if (own0 + r < n.queries && m < n.keys) {
        const PairGradient<T> g(a, mask_at, query0 + r, own0 + r, m, scores[r], dweights[r], lse[query0 + r], inner[query0 + r]);
        ds = g.dscore;
        if (dmask && part.chunk == 0) store_half_or_full(dmask, a.mask.half, (query0 + r) * n.keys + m, g.dmask);
      }
      s.weights[warp * kOwn + r][lane] = ds;
    }
    add_weighted(s, k, key0, column0, sums);
  }
  if (!dq) return;
#pragma unroll
  for (int r = 0; r < kOwn; ++r)
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      const int64_t c = column0 + lane + 32 * j;
      if (own0 + r < n.queries && c < n.width) store_half_or_full(dq, a.q.half, (query0 + r) * n.width + c, sums[r][j] * T(a.config.scale));
    }
}

// dv (kValues) or dk: (batch, G, M, columns).
template <class T, bool kValues> __global__ void __launch_bounds__(32 * kWarps) key_gradient(Problem<T> a, const T* lse, const T* inner, void* to, int64_t chunks) {
  if (is_done(a)) return;
  extern __shared__ double shared_memory[];
  Memory<T>& s = *reinterpret_cast<Memory<T>*>(shared_memory);
  const AttentionSizes& n = a.sizes;
  const Part part(blockIdx.x, n.groups, n.keys, chunks);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t own0 = part.row0 + warp * kOwn, column0 = part.chunk * kColumns, width = kValues ? n.value_width : n.width;
  const Rows<T> k{a.k, a.k.slice(part.batch, part.head), n.keys, n.width}, v{a.v, a.v.slice(part.batch, part.head), n.keys, n.value_width};

  T sums[kOwn][kPerLane] = {};
  for (int64_t h = part.head * n.shared; h < (part.head + 1) * n.shared; ++h) {
    const Rows<T> q{a.q, a.q.slice(part.batch, h), n.queries, n.width}, dout{a.dout, a.dout.slice(part.batch, h), n.queries, n.value_width};
    const int64_t mask_at = a.mask.data ? a.mask.slice(part.batch, h) : 0;
    // Queries before this one see none of the block's keys.
    const int64_t first = a.config.causal ? max(int64_t(0), part.row0 - a.config.offset) / kTile * kTile : 0;
    for (int64_t l0 = first; l0 < n.queries; l0 += kTile) {
      T scores[kOwn], dweights[kOwn] = {};
      dot_rows(s, k, part.row0, q, l0, scores);
      if (!kValues) dot_rows(s, v, part.row0, dout, l0, dweights);
      const int64_t l = l0 + lane, query = a.query_index(part.batch, h, l);
      const T row_lse = l < n.queries ? lse[query] : T(0), row_inner = l < n.queries ? inner[query] : T(0);
#pragma unroll
      for (int r = 0; r < kOwn; ++r) {
        T weight = 0;
        if (l < n.queries && own0 + r < n.keys) {
          const PairGradient<T> g(a, mask_at, query, l, own0 + r, scores[r], dweights[r], row_lse, row_inner);
          weight = kValues ? g.weight : g.dscore;
        }
        s.weights[warp * kOwn + r][lane] = weight;
      }
      add_weighted(s, kValues ? dout : q, l0, column0, sums);
    }
  }
  const T factor = kValues ? T(1) : T(a.config.scale);
#pragma unroll
  for (int r = 0; r < kOwn; ++r)
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      const int64_t c = column0 + lane + 32 * j, row = (part.batch * n.groups + part.head) * n.keys + own0 + r;
      if (own0 + r < n.keys && c < width) store_half_or_full(to, a.k.half, row * width + c, sums[r][j] * factor);
    }
}

template <class T> Problem<T> problem(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, const Array& dout,
                                            const int* only_if) {
  return {AttentionSizes(q, k, v), config, Slices<T>(q), Slices<T>(k), Slices<T>(v), Slices<T>(mask), Slices<T>(dout),
          mask.defined() && mask.dtype() == DType::b8, state.defined() ? state.data<int64_t>() : nullptr, only_if};
}
int64_t chunks_of(int64_t columns) { return std::max<int64_t>(1, (columns + kColumns - 1) / kColumns); }
int64_t tiles_of(int64_t rows) { return (rows + kTile - 1) / kTile; }
// One block per part of the result; the order of the blocks is that of Part.
template <class... P, class... A> void launch_parts(const char* name, void (*kernel)(P...), int64_t parts, size_t shared, A&&... arguments) {
  if (parts >= int64_t(1) << 31) fail<ShapeError>("scaled_dot_product_attention: too many queries for one launch: ", parts, " blocks");
  if (parts > 0) launch(name, kernel, unsigned(parts), 32 * kWarps, shared, arguments...);
}

// Set by the fast kernels, if they must not be believed.
class Special {
 public:
  Special() : memory_(sizeof(int)) { check(cudaMemsetAsync(get(), 0, sizeof(int), stream()), "attention"); }
  int* get() const { return memory_.as<int>(); }
 private:
  Workspace memory_;
};

void forward(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, MArray out, MArray lse) {
  std::optional<Special> special;
  if (q.dtype() == DType::bf16) {
    if (config.causal) special.emplace();
    if (fast_attention_forward(q, k, v, mask, config, out, lse, special ? special->get() : nullptr)) {
      if (!special) return;
    } else {
      special.reset();
    }
  }
  visit(FloatTypes{}, compute_dtype(q.dtype()), "attention", [&]<class T>() {
    const auto a = problem<T>(q, k, v, mask, state, config, Array(), special ? special->get() : nullptr);
    const AttentionSizes& n = a.sizes;
    if constexpr (std::is_same_v<T, float>)
      if (q.dtype() == DType::f32 && small_attention_forward(a, out.data<float>(), lse.data<float>())) return;
    const int64_t chunks = chunks_of(n.value_width);
    launch_parts("attention", attention_forward<T>, n.batch * n.heads * tiles_of(n.queries) * chunks, sizeof(Memory<T>), a, out.raw(), lse.data<T>(), chunks);
  });
}

void backward(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, CArray out, CArray lse, CArray dout, MArray dq,
              MArray dk, MArray dv, MArray dmask) {
  std::optional<Special> special;
  if (q.dtype() == DType::bf16) {
    if (config.causal) special.emplace();
    if (fast_attention_backward(q, k, v, mask, config, out, lse, dout, dq, dk, dv, special ? special->get() : nullptr)) {
      if (!special) return;
    } else {
      special.reset();
    }
  }
  visit(FloatTypes{}, compute_dtype(q.dtype()), "attention", [&]<class T>() {
    const auto a = problem<T>(q, k, v, mask, state, config, dout, special ? special->get() : nullptr);
    const AttentionSizes& n = a.sizes;
    if constexpr (std::is_same_v<T, float>)
      if (q.dtype() == DType::f32 && small_attention_backward(a, out.data<float>(), lse.data<float>(), dq, dk, dv, dmask)) return;
    const int64_t rows = n.batch * n.heads * n.queries, keys = n.batch * n.groups * tiles_of(n.keys);
    const Workspace memory(size_t(rows) * sizeof(T));
    T* inner = memory.as<T>();
    const T* lse_p = lse.data<T>();
    if (rows > 0) launch("attention_inner", inner_products<T>, blocks_for(rows, kWarps), 32 * kWarps, 0, a, Slices<T>(out), lse_p, inner);
    if (dq.defined() || dmask.defined()) {
      const int64_t chunks = dq.defined() ? chunks_of(n.width) : 1;
      launch_parts("attention_dq", query_gradient<T>, n.batch * n.heads * tiles_of(n.queries) * chunks, sizeof(Memory<T>), a, lse_p, inner,
                   dq.defined() ? dq.raw() : nullptr, dmask.defined() ? dmask.raw() : nullptr, chunks);
    }
    if (dk.defined())
      launch_parts("attention_dk", key_gradient<T, false>, keys * chunks_of(n.width), sizeof(Memory<T>), a, lse_p, inner, dk.raw(), chunks_of(n.width));
    if (dv.defined())
      launch_parts("attention_dv", key_gradient<T, true>, keys * chunks_of(n.value_width), sizeof(Memory<T>), a, lse_p, inner, dv.raw(), chunks_of(n.value_width));
  });
}

const Bind b0(kernels::attention_fwd, DeviceKind::CUDA, forward, kTakesBf16);
const Bind b1(kernels::attention_bwd, DeviceKind::CUDA, backward, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
