// EnhancedVLM: the model and its forward pass (vlm/enhanced_vlm.h); decoding stands in generate.cpp.
#include "vlm/enhanced_vlm.h"

namespace hippograd {
namespace {

VLMConfig checked(VLMConfig c) {
  c.validate();
  return c;
}
double inner_eps(const VLMConfig& c) { return c.as_published ? 1e-5 : c.layer_norm_eps; }

std::vector<LayerNorm> make_cross_norms(Scope s, const VLMConfig& c) {
  std::vector<LayerNorm> norms;
  if (!c.as_published)   // published: no norm, no residual
    for (int64_t i = 0; i < c.cross_attn_layers; ++i) norms.emplace_back(s / "cross_norms" / i, c.text_embed_dim, c.layer_norm_eps);
  return norms;
}
std::vector<MultiQueryAttention> make_cross(Scope s, const VLMConfig& c) {
  std::vector<MultiQueryAttention> layers;
  const AttentionLayout a{c.text_embed_dim, c.cross_attn_heads, c.cross_kv_heads > 0 ? c.cross_kv_heads : c.cross_attn_heads, c.dropout,
                          c.as_published};
  for (int64_t i = 0; i < c.cross_attn_layers; ++i) layers.emplace_back(s / "cross_attn_layers" / i, a);
  return layers;
}
std::vector<TransformerBlock> make_text_blocks(Scope s, const VLMConfig& c) {
  std::vector<TransformerBlock> blocks;
  const AttentionLayout a{c.text_embed_dim, c.text_num_heads, c.text_kv_heads, c.dropout, c.as_published};
  for (int64_t i = 0; i < c.text_num_layers; ++i)
    blocks.emplace_back(s / "text_blocks" / i, a, c.text_ffn_dim, c.dropout, inner_eps(c), c.as_published);
  return blocks;
}

}  // namespace

EnhancedVLM::EnhancedVLM(VLMConfig c, DType dtype, Device device, Generator* generator)
    : Model(dtype, device, generator),
      c_(checked(std::move(c))),
      vit_(*this / "vit", c_),
      ssm_bridge_(*this / "ssm_bridge", c_),
      token_embed_(*this / "token_embed", c_.vocab_size, c_.text_embed_dim, init::normal(0, c_.token_init_std)),
      pos_embed_(scope().param("pos_embed", {1, c_.max_seq_length, c_.text_embed_dim}, init::normal(0, 0.02))),
      vision_pos_(c_.decoder_vision_pos ? scope().param("vision_pos", {1, c_.vision_tokens(), c_.text_embed_dim}, init::normal(0, 0.02)) : Tensor()),
      drop_(scope(), c_.dropout),
      cross_norms_(make_cross_norms(scope(), c_)),
      cross_attn_layers_(make_cross(scope(), c_)),
      text_blocks_(make_text_blocks(scope(), c_)),
      ln_(*this / "ln", c_.text_embed_dim, c_.layer_norm_eps),
      head_(*this / "head", c_.text_embed_dim, c_.vocab_size, true, init::xavier_uniform(), init::zeros()) {}

void EnhancedVLM::check_images(const Tensor& images) const {
  const Shape& s = images.shape();
  if (s.size() != 4 || s[1] != 3 || s[2] != c_.img_size || s[3] != c_.img_size)
    fail<ShapeError>("EnhancedVLM: images must be (B, 3, ", c_.img_size, ", ", c_.img_size, "), got ", s);
}
void EnhancedVLM::check_tokens(const Tensor& tokens, const char* what) const {
  if (!is_integer(tokens.dtype())) fail<DtypeError>("EnhancedVLM: ", what, " must be integers, got ", tokens.dtype());
  if (tokens.dim() != 2 || tokens.size(1) < 1) fail<ShapeError>("EnhancedVLM: ", what, " must be (B, T) with T >= 1, got ", tokens.shape());
  if (tokens.size(1) > c_.max_seq_length)
    fail<ShapeError>("EnhancedVLM: ", what, " have ", tokens.size(1), " positions, more than max_seq_length ", c_.max_seq_length);
}

Tensor EnhancedVLM::encode(const Tensor& images) const {
  check_images(images);
  return ssm_bridge_(vit_(images));                                            // (B, P, D)
}

Tensor EnhancedVLM::text(const Tensor& tokens, int64_t position) const {
  const int64_t T = tokens.size(1);
  return drop_(add(token_embed_(tokens), slice(pos_embed_, 1, position, position + T)));   // (B, T, D)
}

Tensor EnhancedVLM::prefix_mask(int64_t prefix, int64_t length) const {
  if (!c_.vision_bidirectional || prefix == 0) return {};
  Array m = causal_mask(length, length).array();
  for (int64_t i = 0; i < prefix; ++i)
    for (int64_t j = 0; j < prefix; ++j) m.data<bool>()[i * length + j] = true;
  return Tensor(m.to(device()));
}

Tensor EnhancedVLM::logits(const Tensor& vision, const Tensor& tokens) const {
  check_tokens(tokens, "tokens");
  const int64_t B = vision.size(0), N = tokens.size(0), T = tokens.size(1), D = c_.text_embed_dim, P = vision.size(1);
  if (N % B != 0) fail<ShapeError>("EnhancedVLM: tokens must hold the same number of rows for each of ", B, " images, got ", tokens.shape());
  const int64_t Q = N / B;
  Tensor e = text(tokens, 0);                                                  // (B Q, T, D)
  for (size_t i = 0; i < cross_attn_layers_.size(); ++i) {
    // All rows of one image read the same keys and values: their tokens are so many more queries.
    const auto cross = [&](const Tensor& q) { return reshape(cross_attn_layers_[i](reshape(q, {B, Q * T, D}), vision), {N, T, D}); };
    e = c_.as_published ? cross(e) : add(e, drop_(cross(cross_norms_[i](e))));
  }
  Tensor x = e;
  int64_t prefix = 0;
  if (c_.decoder_prefix == "vision") {
    prefix = P;
    Tensor v = vision_pos_.defined() ? add(vision, vision_pos_) : vision;
    if (Q > 1) v = reshape(expand(unsqueeze(v, 1), {B, Q, P, D}), {N, P, D});
    x = cat({v, e}, 1);                                                        // (B Q, P + T, D)
  }
  const Tensor mask = prefix_mask(prefix, prefix + T);
  for (const TransformerBlock& block : text_blocks_) x = block(x, mask, !mask.defined());
  if (prefix > 0) x = slice(x, 1, prefix, prefix + T);
  return head_(ln_(x));                                                        // (B Q, T, vocab)
}

EnhancedVLM::Output EnhancedVLM::forward(const Tensor& images, const Tensor& tokens, const Tensor& targets) const {
  Output out{logits(encode(images), tokens), {}};
  if (!targets.defined()) return out;
  if (!(targets.shape() == tokens.shape()))
    fail<ShapeError>("EnhancedVLM: targets must have the shape of tokens, ", tokens.shape(), ", got ", targets.shape());
  if (c_.as_published) out.logits = clamp(out.logits, -100, 100);
  out.loss = cross_entropy(reshape(out.logits, {-1, c_.vocab_size}), reshape(targets, {-1}));   // ignore_index -100
  return out;
}

Tensor next_token_targets(const Tensor& tokens, int64_t ignore) {
  if (tokens.dim() != 2) fail<ShapeError>("next_token_targets: tokens must be (B, T), got ", tokens.shape());
  const Tensor last = Tensor(full({tokens.size(0), 1}, double(ignore), DType::i64, tokens.device()));
  return cat({to(slice(tokens, 1, 1, tokens.size(1)), DType::i64), last}, 1);
}

}  // namespace hippograd
