// Attention in bf16 on tensor cores (mma.sync m16n8k16, f32 sums), for P = Q in {32, 64, 128} without mask, clamp, dropout.
// FlashAttention-2 (Dao 2023): scores of a tile live in registers only; the accumulator layout of one product is the operand
// layout of the next.
//
//   forward   a block owns 64 M queries, a warp 16 M of them; online softmax over tiles of 64 keys
//   dq        a block owns 64 queries:  p = exp(s - lse),  ds = p (dout v^T - inner),  dq = scale sum ds k
//   dk, dv    a block owns 64 keys and walks over the queries of all heads that share them, in order; it computes the
//             transposed scores k q^T, so that p^T and ds^T are left operands:  dv = p^T dout,  dk = scale ds^T q
// Seven products instead of five, but no sum crosses a block: no atomics, the order is fixed. Tiles come by cp.async into two
// buffers, rows swizzled by 16-byte chunks so that ldmatrix meets no bank conflict.
//
// A hidden key must not matter even if it holds NaN, but 0 NaN = NaN in a product. Only tiles on the causal diagonal have hidden
// pairs: there a block looks for infinities and NaN in the right operand, and reports them; the kernels of attention.cu, which
// never multiply by a hidden weight, then do it all again.
//
// Bound: 4 P L M flops per head forward, 14 P L M backward (7 products of 2 P L M); shared memory reads 256 / M bytes per
// product of 4096 multiply-adds, so M = 2 keeps them below half of the tensor cores' need.
#include "cuda/attention.cuh"

namespace hippograd::cuda {
namespace {

constexpr int kWarps = 4, kThreads = 32 * kWarps, kTile = 64;   // rows of a streamed tile, where nothing else is said

// ---- instructions ----
HIPPOGRAD_DEVICE uint32_t shared_address(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }
HIPPOGRAD_DEVICE void copy16_async(uint32_t to, const void* from, bool valid) {   // zeros if not valid
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(valid ? 16 : 0));
}
HIPPOGRAD_DEVICE void copy4_async(uint32_t to, const void* from, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from), "r"(valid ? 4 : 0));
}
HIPPOGRAD_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;"); }
HIPPOGRAD_DEVICE void wait_for_copies() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }
HIPPOGRAD_DEVICE void load_matrices(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}
HIPPOGRAD_DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address));
}
HIPPOGRAD_DEVICE void multiply_add(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {   // c (16, 8) += a (16, 16) b (16, 8)
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
HIPPOGRAD_DEVICE float power_of_2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
HIPPOGRAD_DEVICE uint32_t pack(float low, float high) {
  uint32_t y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
HIPPOGRAD_DEVICE float quad_max(float x) {   // over the four lanes that hold a row
  x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, 1));
  return fmaxf(x, __shfl_xor_sync(kFullWarp, x, 2));
}
HIPPOGRAD_DEVICE float quad_sum(float x) {
  x += __shfl_xor_sync(kFullWarp, x, 1);
  return x + __shfl_xor_sync(kFullWarp, x, 2);
}

// ---- tiles in shared memory: rows of P numbers in chunks of 16 bytes, chunk c of row r at place c ^ key(r) ----
// All rows that a lane addresses agree in their last three bits, so its key is one number; and since rows start at multiples
// of their size, an address is a sum of row and base, exclusive-or the chunk: `at` is one instruction and an immediate.
template <int P> struct Tile {
  uint32_t base;
  static constexpr int kChunks = P / 8, kRowBytes = 2 * P;
  static HIPPOGRAD_DEVICE int key(int row) { return P == 32 ? (row >> 1) & 3 : row & 7; }
  HIPPOGRAD_DEVICE uint32_t at(int row, int chunk) const { return base + uint32_t(row * kRowBytes + (chunk ^ key(row)) * 16); }
  // Whether this thread's share of some rows has an infinity or NaN: all bits of an exponent set.
  template <int kRows> HIPPOGRAD_DEVICE bool has_special() const {
    bool found = false;
    for (int i = int(threadIdx.x); i < kRows * kChunks; i += kThreads) {
      uint32_t w[4];
      asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3]) : "r"(base + uint32_t(i * 16)));
#pragma unroll
      for (int j = 0; j < 4; ++j) found |= (w[j] & 0x7f80u) == 0x7f80u || (w[j] & 0x7f800000u) == 0x7f800000u;
    }
    return found;
  }
};
// What a lane adds to a tile's base to find its row of the 8 x 8 matrices of an operand.
template <int P> struct LaneOffsets {
  uint32_t left, right_transposed, right;
  HIPPOGRAD_DEVICE LaneOffsets() {
    const int lane = threadIdx.x % 32, key = Tile<P>::key(lane);
    const auto offset = [&](int row, int chunk) { return uint32_t(row * Tile<P>::kRowBytes + (chunk ^ key) * 16); };
    left = right = offset(lane & 15, lane >> 4);
    right_transposed = offset((lane & 7) + ((lane >> 4) << 3), (lane >> 3) & 1);
  }
};
// Left operand: rows row0 ... row0 + 15 (row0 a multiple of 16), columns 16 step ... + 15.
template <int P> HIPPOGRAD_DEVICE void load_left(uint32_t (&a)[4], const Tile<P>& tile, const LaneOffsets<P>& lane, int row0, int step) {
  load_matrices(a, ((tile.base + lane.left) ^ uint32_t(32 * step)) + uint32_t(row0 * Tile<P>::kRowBytes));
}
// Right operand of x tile^T: its column n is row n of the tile; columns n0 ... n0 + 15.
template <int P> HIPPOGRAD_DEVICE void load_right_transposed(uint32_t (&b)[4], const Tile<P>& tile, const LaneOffsets<P>& lane, int n0, int step) {
  load_matrices(b, ((tile.base + lane.right_transposed) ^ uint32_t(32 * step)) + uint32_t(n0 * Tile<P>::kRowBytes));
}
// Right operand of x tile: rows 16 step ... + 15; 16 columns from chunk `chunk` (even) on.
template <int P> HIPPOGRAD_DEVICE void load_right(uint32_t (&b)[4], const Tile<P>& tile, const LaneOffsets<P>& lane, int step, int chunk) {
  load_matrices_transposed(b, ((tile.base + lane.right) ^ uint32_t(16 * chunk)) + uint32_t(16 * step * Tile<P>::kRowBytes));
}
// Brings rows of a matrix in memory into tiles; each thread moves the same chunk of every (kThreads / kChunks)-th row.
template <int P> struct Fetcher {
  static constexpr int kStep = kThreads / (P / 8);
  const bfloat16* from;
  int64_t stride;
  int count, row;
  uint32_t to;
  static_assert(kStep % 8 == 0);   // the same key for all rows of a thread
  HIPPOGRAD_DEVICE Fetcher(const bfloat16* matrix, int64_t stride_, int count_) : stride(stride_), count(count_), row(int(threadIdx.x) / (P / 8)) {
    const int chunk = int(threadIdx.x) % (P / 8);
    from = matrix + row * stride + chunk * 8;
    to = Tile<P>{0}.at(row, chunk);
  }
  template <int kRows> HIPPOGRAD_DEVICE void fetch(const Tile<P>& tile, int row0) const {   // addresses past the end are not read
    const bfloat16* p = from + row0 * stride;
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i)
      copy16_async(tile.base + to + uint32_t(i * kStep * Tile<P>::kRowBytes), p + i * kStep * stride, row + i * kStep < count - row0);
  }
};

