// Optimizers and schedules beyond the golden files.
#include <gtest/gtest.h>

#include <cmath>

#include "nn/optim.h"

using namespace hippograd;

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
