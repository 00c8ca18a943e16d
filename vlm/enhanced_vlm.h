#pragma once
// EnhancedVLM: a vision-language model whose vision tokens cross to the text through a state space model
// (kyegomez/SSM-As-VLM-Bridge; spec: vision transformer -> SSM bridge -> cross-attention -> causal decoder).
//
//   V = bridge(vit(images))                          (B, P, D)   P vision tokens
//   E = embed(tokens) + pos                          (B, T, D)
//   E = E + cross(LN E, V)                           once per cross layer
//   X = [V; E]  or  E                                decoder_prefix "vision" or "none"
//   logits = head(LN(blocks(X)))[last T]             (B, T, vocab)
//
// Bridge layer ("discretised", the default), per state n, zero-order hold on a diagonal stable A:
//   A_n = -exp(a_n)   dA_n = exp(dt_n A_n)   h_t = dA h_{t-1} + (dA - 1) / A (B * u_t),   u = W_in x + b_in
//   y = W_p (C h + c) + b_p   g = sigmoid(W_g x + b_g)   out = g * y + (1 - g) * x
//
// Differs from the published code in the default mode (as_published = true gives its forward, loss and init exactly): blocks
// keep their residual trunk, cross-attention is pre-norm and residual, the bridge keeps its input and ends in a norm, its SSM is
// discretised instead of a clamped RNN, no clamps on scores or logits, layer_norm_eps is used everywhere, masks broadcast over
// heads, a fully masked row gives zeros.
// Proved by: tests/test_vlm.cpp (golden values and gradients, parameter counts, cached = uncached).
#include <string>
#include <vector>

#include "nn/attention.h"
#include "nn/mlp.h"
#include "ssm/mamba.h"

namespace hippograd {

struct VLMConfig {
  int64_t img_size = 224, patch_size = 16, vision_embed_dim = 768, vision_num_layers = 12, vision_num_heads = 12;
  int64_t vocab_size = 32000, text_embed_dim = 768, text_num_layers = 12, text_num_heads = 12, text_kv_heads = 1, max_seq_length = 2048;
  int64_t ssm_state_dim = 64, ssm_hidden_dim = 256, ssm_num_layers = 4;
  double ssm_dropout = 0.1;
  int64_t cross_attn_layers = 2, cross_attn_heads = 8;
  double dropout = 0.1, layer_norm_eps = 1e-5;
  // ours
  bool as_published = false;
  std::vector<int64_t> vision_stem;          // empty: one patch convolution; else channels of 3x3 stride-2 convolutions
  bool vision_cls = true;                    // a class token before the patches
  bool bridge_in_proj = true;                // false: the bridge works at the vision width
  int64_t cross_kv_heads = 0;                // 0: cross_attn_heads
  std::string decoder_prefix = "vision";     // "vision": [V; E] enters the decoder; "none": E alone
  std::string bridge_ssm = "discretised";    // also clamped, mamba, linear, mlp, attention
  std::string bridge_method = "zoh";         // or bilinear
  bool vision_bidirectional = false;         // vision tokens see each other in the decoder
  bool decoder_vision_pos = false;           // learned positions on the prefix
  int64_t vision_kv_heads = 1;
  int64_t vision_ffn_dim = 0, text_ffn_dim = 0;   // 0: four times the width
  double token_init_std = 0.02;              // of the token embedding