// Sums of a product for 16 rows and 8 kGroups columns: c[group][..], rows g and g + 8, columns 8 group + 2 (lane % 4) + {0, 1}.
template <int kGroups> using Sums = float[kGroups][4];

// Operands of 16 rows that are used again and again stay in registers where there is room.
template <int P, bool kInRegisters> struct LeftOperand {
  Tile<P> tile;
  int row0;
  uint32_t kept[kInRegisters ? P / 16 : 1][4];
  HIPPOGRAD_DEVICE void prepare(const LaneOffsets<P>& lane) {
    if constexpr (kInRegisters)
#pragma unroll
      for (int s = 0; s < P / 16; ++s) load_left(kept[s], tile, lane, row0, s);
  }
  HIPPOGRAD_DEVICE void get(uint32_t (&a)[4], const LaneOffsets<P>& lane, int step) const {
    if constexpr (kInRegisters) {
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] = kept[step][i];
    } else {
      load_left(a, tile, lane, row0, step);
    }
  }
};
// c = left (16 M, P) tile^T (P, 8 kGroups)
template <int P, bool kKept, int M, int kGroups>
HIPPOGRAD_DEVICE void scores_of(float (&c)[M][kGroups][4], const LeftOperand<P, kKept> (&left)[M], const Tile<P>& tile, const LaneOffsets<P>& lane) {
#pragma unroll
  for (int m = 0; m < M; ++m)
#pragma unroll
    for (int n = 0; n < kGroups; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) c[m][n][i] = 0;
#pragma unroll
  for (int s = 0; s < P / 16; ++s) {
    uint32_t a[M][4];
#pragma unroll
    for (int m = 0; m < M; ++m) left[m].get(a[m], lane, s);
#pragma unroll
    for (int n = 0; n < kGroups; n += 2) {
      uint32_t b[4];
      load_right_transposed(b, tile, lane, 8 * n, s);
#pragma unroll
      for (int m = 0; m < M; ++m) {
        multiply_add(c[m][n], a[m], b[0], b[1]);
        multiply_add(c[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}
// sums (16 M, P) += weights (16 M, 8 kGroups) tile (8 kGroups, P); the weights are rounded to bf16.
template <int P, int M, int kGroups>
HIPPOGRAD_DEVICE void add_product(Sums<P / 8> (&sums)[M], const float (&weights)[M][kGroups][4], const Tile<P>& tile, const LaneOffsets<P>& lane) {
#pragma unroll
  for (int s = 0; s < kGroups / 2; ++s) {
    uint32_t a[M][4];
#pragma unroll
    for (int m = 0; m < M; ++m) {
      const float(&x)[4] = weights[m][2 * s], (&y)[4] = weights[m][2 * s + 1];
      a[m][0] = pack(x[0], x[1]), a[m][1] = pack(x[2], x[3]), a[m][2] = pack(y[0], y[1]), a[m][3] = pack(y[2], y[3]);
    }
#pragma unroll
    for (int n = 0; n < P / 8; n += 2) {
      uint32_t b[4];
      load_right(b, tile, lane, s, n);
#pragma unroll
      for (int m = 0; m < M; ++m) {
        multiply_add(sums[m][n], a[m], b[0], b[1]);
        multiply_add(sums[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}
// Rows of 16 to a contiguous (count, P) array, times `factor` per half (rows g and g + 8).
template <int P> HIPPOGRAD_DEVICE void store_rows(bfloat16* to, const Sums<P / 8>& c, int row0, int count, float factor0, float factor1) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = row0 + lane / 4 + 8 * half;
    if (row >= count) continue;
    const float factor = half ? factor1 : factor0;
#pragma unroll
    for (int n = 0; n < P / 8; ++n)
      *reinterpret_cast<uint32_t*>(to + int64_t(row) * P + 8 * n + 2 * (lane % 4)) = pack(c[n][2 * half] * factor, c[n][2 * half + 1] * factor);
  }
}

// (batch, H, rows, P): leading dimensions are one here.
struct View {
  const bfloat16* data = nullptr;
  int64_t batch = 0, head = 0, row = 0;
  HIPPOGRAD_DEVICE const bfloat16* slice(int b, int h) const { return data + b * batch + h * head; }
};
struct Problem {
  View q, k, v, dout;
  int batch, heads, groups, shared, queries, keys, offset;
  float scale;
  bool causal;
  int* special;   // set where an infinity or NaN meets hidden pairs
};
constexpr float kLog2e = 1.44269504088896341f;

// Which rows a block owns, without a division. Grids: (tiles, heads, batch), or (heads, batch, tiles) if causal, where the blocks
// that have most to do start first, over all heads.
struct Part {
  int batch, head, row0;
  HIPPOGRAD_DEVICE Part(const Problem& a, int tile_rows, bool last_first) {
    int tile;
    if (a.causal) {
      head = blockIdx.x, batch = blockIdx.y, tile = last_first ? gridDim.z - 1 - blockIdx.z : blockIdx.z;
    } else {
      tile = blockIdx.x, head = blockIdx.y, batch = blockIdx.z;
    }
    row0 = tile * tile_rows;
  }
};
dim3 grid_of(const Problem& a, int rows, int tile_rows, int heads) {
  const unsigned tiles = unsigned((rows + tile_rows - 1) / tile_rows);
  return a.causal ? dim3(unsigned(heads), unsigned(a.batch), tiles) : dim3(tiles, unsigned(heads), unsigned(a.batch));
}
// The number of keys that the queries before `end` see.
HIPPOGRAD_DEVICE int visible_keys(const Problem& a, int end) { return a.causal ? max(0, min(end + a.offset, a.keys)) : a.keys; }

// Scores of keys that a query does not see, or that do not exist, become -inf. Rows are queries.
template <int kGroups> HIPPOGRAD_DEVICE void hide_keys(const Problem& a, float (&s)[kGroups][4], int key0, int query0) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int query = query0 + lane / 4 + 8 * half, last = a.causal ? min(query + a.offset, a.keys - 1) : a.keys - 1;
    const int until = last - key0 - 2 * (lane % 4);
#pragma unroll
    for (int c = 0; c < kGroups; ++c)
#pragma unroll
      for (int i = 0; i < 2; ++i)
        if (8 * c + i > until) s[c][2 * half + i] = -math::kInf<float>;
  }
}

template <int P, int M> __global__ void __launch_bounds__(kThreads, M == 1 && P <= 64 ? 4 : 1) forward_kernel(Problem a, bfloat16* __restrict__ out, float* __restrict__ lse) {
  extern __shared__ __align__(1024) unsigned char memory[];
  constexpr int kRows = 16 * M * kWarps;
  constexpr uint32_t kTileBytes = kTile * Tile<P>::kRowBytes;
  const LaneOffsets<P> offsets;
  const Part part(a, kRows, true);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const Tile<P> q_tile{shared_address(memory)};
  const uint32_t stage0 = q_tile.base + kRows * 2 * P;   // k, v, k, v
  const int group = a.shared == 1 ? part.head : part.head / a.shared;
  const Fetcher<P> k(a.k.slice(part.batch, group), a.k.row, a.keys), v(a.v.slice(part.batch, group), a.v.row, a.keys);
  const auto fetch = [&](int tile) {
    const uint32_t at = stage0 + uint32_t(tile & 1) * 2 * kTileBytes;
    k.template fetch<kTile>({at}, tile * kTile);
    v.template fetch<kTile>({at + kTileBytes}, tile * kTile);
    commit_copies();
  };
  const int tiles = (visible_keys(a, min(part.row0 + kRows, a.queries)) + kTile - 1) / kTile;
  Fetcher<P>(a.q.slice(part.batch, part.head), a.q.row, a.queries).template fetch<kRows>(q_tile, part.row0);
  fetch(0);

  constexpr bool kKeepQ = P <= 64;
  LeftOperand<P, kKeepQ> q[M];
  Sums<P / 8> sums[M];
  float top[M][2], total[M][2];
  const float scale = a.scale * kLog2e;   // of base-2 exponents
#pragma unroll
  for (int m = 0; m < M; ++m) {
    q[m].tile = q_tile, q[m].row0 = (warp * M + m) * 16;
    top[m][0] = top[m][1] = -math::kInf<float>, total[m][0] = total[m][1] = 0;
#pragma unroll
    for (int c = 0; c < P / 8; ++c)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][c][i] = 0;
  }
  bool special = false;
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies();
    __syncthreads();
    if (tile == 0)
#pragma unroll
      for (int m = 0; m < M; ++m) q[m].prepare(offsets);
    if (tile + 1 < tiles) fetch(tile + 1);
    const Tile<P> k_tile{stage0 + uint32_t(tile & 1) * 2 * kTileBytes}, v_tile{k_tile.base + kTileBytes};
    Sums<kTile / 8> s[M];
    scores_of(s, q, k_tile, offsets);
    const int key0 = tile * kTile;
    const bool diagonal = a.causal && key0 + kTile - 1 > part.row0 + a.offset;
    if (diagonal || key0 + kTile > a.keys) {
      if (diagonal) special |= v_tile.template has_special<kTile>();
#pragma unroll
      for (int m = 0; m < M; ++m) hide_keys(a, s[m], key0, part.row0 + q[m].row0);
    }
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float highest = top[m][half];
#pragma unroll
        for (int c = 0; c < kTile / 8; ++c) highest = fmaxf(highest, fmaxf(s[m][c][2 * half], s[m][c][2 * half + 1]));
        highest = quad_max(highest);
        const float base = highest == -math::kInf<float> ? 0.f : highest * scale;
        const float shrink = power_of_2(top[m][half] * scale - base);
        float sum = 0;
#pragma unroll
        for (int c = 0; c < kTile / 8; ++c)
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; ++i) {
            s[m][c][i] = power_of_2(fmaf(s[m][c][i], scale, -base));
            sum += s[m][c][i];
          }
        total[m][half] = total[m][half] * shrink + sum;
        top[m][half] = highest;
#pragma unroll
        for (int c = 0; c < P / 8; ++c) sums[m][c][2 * half] *= shrink, sums[m][c][2 * half + 1] *= shrink;
      }
    add_product(sums, s, v_tile, offsets);
  }
  wait_for_copies();
  if (special) *a.special = 1;
  const int64_t slice = int64_t(part.batch) * a.heads + part.head;
#pragma unroll
  for (int m = 0; m < M; ++m) {
    float inverse[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = quad_sum(total[m][half]);
      inverse[half] = sum == 0 ? 0.f : 1 / sum;
      const int row = part.row0 + q[m].row0 + lane / 4 + 8 * half;
      if (lane % 4 == 0 && row < a.queries)
        lse[slice * a.queries + row] = sum == 0 ? math::kInf<float> : top[m][half] * a.scale + logf(sum);
    }
    store_rows<P>(out + slice * a.queries * P, sums[m], part.row0 + q[m].row0, a.queries, inverse[0], inverse[1]);
  }
}

// inner[row] = sum out dout, 0 for a query that sees no key. P / 8 lanes per row, 16 bytes each; grid (tiles of rows, heads, batch).
constexpr int kInnerThreads = 256;
template <int P>
__global__ void __launch_bounds__(kInnerThreads) inner_kernel(Problem a, const bfloat16* __restrict__ out, const float* __restrict__ lse, float* __restrict__ inner) {
  constexpr int kLanes = P / 8;
  const int row = int(blockIdx.x) * (kInnerThreads / kLanes) + int(threadIdx.x) / kLanes, chunk = threadIdx.x % kLanes;
  const int64_t at = (int64_t(blockIdx.z) * a.heads + blockIdx.y) * a.queries + row;
  float sum = 0;
  if (row < a.queries) {
    const bfloat16* d = a.dout.slice(blockIdx.z, blockIdx.y) + row * a.dout.row;
    const auto x = reinterpret_cast<const Pack<bfloat16, 8>*>(out + at * P)[chunk], y = reinterpret_cast<const Pack<bfloat16, 8>*>(d)[chunk];
#pragma unroll
    for (int i = 0; i < 8; ++i) sum += load(x.v[i]) * load(y.v[i]);
  }
#pragma unroll
  for (int k = kLanes / 2; k > 0; k /= 2) sum += __shfl_xor_sync(kFullWarp, sum, k);
  if (row < a.queries && chunk == 0) inner[at] = lse[at] == math::kInf<float> ? 0.f : sum;
}

// p and ds of one pair; a weight of zero has no gradient, whatever the other factor is.
HIPPOGRAD_DEVICE void pair_gradient(float& s, float& dp, float scale, float lse2, float inner) {
  s = power_of_2(fmaf(s, scale, -lse2));
  dp = s == 0 ? 0.f : s * (dp - inner);
}

// Blocks own 64 M rows and meet the other side T rows at a time: M = 2 halves the reads from shared memory, T = 32 then keeps
// scores, their gradients and the sums in registers.
template <int P, int M, int T>
__global__ void __launch_bounds__(kThreads) query_kernel(Problem a, const float* __restrict__ lse, const float* __restrict__ inner, bfloat16* __restrict__ dq) {
  extern __shared__ __align__(1024) unsigned char memory[];
  constexpr int kRows = 16 * M * kWarps;
  constexpr uint32_t kTileBytes = T * Tile<P>::kRowBytes;
  constexpr bool kKept = P <= 64;
  const LaneOffsets<P> offsets;
  const Part part(a, kRows, true);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const Tile<P> q_tile{shared_address(memory)}, dout_tile{q_tile.base + kRows * Tile<P>::kRowBytes};
  const uint32_t stage0 = dout_tile.base + kRows * Tile<P>::kRowBytes;   // k, v, k, v
  const int group = a.shared == 1 ? part.head : part.head / a.shared;
  const Fetcher<P> k(a.k.slice(part.batch, group), a.k.row, a.keys), v(a.v.slice(part.batch, group), a.v.row, a.keys);
  const auto fetch = [&](int tile) {
    const uint32_t at = stage0 + uint32_t(tile & 1) * 2 * kTileBytes;
    k.template fetch<T>({at}, tile * T);
    v.template fetch<T>({at + kTileBytes}, tile * T);
    commit_copies();
  };
  const int tiles = (visible_keys(a, min(part.row0 + kRows, a.queries)) + T - 1) / T;
  Fetcher<P>(a.q.slice(part.batch, part.head), a.q.row, a.queries).template fetch<kRows>(q_tile, part.row0);
  Fetcher<P>(a.dout.slice(part.batch, part.head), a.dout.row, a.queries).template fetch<kRows>(dout_tile, part.row0);
  fetch(0);

  LeftOperand<P, kKept> q[M], dout[M];
  const int64_t slice = int64_t(part.batch) * a.heads + part.head;
  float lse2[M][2], row_inner[M][2];
  Sums<P / 8> sums[M];
#pragma unroll
  for (int m = 0; m < M; ++m) {
    q[m].tile = q_tile, dout[m].tile = dout_tile, q[m].row0 = dout[m].row0 = (warp * M + m) * 16;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = part.row0 + q[m].row0 + lane / 4 + 8 * half;
      lse2[m][half] = row < a.queries ? lse[slice * a.queries + row] * kLog2e : math::kInf<float>;
      row_inner[m][half] = row < a.queries ? inner[slice * a.queries + row] : 0.f;
    }
#pragma unroll
    for (int c = 0; c < P / 8; ++c)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[m][c][i] = 0;
  }
  const float scale = a.scale * kLog2e;
  bool special = false;
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies();
    __syncthreads();
    if (tile == 0)
#pragma unroll
      for (int m = 0; m < M; ++m) q[m].prepare(offsets), dout[m].prepare(offsets);
    if (tile + 1 < tiles) fetch(tile + 1);
    const Tile<P> k_tile{stage0 + uint32_t(tile & 1) * 2 * kTileBytes}, v_tile{k_tile.base + kTileBytes};
    Sums<T / 8> s[M], dp[M];
    scores_of(s, q, k_tile, offsets);
    const int key0 = tile * T;
    const bool diagonal = a.causal && key0 + T - 1 > part.row0 + a.offset;
    if (diagonal || key0 + T > a.keys) {
      if (diagonal) special |= k_tile.template has_special<T>();
#pragma unroll
      for (int m = 0; m < M; ++m) hide_keys(a, s[m], key0, part.row0 + q[m].row0);
    }
    scores_of(dp, dout, v_tile, offsets);
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int c = 0; c < T / 8; ++c)
#pragma unroll
        for (int i = 0; i < 4; ++i) pair_gradient(s[m][c][i], dp[m][c][i], scale, lse2[m][i >> 1], row_inner[m][i >> 1]);
    add_product(sums, dp, k_tile, offsets);
  }
  wait_for_copies();
  if (special) *a.special = 1;
