// Vision transformer and the transformer block of EnhancedVLM (vlm/enhanced_vlm.h).
#include "vlm/enhanced_vlm.h"

namespace hippograd {

TransformerBlock::TransformerBlock(Scope s, const AttentionLayout& a, int64_t ffn_dim, double dropout, double eps, bool as_published)
    : attn(s / "attn", a),
      ffn(s / "ffn", a.dim, ffn_dim > 0 ? ffn_dim : 4 * a.dim, dropout, eps, init::xavier_uniform()),
      ln1(s / "ln1", a.dim, eps),
      drop_(s, dropout) {
  if (as_published) ln2.emplace(s / "ln2", a.dim, eps);
}

Tensor TransformerBlock::finish(const Tensor& x, const Tensor& attended) const {
  const Tensor y = add(x, drop_(attended));
  return ffn(ln2 ? (*ln2)(y) : y);              // ffn has its own norm and residual
}
Tensor TransformerBlock::operator()(const Tensor& x, const Tensor& mask, bool causal) const {
  return finish(x, attn(ln1(x), {}, mask, causal));
}
Tensor TransformerBlock::decode(const Tensor& x, KVCache& cache, const Tensor& mask) const {
  return finish(x, attn.decode(ln1(x), cache, mask));
}

namespace {
std::vector<Conv2d> make_stem(Scope s, const VLMConfig& c) {
  std::vector<Conv2d> stem;
  if (c.vision_stem.empty()) {
    stem.emplace_back(s / "patch_embed", 3, c.vision_embed_dim, c.patch_size, c.patch_size, 0, true, init::xavier_uniform(), init::zeros());
    return stem;
  }
  int64_t in = 3;
  for (size_t i = 0; i < c.vision_stem.size(); ++i) {
    stem.emplace_back(s / "stem" / int64_t(i), in, c.vision_stem[i], 3, 2, 1, true, init::kaiming_normal(), init::zeros());
    in = c.vision_stem[i];
  }
  return stem;
}
std::vector<TransformerBlock> make_blocks(Scope s, const VLMConfig& c) {
  std::vector<TransformerBlock> blocks;
  const AttentionLayout a{c.vision_embed_dim, c.vision_num_heads, c.as_published ? 1 : c.vision_kv_heads, c.dropout, c.as_published};
  for (int64_t i = 0; i < c.vision_num_layers; ++i)
    blocks.emplace_back(s / "blocks" / i, a, c.vision_ffn_dim, c.dropout, c.as_published ? 1e-5 : c.layer_norm_eps, c.as_published);
  return blocks;
}
}  // namespace

VisionTransformer::VisionTransformer(Scope s, const VLMConfig& c)
    : c_(c),
      stem_(make_stem(s, c)),
      cls_token_(c.vision_cls ? s.param("cls_token", {1, 1, c.vision_embed_dim}, init::normal(0, 0.02)) : Tensor()),
      pos_embed_(s.param("pos_embed", {1, c.vision_tokens(), c.vision_embed_dim}, init::normal(0, 0.02))),
      drop_(s, c.dropout),
      blocks_(make_blocks(s, c)),
      ln_(s / "ln", c.vision_embed_dim, c.layer_norm_eps) {}

Tensor VisionTransformer::operator()(const Tensor& images) const {
  const int64_t B = images.size(0), D = c_.vision_embed_dim;
  Tensor x = images;                                                  // (B, 3, S, S)
  for (const Conv2d& conv : stem_) x = c_.vision_stem.empty() ? conv(x) : gelu(conv(x));
  x = transpose(reshape(x, {B, D, -1}), 1, 2);                        // (B, patches, D)
  if (cls_token_.defined()) x = cat({expand(cls_token_, {B, 1, D}), x}, 1);
  x = drop_(add(x, pos_embed_));                                      // (B, P, D)
  for (const TransformerBlock& block : blocks_) x = block(x);
  return ln_(x);
}

}  // namespace hippograd
