// The engine: chains, branches, in-place rules, hooks, checkpoint, errors.
#include <gtest/gtest.h>

#include "autograd/ops.h"

using namespace hippograd;

namespace {
Tensor leaf(std::vector<double> v) {
  Tensor t(from_vector(v, {int64_t(v.size())}));
  t.set_requires_grad();
  return t;
}
std::vector<double> list(const Tensor& t) { return to_vector<double>(t.array()); }
}  // namespace

TEST(Engine, ChainOfTwoMillionOps) {
  Tensor x = leaf({1.0}), y = x;
  for (int i = 0; i < 2'000'000; ++i) y = add(y, y.detach());
  Tensor z = leaf({1.0});
  y = z;
  for (int i = 0; i < 2'000'000; ++i) y = add(y, x.detach());
  y.backward();
  EXPECT_EQ(list(z.grad()), std::vector<double>{1.0});
}

TEST(Engine, OneTensorInTwoSlotsCountsTwice) {
  Tensor x = leaf({1, 2});
  add(x, x).backward(from_vector<double>({3, 5}, {2}));
  EXPECT_EQ(list(x.grad()), (std::vector<double>{6, 10}));
}

TEST(Engine, GradientsAccumulate) {
  Tensor x = leaf({1, 2});
  for (int i = 0; i < 3; ++i) add(x, x).backward(from_vector<double>({1, 1}, {2}));
  EXPECT_EQ(list(x.grad()), (std::vector<double>{6, 6}));
}

TEST(Engine, InPlaceOnBaseReachesView) {
  Tensor x = leaf({1, 2, 3});
  Tensor y = add(x, x);
  Tensor v = as_strided(y, {2}, {1}, 0);
  assign_in_place(y, add(add(y, y), y), "mul_");       // y *= 3
  v.backward(from_vector<double>({1, 1}, {2}));
  EXPECT_EQ(list(x.grad()), (std::vector<double>{6, 6, 0}));
}

TEST(Engine, InPlaceOnViewReachesBase) {
  Tensor x = leaf({1, 2, 3}), w = leaf({7});
  Tensor y = add(x, x);
  assign_in_place(select(y, 0, 1), select(w, 0, 0), "copy_");
  EXPECT_EQ(list(y), (std::vector<double>{2, 7, 6}));
  y.backward(from_vector<double>({1, 10, 100}, {3}));
  EXPECT_EQ(list(x.grad()), (std::vector<double>{2, 0, 200}));
  EXPECT_EQ(list(w.grad()), (std::vector<double>{10}));
}

TEST(Engine, LeafInPlaceIsRefused) {
  Tensor x = leaf({1, 2});
  EXPECT_THROW(assign_in_place(x, x.detach(), "zero_"), GradError);
  NoGrad quiet;
  EXPECT_NO_THROW(assign_in_place(x, x.detach(), "zero_"));
}

TEST(Engine, CheckpointGivesTheSameGradientsToInputsAndCaptured) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const auto ys = checkpoint([&](const Tensors& in) { return Tensors{add(add(in[0], w), in[0])}; }, {x});
  ys[0].backward(from_vector<double>({1, 1}, {2}));
  EXPECT_EQ(list(x.grad()), (std::vector<double>{2, 2}));
  EXPECT_EQ(list(w.grad()), (std::vector<double>{1, 1}));
  EXPECT_EQ(list(grad({checkpoint([&](const Tensors& in) { return Tensors{add(in[0], w)}; }, {x})[0]}, {w}, {Tensor(from_vector<double>({1, 1}, {2}))})[0]),
            (std::vector<double>{1, 1}));
}

TEST(Engine, HooksSeeAndChangeTheGradient) {
  Tensor x = leaf({1});
  Tensor y = add(x, x);
  int calls = 0;
  const int64_t token = y.register_hook([&](const Tensor& g) { ++calls; return add(g, g); });
  y.backward({}, true);
  EXPECT_EQ(list(x.grad()), std::vector<double>{4});
  y.remove_hook(token);
  y.backward();
  EXPECT_EQ(list(x.grad()), std::vector<double>{6});
  EXPECT_EQ(calls, 1);
}

TEST(Engine, MessagesOfMisuse) {
  Tensor x = leaf({1, 2});
  EXPECT_THROW(add(x, x).backward(), GradError);
  EXPECT_THROW(x.detach().backward(), GradError);
  EXPECT_THROW(Tensor(arange(3)).set_requires_grad(), GradError);
  EXPECT_THROW(grad({add(x, x)}, {leaf({1, 2})}, {Tensor(from_vector<double>({1, 1}, {2}))}), GradError);
}

TEST(Engine, RealViewsOfComplexTensorsAreNeverSilentlyWrong) {
  Tensor z = Tensor(from_vector<complex128>({{1, 2}, {3, 4}}, {2})).set_requires_grad();
  Tensor w = add(z, z), re = real(w);
  EXPECT_THROW(assign_in_place(re, re.detach(), "zero_"), GradError);
  assign_in_place(w, add(w, w), "mul_");
  EXPECT_THROW(re.requires_grad(), GradError);
  real(w).backward(from_vector<double>({1, 1}, {2}));                       // the new view is right
  EXPECT_EQ(to_vector<complex128>(z.grad().array()), (std::vector<complex128>{{4, 0}, {4, 0}}));
}