#pragma unroll
  for (int m = 0; m < M; ++m) store_rows<P>(dq + slice * a.queries * P, sums[m], part.row0 + q[m].row0, a.queries, a.scale, a.scale);
}

template <int P, int M, int T> constexpr size_t kKeyMemory = size_t(2 * 16 * M * kWarps + 4 * T) * 2 * P + 4 * T * sizeof(float);

template <int P, int M, int T>
__global__ void __launch_bounds__(kThreads, M == 1 && P <= 64 ? 3 : 1)
key_kernel(Problem a, const float* __restrict__ lse, const float* __restrict__ inner, bfloat16* __restrict__ dk, bfloat16* __restrict__ dv) {
  extern __shared__ __align__(1024) unsigned char memory[];
  constexpr int kRows = 16 * M * kWarps;
  constexpr uint32_t kTileBytes = T * Tile<P>::kRowBytes, kStageBytes = 2 * kTileBytes;
  constexpr bool kKept = P <= 32;
  const LaneOffsets<P> offsets;
  const Part part(a, kRows, false);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const Tile<P> k_tile{shared_address(memory)}, v_tile{k_tile.base + kRows * Tile<P>::kRowBytes};
  const uint32_t stage0 = v_tile.base + kRows * Tile<P>::kRowBytes, numbers0 = stage0 + 2 * kStageBytes;   // q, dout; twice: lse, inner
  // Queries before tile `first` see none of the block's keys. The tiles of all heads of the group follow each other.
  const int first = a.causal ? max(0, part.row0 - a.offset) / T : 0;
  const int per_head = max(0, (a.queries + T - 1) / T - first), tiles = a.shared * per_head;
  int next_head = part.head * a.shared, next_query = first * T;   // of the tile to fetch
  const float* numbers_from = threadIdx.x < T ? lse : inner;
  const auto fetch = [&](int tile) {
    const uint32_t at = stage0 + uint32_t(tile & 1) * kStageBytes;
    Fetcher<P>(a.q.slice(part.batch, next_head), a.q.row, a.queries).template fetch<T>({at}, next_query);
    Fetcher<P>(a.dout.slice(part.batch, next_head), a.dout.row, a.queries).template fetch<T>({at + kTileBytes}, next_query);
    const int query = next_query + int(threadIdx.x % T);
    if (threadIdx.x < 2 * T)
      copy4_async(numbers0 + uint32_t(tile & 1) * (2 * T * 4) + threadIdx.x * 4, numbers_from + (int64_t(part.batch) * a.heads + next_head) * a.queries + query,
                  query < a.queries);
    commit_copies();
    next_query += T;
    if (next_query >= a.queries) next_query = first * T, ++next_head;
  };
  static_assert(2 * T <= kThreads);
  Fetcher<P>(a.k.slice(part.batch, part.head), a.k.row, a.keys).template fetch<kRows>(k_tile, part.row0);
  Fetcher<P>(a.v.slice(part.batch, part.head), a.v.row, a.keys).template fetch<kRows>(v_tile, part.row0);
  if (tiles > 0) fetch(0);

  LeftOperand<P, kKept> k[M], v[M];
  const float scale = a.scale * kLog2e;
  Sums<P / 8> dk_sums[M], dv_sums[M];
#pragma unroll
  for (int m = 0; m < M; ++m) {
    k[m].tile = k_tile, v[m].tile = v_tile, k[m].row0 = v[m].row0 = (warp * M + m) * 16;
#pragma unroll
    for (int c = 0; c < P / 8; ++c)
#pragma unroll
      for (int i = 0; i < 4; ++i) dk_sums[m][c][i] = dv_sums[m][c][i] = 0;
  }
  bool special = false;
  int query0 = first * T;
  for (int tile = 0; tile < tiles; ++tile, query0 = query0 + T < a.queries ? query0 + T : first * T) {
    wait_for_copies();
    __syncthreads();
    if (tile == 0)
#pragma unroll
      for (int m = 0; m < M; ++m) k[m].prepare(offsets), v[m].prepare(offsets);
    if (tile + 1 < tiles) fetch(tile + 1);
    const Tile<P> q_tile{stage0 + uint32_t(tile & 1) * kStageBytes}, dout_tile{q_tile.base + kTileBytes};
    const float* numbers = reinterpret_cast<const float*>(memory + (numbers0 - k_tile.base)) + (tile & 1) * 2 * T;   // lse, then inner
    Sums<T / 8> s[M], dp[M];   // transposed: rows are keys, columns queries
    scores_of(s, k, q_tile, offsets);
    if (a.causal && part.row0 + kRows - 1 > query0 + a.offset) {   // on the diagonal
      special |= q_tile.template has_special<T>() || dout_tile.template has_special<T>();
#pragma unroll
      for (int m = 0; m < M; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {   // a key sees the queries from key - offset on
          const int from = part.row0 + k[m].row0 + lane / 4 + 8 * half - a.offset - query0 - 2 * (lane % 4);
#pragma unroll
          for (int c = 0; c < T / 8; ++c)
#pragma unroll
            for (int i = 0; i < 2; ++i)
              if (8 * c + i < from) s[m][c][2 * half + i] = -math::kInf<float>;
        }
    }
    scores_of(dp, v, dout_tile, offsets);
#pragma unroll
    for (int c = 0; c < T / 8; ++c) {
      const int column = 8 * c + 2 * (lane % 4);
      const float2 row_lse = *reinterpret_cast<const float2*>(numbers + column), row_inner = *reinterpret_cast<const float2*>(numbers + T + column);
#pragma unroll
      for (int m = 0; m < M; ++m)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          pair_gradient(s[m][c][i], dp[m][c][i], scale, (i & 1 ? row_lse.y : row_lse.x) * kLog2e, i & 1 ? row_inner.y : row_inner.x);
    }
    add_product(dv_sums, s, dout_tile, offsets);
    add_product(dk_sums, dp, q_tile, offsets);
  }
  wait_for_copies();
  if (special) *a.special = 1;
  const int64_t slice = int64_t(part.batch) * a.groups + part.head;
#pragma unroll
  for (int m = 0; m < M; ++m) {
    const int row0 = part.row0 + k[m].row0;
    if (dk) store_rows<P>(dk + slice * a.keys * P, dk_sums[m], row0, a.keys, a.scale, a.scale);
    if (dv) store_rows<P>(dv + slice * a.keys * P, dv_sums[m], row0, a.keys, 1.f, 1.f);
  }
}

// Rows in 16-byte chunks, leading dimensions that continue each other: then they are one.
bool has_chunks(const Array& x) {
  if (x.dtype() != DType::bf16 || !aligned16(x.raw()) || x.strides().back() != 1) return false;
  for (int d = 0; d + 1 < x.dim(); ++d)
    if (x.shape()[d] > 1 && x.strides()[d] % 8 != 0) return false;
  int64_t stride = -1;
  for (int d = x.dim() - 4; d >= 0; --d) {
    if (x.shape()[d] == 1) continue;
    if (stride >= 0 && x.strides()[d] != stride) return false;
    stride = x.strides()[d] * x.shape()[d];
  }
  return true;
}
View view_of(const Array& x) {
  const int r = x.dim();
  View v{x.data<bfloat16>(), 0, x.strides()[r - 3], x.strides()[r - 2]};
  for (int d = 0; d < r - 3; ++d)
    if (x.shape()[d] > 1) v.batch = x.strides()[d];   // of the innermost
  return v;
}
bool is_fast(CArray q, CArray k, CArray v, CArray mask, const AttentionConfig& c) {
  const int64_t width = q.shape().back();
  const AttentionSizes n(q, k, v);
  constexpr int64_t kLimit = int64_t(1) << 30;
  return (width == 32 || width == 64 || width == 128) && v.shape().back() == width && !mask.defined() && c.clamp <= 0 && c.dropout <= 0 && c.scale > 0 &&
         q.numel() > 0 && k.numel() > 0 && n.batch <= 65535 && n.heads <= 65535 && n.queries < kTile * int64_t(65535) && n.keys < kTile * int64_t(65535) &&
         c.offset < kLimit && c.offset > -kLimit && has_chunks(q) && has_chunks(k) && has_chunks(v);
}
Problem problem(CArray q, CArray k, CArray v, const AttentionConfig& c, int* special) {
  const AttentionSizes n(q, k, v);
  return {view_of(q), view_of(k), view_of(v), {}, int(n.batch), int(n.heads), int(n.groups), int(n.shared), int(n.queries), int(n.keys), int(c.offset), float(c.scale), c.causal, special};
}
template <class F> void by_width(int64_t width, F&& f) {
  if (width == 32) f.template operator()<32>();
  else if (width == 64) f.template operator()<64>();
  else f.template operator()<128>();
}

template <int P, int M> void launch_forward(const Problem& a, MArray out, MArray lse) {
  constexpr int kRows = 16 * M * kWarps;
  launch("attention_mma", forward_kernel<P, M>, grid_of(a, a.queries, kRows, a.heads), kThreads, size_t(kRows + 4 * kTile) * 2 * P, a, out.data<bfloat16>(),
         lse.data<float>());
}
template <int P, int M, int T> void launch_backward(const Problem& a, const float* lse, const float* inner, MArray dq, MArray dk, MArray dv) {
  constexpr int kRows = 16 * M * kWarps;
  if (dk.defined() || dv.defined())
    launch("attention_mma_dkv", key_kernel<P, M, T>, grid_of(a, a.keys, kRows, a.groups), kThreads, kKeyMemory<P, M, T>, a, lse, inner,
           dk.defined() ? dk.data<bfloat16>() : nullptr, dv.defined() ? dv.data<bfloat16>() : nullptr);
  if (dq.defined())
    launch("attention_mma_dq", query_kernel<P, M, T>, grid_of(a, a.queries, kRows, a.heads), kThreads, size_t(2 * kRows + 4 * T) * 2 * P, a, lse, inner, dq.data<bfloat16>());
}
// Blocks of 128 queries read K and V from shared memory half as often; of blocks of 64 four instead of two share a
// multiprocessor, which hides latencies better and fills the last round better. The same bits either way.
bool large_blocks(const Problem& a) { return a.queries >= 512; }

}  // namespace

