// f32 attention with at most 64 keys and P, Q <= 32, with all masks: what small models have. Everything of a key head lies in
// shared memory; products in registers, 4 x 4 or 4 x 2 results per thread, operands as float4 from transposed copies.
//
//   forward    a block takes 64 of the queries of all heads that share the key head
//   backward   a block takes the key head and walks through those queries 64 at a time: five products, nothing twice; dk and dv
//              are summed in registers, in the order of the queries
// Bound: FMAs, 4 P M per query forward and 10 P M backward; measured against that, LDS take about a third of the issue slots.
//
// A hidden key must not matter even where it holds NaN: if a factor that is met with weights is not finite, products with a
// weight of zero are left out.
#include "cuda/attention.cuh"

namespace hippograd::cuda {
namespace {

constexpr int kThreads = 256, kTile = 64, kWidth = 32, kPitch = kTile + 4, kRowPitch = kWidth + 4;
using Transposed = float[kWidth][kPitch];   // [column][row]
using Plain = float[kTile][kRowPitch];      // [row][column]
using Scores = float[kTile][kPitch];        // [query][key]

struct ForwardMemory {
  Transposed q, k;
  Plain v;
  Scores p;
};
struct BackwardMemory {
  Transposed qt, kt, dout_t, vt;
  Plain q, k, dout;
  Scores p, ds;
  float lse[kTile], inner[kTile];
};

// Queries of the heads that share a key head, as rows h L + l.
struct Row {
  int head, l;
  bool real;
  HIPPOGRAD_DEVICE Row(const AttentionProblem<float>& a, int group, int r) {
    const unsigned L = unsigned(a.sizes.queries), h = unsigned(r) / L;
    real = h < unsigned(a.sizes.shared);
    head = group * int(a.sizes.shared) + int(h), l = int(unsigned(r) - h * L);
  }
};
HIPPOGRAD_DEVICE float4 four(const float* p) { return *reinterpret_cast<const float4*>(p); }
HIPPOGRAD_DEVICE float part(const float4& x, int i) { return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w; }
HIPPOGRAD_DEVICE bool finite(float x) { return fabsf(x) < math::kInf<float>; }

// Warp per row, lane per column; either copy may be null. Returns whether all this thread saw was finite.
HIPPOGRAD_DEVICE bool stage_keys(const Slices<float>& x, int64_t base, int count, int width, float (*transposed)[kPitch], float (*plain)[kRowPitch]) {
  const int lane = threadIdx.x % 32;
  bool good = true;
  for (int row = threadIdx.x / 32; row < kTile; row += kThreads / 32) {
    const float v = row < count && lane < width ? x.at(base + row * x.row + lane * x.column) : 0.f;
    good &= finite(v);
    if (transposed) transposed[lane][row] = v;
    if (plain) plain[row][lane] = v;
  }
  return good;
}
// dots[i][j] = row 4 ty + i of x times row 4 tx + j of y.
HIPPOGRAD_DEVICE void dot_tiles(const Transposed& x, const Transposed& y, int width, float (&dots)[4][4]) {
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) dots[i][j] = 0;
#pragma unroll 4
  for (int c = 0; c < width; ++c) {
    const float4 u = four(&x[c][4 * ty]), v = four(&y[c][4 * tx]);
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) dots[i][j] = fmaf(part(u, i), part(v, j), dots[i][j]);
  }
}
template <bool kCareful> HIPPOGRAD_DEVICE float add(float weight, float x, float sum) {
  if constexpr (kCareful) return weight == 0 ? sum : fmaf(weight, x, sum);
  else return fmaf(weight, x, sum);
}
// sums[i][j] = sum over keys of weights[4 ty + i][key] values[key][2 tx + j]
template <bool kCareful> HIPPOGRAD_DEVICE void weigh_keys(const Scores& weights, const Plain& values, int keys, float (&sums)[4][2]) {
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll 2
  for (int m = 0; m < keys; m += 4) {
    float2 v[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) v[k] = *reinterpret_cast<const float2*>(&values[m + k][2 * tx]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 w = four(&weights[4 * ty + i][m]);
#pragma unroll
      for (int k = 0; k < 4; ++k) sums[i][0] = add<kCareful>(part(w, k), v[k].x, sums[i][0]), sums[i][1] = add<kCareful>(part(w, k), v[k].y, sums[i][1]);
    }
  }
}
// sums[i][j] += sum over queries of weights[query][4 ty + i] values[query][2 tx + j]
template <bool kCareful> HIPPOGRAD_DEVICE void weigh_queries(const Scores& weights, const Plain& values, int queries, float (&sums)[4][2]) {
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
#pragma unroll 4
  for (int r = 0; r < queries; ++r) {
    const float4 w = four(&weights[r][4 * ty]);
    const float2 v = *reinterpret_cast<const float2*>(&values[r][2 * tx]);
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[i][0] = add<kCareful>(part(w, i), v.x, sums[i][0]), sums[i][1] = add<kCareful>(part(w, i), v.y, sums[i][1]);
  }
}
HIPPOGRAD_DEVICE float row_max(float x) {   // over the 16 threads of a row
#pragma unroll
  for (int k = 8; k > 0; k /= 2) x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, k));
  return x;
}
HIPPOGRAD_DEVICE float row_sum(float x) {
#pragma unroll
  for (int k = 8; k > 0; k /= 2) x += __shfl_xor_sync(kFullWarp, x, k);
  return x;
}
HIPPOGRAD_DEVICE void put_columns(float* to, int width, float x, float y) {   // columns 2 tx, 2 tx + 1 of a row
  const int c = 2 * (threadIdx.x % 16);
  if (c < width) to[c] = x;
  if (c + 1 < width) to[c + 1] = y;
}

