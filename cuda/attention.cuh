#pragma once
// What the attention kernels share: slices of strided arrays, scores and masks, the dropout draw. Equations in
// tensor/kernels/attention.h.
#include "cuda/launch.cuh"
#include "tensor/kernels/attention.h"
#include "tensor/kernels/math.h"
#include "tensor/philox.h"

namespace hippograd::cuda {

// (..., H, rows, columns) with any strides, f32 or f64, or bf16 (`half`). Null: not given.
template <class T> struct Slices {
  static constexpr int kMaxLead = Shape::kMaxRank - 3;
  const void* data = nullptr;
  bool half = false;
  int lead = 0;
  int64_t size[kMaxLead], stride[kMaxLead];   // of the dimensions before the heads
  int64_t head = 0, row = 0, column = 0;

  Slices() = default;
  explicit Slices(const Array& x) {
    if (!x.defined()) return;
    data = x.raw(), half = x.dtype() == DType::bf16;
    const int heads = x.dim() - 3;
    for (int d = 0; d < heads; ++d) {   // dimensions that continue each other become one
      if (x.shape()[d] == 1) continue;
      if (lead > 0 && stride[lead - 1] == x.strides()[d] * x.shape()[d]) size[lead - 1] *= x.shape()[d], stride[lead - 1] = x.strides()[d];
      else size[lead] = x.shape()[d], stride[lead] = x.strides()[d], ++lead;
    }
    head = x.strides()[heads], row = x.strides()[heads + 1], column = x.strides()[heads + 2];
  }
  // Offset of slice (batch, h); `batch` counts the leading dimensions in row-major order.
  HIPPOGRAD_DEVICE int64_t slice(int64_t batch, int64_t h) const {
    int64_t at = h * head;
    for (int d = lead - 1; d > 0; --d) {
      at += batch % size[d] * stride[d];
      batch /= size[d];
    }
    return lead > 0 ? at + batch * stride[0] : at;
  }
  HIPPOGRAD_DEVICE T at(int64_t i) const {
    if constexpr (std::is_same_v<T, float>)
      if (half) return load(static_cast<const bfloat16*>(data)[i]);
    return static_cast<const T*>(data)[i];
  }
};

struct AttentionSizes {
  int64_t batch = 1, heads, groups, shared, queries, keys, width, value_width;
  AttentionSizes(const Array& q, const Array& k, const Array& v) {
    const int r = q.dim();
    for (int d = 0; d < r - 3; ++d) batch *= q.shape()[d];
    heads = q.shape()[r - 3], queries = q.shape()[r - 2], width = q.shape()[r - 1];
    groups = k.shape()[r - 3], keys = k.shape()[r - 2], value_width = v.shape()[r - 1];
    shared = groups ? heads / groups : 0;
  }
};

// Word i % 4 of block offset + i / 4 as a uniform number in [0, 1): tensor/random.h.
HIPPOGRAD_DEVICE float uniform_draw(const int64_t* state, uint64_t i) {
  const PhiloxBlock block = philox_block(uint64_t(state[0]), uint64_t(state[1]) + i / 4);
  const uint32_t word = i % 4 == 0 ? block.word[0] : i % 4 == 1 ? block.word[1] : i % 4 == 2 ? block.word[2] : block.word[3];
  return float(word >> 8) * 0x1p-24f;
}

template <class T> struct AttentionProblem {
  AttentionSizes sizes;
  AttentionConfig config;
  Slices<T> q, k, v, mask, dout;
  bool boolean_mask;
  const int64_t* state;
  const int* only_if;   // given and 0: the result is there already

  // Score of one pair after clamp and mask; -inf hides it. `clamped`: beyond the bounds of the clamp.
  HIPPOGRAD_DEVICE T shown(int64_t mask_at, int64_t l, int64_t m, T raw, bool& clamped) const {
    T s = raw * T(config.scale);
    clamped = false;
    if (config.clamp > 0) {
      const T c = T(config.clamp);
      clamped = s < -c || s > c;
      s = s < -c ? -c : s > c ? c : s;
    }
    if (mask.data) {
      const int64_t at = mask_at + l * mask.row + m * mask.column;
      if (boolean_mask) {
        if (!static_cast<const bool*>(mask.data)[at]) s = -math::kInf<T>;
      } else {
        const T add = mask.at(at);
        s = add == -math::kInf<T> ? add : s + add;
      }
    }
    return config.causal && m > l + config.offset ? -math::kInf<T> : s;
  }
  // The index of (batch, h, l) among all queries.
  HIPPOGRAD_DEVICE int64_t query_index(int64_t batch, int64_t h, int64_t l) const { return (batch * sizes.heads + h) * sizes.queries + l; }
  // x times 0 or 1 / (1 - dropout)
  HIPPOGRAD_DEVICE T dropped(int64_t query, int64_t m, T x) const {
    const float u = uniform_draw(state, uint64_t(query) * uint64_t(sizes.keys) + uint64_t(m));
    return u >= float(config.dropout) ? x * T(1 / (1 - config.dropout)) : T(0);
  }
  // Keys from here on are hidden from the queries before `end`.
  HIPPOGRAD_DEVICE int64_t visible_keys(int64_t end) const {
    if (!config.causal) return sizes.keys;
    return max(int64_t(0), min(end + config.offset, sizes.keys));
  }
};

// From a raw score and dout . v of a pair: p (dropped) and ds, which is dmask before, and what dq and dk see after the clamp.
template <class T> struct PairGradient {
  T weight, dscore, dmask;
  HIPPOGRAD_DEVICE PairGradient(const AttentionProblem<T>& a, int64_t mask_at, int64_t query, int64_t l, int64_t m, T raw, T dweight, T lse, T inner) {
    bool clamped;
    const T score = a.shown(mask_at, l, m, raw, clamped);
    weight = score == -math::kInf<T> ? T(0) : math::exp(score - lse);
    if (a.config.dropout > 0 && weight != 0) dweight = a.dropped(query, m, dweight);
    dmask = weight == 0 ? T(0) : weight * (dweight - inner);
    dscore = clamped ? T(0) : dmask;
    if (a.config.dropout > 0 && weight != 0) weight = a.dropped(query, m, weight);
  }
};

// f32, at most 64 keys and P, Q <= 32 (attention_small.cu); whether they took the call.
bool small_attention_forward(const AttentionProblem<float>& a, float* out, float* lse);
bool small_attention_backward(const AttentionProblem<float>& a, const float* out, const float* lse, MArray dq, MArray dk, MArray dv, MArray dmask);

// bf16 on tensor cores (attention_mma.cu); they say whether they took the call. Then `*special` (on the device) becomes 1 where an
// infinity or NaN would have met a hidden pair: the result is to be computed again by the kernels that never multiply by a
// hidden weight.
bool fast_attention_forward(CArray q, CArray k, CArray v, CArray mask, const AttentionConfig& config, MArray out, MArray lse, int* special);
bool fast_attention_backward(CArray q, CArray k, CArray v, CArray mask, const AttentionConfig& config, CArray out, CArray lse, CArray dout, MArray dq,
                             MArray dk, MArray dv, int* special);

}  // namespace hippograd::cuda