  void validate() const;                     // ValueError naming the field
  int64_t vision_tokens() const;             // P
  static VLMConfig easy_vqa();               // the demo: 423,232 parameters
};

// x <- x + drop(attn(LN1 x));  x <- ffn(x).  As published: the feed-forward block reads LN2 x and the trunk is lost.
class TransformerBlock final {
 public:
  TransformerBlock(Scope s, const AttentionLayout& a, int64_t ffn_dim, double dropout, double eps, bool as_published);
  Tensor operator()(const Tensor& x, const Tensor& mask = {}, bool causal = false) const;
  Tensor decode(const Tensor& x, KVCache& cache, const Tensor& mask = {}) const;
  MultiQueryAttention attn;
  SwiGLU ffn;
  LayerNorm ln1;
  std::optional<LayerNorm> ln2;
 private:
  Tensor finish(const Tensor& x, const Tensor& attended) const;
  Dropout drop_;
};

// images (B, 3, S, S) -> (B, P, D)
class VisionTransformer final {
 public:
  VisionTransformer(Scope s, const VLMConfig& c);
  Tensor operator()(const Tensor& images) const;
 private:
  VLMConfig c_;
  std::vector<Conv2d> stem_;
  Tensor cls_token_, pos_embed_;
  Dropout drop_;
  std::vector<TransformerBlock> blocks_;
  LayerNorm ln_;
};

// One mixing layer of the bridge: x (B, L, E) -> (B, L, E), causal along L.
class BridgeLayer final {
 public:
  BridgeLayer(Scope s, const VLMConfig& c, int64_t width);
  Tensor operator()(const Tensor& x) const;
 private:
  Tensor scan(const Tensor& u) const;        // (B, L, N) -> states (B, L, N)
  Tensor clamped(const Tensor& u) const;     // the published recurrence, step by step
  std::string kind_, method_;
  std::optional<Linear> input_proj_, proj_, gate_;
  Tensor A_, a_, log_dt_, B_, C_, bias_A_, bias_C_;
  std::optional<MambaLayer> mamba_;
  std::optional<MultiQueryAttention> attention_;
};

class SSMBridge final {
 public:
  SSMBridge(Scope s, const VLMConfig& c);
  Tensor operator()(const Tensor& x) const;  // (B, P, vision width) -> (B, P, text width)
 private:
  bool as_published_;
  std::optional<Linear> in_proj_;
  std::vector<BridgeLayer> layers_;
  std::vector<LayerNorm> norms_;
  Dropout drop_;
  Linear out_proj_;
  std::optional<LayerNorm> ln_;
};

struct GenerateOptions {
  int64_t max_length = 100;                  // counts the prompt
  std::optional<int64_t> max_new_tokens;
  double temperature = 1;                    // 0: argmax, ties to the lowest index
  int64_t top_k = 0;                         // 0: off
  double top_p = 1;
  int64_t bos = 0, eos = 1;
  bool use_cache = true;                     // false: the whole sequence again for every token (same result)
  Generator* generator = nullptr;            // nullptr: the default one
};
struct Generated {
  Array tokens;                              // (B, length) i64: prompt, new tokens, EOS repeated after a row has ended
  std::vector<int64_t> lengths;              // per row, EOS included
};

class EnhancedVLM final : public Model {
 public:
  explicit EnhancedVLM(VLMConfig c, DType dtype = DType::f32, Device device = {}, Generator* generator = nullptr);

  // tokens (B * Q, T) integers: Q consecutive rows ask about the same image.
  struct Output { Tensor logits, loss; };    // (B * Q, T, vocab); 0-dim, or undefined without targets
  Output forward(const Tensor& images, const Tensor& tokens, const Tensor& targets = {}) const;
  Tensor encode(const Tensor& images) const;                                   // V (B, P, D)
  Tensor logits(const Tensor& vision, const Tensor& tokens) const;
  Generated generate(const Tensor& images, const Tensor& prompt = {}, const GenerateOptions& o = {}) const;
  Generated generate_from(const Tensor& vision, const Tensor& prompt, const GenerateOptions& o) const;
  const VLMConfig& config() const { return c_; }

 private:
  friend class Decoder;
  Tensor text(const Tensor& tokens, int64_t position) const;                   // embeddings + positions
  Tensor prefix_mask(int64_t prefix, int64_t length) const;                    // only where causality is not enough
  void check_images(const Tensor& images) const;
  void check_tokens(const Tensor& tokens, const char* what) const;
  VLMConfig c_;
  VisionTransformer vit_;
  SSMBridge ssm_bridge_;
  Embedding token_embed_;
  Tensor pos_embed_, vision_pos_;
  Dropout drop_;
  std::vector<LayerNorm> cross_norms_;
  std::vector<MultiQueryAttention> cross_attn_layers_;
  std::vector<TransformerBlock> text_blocks_;
  LayerNorm ln_;
  Linear head_;
};

// Targets for next-token training: tokens shifted left, `ignore` in the last column.
Tensor next_token_targets(const Tensor& tokens, int64_t ignore = -100);

}  // namespace hippograd
