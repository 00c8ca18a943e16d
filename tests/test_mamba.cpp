// The Mamba layer: against the authors' code, step against forward, counts, initial values.
#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
#include "golden.h"
#include "nn/optim.h"
#include "ssm/mamba.h"

using namespace hippograd;

namespace {

struct Wrapped : Model {
  MambaLayer layer;
  explicit Wrapped(const MambaConfig& c, DType t = DType::f64) : Model(t, test_device()), layer(scope(), c) {}
};
struct WrappedBlock : Model {
  MambaBlock block;
  explicit WrappedBlock(const MambaConfig& c, DType t = DType::f64) : Model(t), block(scope() / "0", c) {}
};
MambaConfig small() { return {.d_model = 6, .d_state = 4, .d_conv = 3}; }
Tensor random(const Shape& s, DType t = DType::f64) { return Tensor(rand_normal(s, 0, 1, t)); }
double difference(const Tensor& a, const Tensor& b) { return max_error(a.array(), b.array(), 1e-300); }

TEST(Mamba, GoldenValuesGradientsAndOneAdamWStep) {
  const Golden g("mamba_block/d16_L10");
  Wrapped m({.d_model = 16});
  std::map<std::string, Array> values;
  for (const std::string& name : g.names("param.")) values[name] = g.at("param." + name);
  m.load_state_dict(values);
  const Tensor x = g.in("hidden_states"), y = m.layer(x);
  g.expect("out.out", y.array(), 1e-10);
  Tensors xs{x};
  for (const Parameter& p : m.named()) xs.push_back(p.tensor);
  const Tensors gradients = g.gradients({{"out", y}}, xs);
  g.expect("grad.hidden_states", gradients[0].array(), 1e-10);
  ASSERT_EQ(g.names("grad.").size(), xs.size());
  for (size_t i = 1; i < xs.size(); ++i) {
    g.expect("grad." + m.named()[i - 1].path, gradients[i].array(), 1e-10);
    Tensor p = m.named()[i - 1].tensor;
    p.set_grad(gradients[i]);
  }
  const auto& options = g.options.at("adamw");
  std::vector<ParamGroup> groups;
  for (const auto& group : options.at("groups")) {
    ParamGroup pg;
    pg.weight_decay = group.at("weight_decay");
    for (const auto& name : group.at("names"))
      for (const Parameter& p : m.named()) if (p.path == name.get<std::string>()) pg.params.push_back(p.tensor);
    ASSERT_EQ(pg.params.size(), group.at("names").size());
    groups.push_back(pg);
  }
  AdamW(groups, options.at("betas")[0], options.at("betas")[1], options.at("eps")).step(options.at("lr"), INFINITY);
  for (const Parameter& p : m.named()) g.expect("out.adamw." + p.path, p.tensor.array(), 1e-10);
}

TEST(Mamba, ParameterCounts) {
  const Wrapped m({.d_model = 768}, DType::f32);
  EXPECT_EQ(m.parameter_count(), 3'770'880);
  const std::map<std::string, Shape> shapes{{"in_proj.weight", {3072, 768}}, {"conv1d.weight", {1536, 1, 4}}, {"conv1d.bias", {1536}},
                                            {"x_proj.weight", {80, 1536}},   {"dt_proj.weight", {1536, 48}},  {"dt_proj.bias", {1536}},
                                            {"A_log", {1536, 16}},           {"D", {1536}},                   {"out_proj.weight", {768, 1536}}};
  ASSERT_EQ(m.named().size(), shapes.size());
  for (const Parameter& p : m.named()) EXPECT_EQ(p.tensor.shape(), shapes.at(p.path)) << p.path;
  EXPECT_EQ(MambaConfig{.d_model = 17}.rank(), 2);
  const Wrapped biased({.d_model = 6, .conv_bias = false, .bias = true});
  for (const char* name : {"in_proj.bias", "out_proj.bias"}) EXPECT_TRUE(biased.state_dict().count(name)) << name;
  EXPECT_FALSE(biased.state_dict().count("conv1d.bias"));
  const WrappedBlock block(small());
  for (const char* name : {"0.norm.weight", "0.mixer.A_log"}) EXPECT_TRUE(block.state_dict().count(name)) << name;
}

TEST(Mamba, DecayLeavesOutTheRecurrence) {
  const Wrapped m(small());
  const std::vector<ParamGroup> groups = decay_matrices_only(m, 0.1);
  for (const Parameter& p : m.named()) {
    const bool decays = p.path.ends_with(".weight");                 // not A_log, D and the biases
    const Tensors& list = groups[decays ? 0 : 1].params;
    EXPECT_TRUE(std::any_of(list.begin(), list.end(), [&](const Tensor& t) { return t.same(p.tensor); })) << p.path;
  }
  EXPECT_EQ(groups[1].weight_decay, 0);
}

TEST(Mamba, InitialValues) {
  const Wrapped m({.d_model = 64});
  const auto dict = m.state_dict();
  for (double b : to_vector<double>(dict.at("dt_proj.bias"))) {
    const double dt = std::log1p(std::exp(b));
    EXPECT_GE(dt, 0.001 * (1 - 1e-9));
    EXPECT_LE(dt, 0.1 * (1 + 1e-9));
  }
  for (double w : to_vector<double>(dict.at("dt_proj.weight"))) EXPECT_LE(std::abs(w), 0.5);   // R = 4
  const std::vector<double> a = to_vector<double>(dict.at("A_log"));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i], std::log(double(i % 16 + 1)));
  for (double d : to_vector<double>(dict.at("D"))) EXPECT_EQ(d, 1);
  // A floor above dt_max: every step is the floor.
  const Wrapped floored({.d_model = 4, .dt_init_floor = 0.5});
  for (double b : to_vector<double>(floored.state_dict().at("dt_proj.bias"))) EXPECT_NEAR(std::log1p(std::exp(b)), 0.5, 1e-12);
}

