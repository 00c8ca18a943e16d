// The functions of composite_loss.cpp and composite_norm.cpp (and their kin) against values computed with PyTorch 2.15 in double
// precision, and their gradients against finite differences. Inputs are sine waves, so that they need no file; each result is
// reduced to sum_i cos(i + 1) result_i.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autograd/check.h"
#include "autograd/operators.h"

namespace hippograd {
namespace {

// low ... high along a sine of the given frequency
Tensor wave(Shape shape, double frequency, double low = -1, double high = 1) {
  std::vector<double> v(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = low + (high - low) * (0.5 + 0.5 * std::sin(frequency * double(i + 1)));
  return Tensor(from_vector(v, shape));
}
Tensor numbers(Shape shape, std::vector<double> v, DType t = DType::f64) { return Tensor(from_vector(v, shape).to(t)); }
Tensor signs_of(const Tensor& x) { return where(gt(x, 0.0), numbers({}, {1}), numbers({}, {-1})); }
double digest(const Tensor& y) {
  const auto v = to_vector<double>(y.array());
  double s = 0;
  for (size_t i = 0; i < v.size(); ++i) s += std::cos(double(i + 1)) * v[i];
  return s;
}

struct Row { const char* name; std::function<Tensor()> f; double expected; };

class Losses : public testing::Test {
 protected:
  const Tensor x = wave({3, 4}, 1.7, -2, 2), t = wave({3, 4}, 2.3, -2, 2), z = wave({3, 4}, 3.1, -2, 2), p = wave({3, 4}, 0.9, 0.05, 0.95),
               q = wave({3, 4}, 1.3, 0.1, 0.9), v = wave({3, 4}, 2.9, 0.2, 2), w = wave({4}, 0.7, 0.5, 1.5);
  const Tensor sign = signs_of(wave({3, 4}, 1.9)), signs = numbers({3}, {1, -1, 1}), bits = to(gt(wave({3, 4}, 1.1), 0.0), DType::f64);
  const Tensor labels = numbers({3}, {2, 0, 3}, DType::i64), lists = numbers({3, 4}, {3, 0, -1, 1, 1, -1, 0, 0, -1, 2, 0, 1}, DType::i64);
  const Tensor y = wave({2, 4, 3}, 1.7, -2, 2), b = wave({4}, 1.5), mean = wave({4}, 2.1), var = wave({4}, 2.7, 0.5, 2);
};

TEST_F(Losses, HaveTheValuesOfPyTorch) {
  const std::vector<Row> rows = {
      {"mse", [&] { return mse_loss(x, t, "none"); }, 2.0910752662903658},
      {"mse mean", [&] { return mse_loss(x, t); }, 1.9355159086376519},
      {"mse sum", [&] { return mse_loss(x, t, "sum"); }, 23.226190903651823},
      {"l1", [&] { return l1_loss(x, t, "none"); }, -0.18159806798461808},
      {"smooth_l1", [&] { return smooth_l1_loss(x, t, "none", 0.7); }, -0.08148669826239352},
      {"huber", [&] { return huber_loss(x, t, "none", 0.7); }, -0.05704068878367555},
      {"bce", [&] { return binary_cross_entropy(p, q, w, "none"); }, -0.4470372352560259},
      {"bce logits", [&] { return binary_cross_entropy_with_logits(x, q, w, "none", w); }, -0.485076977381863},
      {"kl", [&] { return kl_div(x, q, "none"); }, -1.2583523365225082},
      {"kl batchmean", [&] { return kl_div(x, q, "batchmean"); }, -0.5395191761907855},
      {"kl log", [&] { return kl_div(x, t, "none", true); }, 1.7101570946770175},
      {"poisson", [&] { return poisson_nll_loss(x, v, true, false, 1e-8, "none"); }, 2.8281376138719927},
      {"poisson full", [&] { return poisson_nll_loss(p, v, false, true, 1e-8, "none"); }, 2.0878859716874754},
      {"gaussian", [&] { return gaussian_nll_loss(x, t, v, true, 1e-6, "none"); }, 19.82819642930296},
      {"gaussian floor", [&] { return gaussian_nll_loss(x, t, v, false, 0.9, "none"); }, 2.709397191302238},
      {"margin ranking", [&] { return margin_ranking_loss(x, t, sign, 0.3, "none"); }, 1.3235386569504426},
      {"hinge", [&] { return hinge_embedding_loss(x, sign, 0.8, "none"); }, -0.20885432895455902},
      {"cosine similarity", [&] { return cosine_similarity(x, t); }, -0.4087633654376971},
      {"cosine embedding", [&] { return cosine_embedding_loss(x, t, signs, 0.1, "none"); }, 0.2534418686202127},
      {"pairwise", [&] { return pairwise_distance(x, t, 3); }, -1.4486692117840698},
      {"triplet", [&] { return triplet_margin_loss(x, t, z, 1.5, 2, 1e-6, false, "none"); }, -0.5093052368040168},
      {"triplet swap", [&] { return triplet_margin_loss(x, t, z, 1.5, 2, 1e-6, true, "none"); }, -0.5074186371026354},
      {"soft margin", [&] { return soft_margin_loss(x, sign, "none"); }, 0.34768460360439013},
      {"multi margin", [&] { return multi_margin_loss(x, labels, 1, 0.9, w, "none"); }, 1.9315969055912197},
      {"multi margin squared", [&] { return multi_margin_loss(x, labels, 2, 1, {}, "none"); }, 5.7584071317665515},
      {"multilabel soft margin", [&] { return multilabel_soft_margin_loss(x, bits, w, "none"); }, -0.9495842318003922},
      {"multilabel margin", [&] { return multilabel_margin_loss(x, lists, "none"); }, -0.9652808599759315},
      {"soft targets", [&] { return cross_entropy(x, q, w, -100, "none", 0.1); }, -8.597491456215508},
      {"soft targets mean", [&] { return cross_entropy(x, q, w); }, 4.05202975579422},
      {"cross entropy", [&] { return cross_entropy(x, labels, w, 0, "mean", 0.2); }, 1.3344236824827724},
      {"nll", [&] { return nll_loss(x, labels, w); }, -0.247343259528034},
      {"normalize", [&] { return normalize(x, 3, 0); }, 1.3435665584516905},
      {"softmin", [&] { return softmin(x, 0); }, -1.113783602430214},
      {"group norm", [&] { return group_norm(y, 2, w, b); }, 0.31497378421467515},
      {"instance norm", [&] { return instance_norm(y, {}, {}, w, b); }, -0.8541889027963139},
      {"batch norm", [&] { return batch_norm(y, {}, {}, w, b, true); }, 0.47191578746425367},
      {"batch norm eval", [&] { return batch_norm(y, mean, var, w, b); }, 2.2086241985534345},
      {"layer norm", [&] { return layer_norm(y, {4, 3}, {}, {}, 0.01); }, 1.4951717849771884},
      {"rms norm", [&] { return rms_norm(y, {3}); }, 0.6036181929358186},
  };
  for (const Row& r : rows) EXPECT_NEAR(digest(r.f()), r.expected, 1e-12 * std::max(1.0, std::abs(r.expected))) << r.name;
}

// Every floating argument that has a gradient.
TEST_F(Losses, HaveTheRightGradients) {
  using F = std::function<Tensor(const Tensors&)>;
  const auto check = [](const char* name, const F& f, const Tensors& inputs) {
    const GradCheck c = gradcheck([&](const Tensors& in) { return Tensors{f(in)}; }, inputs);
    EXPECT_TRUE(c.ok) << name << ": " << c.message;
    for (double g : c.largest) EXPECT_GT(g, 1e-3) << name;
    const GradCheck second = gradgradcheck([&](const Tensors& in) { return Tensors{f(in)}; }, inputs);
    EXPECT_TRUE(second.ok) << name << ": " << second.message;
  };
  check("mse", [](const Tensors& in) { return mse_loss(in[0], in[1]); }, {x, t});
  check("l1", [](const Tensors& in) { return l1_loss(in[0], in[1], "sum"); }, {x, t});
  check("smooth_l1", [](const Tensors& in) { return smooth_l1_loss(in[0], in[1], "none", 0.7); }, {x, t});
  check("huber", [](const Tensors& in) { return huber_loss(in[0], in[1], "none", 0.7); }, {x, t});
  check("bce", [&](const Tensors& in) { return binary_cross_entropy(in[0], in[1], w, "none"); }, {p, q});
  check("bce logits", [](const Tensors& in) { return binary_cross_entropy_with_logits(in[0], in[1], {}, "none", in[2]); }, {x, q, w});
  check("kl", [](const Tensors& in) { return kl_div(in[0], in[1], "batchmean"); }, {x, q});
  check("kl log", [](const Tensors& in) { return kl_div(in[0], in[1], "none", true); }, {x, t});
  check("poisson", [&](const Tensors& in) { return poisson_nll_loss(in[0], v, false, true, 1e-8, "none"); }, {p});
  check("gaussian", [](const Tensors& in) { return gaussian_nll_loss(in[0], in[1], in[2], true); }, {x, t, v});
  check("margin ranking", [&](const Tensors& in) { return margin_ranking_loss(in[0], in[1], sign, 0.3); }, {x, t});
  check("hinge", [&](const Tensors& in) { return hinge_embedding_loss(in[0], sign, 0.8, "none"); }, {x});
  check("cosine similarity", [](const Tensors& in) { return cosine_similarity(in[0], in[1]); }, {x, t});
  check("cosine embedding", [&](const Tensors& in) { return cosine_embedding_loss(in[0], in[1], signs, 0.1); }, {x, t});
  check("pairwise", [](const Tensors& in) { return pairwise_distance(in[0], in[1], 3); }, {x, t});
  check("triplet", [](const Tensors& in) { return triplet_margin_loss(in[0], in[1], in[2], 1.5, 2, 1e-6, true); }, {x, t, z});
  check("soft margin", [&](const Tensors& in) { return soft_margin_loss(in[0], sign); }, {x});
  check("multi margin", [&](const Tensors& in) { return multi_margin_loss(in[0], labels, 2, 1, w, "none"); }, {x});
  check("multilabel soft margin", [&](const Tensors& in) { return multilabel_soft_margin_loss(in[0], bits, w); }, {x});
  check("multilabel margin", [&](const Tensors& in) { return multilabel_margin_loss(in[0], lists); }, {x});
  check("soft targets", [](const Tensors& in) { return cross_entropy(in[0], in[1], in[2], -100, "none", 0.1); }, {x, q, w});
  check("softmin", [](const Tensors& in) { return softmin(in[0], 0); }, {x});
  check("normalize", [](const Tensors& in) { return normalize(in[0], 3, 0); }, {x});
  check("group norm", [](const Tensors& in) { return group_norm(in[0], 2, in[1], in[2], 0.1); }, {y, w, b});
  check("instance norm", [](const Tensors& in) { return instance_norm(in[0], {}, {}, in[1], in[2], true, 0.1, 0.1); }, {y, w, b});
  check("batch norm", [](const Tensors& in) { return batch_norm(in[0], {}, {}, in[1], in[2], true); }, {y, w, b});
  check("batch norm eval", [&](const Tensors& in) { return batch_norm(in[0], mean, var, in[1], in[2]); }, {y, w, b});
  check("attention weights", [&](const Tensors& in) { return attention_weights(in[0], in[1]); }, {x, t});
}

TEST_F(Losses, RunningStatistics) {
  const auto near = [](const Tensor& a, const std::vector<double>& want) {
    const auto have = to_vector<double>(a.array());
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(have[i], want[i], 1e-14);
  };
  const std::vector<double> means = {0.513139790549425, -0.594302967688173, 0.11482064829932498, 0.6603210693707116};
  Tensor m(mean.array().clone()), s(var.array().clone());
  batch_norm(y, m, s, w, b, true, 0.3);
  near(m, means);
  near(s, {1.7840007156593631, 1.1926574836456578, 2.057661439134532, 1.0660139921739868});
  m = Tensor(mean.array().clone()), s = Tensor(var.array().clone());
  instance_norm(y, m, s, w, b, true, 0.3);
  near(m, means);
  near(s, {1.941022800410142, 1.3207144339341106, 2.2230269876104236, 1.2070481746910602});
  batch_norm(y, m, s, w, b, false);
  near(m, means);
}

TEST_F(Losses, Edges) {
  // log 0 is cut at -100; the gradient stays finite (PyTorch's values).
  const Tensor edge = numbers({2}, {0, 1}).set_requires_grad(), target = numbers({2}, {1, 0});
  const Tensor loss = binary_cross_entropy(edge, target, {}, "none");
  EXPECT_EQ(to_vector<double>(loss.array()), (std::vector<double>{100, 100}));
  EXPECT_EQ(to_vector<double>(grad({loss}, {edge}, {numbers({2}, {1, 1})})[0].array()), (std::vector<double>{-1e12, 1e12}));
  for (double big : {800.0, 3e38})
    EXPECT_EQ(to_vector<double>(binary_cross_entropy_with_logits(numbers({2}, {big, -big}), numbers({2}, {1, 0}), {}, "none").array()), (std::vector<double>{0, 0}));
  EXPECT_EQ(digest(kl_div(numbers({1}, {-1}), numbers({1}, {0}), "none")), 0);   // 0 log 0
  EXPECT_TRUE(std::isnan(mse_loss(numbers({0}, {}), numbers({0}, {})).item<double>()));
  EXPECT_EQ(mse_loss(numbers({0}, {}), numbers({0}, {}), "sum").item<double>(), 0);
  EXPECT_TRUE(std::isnan(cross_entropy(wave({0, 3}, 1), wave({0, 3}, 1)).item<double>()));
}

TEST_F(Losses, Mistakes) {
  const auto message = [](auto f) {
    try { f(); } catch (const Error& e) { return std::string(e.what()); }
    return std::string("no error");
  };
  const auto expect = [&](auto f, const char* text) { EXPECT_NE(message(f).find(text), std::string::npos) << message(f); };
  expect([&] { mse_loss(x, t, "average"); }, "mse_loss: average is not a valid value for reduction");
  expect([&] { cross_entropy(x, labels, {}, -100, "avg"); }, "cross_entropy: avg is not a valid value for reduction");
  expect([&] { cross_entropy(x, numbers({2}, {0, 1}, DType::i64)); }, "Expected input batch_size (3) to match target batch_size (2).");
  expect([&] { cross_entropy(x, to(labels, DType::i32)); }, "expected target dtype to be Long or Byte, but got int32");
  expect([&] { cross_entropy(x, q, b * 2, -100, "mean"); }, "no error");
  expect([&] { cross_entropy(x, q, labels); }, "cross_entropy: weight must be (C), got (3,); C is 4 in input");
  expect([&] { binary_cross_entropy(x, q); }, "binary_cross_entropy: all elements of input should be between 0 and 1");
  expect([&] { binary_cross_entropy(p, w); }, "different to the input size");
  expect([&] { smooth_l1_loss(x, t, "mean", -1); }, "does not support negative values for beta");
  expect([&] { huber_loss(x, t, "mean", 0); }, "does not support non-positive values for delta");
  expect([&] { gaussian_nll_loss(x, t, x); }, "var has negative entry/entries");
  expect([&] { gaussian_nll_loss(x, t, v, false, 0); }, "eps must be positive");
  expect([&] { multilabel_margin_loss(x, numbers({3, 4}, std::vector<double>(12, 9), DType::i64)); }, "Target 9 is out of bounds. (position (0, 0)");
  expect([&] { group_norm(y, 3); }, "group_norm: Expected number of channels in input to be divisible by num_groups");
  expect([&] { group_norm(y, 2, wave({3}, 1)); }, "group_norm: weight must be (C,), got (3,); C is 4 in input");
  expect([&] { batch_norm(wave({1, 3}, 1), {}, {}, {}, {}, true); }, "Expected more than 1 value per channel when training, got input size (1, 3)");
  expect([&] { batch_norm(y, {}, {}); }, "Expected running_mean and running_var to be defined when training=False");
  expect([&] { instance_norm(wave({2, 3, 1}, 1)); }, "Expected more than 1 spatial element when training");
  expect([&] { rms_norm_gated(x, x, w, 1e-5, 3); }, "group_size must divide the last dimension of input, 4; got 3");
}

}  // namespace
}  // namespace hippograd
