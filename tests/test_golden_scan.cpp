// selective_scan and causal_conv1d against the reference functions of their authors: values and all gradients.
#include <gtest/gtest.h>

#include "golden.h"
#include "ssm/ops.h"

using namespace hippograd;

namespace {

void compare(const Golden& g, const std::map<std::string, Tensor>& outputs, const std::map<std::string, Tensor>& inputs, double tol) {
  for (const auto& [name, y] : outputs) if (g.has("out." + name)) g.expect("out." + name, y.array(), tol);
  Tensors xs;
  std::vector<std::string> names;
  for (const auto& [name, x] : inputs) {
    if (!x.defined()) continue;
    names.push_back(name);
    xs.push_back(x);
  }
  EXPECT_EQ(names.size(), g.names("grad.").size()) << "every gradient of the file is compared";
  const Tensors gradients = g.gradients(outputs, xs);
  for (size_t i = 0; i < xs.size(); ++i) {
    ASSERT_TRUE(gradients[i].defined()) << names[i];
    g.expect("grad." + names[i], gradients[i].array(), tol);
  }
}

class GoldenSelectiveScan : public testing::TestWithParam<const char*> {};

TEST_P(GoldenSelectiveScan, ValuesAndGradients) {
  const Golden g(std::string("selective_scan/") + GetParam());
  const std::map<std::string, Tensor> in{{"u", g.in("u")}, {"delta", g.in("delta")}, {"A", g.in("A")}, {"B", g.in("B")}, {"C", g.in("C")},
                                         {"D", g.in("D")}, {"z", g.in("z")}, {"delta_bias", g.in("delta_bias")}};
  SelectiveScanOptions o;
  o.D = in.at("D"), o.z = in.at("z"), o.delta_bias = in.at("delta_bias"), o.delta_softplus = g.options.at("delta_softplus");
  const ScanResult y = selective_scan_fn(in.at("u"), in.at("delta"), in.at("A"), in.at("B"), in.at("C"), o);
  compare(g, {{"out", y.out}, {"last_state", y.last_state}}, in, 1e-12);
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenSelectiveScan,
                         testing::Values("L1_plain", "L1_all", "L7_all_N16", "L7_complex_all", "L7_complex_constBC", "L7_constBC_last",
                                         "L7_constC_last", "L64_complex_groups2_last", "L64_constB_z", "L64_groups2_all",
                                         "L129_N16_nosoftplus", "L129_group1_softplus"),
                         [](const auto& info) { return std::string(info.param); });

class GoldenCausalConv1d : public testing::TestWithParam<const char*> {};

TEST_P(GoldenCausalConv1d, ValuesAndGradients) {
  const Golden g(std::string("causal_conv1d/") + GetParam());
  const std::map<std::string, Tensor> in{{"x", g.in("x")}, {"weight", g.in("weight")}, {"bias", g.in("bias")}, {"initial_states", g.in("initial_states")}};
  const auto& activation = g.options.at("activation");
  const ConvResult y = causal_conv1d_fn(in.at("x"), in.at("weight"), in.at("bias"), {}, in.at("initial_states"),
                                        activation.is_null() ? "" : activation.get<std::string>());
  compare(g, {{"out", y.out}, {"final_states", y.final_states}}, in, 1e-12);
}
INSTANTIATE_TEST_SUITE_P(Files, GoldenCausalConv1d,
                         testing::Values("w2_L7_bias", "w3_L16_silu_init_final", "w4_L1_silu_init_final", "w4_L33_silu_final"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
