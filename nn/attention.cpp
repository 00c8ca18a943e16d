#include "nn/attention.h"

#include <cmath>

#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {
Init xavier() { return init::xavier_uniform(); }
int64_t head_width(const AttentionLayout& c) {
  if (c.heads <= 0 || c.dim % c.heads != 0)
    fail<ValueError>("attention: the width must be a multiple of the number of heads, got dim ", c.dim, " and heads ", c.heads);
  if (c.kv_heads <= 0 || c.heads % c.kv_heads != 0)
    fail<ValueError>("attention: heads must be a multiple of kv_heads, got heads ", c.heads, " and kv_heads ", c.kv_heads);
  return c.dim / c.heads;
}
}  // namespace

MultiQueryAttention::MultiQueryAttention(Scope s, const AttentionLayout& c)
    : q_proj(s / "q_proj", c.dim, c.heads * head_width(c), true, xavier(), init::zeros()),
      k_proj(s / "k_proj", c.dim, c.kv_heads * head_width(c), true, xavier(), init::zeros()),
      v_proj(s / "v_proj", c.dim, c.kv_heads * head_width(c), true, xavier(), init::zeros()),
      o_proj(s / "o_proj", c.heads * head_width(c), c.dim, true, xavier(), init::zeros()),
      c_(c), training_(s.training()) {}

Tensor MultiQueryAttention::heads_of(const Tensor& x, int64_t heads) const {
  return transpose(reshape(x, {x.size(0), x.size(1), heads, -1}), 1, 2);
}

Tensor MultiQueryAttention::attend(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& mask, bool causal, int64_t prefix) const {
  AttentionOptions o;
  o.is_causal = causal;
  o.dropout_p = *training_ ? c_.dropout : 0;
  o.enable_gqa = true;
  o.prefix = prefix;
  o.clamp = c_.clamp_scores ? 100 : 0;
  const Tensor y = scaled_dot_product_attention(q, k, v, mask, o);             // (B, H, T, P)
  return o_proj(reshape(transpose(y, 1, 2), {q.size(0), q.size(2), -1}));      // (B, T, D)
}

Tensor MultiQueryAttention::operator()(const Tensor& x, const Tensor& memory, const Tensor& mask, bool causal) const {
  const Tensor& m = memory.defined() ? memory : x;
  return attend(heads_of(q_proj(x), c_.heads), heads_of(k_proj(m), c_.kv_heads), heads_of(v_proj(m), c_.kv_heads), mask, causal, 0);
}

KVCache MultiQueryAttention::empty_cache(int64_t batch, int64_t capacity, DType dtype, Device device) const {
  const Shape shape{batch, c_.kv_heads, capacity, c_.dim / c_.heads};
  return {empty(shape, dtype, device), empty(shape, dtype, device), 0};
}

Tensor MultiQueryAttention::decode(const Tensor& x, KVCache& cache, const Tensor& mask) const {
  const NoGrad quiet;
  const int64_t T = x.size(1), end = cache.length + T;
  if (end > cache.k.size(2)) fail<ValueError>("attention: the cache holds ", cache.k.size(2), " tokens, got ", end);
  Array k = cache.k.slice(2, cache.length, end), v = cache.v.slice(2, cache.length, end);
  kernels::copy(heads_of(k_proj(x), c_.kv_heads).array(), k);
  kernels::copy(heads_of(v_proj(x), c_.kv_heads).array(), v);
  const int64_t before = cache.length;
  cache.length = end;
  return attend(heads_of(q_proj(x), c_.heads), Tensor(cache.k.slice(2, 0, end)), Tensor(cache.v.slice(2, 0, end)), mask, !mask.defined(), before);
}

KVCache MultiQueryAttention::remember(const Tensor& memory) const {
  const NoGrad quiet;
  return {heads_of(k_proj(memory), c_.kv_heads).array(), heads_of(v_proj(memory), c_.kv_heads).array(), memory.size(1)};
}
Tensor MultiQueryAttention::recall(const Tensor& x, const KVCache& memory) const {
  const NoGrad quiet;
  return attend(heads_of(q_proj(x), c_.heads), Tensor(memory.k), Tensor(memory.v), {}, false, 0);
}

Tensor causal_mask(int64_t T, int64_t M, int64_t offset) {
  Array a = empty({T, M}, DType::b8);
  for (int64_t i = 0; i < T; ++i)
    for (int64_t j = 0; j < M; ++j) a.data<bool>()[i * M + j] = j <= i + offset;
  return Tensor(a);
}

}  // namespace hippograd
