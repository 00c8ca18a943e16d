#include "vlm/enhanced_vlm.h"

namespace hippograd {
namespace {
void positive(const char* field, int64_t value) {
  if (value <= 0) fail<ValueError>("VLMConfig: ", field, " must be positive, got ", value);
}
void divides(const char* a, int64_t x, const char* b, int64_t y) {
  if (x % y != 0) fail<ValueError>("VLMConfig: ", a, " must be a multiple of ", b, ", got ", x, " and ", y);
}
void probability(const char* field, double p) {
  if (!(p >= 0 && p < 1)) fail<ValueError>("VLMConfig: ", field, " must be in [0, 1), got ", p);
}
template <class... T> void one_of(const char* field, const std::string& value, const T&... allowed) {
  if (((value == allowed) || ...)) return;
  std::string list;
  ((list += (list.empty() ? "" : ", ") + std::string(allowed)), ...);
  fail<ValueError>("VLMConfig: ", field, " must be one of ", list, ", got '", value, "'");
}
}  // namespace

void VLMConfig::validate() const {
  const std::pair<const char*, int64_t> sizes[] = {
      {"img_size", img_size}, {"patch_size", patch_size}, {"vision_embed_dim", vision_embed_dim}, {"vision_num_layers", vision_num_layers},
      {"vision_num_heads", vision_num_heads}, {"vocab_size", vocab_size}, {"text_embed_dim", text_embed_dim},
      {"text_num_layers", text_num_layers}, {"text_num_heads", text_num_heads}, {"text_kv_heads", text_kv_heads},
      {"max_seq_length", max_seq_length}, {"ssm_state_dim", ssm_state_dim}, {"ssm_hidden_dim", ssm_hidden_dim},
      {"ssm_num_layers", ssm_num_layers}, {"cross_attn_layers", cross_attn_layers}, {"cross_attn_heads", cross_attn_heads},
      {"vision_kv_heads", vision_kv_heads}};
  for (const auto& [field, value] : sizes) positive(field, value);
  if (cross_kv_heads < 0) fail<ValueError>("VLMConfig: cross_kv_heads must not be negative, got ", cross_kv_heads);
  divides("vision_embed_dim", vision_embed_dim, "vision_num_heads", vision_num_heads);
  divides("text_embed_dim", text_embed_dim, "text_num_heads", text_num_heads);
  divides("text_embed_dim", text_embed_dim, "cross_attn_heads", cross_attn_heads);
  divides("vision_num_heads", vision_num_heads, "vision_kv_heads", vision_kv_heads);
  divides("text_num_heads", text_num_heads, "text_kv_heads", text_kv_heads);
  if (cross_kv_heads > 0) divides("cross_attn_heads", cross_attn_heads, "cross_kv_heads", cross_kv_heads);
  if (vision_stem.empty()) {
    divides("img_size", img_size, "patch_size", patch_size);
  } else {
    for (int64_t channels : vision_stem) positive("vision_stem", channels);
    divides("img_size", img_size, "2^layers of the stem", int64_t(1) << vision_stem.size());
    if (vision_stem.back() != vision_embed_dim)
      fail<ValueError>("VLMConfig: the last channel count of vision_stem must be vision_embed_dim ", vision_embed_dim, ", got ", vision_stem.back());
  }
  if (!bridge_in_proj && ssm_hidden_dim != vision_embed_dim)
    fail<ValueError>("VLMConfig: without bridge_in_proj, ssm_hidden_dim must be vision_embed_dim ", vision_embed_dim, ", got ", ssm_hidden_dim);
  probability("dropout", dropout);
  probability("ssm_dropout", ssm_dropout);
  if (!(layer_norm_eps > 0)) fail<ValueError>("VLMConfig: layer_norm_eps must be positive, got ", layer_norm_eps);
  if (!(token_init_std > 0)) fail<ValueError>("VLMConfig: token_init_std must be positive, got ", token_init_std);
  one_of("decoder_prefix", decoder_prefix, "vision", "none");
  one_of("bridge_ssm", bridge_ssm, "discretised", "clamped", "mamba", "linear", "mlp", "attention");
  one_of("bridge_method", bridge_method, "zoh", "bilinear");
  if (as_published && (!vision_stem.empty() || !vision_cls || !bridge_in_proj || decoder_prefix != "vision"))
    fail<ValueError>("VLMConfig: as_published has the published shapes: patch stem, class token, bridge_in_proj and decoder_prefix 'vision'");
}

int64_t VLMConfig::vision_tokens() const {
  const int64_t side = vision_stem.empty() ? img_size / patch_size : img_size >> vision_stem.size();
  return side * side + (vision_cls ? 1 : 0);
}

VLMConfig VLMConfig::easy_vqa() {
  VLMConfig c;
  c.img_size = 64;
  c.patch_size = 8;
  c.vision_stem = {32, 64, 96};
  c.vision_cls = false;
  c.vision_embed_dim = c.text_embed_dim = c.ssm_hidden_dim = 96;
  c.vision_num_layers = 1;
  c.vision_num_heads = c.text_num_heads = c.cross_attn_heads = 4;
  c.vision_ffn_dim = c.text_ffn_dim = 192;
  c.vocab_size = 32;
  c.max_seq_length = 16;
  c.text_num_layers = 2;
  c.ssm_state_dim = 64;
  c.ssm_num_layers = 2;
  c.bridge_in_proj = false;
  c.cross_attn_layers = 1;
  c.cross_kv_heads = 1;
  c.decoder_prefix = "none";
  c.dropout = c.ssm_dropout = 0;
  c.token_init_std = 0.1;
  return c;
}

}  // namespace hippograd
