// Values and gradients of layers against PyTorch's, in double precision (tests/golden).
#include "golden.h"

#include <cmath>

#include "autograd/ops.h"
#include "nn/optim.h"

using namespace hippograd;

namespace {

Tensor param(const Golden& g, const std::string& name) {
  if (!g.has("param." + name)) return {};
  return Tensor(g.at("param." + name)).set_requires_grad();
}
// Outputs, then the gradients of everything that is given.
void check(const Golden& g, const std::map<std::string, Tensor>& outputs, const std::map<std::string, Tensor>& xs, double tol = 1e-10) {
  for (const auto& [name, y] : outputs) g.expect("out." + name, y.array(), tol);
  Tensors wanted;
  std::vector<std::string> names;
  for (const auto& [name, x] : xs)
    if (x.defined() && x.requires_grad() && g.has("grad." + name)) wanted.push_back(x), names.push_back(name);
  ASSERT_FALSE(wanted.empty());
  const Tensors gs = g.gradients(outputs, wanted);
  for (size_t i = 0; i < gs.size(); ++i) {
    ASSERT_TRUE(gs[i].defined()) << names[i];
    g.expect("grad." + names[i], gs[i].array(), tol);
  }
}

}  // namespace

TEST(GoldenAttention, AllCases) {
  for (const char* name : {"causal", "gqa_boolmask", "large_scores"}) {
    SCOPED_TRACE(name);
    const Golden g(std::string("attention/") + name);
    const Tensor q = g.in("q"), k = g.in("k"), v = g.in("v");
    const bool causal = g.options["causal"];
    const Tensor mask = g.has("in.mask") ? Tensor(g.at("in.mask")) : Tensor();
    AttentionOptions o;
    o.is_causal = causal;
    o.enable_gqa = true;
    const Tensor out = scaled_dot_product_attention(q, k, v, mask, o);
    // the stored loss also has the row log-sum-exp: composed here, since the function gives the output only
    const int64_t H = q.size(1), G = k.size(1), B = k.size(0), M = k.size(2), P = k.size(3);
    const Tensor keys = reshape(expand(unsqueeze(k, 2), {B, G, H / G, M, P}), {B, H, M, P});
    Tensor s = mul(matmul(q, transpose(keys, -1, -2)), 1 / std::sqrt(double(P)));
    if (causal) s = masked_fill(s, Tensor(triu(Tensor(full({q.size(2), M}, 1, DType::f64)), 1).array().to(DType::b8)), -INFINITY);
    if (mask.defined()) s = masked_fill(s, logical_not(mask), -INFINITY);
    check(g, {{"out", out}, {"logsumexp", logsumexp(s, {-1})}}, {{"q", q}, {"k", k}, {"v", v}});
  }
}

TEST(GoldenAttention, CrossAttentionOfMultiheadAttention) {
  const Golden g("cross_attention/d8_h2_kdim6");
  const int64_t H = g.options["heads"];
  std::map<std::string, Tensor> p;
  for (const std::string& n : g.names("param.")) p[n] = param(g, n);
  const Tensor query = g.in("query"), key = g.in("key"), value = g.in("value");
  const int64_t B = query.size(0), D = query.size(2), P = D / H;
  const auto split = [&](const Tensor& x) { return transpose(reshape(x, {B, x.size(1), H, P}), 1, 2); };
  const auto bias = [&](int64_t i) { return slice(p["in_proj_bias"], 0, i * D, (i + 1) * D); };
  const Tensor q = split(linear(query, p["q_proj_weight"], bias(0))), k = split(linear(key, p["k_proj_weight"], bias(1))),
               v = split(linear(value, p["v_proj_weight"], bias(2)));
  const Tensor hidden = reshape(Tensor(g.at("in.key_padding_mask")), {B, 1, 1, -1});
  const Tensor y = scaled_dot_product_attention(q, k, v, logical_not(hidden));
  const Tensor out = linear(reshape(transpose(y, 1, 2), {B, -1, D}), p["out_proj.weight"], p["out_proj.bias"]);
  const Tensor scores = masked_fill(mul(matmul(q, transpose(k, -1, -2)), 1 / std::sqrt(double(P))), hidden, -INFINITY);
  std::map<std::string, Tensor> xs{{"query", query}, {"key", key}, {"value", value}};
  xs.insert(p.begin(), p.end());
  check(g, {{"out", out}, {"weights", softmax(scores, -1)}}, xs);
}