TEST(Mamba, StepEqualsForward) {
  const Wrapped m(small());
  const Tensor x = random({2, 9, 6});
  const MambaResult whole = m.layer.forward(x, {}, true);
  MambaState state = m.layer.init_state(2);
  EXPECT_EQ(state.conv.shape(), (Shape{2, 12, 2}));
  EXPECT_EQ(state.ssm.shape(), (Shape{2, 12, 4}));
  for (int64_t t = 0; t < 9; ++t) {
    const MambaResult r = m.layer.step(x.at(1, t), state);
    EXPECT_LE(difference(r.y, whole.y.at(1, t)), 1e-12) << t;
    state = r.state;
  }
  EXPECT_LE(difference(state.conv, whole.state.conv), 1e-12);
  EXPECT_LE(difference(state.ssm, whole.state.ssm), 1e-12);
  EXPECT_FALSE(m.layer.forward(x).state.ssm.defined());
}

// Any split with the state handed over gives the same values, and the same gradients through the hand-over.
TEST(Mamba, AnySplitEqualsOneCall) {
  const Wrapped m(small());
  Tensor x = random({2, 7, 6});
  x.set_requires_grad();
  const Tensor cotangent = random({2, 7, 6});
  Tensors xs = m.parameters();
  xs.push_back(x);
  const Tensor whole = m.layer(x);
  const Tensors want = grad({whole}, xs, {cotangent});
  for (int64_t cut = 0; cut <= 7; ++cut) {
    const MambaResult first = m.layer.forward(slice(x, 1, 0, cut), {}, true), second = m.layer.forward(slice(x, 1, cut, 7), first.state, true);
    const Tensor y = cat({first.y, second.y}, 1);
    EXPECT_LE(difference(y, whole), 1e-12) << cut;
    const Tensors got = grad({y}, xs, {cotangent});
    for (size_t i = 0; i < xs.size(); ++i) EXPECT_LE(difference(got[i], want[i]), 1e-11) << "cut " << cut << ", input " << i;
  }
}

TEST(Mamba, PrefillAndStepsEqualForward) {
  const WrappedBlock m(small());
  const Tensor x = random({3, 8, 6});
  const Tensor whole = m.block(x);
  MambaResult r = m.block.forward(slice(x, 1, 0, 5), {}, true);
  EXPECT_LE(difference(r.y, slice(whole, 1, 0, 5)), 1e-12);
  for (int64_t t = 5; t < 8; ++t) {
    r = m.block.step(x.at(1, t), r.state);
    EXPECT_LE(difference(r.y, whole.at(1, t)), 1e-12) << t;
  }
}

