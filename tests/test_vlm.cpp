// EnhancedVLM: published values and gradients, parameter counts, decoding, configuration errors, gradient checks.
#include "golden.h"

#include "autograd/ops.h"
#include "vlm/enhanced_vlm.h"

using namespace hippograd;

namespace {

void load(Model& m, const Golden& g) {
  std::map<std::string, Array> values;
  for (const std::string& n : g.names("param.")) values[n] = g.at("param." + n);
  m.load_state_dict(values);
}
// Output, then every stored gradient of inputs and parameters.
void check(const Golden& g, const Model& m, const std::map<std::string, Tensor>& outputs, std::map<std::string, Tensor> xs, double tol) {
  for (const auto& [name, y] : outputs) g.expect("out." + name, y.array(), tol);
  for (const Parameter& p : m.named()) xs[p.path] = p.tensor;
  Tensors wanted;
  std::vector<std::string> names;
  for (const auto& [name, x] : xs)
    if (x.defined() && g.has("grad." + name)) wanted.push_back(x), names.push_back(name);
  EXPECT_EQ(names.size(), g.names("grad.").size());
  const Tensors gs = g.gradients(outputs, wanted);
  for (size_t i = 0; i < gs.size(); ++i) g.expect("grad." + names[i], gs[i].array(), tol);
}

VLMConfig small() {   // corrected mode, every part present
  VLMConfig c;
  c.img_size = 16, c.patch_size = 8, c.vision_embed_dim = 8, c.vision_num_layers = 1, c.vision_num_heads = 2;
  c.vocab_size = 11, c.text_embed_dim = 8, c.text_num_layers = 2, c.text_num_heads = 2, c.max_seq_length = 9;
  c.ssm_state_dim = 3, c.ssm_hidden_dim = 4, c.ssm_num_layers = 2, c.cross_attn_layers = 1, c.cross_attn_heads = 2;
  c.dropout = c.ssm_dropout = 0;
  return c;
}
VLMConfig from_options(const nlohmann::json& o) {
  VLMConfig c;
  c.as_published = true;
  c.img_size = o["img_size"], c.patch_size = o["patch_size"], c.vision_embed_dim = o["vision_embed_dim"];
  c.vision_num_layers = o["vision_num_layers"], c.vision_num_heads = o["vision_num_heads"], c.vocab_size = o["vocab_size"];
  c.text_embed_dim = o["text_embed_dim"], c.text_num_layers = o["text_num_layers"], c.text_num_heads = o["text_num_heads"];
  c.text_kv_heads = o["text_kv_heads"], c.max_seq_length = o["max_seq_length"], c.ssm_state_dim = o["ssm_state_dim"];
  c.ssm_hidden_dim = o["ssm_hidden_dim"], c.ssm_num_layers = o["ssm_num_layers"], c.ssm_dropout = o["ssm_dropout"];
  c.cross_attn_layers = o["cross_attn_layers"], c.cross_attn_heads = o["cross_attn_heads"], c.dropout = o["dropout"];
  return c;
}
Tensor tokens(int64_t rows, int64_t T, int64_t vocab) { return Tensor(rand_int({rows, T}, 0, vocab)); }
Tensor images(int64_t B, int64_t S) { return Tensor(rand_normal({B, 3, S, S}, 0, 1, DType::f64)); }

}  // namespace

TEST(EnhancedVLMGolden, TinyAsPublished) {
  const Golden g("enhanced_vlm/tiny");
  EnhancedVLM m(from_options(g.options), DType::f64, test_device());
  load(m, g);
  m.eval();
  const Tensor images = g.in("images");
  const auto out = m.forward(images, Tensor(g.at("in.tokens")), Tensor(g.at("in.targets")));
  check(g, m, {{"logits", out.logits}, {"loss", out.loss}}, {{"images", images}}, 1e-10);
}
TEST(EnhancedVLMGolden, SsmLayer) {
  const Golden g("enhanced_vlm/part_ssm_layer");
  VLMConfig c;
  c.as_published = true;
  c.ssm_state_dim = g.options["args"][1];
  Model m(DType::f64, test_device());
  BridgeLayer layer(m.scope(), c, g.options["args"][0]);
  load(m, g);
  const Tensor x = g.in("x");
  check(g, m, {{"out", layer(x)}}, {{"x", x}}, 1e-10);
}
TEST(EnhancedVLMGolden, BlockWithTwoKeyHeadsAndMask) {
  const Golden g("enhanced_vlm/part_block_kv2_mask");
  Model m(DType::f64, test_device());
  const TransformerBlock block(m.scope(), {g.options["args"][0], g.options["args"][1], g.options["kv_heads"], 0, true}, g.options["ffn_dim"], 0, 1e-5, true);
  load(m, g);
  const Tensor x = g.in("x"), mask(g.at("in.mask").to(DType::b8));
  check(g, m, {{"out", block(x, mask)}}, {{"x", x}}, 1e-10);
}
TEST(EnhancedVLMGolden, SwishExtremes) {
  const Golden g("enhanced_vlm/part_swish_extremes");
  const Tensor x = g.in("x");
  check(g, Model(DType::f64, test_device()), {{"out", swish_clamped(x)}}, {{"x", x}}, 1e-12);
}