TEST(GoldenBlocks, VisionTransformerBlock) {
  const Golden g("vit_block/d12_h3_T5");
  const int64_t H = g.options["heads"];
  const double eps = g.options["eps"];
  std::map<std::string, Tensor> p;
  for (const std::string& n : g.names("param.")) p[n] = param(g, n);
  const Tensor x = g.in("x");
  const int64_t B = x.size(0), T = x.size(1), D = x.size(2);
  const Tensor qkv = permute(reshape(linear(layer_norm(x, {D}, p["norm1.weight"], p["norm1.bias"], eps), p["qkv.weight"], p["qkv.bias"]),
                                     {B, T, 3, H, D / H}), {2, 0, 3, 1, 4});
  const Tensor a = scaled_dot_product_attention(select(qkv, 0, 0), select(qkv, 0, 1), select(qkv, 0, 2));
  const Tensor h = add(x, linear(reshape(transpose(a, 1, 2), {B, T, D}), p["proj.weight"], p["proj.bias"]));
  const Tensor n = layer_norm(h, {D}, p["norm2.weight"], p["norm2.bias"], eps);
  const Tensor out = add(h, linear(gelu(linear(n, p["fc1.weight"], p["fc1.bias"])), p["fc2.weight"], p["fc2.bias"]));
  p["x"] = x;
  check(g, {{"out", out}}, p);
}

TEST(GoldenBlocks, PatchEmbedding) {
  const Golden g("vit_block/patch_embed_8x12");
  const int64_t P = g.options["patch"];
  const Tensor x = g.in("x"), w = param(g, "weight"), b = param(g, "bias"), cls = param(g, "cls"), pos = param(g, "pos");
  const int64_t B = x.size(0), D = w.size(0);
  const Tensor patches = transpose(reshape(conv2d(x, w, b, {P}), {B, D, -1}), 1, 2);
  check(g, {{"out", add(cat({expand(cls, {B, 1, D}), patches}, 1), pos)}}, {{"x", x}, {"weight", w}, {"bias", b}, {"cls", cls}, {"pos", pos}});
}

TEST(GoldenBlocks, SwiGLU) {
  for (const char* name : {"clamped_d5_h7_bias", "silu_d6_h10"}) {
    SCOPED_TRACE(name);
    const Golden g(std::string("swiglu/") + name);
    std::map<std::string, Tensor> p{{"x", g.in("x")}};
    for (const std::string& n : g.names("param.")) p[n] = param(g, n);
    const Tensor a = linear(p["x"], p["w1"], p["b1"]), b = linear(p["x"], p["w2"], p["b2"]);
    const Tensor h = bool(g.options["clamp"]) ? mul(swish_clamped(a), b) : silu_mul(a, b);
    check(g, {{"out", linear(h, p["w3"], p["b3"])}}, p);
  }
}

TEST(GoldenNorms, AllCases) {
  for (const char* name : {"constant_rows", "large_offset", "no_affine_two_axes", "plain", "rms", "gated_rms_norm_after_gate"}) {
    SCOPED_TRACE(name);
    const Golden g(std::string("layer_norm/") + name);
    const Tensor x = g.in("x"), z = g.in("z"), w = param(g, "weight"), b = param(g, "bias");
    Tensor out;
    if (z.defined()) out = rms_norm_gated(x, z, w, g.options["eps"], 0, g.options["norm_before_gate"]);
    else {
      const int axes = g.options["normalised_axes"];
      Shape shape;
      for (int i = x.dim() - axes; i < x.dim(); ++i) shape.push_back(x.size(i));
      out = bool(g.options["rms"]) ? rms_norm(x, shape, w, double(g.options["eps"])) : layer_norm(x, shape, w, b, g.options["eps"]);
    }
    // the offset of `large_offset` costs both sides digits: inputs of 1e6 leave 1e-10 of a unit deviation
    const double tol = std::string(name) == "large_offset" ? 1e-8 : 1e-10;
    check(g, {{"out", out}}, {{"x", x}, {"z", z}, {"weight", w}, {"bias", b}}, tol);
  }
}

