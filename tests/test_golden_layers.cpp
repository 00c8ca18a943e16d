// Attention, norms, cross entropy, a ViT block, SwiGLU and the optimizers against PyTorch's results in double precision (the
// gated norm: against its authors'): values and every gradient of the files.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/operators.h"
#include "golden.h"
#include "nn/optim.h"

using namespace hippograd;

namespace {

// Inputs and parameters of a file as leaves, by name; every one that has a gradient in the file is compared.
struct Case {
  Golden g;
  std::map<std::string, Tensor> leaves;
  explicit Case(const std::string& stem) : g(stem) {
    for (const char* prefix : {"in.", "param."})
      for (const std::string& name : g.names(prefix)) {
        Tensor t(g.at(prefix + name).clone());
        if (g.has("grad." + name)) t.set_requires_grad();
        leaves[name] = t;
      }
  }
  Tensor operator[](const std::string& name) const {
    const auto it = leaves.find(name);
    return it == leaves.end() ? Tensor() : it->second;
  }
  void check(const std::map<std::string, Tensor>& outputs, double tol = 1e-10) const {
    for (const std::string& name : g.names("out.")) {
      ASSERT_TRUE(outputs.count(name)) << name;
      g.expect("out." + name, outputs.at(name).array(), tol);
    }
    Tensors xs;
    std::vector<std::string> names;
    for (const auto& [name, x] : leaves)
      if (x.requires_grad()) names.push_back(name), xs.push_back(x);
    EXPECT_EQ(names.size(), g.names("grad.").size());
    const Tensors gradients = g.gradients(outputs, xs);
    for (size_t i = 0; i < xs.size(); ++i) {
      ASSERT_TRUE(gradients[i].defined()) << names[i];
      g.expect("grad." + names[i], gradients[i].array(), tol);
    }
  }
};

// x (..., in) W^T + b
Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor y = matmul(x, t(weight));
  return bias.defined() ? y + bias : y;
}
// (B, T, H P) -> (B, H, T, P) and back
Tensor split_heads(const Tensor& x, int64_t heads) { return transpose(unflatten(x, 2, {heads, x.size(2) / heads}), 1, 2); }
Tensor merge_heads(const Tensor& x) { return flatten(transpose(x, 1, 2), 2, 3); }

class GoldenAttention : public testing::TestWithParam<const char*> {};
TEST_P(GoldenAttention, ValuesAndGradients) {
  const Case c(std::string("attention/") + GetParam());
  AttentionOptions o;
  o.is_causal = c.g.options.at("causal");
  o.enable_gqa = true;
  const Tensor q = c["q"], k = c["k"], out = scaled_dot_product_attention(q, k, c["v"], c["mask"], o);
  // The logarithm of the sum of the weights, by its definition.
  const int64_t groups = k.size(1), heads = q.size(1);
  Tensor scores = flatten(matmul(unflatten(q, 1, {groups, heads / groups}), mT(unsqueeze(k, 2))), 1, 2) * (1 / std::sqrt(double(q.size(3))));
  const double inf = std::numeric_limits<double>::infinity();
  if (c["mask"].defined()) scores = masked_fill(scores, logical_not(c["mask"]), -inf);
  if (o.is_causal) scores = masked_fill(scores, Tensor(triu(Tensor(full({q.size(2), k.size(2)}, 1, DType::b8, q.device())), 1).array()), -inf);
  c.check({{"out", out}, {"logsumexp", logsumexp(scores, {-1})}});
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenAttention, testing::Values("causal", "gqa_boolmask", "large_scores"), [](const auto& info) { return std::string(info.param); });

TEST(GoldenCrossAttention, ValuesAndGradients) {   // nn.MultiheadAttention with other widths for keys and values
  const Case c("cross_attention/d8_h2_kdim6");
  const int64_t heads = c.g.options.at("heads");
  const Tensors bias = chunk(c["in_proj_bias"], 3);
  const Tensor q = split_heads(affine(c["query"], c["q_proj_weight"], bias[0]), heads), k = split_heads(affine(c["key"], c["k_proj_weight"], bias[1]), heads),
               v = split_heads(affine(c["value"], c["v_proj_weight"], bias[2]), heads);
  const Tensor visible = unsqueeze(unsqueeze(logical_not(c["key_padding_mask"]), 1), 1);   // (B, 1, 1, M)
  const Tensor out = affine(merge_heads(scaled_dot_product_attention(q, k, v, visible)), c["out_proj.weight"], c["out_proj.bias"]);
  c.check({{"out", out}, {"weights", attention_weights(q, k, visible)}});
}

class GoldenNorm : public testing::TestWithParam<const char*> {};
TEST_P(GoldenNorm, ValuesAndGradients) {
  const Case c(std::string("layer_norm/") + GetParam());
  const Tensor x = c["x"];
  const double eps = c.g.options.at("eps");
  if (c["z"].defined()) return c.check({{"out", rms_norm_gated(x, c["z"], c["weight"], eps, 0, c.g.options.at("norm_before_gate"))}});
  Shape shape;
  for (int d = x.dim() - int(c.g.options.at("normalised_axes")); d < x.dim(); ++d) shape.push_back(x.size(d));
  c.check({{"out", c.g.options.at("rms") ? rms_norm(x, shape, c["weight"], eps) : layer_norm(x, shape, c["weight"], c["bias"], eps)}});
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenNorm, testing::Values("plain", "no_affine_two_axes", "constant_rows", "large_offset", "rms", "gated_rms_norm_after_gate"),
                         [](const auto& info) { return std::string(info.param); });