bool fast_attention_forward(CArray q, CArray k, CArray v, CArray mask, const AttentionConfig& config, MArray out, MArray lse, int* special) {
  if (!is_fast(q, k, v, mask, config) || !has_chunks(out)) return false;
  const Problem a = problem(q, k, v, config, special);
  by_width(q.shape().back(), [&]<int P>() {
    if constexpr (P <= 64)
      if (large_blocks(a)) return launch_forward<P, 2>(a, out, lse);
    launch_forward<P, 1>(a, out, lse);
  });
  return true;
}

bool fast_attention_backward(CArray q, CArray k, CArray v, CArray mask, const AttentionConfig& config, CArray out, CArray lse, CArray dout, MArray dq,
                             MArray dk, MArray dv, int* special) {
  if (!is_fast(q, k, v, mask, config) || !has_chunks(dout) || !has_chunks(out)) return false;
  Problem a = problem(q, k, v, config, special);
  a.dout = view_of(dout);
  const Workspace memory(size_t(a.batch) * size_t(a.heads) * size_t(a.queries) * sizeof(float));
  float* inner = memory.as<float>();
  const float* lse_p = lse.data<float>();
  by_width(q.shape().back(), [&]<int P>() {
    launch("attention_mma_inner", inner_kernel<P>, dim3(blocks_for(a.queries, kInnerThreads / (P / 8)), unsigned(a.heads), unsigned(a.batch)), kInnerThreads, 0, a,
           out.data<bfloat16>(), lse_p, inner);
    if constexpr (P <= 64)
      if (large_blocks(a)) return launch_backward<P, 2, 32>(a, lse_p, inner, dq, dk, dv);
    launch_backward<P, 1, 64>(a, lse_p, inner, dq, dk, dv);
  });
  return true;
}

}  // namespace hippograd::cuda