__global__ void __launch_bounds__(kThreads) forward_kernel(AttentionProblem<float> a, float* __restrict__ out, float* __restrict__ lse) {
  extern __shared__ __align__(16) unsigned char bytes[];
  ForwardMemory& s = *reinterpret_cast<ForwardMemory*>(bytes);
  const AttentionSizes& n = a.sizes;
  const int group = blockIdx.y, batch = blockIdx.z, row0 = int(blockIdx.x) * kTile, keys = int(n.keys), lane = threadIdx.x % 32;
  const int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  stage_keys(a.k, a.k.slice(batch, group), keys, int(n.width), s.k, nullptr);
  const bool good = stage_keys(a.v, a.v.slice(batch, group), keys, int(n.value_width), nullptr, s.v);
  for (int r = threadIdx.x / 32; r < kTile; r += kThreads / 32) {
    const Row row(a, group, row0 + r);
    s.q[lane][r] = row.real && lane < n.width ? a.q.at(a.q.slice(batch, row.head) + row.l * a.q.row + lane * a.q.column) : 0.f;
  }
  const bool careful = __syncthreads_or(!good);
  float scores[4][4];
  dot_tiles(s.q, s.k, int(n.width), scores);
  int64_t query[4];
  bool real[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const Row row(a, group, row0 + 4 * ty + i);
    real[i] = row.real;
    query[i] = a.query_index(batch, row.head, row.l);
    const int64_t mask_at = a.mask.data && row.real ? a.mask.slice(batch, row.head) : 0;
    float top = -math::kInf<float>, total = 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      bool clamped;
      scores[i][j] = row.real && 4 * tx + j < keys ? a.shown(mask_at, row.l, 4 * tx + j, scores[i][j], clamped) : -math::kInf<float>;
      top = fmaxf(top, scores[i][j]);
    }
    top = row_max(top);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      scores[i][j] = scores[i][j] == -math::kInf<float> ? 0.f : math::exp(scores[i][j] - top);
      total += scores[i][j];
    }
    total = row_sum(total);
    const float inverse = total == 0 ? 1.f : 1 / total;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      scores[i][j] *= inverse;
      if (a.config.dropout > 0 && scores[i][j] != 0) scores[i][j] = a.dropped(query[i], 4 * tx + j, scores[i][j]);
      s.p[4 * ty + i][4 * tx + j] = scores[i][j];
    }
    if (tx == 0 && row.real) lse[query[i]] = total == 0 ? math::kInf<float> : top + math::log(total);
  }
  __syncwarp();   // a row's weights come from its own 16 threads
  float sums[4][2] = {};
  if (careful) weigh_keys<true>(s.p, s.v, keys, sums);
  else weigh_keys<false>(s.p, s.v, keys, sums);
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (real[i]) put_columns(out + query[i] * n.value_width, int(n.value_width), sums[i][0], sums[i][1]);
}

struct BackwardOutputs {
  float *dq, *dk, *dv;   // contiguous, or null
  void* dmask;
};

