// Scaled dot-product attention: out = softmax(scale q k^T + mask) v.
#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/operators.h"
#include "tensor/kernels/attention.h"

namespace hippograd {
namespace {

// The array itself if its last dimension has stride 1 (or cannot matter), else a contiguous copy.
Array unit_rows(const Array& x) { return x.strides().back() == 1 || x.shape().back() <= 1 ? x : x.contiguous(); }

Array dense(const Array& x) { return x.defined() ? x.contiguous() : x; }

// q (..., H, L, P) and k (..., G, M, P) with the head groups apart: q (..., G, H / G, L, P), k (..., G, 1, M, P).
Tensor grouped_queries(const Tensor& q, int64_t groups) {
  const int head = q.dim() - 3;
  return unflatten(q, head, {groups, q.size(head) / std::max<int64_t>(1, groups)});
}
Tensor grouped_keys(const Tensor& k) { return unsqueeze(k, k.dim() - 2); }

// softmax(scale q k^T + mask) (..., G, H / G, L, M), before dropout. Rows that see nothing are 0.
Tensor probabilities(const Tensor& q, const Tensor& k, const Tensor& mask, const AttentionConfig& c) {
  const int64_t groups = k.size(-3), queries = q.size(-2), keys = k.size(-2);
  Tensor s = matmul(grouped_queries(q, groups), mT(grouped_keys(k))) * c.scale;
  if (c.clamp > 0) s = clamp(s, -c.clamp, c.clamp);
  const double inf = std::numeric_limits<double>::infinity();
  if (mask.defined()) {
    const Tensor m = grouped_queries(mask, groups);
    s = mask.dtype() == DType::b8 ? masked_fill(s, logical_not(m), -inf) : s + m;
  }
  if (c.causal) {
    const Array visible = tril(Tensor(full({queries, keys}, 1, DType::b8, q.device())), c.offset).array();
    s = masked_fill(s, logical_not(Tensor(visible)), -inf);
  }
  if (keys == 0) return s;
  Tensor top = amax(s, {-1}, true).detach();
  top = masked_fill(top, eq(top, Tensor::number(-inf)), 0.0);
  const Tensor e = exp(s - top), z = sum(e, {-1}, true);
  return e / masked_fill(z, eq(z, Tensor::number(0.0)), 1.0);
}

// The weights after dropout, by the same draws as the kernel's.
Tensor dropped(const Tensor& p, const Tensor& state, double dropout) {
  Array u = empty(p.shape(), DType::f32, p.device());   // in every dtype: the mask does not depend on it
  kernels::uniform(state.array(), 0, 1, u);
  const Tensor keep = to(ge(Tensor(u), Tensor::number(dropout)), p.dtype());
  return dropout < 1 ? p * keep * (1 / (1 - dropout)) : p * 0.0;
}

//   s = clamp(scale q k^T) + mask     p = softmax(s) over visible keys     out = dropout(p) v
//   dv = p^T dout    ds = p (dout v^T - dout . out)    dq = scale ds k    dk = scale ds^T q    dmask = ds
// query (..., H, L, P), key (..., G, M, P), value (..., G, M, Q), mask (..., H, L, M), state (2) with dropout -> (..., H, L, Q)
struct Attention {
  static constexpr Autocast autocast = Autocast::Low;
  static constexpr auto name = "scaled_dot_product_attention", doc = "softmax(scale query key^T + mask) value, per head";
  AttentionConfig config;