class GoldenCrossEntropy : public testing::TestWithParam<const char*> {};
TEST_P(GoldenCrossEntropy, ValuesAndGradients) {
  const Case c(std::string("cross_entropy/") + GetParam());
  const auto classes_second = [](const Tensor& x) { return x.dim() > 2 ? movedim(x, {-1}, {1}) : x; };
  const auto& o = c.g.options;
  const Tensor target = o.at("soft") ? classes_second(c["target"]) : c["target"];
  c.check({{"loss", cross_entropy(classes_second(c["logits"]), target, {}, o.at("ignore_index").is_null() ? -100 : o.at("ignore_index").get<int64_t>(),
                                  o.at("reduction").get<std::string>(), o.at("label_smoothing"))}});
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenCrossEntropy, testing::Values("mean_ignore", "smoothing", "soft_targets", "sum_extreme_logits"),
                         [](const auto& info) { return std::string(info.param); });

TEST(GoldenVit, Block) {
  const Case c("vit_block/d12_h3_T5");
  const double eps = c.g.options.at("eps");
  const int64_t heads = c.g.options.at("heads"), d = c["x"].size(2);
  const auto norm_of = [&](const Tensor& x, const std::string& n) { return layer_norm(x, {d}, c[n + ".weight"], c[n + ".bias"], eps); };
  const auto linear_of = [&](const Tensor& x, const std::string& n) { return affine(x, c[n + ".weight"], c[n + ".bias"]); };
  const Tensors qkv = chunk(linear_of(norm_of(c["x"], "norm1"), "qkv"), 3, -1);
  const Tensor a = merge_heads(scaled_dot_product_attention(split_heads(qkv[0], heads), split_heads(qkv[1], heads), split_heads(qkv[2], heads)));
  const Tensor x = c["x"] + linear_of(a, "proj");
  c.check({{"out", x + linear_of(gelu(linear_of(norm_of(x, "norm2"), "fc1")), "fc2")}});
}

TEST(GoldenVit, PatchEmbedding) {
  const Case c("vit_block/patch_embed_8x12");
  const int64_t patch = c.g.options.at("patch"), batch = c["x"].size(0);
  const Tensor patches = transpose(flatten(conv2d(c["x"], c["weight"], c["bias"], {patch}), 2, 3), 1, 2);
  c.check({{"out", cat({expand(c["cls"], {batch, 1, -1}), patches}, 1) + c["pos"]}});
}

class GoldenSwiGLU : public testing::TestWithParam<const char*> {};
TEST_P(GoldenSwiGLU, ValuesAndGradients) {
  const Case c(std::string("swiglu/") + GetParam());
  const Tensor gate = affine(c["x"], c["w1"], c["b1"]), up = affine(c["x"], c["w2"], c["b2"]);
  c.check({{"out", affine((c.g.options.at("clamp") ? swish_clamped(gate) : silu(gate)) * up, c["w3"], c["b3"])}});
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenSwiGLU, testing::Values("silu_d6_h10", "clamped_d5_h7_bias"), [](const auto& info) { return std::string(info.param); });

class GoldenOptimizer : public testing::TestWithParam<const char*> {};
TEST_P(GoldenOptimizer, FiveSteps) {
  const Golden g(std::string("optim/") + GetParam());
  const auto& o = g.options;
  std::map<std::string, Tensor> params;
  ParamGroup group;
  for (const std::string& name : g.names("param.")) {
    Tensor p(g.at("param." + name).clone());
    p.set_requires_grad();
    p.impl()->name = name;
    params[name] = p;
    group.params.push_back(p);
  }
  ASSERT_EQ(params.size(), 3u);
  const auto& d = o.at("defaults");
  group.weight_decay = d.at("weight_decay");
  std::unique_ptr<Optimizer> optimizer;
  if (o.at("optimiser") == "SGD") optimizer = std::make_unique<SGD>(std::vector{group}, d.at("momentum"), d.at("dampening"), d.at("nesterov"));
  else optimizer = std::make_unique<AdamW>(std::vector{group}, d.at("betas")[0], d.at("betas")[1], d.at("eps"), d.at("decoupled_weight_decay"));
  const bool clips = !o.at("clip").is_null();
  for (int step = 0; step < int(o.at("steps")); ++step) {
    const std::string at = "step" + std::to_string(step) + ".";
    for (auto& [name, p] : params) p.set_grad(Tensor(g.at("in." + at + "grad." + name).clone()));
    optimizer->step(o.at("lr"), clips ? double(o.at("clip").at("max_norm")) : std::numeric_limits<double>::infinity());
    for (auto& [name, p] : params) g.expect("out." + at + name, p.array(), 1e-12);
    if (clips) {
      EXPECT_NEAR(optimizer->norm(), g.at("out." + at + "total_norm").item<double>(), 1e-12);
    }
  }
  std::map<std::string, Array> state;
  for (const auto& [name, a] : optimizer->state()) state[name] = a;
  for (const std::string& name : g.names("out.state.")) {   // w.exp_avg
    const std::string p = name.substr(0, 1), slot = name.substr(2);
    g.expect("out.state." + name, slot == "step" ? state.at("step").to(DType::f64) : state.at(slot + "." + p), 1e-12);
  }
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenOptimizer, testing::Values("adamw", "adam_l2", "sgd_momentum", "sgd_clip_norm"), [](const auto& info) { return std::string(info.param); });

}  // namespace