TEST(EnhancedVLMCounts, ExactParameters) {
  const SkipInit no_values;
  VLMConfig c;
  const EnhancedVLM corrected(c);
  EXPECT_EQ(corrected.parameter_count(), 258'107'392);
  EXPECT_EQ(corrected.parameter_count("vit."), 101'154'048);
  EXPECT_EQ(corrected.parameter_count("ssm_bridge."), 1'057'280);
  EXPECT_EQ(corrected.parameter_count("text_blocks.0."), 8'367'488);
  c.bridge_ssm = "clamped";
  const EnhancedVLM clamped(c);
  EXPECT_EQ(clamped.parameter_count(), 258'123'520);
  EXPECT_EQ(clamped.parameter_count("ssm_bridge."), 1'073'408);
  c.as_published = true;
  const EnhancedVLM published(c);
  EXPECT_EQ(published.parameter_count(), 258'155'776);
  EXPECT_EQ(published.parameter_count("vit."), 101'172'480);
  EXPECT_EQ(published.parameter_count("ssm_bridge."), 1'071'872);
  EXPECT_EQ(published.parameter_count("text_blocks.0."), 8'369'024);
  const EnhancedVLM demo(VLMConfig::easy_vqa());
  EXPECT_EQ(demo.parameter_count(), 423'232);
}
TEST(EnhancedVLMCounts, AdvancedConfigurationIsRejectedOrBuilt) {
  VLMConfig c;
  c.img_size = 384, c.vision_embed_dim = c.text_embed_dim = 1024, c.vision_num_layers = c.text_num_layers = 24, c.ssm_state_dim = 128;
  c.ssm_hidden_dim = 512, c.ssm_num_layers = 6, c.max_seq_length = 4096;
  EXPECT_THROW(EnhancedVLM{c}, ValueError);   // 12 heads do not divide 1024
  c.vision_num_heads = c.text_num_heads = 16;
  const SkipInit no_values;
  EXPECT_GT(EnhancedVLM(c).parameter_count(), 500'000'000);
}

TEST(EnhancedVLMConfigErrors, EachNamesItsField) {
  const auto message = [](auto change) -> std::string {
    VLMConfig c = small();
    change(c);
    try {
      c.validate();
    } catch (const ValueError& e) {
      return e.what();
    }
    return "";
  };
  const auto has = [&](auto change, const char* words) { EXPECT_NE(message(change).find(words), std::string::npos) << message(change); };
  has([](VLMConfig& c) { c.img_size = -7; }, "img_size must be positive, got -7");
  has([](VLMConfig& c) { c.patch_size = 5; }, "img_size must be a multiple of patch_size");
  has([](VLMConfig& c) { c.vision_num_heads = 3; }, "vision_embed_dim must be a multiple of vision_num_heads");
  has([](VLMConfig& c) { c.text_kv_heads = 3; }, "text_num_heads must be a multiple of text_kv_heads");
  has([](VLMConfig& c) { c.cross_attn_heads = 3; }, "cross_attn_heads");
  has([](VLMConfig& c) { c.dropout = 1; }, "dropout must be in [0, 1), got 1");
  has([](VLMConfig& c) { c.bridge_ssm = "lstm"; }, "bridge_ssm must be one of discretised, clamped, mamba, linear, mlp, attention");
  has([](VLMConfig& c) { c.vision_stem = {4, 5}; }, "last channel count of vision_stem");
}

TEST(EnhancedVLM, InputErrors) {
  const EnhancedVLM m(small(), DType::f64);
  const Tensor x = images(2, 16), t = tokens(2, 4, 11);
  EXPECT_THROW(m.forward(images(2, 24), t), ShapeError);
  EXPECT_THROW(m.forward(x, tokens(2, 10, 11)), ShapeError);        // longer than max_seq_length
  EXPECT_THROW(m.forward(x, tokens(3, 4, 11)), ShapeError);         // rows not a multiple of the images
  EXPECT_THROW(m.forward(x, Tensor(full({2, 4}, 11, DType::i64))), IndexError);
  EXPECT_THROW(m.forward(x, Tensor(full({2, 4}, 1, DType::f64))), DtypeError);
  EXPECT_THROW(m.forward(x, t, tokens(2, 3, 11)), ShapeError);
}

// Every switch: the gradient of the loss by every parameter, in double precision.
TEST(EnhancedVLM, GradientCheckOfEveryVariant) {
  std::vector<VLMConfig> variants;
  for (const char* kind : {"discretised", "clamped", "mamba", "linear", "mlp", "attention"}) {
    variants.push_back(small());
    variants.back().bridge_ssm = kind;
  }
  variants.push_back(small());
  variants.back().bridge_method = "bilinear", variants.back().vision_bidirectional = true, variants.back().decoder_vision_pos = true;
  variants.push_back(small());
  variants.back().vision_stem = {4, 8}, variants.back().vision_cls = false, variants.back().decoder_prefix = "none", variants.back().cross_kv_heads = 1;
  variants.push_back(small());
  variants.back().as_published = true;
  for (const VLMConfig& c : variants) {
    SCOPED_TRACE(c.bridge_ssm + (c.as_published ? " as published" : ""));
    manual_seed(7);
    const EnhancedVLM m(c, DType::f64);
    const Tensor x = images(1, 16), t = tokens(2, 4, 11), y = next_token_targets(t);
    // the parameters are leaves inside the model: perturb them in place through their arrays
    const Tensors params = m.parameters();
    m.forward(x, t, y).loss.backward();
    const auto loss = [&] { NoGrad quiet; return m.forward(x, t, y).loss.item<double>(); };
    for (size_t k = 0; k < params.size(); ++k) {
      ASSERT_TRUE(params[k].grad().defined()) << m.named()[k].path;
      Array p = params[k].array();
      const int64_t i = int64_t(k * 7919) % p.numel();
      double* value = p.data<double>() + i;
      const double old = *value, h = 1e-4;
      const auto central = [&](double step) {
        *value = old + step;
        const double up = loss();
        *value = old - step;
        const double down = loss();
        *value = old;
        return (up - down) / (2 * step);
      };
      const double numeric = (4 * central(h / 2) - central(h)) / 3, analytic = to_vector<double>(params[k].grad().array())[size_t(i)];
      EXPECT_NEAR(analytic, numeric, 1e-6 * std::max(1e-2, std::abs(numeric))) << m.named()[k].path;
    }
  }
}

TEST(EnhancedVLM, SeveralQuestionsPerImageEqualOneByOne) {
  manual_seed(1);
  const EnhancedVLM m(small(), DType::f64);
  const Tensor x = images(2, 16), t = tokens(6, 5, 11);
  const Array all = m.forward(x, t).logits.array();
  for (int64_t i = 0; i < 6; ++i) {
    const Array one = m.forward(slice(x, 0, i / 3, i / 3 + 1), slice(t, 0, i, i + 1)).logits.array();
    EXPECT_LE(max_error(one, all.slice(0, i, i + 1)), 1e-12);
  }
}

TEST(EnhancedVLM, GenerationCachedEqualsUncached) {
  for (const char* prefix : {"vision", "none"})
    for (const bool bidirectional : {false, true})
      for (const bool published : {false, true}) {
        if (published && (bidirectional || std::string(prefix) == "none")) continue;
        VLMConfig c = small();
        c.decoder_prefix = prefix, c.vision_bidirectional = bidirectional, c.as_published = published;
        c.bridge_ssm = published ? "clamped" : "discretised";
        manual_seed(3);
        const EnhancedVLM m(c, DType::f64);
        const Tensor x = images(3, 16), prompt = tokens(3, 2, 11);
        for (const double temperature : {0.0, 1.0}) {
          GenerateOptions o;
          o.max_length = 9, o.temperature = temperature, o.top_k = 5, o.top_p = 0.9;
          Generator a(5), b(5);
          o.generator = &a;
          const Generated cached = m.generate(x, prompt, o);
          o.use_cache = false, o.generator = &b;
          const Generated plain = m.generate(x, prompt, o);
          EXPECT_EQ(to_vector<int64_t>(cached.tokens), to_vector<int64_t>(plain.tokens));
          EXPECT_EQ(cached.lengths, plain.lengths);
        }
      }
}

TEST(EnhancedVLM, GenerationRules) {
  manual_seed(3);
  EnhancedVLM m(small(), DType::f64);
  const Tensor x = images(2, 16);
  GenerateOptions o;
  o.max_length = 6;
  EXPECT_EQ(m.generate(x, {}, o).tokens.size(0), 2);
  EXPECT_TRUE(m.training());                                              // the flag is restored
  o.max_length = 10;
  EXPECT_THROW(m.generate(x, {}, o), ValueError);                         // beyond max_seq_length, refused up front
  o.max_length = 6, o.temperature = -1;
  EXPECT_THROW(m.generate(x, {}, o), ValueError);
  o.temperature = 1e-8;                                                   // nearly greedy = greedy
  const auto cold = to_vector<int64_t>(m.generate(x, {}, o).tokens);
  o.temperature = 0;
  EXPECT_EQ(cold, to_vector<int64_t>(m.generate(x, {}, o).tokens));
  // A row that has ended goes on with EOS, and generation stops when all have.
  Array bias = m.named().back().tensor.array();
  bias.data<double>()[o.eos] = 1e4;                                       // logits of 1e4 stay finite under every filter
  for (const double temperature : {0.0, 1.0}) {
    o.temperature = temperature, o.top_k = 3, o.top_p = 0.5;
    const Generated g = m.generate(x, {}, o);
    EXPECT_EQ(g.tokens.size(1), 2);
    EXPECT_EQ(g.lengths, (std::vector<int64_t>{2, 2}));
  }
  bias.data<double>()[0] = NAN;
  EXPECT_THROW(m.generate(x, {}, o), ValueError);
}

TEST(EnhancedVLM, OverfitsEightSamples) {
  manual_seed(0);
  VLMConfig c = small();
  c.vision_embed_dim = c.text_embed_dim = 16;
  EnhancedVLM m(c);
  const Tensor x = to(images(8, 16), DType::f32), t = tokens(8, 5, 11), y = next_token_targets(t);
  double loss = 0;
  for (int step = 0; step < 300; ++step) {
    m.zero_grad();
    const Tensor l = m.forward(x, t, y).loss;
    l.backward();
    for (const Tensor& p : m.parameters()) {                              // plain gradient descent with a unit step on the sign
      NoGrad quiet;
      assign_in_place(p, sub(p, mul(sign(p.grad()), 3e-3 * (1 - step / 300.0))), "step");
    }
    loss = l.item<double>();
  }
  EXPECT_LT(loss, 0.05);
}

TEST(Model, LoadListsEverythingAtOnceAndChangesNothing) {
  EnhancedVLM m(small());
  auto values = m.state_dict();
  const Array before = m.named()[0].tensor.array().clone();
  for (auto& [n, a] : values) a = zeros(a.shape(), a.dtype());
  values.erase("head.bias");
  values["head.weight"] = zeros({3, 3}, DType::f32);
  values["extra"] = zeros({1}, DType::f32);
  try {
    m.load_state_dict(values);
    FAIL();
  } catch (const ValueError& e) {
    const std::string said = e.what();
    for (const char* word : {"missing: head.bias", "unexpected: extra", "head.weight is (3, 3) in the file"}) EXPECT_NE(said.find(word), std::string::npos) << said;
  }
  EXPECT_EQ(max_error(m.named()[0].tensor.array(), before), 0);
  EXPECT_EQ(m.load_state_dict(values, false).missing.size(), 1u);
}
TEST(Model, ParametersHaveOnePath) {
  Model m;
  const Linear a(m / "a", 2, 3);
  EXPECT_THROW(Linear(m / "a", 2, 3), ValueError);
  EXPECT_EQ(m.parameter_count(), 9);
  m.freeze("a.weight");
  EXPECT_FALSE(a.weight.requires_grad());
  EXPECT_THROW(m.freeze("b"), ValueError);
  EXPECT_NE(m.summary().find("a.bias"), std::string::npos);
}