  static std::vector<bool> differentiable() { return {true, true, true, true, false}; }
  Outs infer(ArrayIn x) const {
    Dims d(name);
    d("query", x[0], "... H L P")("key", x[1], "... G M P")("value", x[2], "... G M Q");
    if (x.has(3)) d("attn_mask", x[3], "... H L M");
    d.dtype("query", x[0], is_real(x[0].dtype()), "a real floating dtype");
    d.same_dtype("query", x[0], "key", x[1]);
    d.same_dtype("query", x[0], "value", x[2]);
    if (x.has(3) && x[3].dtype() != DType::b8) d.same_dtype("query", x[0], "attn_mask (unless bool)", x[3]);
    if (d["G"] == 0 ? d["H"] != 0 : d["H"] % d["G"] != 0)
      fail<ShapeError>(name, ": the number of query heads, ", d["H"], ", must be a multiple of the number of key heads, ", d["G"]);
    if (!(config.dropout >= 0 && config.dropout < 1) && config.dropout != 1) fail<ValueError>(name, ": dropout_p must be between 0 and 1, got ", config.dropout);
    Shape shape = x[0].shape();
    shape.back() = d["Q"];
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    Shape rows = x[0].shape();
    rows.back() = x[2].shape().back();
    Array y = empty(rows, x[0].dtype(), x[0].device());
    rows.resize(rows.size() - 1);
    Array lse = empty(rows, compute_dtype(x[0].dtype()), x[0].device());
    if (y.numel() > 0) kernels::attention_fwd(unit_rows(x[0]), unit_rows(x[1]), unit_rows(x[2]), x[3], dense(x[4]), config, y, lse);
    for (int i = 0; i < 5; ++i)
      if (x.has(size_t(i))) s.input(i);
    s.output(y);
    s.extra(lse);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Array q = s.x(0).array(), k = s.x(1).array(), v = s.x(2).array(), y = s.y().array();
    const Array mask = s.has(3) ? s.x(3).array() : Array{}, state = s.has(4) ? s.x(4).array().contiguous() : Array{};
    Array dq = s.needs(0) ? empty_like(q) : Array{}, dk = s.needs(1) ? empty_like(k) : Array{}, dv = s.needs(2) ? empty_like(v) : Array{};
    Array dmask = s.needs(3) ? empty_like(mask) : Array{};
    kernels::attention_bwd(unit_rows(q), unit_rows(k), unit_rows(v), mask, state, config, y, s.extra_at(0), unit_rows(dy.array()), dq, dk, dv, dmask);
    const auto wrap = [](const Array& g) { return g.defined() ? Tensor(g) : Tensor(); };
    return {wrap(dq), wrap(dk), wrap(dv), wrap(dmask), Tensor()};
  }
  Tensor reference(const Tensors& x) const {
    Tensor p = probabilities(x[0], x[1], x.size() > 3 ? x[3] : Tensor(), config);
    if (config.dropout > 0) p = dropped(p, x[4], config.dropout);
    const int head = x[0].dim() - 3;
    return flatten(matmul(p, grouped_keys(x[2])), head, head + 1);
  }
  static Samples samples() {
    const Input state = values({2}, {7, 3}).dtype(DType::i64);
    const auto with = [](bool causal, int64_t offset = 0, double clamp = 0, double dropout = 0) {
      return Attention{{.scale = 0.7, .causal = causal, .offset = offset, .clamp = clamp, .dropout = dropout}};
    };
    // Row 1 of the first head sees nothing.
    const Input visible = values({1, 2, 3, 4}, {1, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0}).dtype(DType::b8);
    return {sample(with(false), {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 4}, absent(), absent()})
                .bench({{16, 12, 197, 64}, {16, 12, 197, 64}, {16, 12, 197, 64}, absent(), absent()}),
            sample(with(true), {{1, 4, 5, 3}, {1, 2, 5, 3}, {1, 2, 5, 2}, absent(), absent()}, "causal, grouped heads, other value width"),
            sample(with(true, 2), {{4, 2, 3}, {1, 4, 3}, {1, 4, 3}, absent(), absent()}, "one key head, cached prefix of two"),
            sample(with(true), {{1, 1, 3, 2}, {1, 1, 5, 2}, {1, 1, 5, 2}, absent(), absent()}, "causal, more keys than queries"),
            sample(with(false), {{1, 2, 3, 4}, {1, 2, 4, 4}, {1, 2, 4, 4}, visible, absent()}, "boolean mask, one row hidden"),
            sample(with(true, -1), {{2, 3, 2}, {2, 3, 2}, {2, 3, 2}, absent(), absent()}, "first query sees nothing"),
            sample(with(false), {{1, 2, 3, 4}, {1, 1, 4, 4}, {1, 1, 4, 4}, {1, 2, 3, 4}, absent()}, "added mask"),
            sample(with(false, 0, 0.7),   // scores: three above the bound, the others at least 0.1 from it
                   {values({1, 1, 3, 2}, {2, 1, -1, 0.5, 0.1, 0.2}), values({1, 1, 4, 2}, {1, 0.5, -0.8, 1, 0.3, -0.2, 1.2, 0.7}), {1, 1, 4, 2}, absent(), absent()},
                   "clamped scores"),
            sample(with(false, 0, 0, 0.4), {{2, 2, 3, 4}, {2, 2, 5, 4}, {2, 2, 5, 4}, absent(), state}, "dropout"),
            sample(with(true, 0, 0, 0.3), {{1, 2, 5, 2}, {1, 1, 5, 2}, {1, 1, 5, 2}, absent(), state}, "dropout, causal"),
            sample(with(false), {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}, absent(), absent()}, "one of each"),
            sample(with(false), {{2, 1, 0, 3}, {2, 1, 4, 3}, {2, 1, 4, 3}, absent(), absent()}, "no queries"),
            sample(with(false), {{1, 1, 2, 3}, {1, 1, 0, 3}, {1, 1, 0, 3}, absent(), absent()}, "no keys")};
  }
  static ErrorSamples errors() {
    return {error(Attention{}, {{1, 2, 3, 4}, {1, 2, 5, 3}, {1, 2, 5, 4}, absent(), absent()}, "key must be (..., G, M, P), got (1, 2, 5, 3); P is 4 in query"),
            error(Attention{}, {{1, 3, 3, 4}, {1, 2, 5, 4}, {1, 2, 5, 4}, absent(), absent()},
                  "the number of query heads, 3, must be a multiple of the number of key heads, 2"),
            error(Attention{}, {{1, 2, 3, 4}, {1, 2, 5, 4}, {1, 2, 6, 4}, absent(), absent()}, "value must be (..., G, M, Q)"),
            error(Attention{}, {{1, 2, 3, 4}, {1, 2, 5, 4}, {1, 2, 5, 4}, booleans({1, 2, 3, 4}), absent()}, "attn_mask must be (..., H, L, M)"),
            error(Attention{{.dropout = 2}}, {{1, 2, 3, 4}, {1, 2, 5, 4}, {1, 2, 5, 4}, absent(), absent()}, "dropout_p must be between 0 and 1")};
  }
};

