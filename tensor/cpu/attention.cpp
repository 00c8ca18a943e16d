// Queries go in blocks that share one key head: n heads x a run of positions. The block's scores (rows, M) fit into the L2
// cache, so each block is: one product with k^T, a softmax per row, one product with v. Backward recomputes the
// probabilities from the saved log-sum-exp. A task of the backward owns one key head, so dk and dv are summed in the order
// of the blocks; forward tasks are single blocks.
#include "tensor/kernels/attention.h"

#include <cmath>
#include <memory>

#include "tensor/cpu/gemm.h"
#include "tensor/cpu/rows.h"
#include "tensor/random.h"

namespace hippograd {
namespace kernels {
constinit decltype(attention_fwd) attention_fwd{"attention_fwd"};
constinit decltype(attention_bwd) attention_bwd{"attention_bwd"};
}  // namespace kernels

namespace {

using namespace cpu;

template <class T> inline constexpr T kInf = std::numeric_limits<T>::infinity();

// Offset of slice (i, h) of an array (..., H, rows, columns); i counts the leading dimensions in row-major order.
int64_t slice_offset(const Array& a, int64_t i, int64_t h) {
  const int lead = a.dim() - 3;
  int64_t at = h * a.strides()[lead];
  for (int d = lead - 1; d >= 0; --d) {
    at += i % a.shape()[d] * a.strides()[d];
    i /= a.shape()[d];
  }
  return at;
}

struct Sizes {
  int64_t batch, heads, groups, shared, queries, keys, width, value_width;
  int64_t block, blocks;   // positions per block of queries; blocks per head group
  Sizes(const Array& q, const Array& k, const Array& v) {
    const int r = q.dim();
    heads = q.shape()[r - 3], queries = q.shape()[r - 2], width = q.shape()[r - 1];
    groups = k.shape()[r - 3], keys = k.shape()[r - 2], value_width = v.shape()[r - 1];
    shared = groups ? heads / groups : 0;
    batch = 1;
    for (int d = 0; d < r - 3; ++d) batch *= q.shape()[d];
    constexpr int64_t kScores = 32768;   // per block
    const int64_t rows = std::max<int64_t>(1, kScores / std::max<int64_t>(1, keys * std::max<int64_t>(1, shared)));
    block = std::min(std::max<int64_t>(rows, 8), std::max<int64_t>(1, queries));
    blocks = (queries + block - 1) / block;
  }
  double cost() const { return double(batch * heads) * double(queries * keys) * (0.04 * double(width + value_width) + 1); }
};

// A matrix in place: unit stride along its rows.
template <class T> struct Matrix {
  T* data;
  int64_t row;
};

// One task's memory: kept per thread, grown to what the largest task needs.
template <class T> T* workspace(int64_t size) {
  thread_local std::unique_ptr<T[]> memory;
  thread_local int64_t have = 0;
  if (size > have) {
    memory = std::make_unique_for_overwrite<T[]>(size_t(size));
    have = size;
  }
  return memory.get();
}

template <class T> bool all_finite(const T* p, int64_t rows, int64_t row, int64_t n) {
  double zero = 0;
  for (int64_t r = 0; r < rows; ++r)
    zero += row_sum<T>(n, [&](int64_t i, int k) HG_ALWAYS { return take(p + r * row + i, k) * T(0); });   // 0, or NaN
  return zero == 0;
}

// c (m, n) [+]= a (m, k) b (k, n); a may be transposed through its strides. With `careful`, factors of `a` that are zero do not
// meet b: what lies behind a hidden key may be NaN.
template <class T>
void product(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c, int64_t c_row,
             bool accumulate, bool careful) {
  if (!careful || all_finite(b, k, b_row, n)) {
    GemmArgs<T> g;
    g.m = m, g.n = n, g.k = k;
    g.a = a, g.a_row = a_row, g.a_col = a_col;
    g.b = b, g.b_row = b_row, g.b_col = 1;
    g.c = c, g.c_row = c_row, g.accumulate = accumulate;
    return gemm(g, 1);
  }
  for (int64_t i = 0; i < m; ++i) {
    if (!accumulate) std::fill_n(c + i * c_row, n, T(0));
    for (int64_t p = 0; p < k; ++p) {
      const T x = a[i * a_row + p * a_col];
      if (x == 0) continue;
      for (int64_t j = 0; j < n; ++j) c[i * c_row + j] += x * b[p * b_row + j];
    }
  }
}

// c (m, n) = a (m, k) b^T, b (n, k): both with unit stride along k.
template <class T>
void product_transposed(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_row, T* c, int64_t c_row) {
  GemmArgs<T> g;
  g.m = m, g.n = n, g.k = k;
  g.a = a, g.a_row = a_row, g.a_col = 1;
  g.b = b, g.b_row = 1, g.b_col = b_row;
  g.c = c, g.c_row = c_row;
  gemm(g, 1);
}

// What a block needs to know: everything but the pointers that differ between forward and backward.
template <class T> class Block {
 public:
  Block(const Sizes& s, CArray mask, CArray state, const AttentionConfig& c) : s_(s), mask_(mask), config_(c) {
    if (state.defined()) seed_ = uint64_t(state.data<int64_t>()[0]), draw_ = uint64_t(state.data<int64_t>()[1]);
  }
  bool hides() const { return config_.causal || mask_.defined(); }

  // Queries [first, first + count) of head group g in batch i, row (h, l) = h * count + l.
  void select(int64_t batch, int64_t group, int64_t index) {
    batch_ = batch, group_ = group;
    first = index * s_.block;
    count = std::min(s_.block, s_.queries - first);
    rows = s_.shared * count;
    keys = s_.keys;   // further keys are hidden from every query of the block
    if (config_.causal) keys = std::clamp<int64_t>(first + count + config_.offset, 0, s_.keys);
  }
  int64_t first = 0, count = 0, rows = 0, keys = 0;

  int64_t head(int64_t row) const { return group_ * s_.shared + row / count; }
  int64_t query(int64_t row) const { return first + row % count; }
  int64_t lse_at(int64_t row) const { return (batch_ * s_.heads + head(row)) * s_.queries + query(row); }

  // Rows of the block out of x (..., H, L, n), times alpha, into `to` (rows, n).
  void pack(const Array& x, int64_t n, T alpha, T* to) const {
    const T* base = x.data<T>();
    const int64_t step = x.strides()[x.dim() - 2];
    for (int64_t h = 0, r = 0; h < s_.shared; ++h) {
      const T* from = base + slice_offset(x, batch_, group_ * s_.shared + h) + first * step;
      for (int64_t l = 0; l < count; ++l, ++r)
        for_vectors<T>(n, [&](int64_t i, int k) HG_ALWAYS { put(to + r * n + i, take(from + l * step + i, k) * alpha, k); });
    }
  }
  // The same rows of a contiguous array.
  template <class U> U* contiguous_rows(U* base, int64_t h, int64_t n) const {
    return base + ((batch_ * s_.heads + group_ * s_.shared + h) * s_.queries + first) * n;
  }

  // scores (keys) of one row -> clamped and masked in place; `raw` keeps the scores before the clamp, if asked for.
  void mask_row(int64_t row, T* scores, T* raw) const {
    if (config_.clamp > 0) {
      if (raw) std::copy_n(scores, keys, raw);
      const T c = T(config_.clamp);
      for_vectors<T>(keys, [&](int64_t i, int k) HG_ALWAYS {
        Vec<T> v = take(scores + i, k);
        v = v < -c ? splat<T>(-c) : v;
        put(scores + i, v > c ? splat<T>(c) : v, k);
      });
    }
    if (mask_.defined()) {
      const int64_t at = slice_offset(mask_, batch_, head(row)) + query(row) * mask_.strides()[mask_.dim() - 2];
      const int64_t step = mask_.strides()[mask_.dim() - 1];
      if (mask_.dtype() == DType::b8) {
        const bool* visible = mask_.data<bool>() + at;
        for (int64_t m = 0; m < keys; ++m) scores[m] = visible[m * step] ? scores[m] : -kInf<T>;
      } else {
        const T* add = mask_.data<T>() + at;
        for (int64_t m = 0; m < keys; ++m) {
          const T a = add[m * step];
          scores[m] = a == -kInf<T> ? a : scores[m] + a;
        }
      }
    }
    if (config_.causal)
      for (int64_t m = std::max<int64_t>(0, query(row) + config_.offset + 1); m < keys; ++m) scores[m] = -kInf<T>;
  }

  // Multiplies one row by 0 or 1 / (1 - dropout), by the same draws as kernels::uniform in f32 over (..., H, L, M).
  void drop_row(int64_t row, T* p) const {
    const T keep = T(1 / (1 - config_.dropout));
    const uint64_t start = uint64_t(lse_at(row)) * uint64_t(s_.keys);
    std::array<uint32_t, 4> w{};
    for (int64_t m = 0; m < keys; ++m) {
      const uint64_t i = start + uint64_t(m), word = i % 4;
      if (m == 0 || word == 0) w = philox(seed_, draw_ + i / 4);
      const float u = float(w[word] >> 8) * 0x1p-24f;   // in [0, 1)
      p[m] = u >= float(config_.dropout) ? p[m] * keep : T(0);
    }
  }
  bool drops() const { return config_.dropout > 0; }
  T clamp() const { return T(config_.clamp); }

  int64_t batch() const { return batch_; }
  int64_t group() const { return group_; }

 private:
  const Sizes& s_;
  const Array& mask_;
  const AttentionConfig& config_;
  uint64_t seed_ = 0, draw_ = 0;
  int64_t batch_ = 0, group_ = 0;
};

// exp(score - shift), exactly 0 for a hidden key even where the shift is NaN.
template <class T> HG_INLINE Vec<T> weights(Vec<T> scores, T shift) {
  return scores == -kInf<T> ? Vec<T>{} : expv<T>(scores - shift);
}

// scores -> exp(scores - max); returns their sum and the row's log-sum-exp. A row without a visible key becomes zeros.
template <class T> double exp_row(T* scores, int64_t keys, T* lse) {
  const T m = row_max(scores, keys);
  const double s = row_sum<T>(keys, [&](int64_t i, int k) HG_ALWAYS {
    const Vec<T> e = weights<T>(take(scores + i, k), m);
    put(scores + i, e, k);
    return e;
  });
  *lse = s == 0 ? kInf<T> : T(double(m) + std::log(s));   // a visible key adds exp(0) = 1 at least
  return s == 0 ? 1 : s;
}

template <class T> void forward(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& c, MArray out, MArray lse) {
  const Sizes s(q, k, v);
  const int64_t k_row = k.strides()[k.dim() - 2], v_row = v.strides()[v.dim() - 2];
  parallel_for(s.batch * s.groups * s.blocks, s.cost(), [&](int64_t task) {
    Block<T> b(s, mask, state, c);
    b.select(task / s.blocks / s.groups, task / s.blocks % s.groups, task % s.blocks);
    T* qs = workspace<T>(b.rows * (s.width + s.keys + s.value_width));   // (rows, P)
    T* scores = qs + b.rows * s.width;                                   // (rows, keys)
    // (rows, Q): in place where the block has all queries, so that its rows follow one another in `out`
    T* result = s.blocks == 1 ? b.contiguous_rows(out.data<T>(), 0, s.value_width) : scores + b.rows * b.keys;
    b.pack(q, s.width, T(c.scale), qs);
    product_transposed(b.rows, b.keys, s.width, qs, s.width, k.data<T>() + slice_offset(k, b.batch(), b.group()), k_row, scores, b.keys);
    T* lse_p = lse.data<T>();
    for (int64_t r = 0; r < b.rows; ++r) {
      T* p = scores + r * b.keys;
      b.mask_row(r, p, nullptr);
      const T inverse = T(1 / exp_row(p, b.keys, lse_p + b.lse_at(r)));
      for_vectors<T>(b.keys, [&](int64_t i, int n) HG_ALWAYS { put(p + i, take(p + i, n) * inverse, n); });
      if (b.drops()) b.drop_row(r, p);
    }
    product(b.rows, s.value_width, b.keys, scores, b.keys, int64_t(1), v.data<T>() + slice_offset(v, b.batch(), b.group()), v_row, result,
            s.value_width, false, b.hides() || b.drops());
    for (int64_t h = 0; h < s.shared && s.blocks > 1; ++h)
      std::copy_n(result + h * b.count * s.value_width, b.count * s.value_width, b.contiguous_rows(out.data<T>(), h, s.value_width));
  });
}

template <class T>
void backward(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& c, CArray out, CArray lse, CArray dout,
              MArray dq, MArray dk, MArray dv, MArray dmask) {
  const Sizes s(q, k, v);
  const int64_t k_row = k.strides()[k.dim() - 2], v_row = v.strides()[v.dim() - 2];
  parallel_for(s.batch * s.groups, 2.5 * s.cost(), [&](int64_t task) {
    Block<T> b(s, mask, state, c);
    const int64_t rows = s.shared * s.block;
    // q (rows, P), dout (rows, Q), p, dp and raw scores (rows, M), dq (rows, P)
    T* qs = workspace<T>(rows * (2 * s.width + s.value_width + 3 * s.keys));
    T *dos = qs + rows * s.width, *p = dos + rows * s.value_width, *ds = p + rows * s.keys, *raw = ds + rows * s.keys;
    T* dqs = raw + rows * s.keys;
    const T* k_head = k.data<T>() + slice_offset(k, task / s.groups, task % s.groups);
    const T* v_head = v.data<T>() + slice_offset(v, task / s.groups, task % s.groups);
    T* dk_head = dk.defined() ? dk.data<T>() + task * s.keys * s.width : nullptr;
    T* dv_head = dv.defined() ? dv.data<T>() + task * s.keys * s.value_width : nullptr;
    if (dk_head) std::fill_n(dk_head, s.keys * s.width, T(0));
    if (dv_head) std::fill_n(dv_head, s.keys * s.value_width, T(0));
    for (int64_t index = 0; index < s.blocks; ++index) {
      b.select(task / s.groups, task % s.groups, index);
      const int64_t keys = b.keys;
      const bool careful = b.hides() || b.drops();
      b.pack(q, s.width, T(c.scale), qs);
      b.pack(dout, s.value_width, T(1), dos);
      product_transposed(b.rows, keys, s.width, qs, s.width, k_head, k_row, p, keys);
      product_transposed(b.rows, keys, s.value_width, dos, s.value_width, v_head, v_row, ds, keys);
      for (int64_t r = 0; r < b.rows; ++r) {
        T *pr = p + r * keys, *dr = ds + r * keys, *rr = raw + r * keys;
        b.mask_row(r, pr, rr);
        const T row_lse = lse.data<T>()[b.lse_at(r)];
        const T* o = out.data<T>() + b.lse_at(r) * s.value_width;
        const T* d = dos + r * s.value_width;
        // A query without a visible key takes no gradient, whatever dout holds there.
        const T inner = row_lse == kInf<T> ? T(0) : T(row_sum<T>(s.value_width, [&](int64_t i, int n) HG_ALWAYS { return take(o + i, n) * take(d + i, n); }));
        for_vectors<T>(keys, [&](int64_t i, int n) HG_ALWAYS { put(pr + i, weights<T>(take(pr + i, n), row_lse), n); });
        if (b.drops()) b.drop_row(r, dr);   // dp, dropped like p
        for_vectors<T>(keys, [&](int64_t i, int n) HG_ALWAYS {
          const Vec<T> weight = take(pr + i, n);
          Vec<T> g = weight * (take(dr + i, n) - inner);
          g = weight == T(0) ? Vec<T>{} : g;
          put(dr + i, g, n);
        });
        if (b.drops()) b.drop_row(r, pr);
      }
      if (dmask.defined())
        for (int64_t r = 0; r < b.rows; ++r) {
          T* to = dmask.data<T>() + b.lse_at(r) * s.keys;
          std::copy_n(ds + r * keys, keys, to);
          std::fill_n(to + keys, s.keys - keys, T(0));
        }
      if (dv_head) product(keys, s.value_width, b.rows, p, int64_t(1), keys, dos, s.value_width, dv_head, s.value_width, true, careful);
      if (b.clamp() > 0)
        for (int64_t i = 0; i < b.rows * keys; ++i) ds[i] = raw[i] < -b.clamp() || raw[i] > b.clamp() ? T(0) : ds[i];
      if (dk_head) product(keys, s.width, b.rows, ds, int64_t(1), keys, qs, s.width, dk_head, s.width, true, careful);
      if (dq.defined()) {
        product(b.rows, s.width, keys, ds, keys, int64_t(1), k_head, k_row, dqs, s.width, false, careful);
        for (int64_t h = 0; h < s.shared; ++h) {
          T* to = b.contiguous_rows(dq.data<T>(), h, s.width);
          const T* from = dqs + h * b.count * s.width;
          for_vectors<T>(b.count * s.width, [&](int64_t i, int n) HG_ALWAYS { put(to + i, take(from + i, n) * T(c.scale), n); });
        }
      }
    }
  });
}

void attention_fwd_cpu(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, MArray out, MArray lse) {
  visit(FloatTypes{}, q.dtype(), "attention", [&]<class T>() { forward<T>(q, k, v, mask, state, config, out, lse); });
}
void attention_bwd_cpu(CArray q, CArray k, CArray v, CArray mask, CArray state, const AttentionConfig& config, CArray out, CArray lse,
                       CArray dout, MArray dq, MArray dk, MArray dv, MArray dmask) {
  visit(FloatTypes{}, q.dtype(), "attention",
        [&]<class T>() { backward<T>(q, k, v, mask, state, config, out, lse, dout, dq, dk, dv, dmask); });
}

const Bind b0(kernels::attention_fwd, DeviceKind::CPU, attention_fwd_cpu);
const Bind b1(kernels::attention_bwd, DeviceKind::CPU, attention_bwd_cpu);

}  // namespace
}  // namespace hippograd