// A padded row gives what it gives alone, state included, and what stands in the padding (NaN) changes nothing.
TEST(Mamba, LengthsEqualRowsAlone) {
  const Wrapped m(small());
  Array padded = rand_normal({3, 6, 6}, 0, 1, DType::f64);
  const std::vector<int64_t> lengths{6, 3, 0};
  const Tensor clean = Tensor(padded.clone());
  for (int64_t b = 0; b < 3; ++b)
    for (int64_t i = lengths[size_t(b)] * 6; i < 36; ++i) padded.data<double>()[b * 36 + i] = NAN;
  const MambaResult r = m.layer.forward(Tensor(padded), {}, true, Tensor(from_vector(lengths, {3})));
  for (int64_t b = 0; b < 3; ++b) {
    const int64_t n = lengths[size_t(b)];
    const MambaResult alone = m.layer.forward(slice(slice(clean, 0, b, b + 1), 1, 0, n), {}, true);
    if (n > 0) {
      EXPECT_LE(difference(slice(slice(r.y, 0, b, b + 1), 1, 0, n), alone.y), 1e-12) << b;
      EXPECT_LE(difference(slice(r.state.ssm, 0, b, b + 1), alone.state.ssm), 1e-12) << b;
    }
    EXPECT_LE(max_error(slice(r.state.conv, 0, b, b + 1).array(), alone.state.conv.array(), 1.0), 1e-12) << b;
  }
  EXPECT_THROW(m.layer.forward(clean, {}, false, Tensor(from_vector<int64_t>({7, 1, 1}, {3}))), ValueError);
  EXPECT_THROW(m.layer.forward(clean, {}, false, Tensor(from_vector<int64_t>({1, 1}, {2}))), ShapeError);
}

TEST(Mamba, BlockIsResidualOfNormedMixer) {
  const WrappedBlock m(small());
  const Tensor x = random({2, 5, 6});
  const Tensor by_hand = add(x, m.block.mixer(rms_norm(x, {6}, m.block.norm, 1e-5)));
  EXPECT_LE(difference(m.block(x), by_hand), 1e-14);
}

// Half precision: parameters of the recurrence and the residual stay f32, and the result is near that of f32.
TEST(Mamba, HalfPrecision) {
  manual_seed(3);
  const WrappedBlock half({.d_model = 32}, DType::bf16);
  for (const Parameter& p : half.named()) {
    const bool wide = p.path.ends_with("A_log") || p.path.ends_with(".D") || p.path.ends_with("dt_proj.bias");
    EXPECT_EQ(p.tensor.dtype(), wide ? DType::f32 : DType::bf16) << p.path;
  }
  WrappedBlock full({.d_model = 32}, DType::f32);
  std::map<std::string, Array> values;
  for (const auto& [name, a] : half.state_dict()) values[name] = a.to(DType::f32);
  full.load_state_dict(values);
  const Tensor x = random({2, 16, 32}, DType::bf16);
  const MambaResult y = half.block.forward(x, {}, true);
  EXPECT_EQ(y.y.dtype(), DType::f32);
  EXPECT_EQ(y.state.ssm.dtype(), DType::f32);
  EXPECT_EQ(half.block.init_state(2).conv.dtype(), DType::bf16);
  EXPECT_LE(max_error(y.y.array(), full.block(to(x, DType::f32)).array()), 0.02);
}

TEST(Mamba, Errors) {
  const Wrapped m(small());
  EXPECT_THROW(m.layer(random({2, 5, 7})), ShapeError);
  EXPECT_THROW(m.layer(random({5, 6})), ShapeError);
  EXPECT_THROW(m.layer.step(random({2, 5, 6}), m.layer.init_state(2)), ShapeError);
  EXPECT_THROW(m.layer.step(random({2, 6}), {}), ValueError);
  EXPECT_THROW(m.layer.step(random({2, 6}), m.layer.init_state(3)), ShapeError);
  EXPECT_THROW(Wrapped(MambaConfig{}), ValueError);
  EXPECT_THROW(Wrapped({.d_model = 4, .d_conv = 0}), ValueError);
  EXPECT_THROW(Wrapped({.d_model = 4, .dt_min = 0}), ValueError);
}

}  // namespace