TEST(GoldenLosses, CrossEntropy) {
  for (const char* name : {"mean_ignore", "smoothing", "soft_targets", "sum_extreme_logits"}) {
    SCOPED_TRACE(name);
    const Golden g(std::string("cross_entropy/") + name);
    const Tensor x = g.in("logits");
    const int64_t V = x.size(-1);
    const bool soft = g.options["soft"];
    const Tensor target = soft ? reshape(Tensor(g.at("in.target")), {-1, V}) : reshape(Tensor(g.at("in.target")), {-1});
    const int64_t ignore = g.options["ignore_index"].is_null() ? -100 : int64_t(g.options["ignore_index"]);
    const std::string reduction = g.options["reduction"];
    const Tensor loss = cross_entropy(reshape(x, {-1, V}), target, {}, ignore, reduction, g.options["label_smoothing"]);
    check(g, {{"loss", loss}}, {{"logits", x}});
  }
}

TEST(GoldenOptimizers, FiveSteps) {
  for (const char* name : {"adamw", "adam_l2", "sgd_momentum", "sgd_clip_norm"}) {
    SCOPED_TRACE(name);
    const Golden g(std::string("optim/") + name);
    ParamGroup group;
    std::map<std::string, Tensor> params;
    for (const std::string& n : g.names("param.")) {
      params[n] = Tensor(g.at("param." + n).clone()).set_requires_grad();
      params[n].impl()->name = n;
      group.params.push_back(params[n]);
    }
    const auto& o = g.options["defaults"];
    group.weight_decay = o.value("weight_decay", 0.0);
    std::unique_ptr<Optimizer> optimizer;
    if (o.contains("betas")) optimizer = std::make_unique<AdamW>(std::vector{group}, o["betas"][0], o["betas"][1], o["eps"], o["decoupled_weight_decay"]);
    else optimizer = std::make_unique<SGD>(std::vector{group}, o["momentum"], o["dampening"], o["nesterov"]);
    const double max_norm = g.options["clip"].is_null() ? INFINITY : double(g.options["clip"]["max_norm"]);
    for (int t = 0; t < int(g.options["steps"]); ++t) {
      const std::string step = "step" + std::to_string(t);
      for (auto& [n, p] : params) p.set_grad(Tensor(g.at("in." + step + ".grad." + n)));
      optimizer->step(o["lr"], max_norm);
      if (g.has("out." + step + ".total_norm")) EXPECT_NEAR(optimizer->norm(), g.at("out." + step + ".total_norm").item<double>(), 1e-12);
      for (const auto& [n, p] : params) g.expect("out." + step + "." + n, p.array(), 1e-12);
    }
    for (const auto& [slot, value] : optimizer->state()) {
      const size_t dot = slot.find('.');
      if (dot != std::string::npos) g.expect("out.state." + slot.substr(dot + 1) + "." + slot.substr(0, dot), value, 1e-12);
    }
  }
}

TEST(Optimizers, ANonFiniteGradientChangesNothing) {
  Tensor p = Tensor(from_vector<double>({1, 2}, {2})).set_requires_grad();
  AdamW optimizer({ParamGroup{{p}, 0.1, 1}});
  p.set_grad(Tensor(from_vector<double>({NAN, 1}, {2})));
  optimizer.step(0.1, 1.0);
  EXPECT_EQ(to_vector<double>(p.array()), (std::vector<double>{1, 2}));
  EXPECT_TRUE(std::isnan(optimizer.norm()));
}

TEST(Schedules, WarmupAndCosine) {
  EXPECT_DOUBLE_EQ(warmup_cosine(0, 1000, 100, 1e-3), 1e-5);
  EXPECT_DOUBLE_EQ(warmup_cosine(99, 1000, 100, 1e-3), 1e-3);
  EXPECT_DOUBLE_EQ(warmup_cosine(100, 1000, 100, 1e-3), 1e-3);
  EXPECT_DOUBLE_EQ(warmup_cosine(550, 1000, 100, 1e-3, 0.2), 1e-3 * 0.6);
  EXPECT_DOUBLE_EQ(warmup_cosine(1000, 1000, 100, 1e-3, 0.02), 2e-5);
}