__global__ void __launch_bounds__(kThreads) backward_kernel(AttentionProblem<float> a, const float* __restrict__ out, const float* __restrict__ lse, BackwardOutputs to) {
  extern __shared__ __align__(16) unsigned char bytes[];
  BackwardMemory& s = *reinterpret_cast<BackwardMemory*>(bytes);
  const AttentionSizes& n = a.sizes;
  const int group = blockIdx.x, batch = blockIdx.y, keys = int(n.keys), width = int(n.width), value_width = int(n.value_width);
  const int rows = int(n.shared * n.queries), lane = threadIdx.x % 32, tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  bool good = stage_keys(a.k, a.k.slice(batch, group), keys, width, s.kt, s.k);
  stage_keys(a.v, a.v.slice(batch, group), keys, value_width, s.vt, nullptr);
  float dk[4][2] = {}, dv[4][2] = {};
  for (int row0 = 0; row0 < rows; row0 += kTile) {
    __syncthreads();
    for (int r = threadIdx.x / 32; r < kTile; r += kThreads / 32) {
      const Row row(a, group, row0 + r);
      float q = 0, dout = 0, inner = 0, row_lse = math::kInf<float>;
      if (row.real) {
        const int64_t query = a.query_index(batch, row.head, row.l);
        row_lse = lse[query];
        if (lane < width) q = a.q.at(a.q.slice(batch, row.head) + row.l * a.q.row + lane * a.q.column);
        if (lane < value_width) {
          dout = a.dout.at(a.dout.slice(batch, row.head) + row.l * a.dout.row + lane * a.dout.column);
          inner = dout * out[query * value_width + lane];
        }
      }
      good &= finite(q) && finite(dout);
      s.qt[lane][r] = s.q[r][lane] = q;
      s.dout_t[lane][r] = s.dout[r][lane] = dout;
      inner = warp_join(inner, Plus{});
      if (lane == 0) s.lse[r] = row_lse, s.inner[r] = row_lse == math::kInf<float> ? 0.f : inner;   // a query that sees no key takes no gradient
    }
    const bool careful = __syncthreads_or(!good);
    float scores[4][4], dweights[4][4];
    dot_tiles(s.qt, s.kt, width, scores);
    dot_tiles(s.dout_t, s.vt, value_width, dweights);
    int64_t query[4];
    bool real[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Row row(a, group, row0 + 4 * ty + i);
      real[i] = row.real;
      query[i] = a.query_index(batch, row.head, row.l);
      const int64_t mask_at = a.mask.data && row.real ? a.mask.slice(batch, row.head) : 0;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int m = 4 * tx + j;
        float weight = 0, dscore = 0;
        if (row.real && m < keys) {
          const PairGradient<float> g(a, mask_at, query[i], row.l, m, scores[i][j], dweights[i][j], s.lse[4 * ty + i], s.inner[4 * ty + i]);
          weight = g.weight, dscore = g.dscore;
          if (to.dmask) static_cast<float*>(to.dmask)[query[i] * n.keys + m] = g.dmask;
        }
        s.p[4 * ty + i][m] = weight, s.ds[4 * ty + i][m] = dscore;
      }
    }
    __syncthreads();
    const int here = min(kTile, rows - row0);
    float dq[4][2] = {};
    if (careful) {
      weigh_queries<true>(s.p, s.dout, here, dv);
      weigh_queries<true>(s.ds, s.q, here, dk);
      weigh_keys<true>(s.ds, s.k, keys, dq);
    } else {
      weigh_queries<false>(s.p, s.dout, here, dv);
      weigh_queries<false>(s.ds, s.q, here, dk);
      weigh_keys<false>(s.ds, s.k, keys, dq);
    }
    const float scale = float(a.config.scale);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (to.dq && real[i]) put_columns(to.dq + query[i] * width, width, dq[i][0] * scale, dq[i][1] * scale);
  }
  const float scale = float(a.config.scale);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int m = 4 * ty + i;
    const int64_t row = (int64_t(batch) * n.groups + group) * n.keys + m;
    if (m >= keys) continue;
    if (to.dk) put_columns(to.dk + row * width, width, dk[i][0] * scale, dk[i][1] * scale);
    if (to.dv) put_columns(to.dv + row * value_width, value_width, dv[i][0], dv[i][1]);
  }
}

bool is_small(const AttentionProblem<float>& a) {
  const AttentionSizes& n = a.sizes;
  const auto fits = [](int64_t x, int64_t most) { return x >= 1 && x <= most; };
  return !a.only_if && fits(n.keys, kTile) && fits(n.width, kWidth) && fits(n.value_width, kWidth) && fits(n.batch, 65535) && fits(n.groups, 65535) &&
         fits(n.shared * n.queries, 1 << 24) && !a.q.half && !a.k.half && !a.v.half && !a.mask.half && !a.dout.half;
}

}  // namespace

bool small_attention_forward(const AttentionProblem<float>& a, float* out, float* lse) {
  if (!is_small(a)) return false;
  const AttentionSizes& n = a.sizes;
  launch("attention_small", forward_kernel, dim3(blocks_for(n.shared * n.queries, kTile), unsigned(n.groups), unsigned(n.batch)), kThreads, sizeof(ForwardMemory), a, out, lse);
  return true;
}
bool small_attention_backward(const AttentionProblem<float>& a, const float* out, const float* lse, MArray dq, MArray dk, MArray dv, MArray dmask) {
  if (!is_small(a)) return false;
  const auto pointer = [](MArray x) { return x.defined() ? x.data<float>() : nullptr; };
  const BackwardOutputs to{pointer(dq), pointer(dk), pointer(dv), dmask.defined() ? dmask.raw() : nullptr};
  launch("attention_small_bwd", backward_kernel, dim3(unsigned(a.sizes.groups), unsigned(a.sizes.batch)), kThreads, sizeof(BackwardMemory), a, out, lse, to);
  return true;
}

}  // namespace hippograd::cuda
