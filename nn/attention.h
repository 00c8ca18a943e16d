#pragma once
// Attention layers (Vaswani et al. 2017; one or few key/value heads: Shazeer 2019, Ainslie et al. 2023).
//
//   q = x W_q   k = m W_k   v = m W_v          x: (B, T, D)   m: (B, M, D)
//   y = softmax(q k^T / sqrt(P) + mask) v W_o  per head; H query heads share H_kv key/value heads
#include "nn/layers.h"

namespace hippograd {

// Keys and values of the tokens seen so far, for decoding: (B, H_kv, capacity, P), of which `length` are filled.
struct KVCache {
  Array k, v;
  int64_t length = 0;
};

struct AttentionLayout {
  int64_t dim, heads, kv_heads = 1;
  double dropout = 0;
  bool clamp_scores = false;        // scores clamped to +-100 before masking: as published, off by default
};

class MultiQueryAttention final {
 public:
  Linear q_proj, k_proj, v_proj, o_proj;
  MultiQueryAttention(Scope s, const AttentionLayout& c);

  // memory: keys and values come from it (cross-attention); undefined: from x. mask: boolean, true = visible, broadcastable to
  // (B, H, T, M), or (B, T, M); causal: i sees j <= i. A row that sees nothing gives zeros.
  Tensor operator()(const Tensor& x, const Tensor& memory = {}, const Tensor& mask = {}, bool causal = false) const;
  // The same attention for new tokens x (B, T, D) after `cache.length` earlier ones; appends their keys and values.
  // No gradients. `mask` as above over all M = length + T keys; undefined: causal.
  Tensor decode(const Tensor& x, KVCache& cache, const Tensor& mask = {}) const;
  // Keys and values of a memory once for all decoding steps, and attention over them.
  KVCache remember(const Tensor& memory) const;
  Tensor recall(const Tensor& x, const KVCache& memory) const;
  KVCache empty_cache(int64_t batch, int64_t capacity, DType dtype, Device device) const;

 private:
  Tensor heads_of(const Tensor& x, int64_t heads) const;        // (B, T, heads * P) -> (B, heads, T, P), a view
  Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool causal, int64_t prefix) const;
  AttentionLayout c_;
  std::shared_ptr<const bool> training_;
};

// (T, M) boolean: query i sees keys j <= i + offset.
Tensor causal_mask(int64_t T, int64_t M, int64_t offset = 0);

}  // namespace hippograd