Tensor with_dims(const Tensor& x, int rank) {
  Tensor y = x;
  while (y.dim() < rank) y = unsqueeze(y, 0);
  return y;
}

// Leading dimensions stretched to agree (views), heads kept apart; the mask stretched to (..., H, L, M).
Tensors aligned(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_mask, bool enable_gqa) {
  const char* op = Attention::name;
  for (const Tensor* x : {&query, &key, &value})
    if (x->dim() < 2) fail<ShapeError>(op, ": query, key and value must be (..., L, P), got ", x->shape());
  const int rank = std::max({3, query.dim(), key.dim(), value.dim()});
  Tensor q = with_dims(query, rank), k = with_dims(key, rank), v = with_dims(value, rank);
  Shape batch;   // dimensions before (H, L, P)
  for (int d = 0; d < rank - 3; ++d) batch.push_back(broadcast_shapes(broadcast_shapes({q.size(d)}, {k.size(d)}, op), {v.size(d)}, op)[0]);
  const int64_t key_heads = broadcast_shapes({k.size(-3)}, {v.size(-3)}, op)[0], heads = q.size(-3) == 1 ? key_heads : q.size(-3);
  if (key_heads != heads && key_heads != 1 && !enable_gqa)
    fail<ShapeError>(op, ": query has ", heads, " heads, key and value have ", key_heads, "; grouped heads need enable_gqa=True");
  const auto stretch = [&](const Tensor& x, int64_t h) {
    Shape shape = batch;
    for (int64_t n : {h, x.size(-2), x.size(-1)}) shape.push_back(n);
    return expand(x, shape);
  };
  q = stretch(q, heads), k = stretch(k, key_heads), v = stretch(v, key_heads);
  Tensor mask = attn_mask;
  if (mask.defined()) {
    Shape shape = batch;
    for (int64_t n : {heads, q.size(-2), k.size(-2)}) shape.push_back(n);
    // (B, L, M) for (B, H, L, P): one mask per batch entry, for all heads.
    if (mask.dim() == 3 && rank == 4 && mask.size(0) != 1 && mask.size(0) != heads && mask.size(0) == shape[0]) mask = unsqueeze(mask, 1);
    if (mask.dim() > rank || !(broadcast_shapes(mask.shape(), shape, op) == shape))
      fail<ShapeError>(op, ": attn_mask must broadcast to ", shape, " (..., H, L, M), got ", mask.shape());
    if (mask.dtype() != DType::b8 && mask.dtype() != q.dtype()) fail<DtypeError>(op, ": attn_mask must be bool or ", q.dtype(), " as query, got ", mask.dtype());
    mask = expand(with_dims(mask, rank), shape);
  }
  return {q, k, v, mask};
}

AttentionConfig config_of(const AttentionOptions& o, int64_t width) {
  AttentionConfig c;
  c.scale = o.scale ? *o.scale : 1 / std::sqrt(double(std::max<int64_t>(1, width)));
  c.causal = o.is_causal;
  c.offset = o.prefix;
  c.clamp = o.clamp;
  c.dropout = o.dropout_p;
  return c;
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_mask,
                                    const AttentionOptions& options) {
  const Tensors x = aligned(query, key, value, attn_mask, options.enable_gqa);
  Tensor state;
  if (options.dropout_p > 0) state = Tensor(default_generator().take(x[0].numel() / std::max<int64_t>(1, x[0].size(-1)) * x[1].size(-2), query.device()));
  const Tensor y = apply(Attention{config_of(options, query.size(-1))}, {x[0], x[1], x[2], x[3], state});
  const int rank = std::max({query.dim(), key.dim(), value.dim()});
  return rank == 2 ? squeeze(y, {0}) : y;
}

Tensor attention_weights(const Tensor& query, const Tensor& key, const Tensor& attn_mask, const AttentionOptions& options) {
  const Tensors x = aligned(query, key, key, attn_mask, options.enable_gqa);
  const Tensor p = probabilities(x[0], x[1], x[3], config_of(options, query.size(-1)));
  const Tensor y = flatten(p, x[0].dim() - 3, x[0].dim() - 2);
  return std::max(query.dim(), key.dim()) == 2 ? squeeze(y, {0}) : y;
}

}  // namespace hippograd
