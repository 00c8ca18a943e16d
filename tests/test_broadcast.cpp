// Promotion, broadcasting, casts and sums.
#include <gtest/gtest.h>

#include "autograd/broadcast.h"
#include "tensor/kernels/reduce.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {
Tensor of(DType t, const Shape& shape = {2}) { return Tensor(full(shape, 1, t)); }
Tensor zero_dim(DType t) { return of(t, {}); }

// The sum as it is defined, in double precision.
Array plain_sum(const Array& x, const Shape& shape) {
  const Array c = x.to(DType::f64).contiguous();
  Array y = zeros(shape, DType::f64);
  const Shape steps = contiguous_strides(shape), sizes = x.shape();
  for (int64_t i = 0; i < c.numel(); ++i) {
    int64_t at = 0, rest = i;
    for (int d = sizes.size() - 1; d >= 0; rest /= sizes[d], --d)
      if (shape[d] != 1) at += rest % sizes[d] * steps[d];
    y.data<double>()[at] += c.data<double>()[i];
  }
  return y;
}
void expect_sum(const Array& x, const Shape& shape, double tolerance) {
  Array y = empty(shape, x.dtype());
  kernels::sum(x, y);
  const auto got = to_vector<double>(y), want = to_vector<double>(plain_sum(x, shape));
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << x.shape().str() << " to " << shape.str() << " at " << i;
}
}  // namespace

TEST(Promotion, ThreeRanks) {
  const Tensor number = Tensor::number(1.5), whole = Tensor::number(int64_t(2)), truth = Tensor::number(true);
  const Tensor complex = Tensor::number(complex128(0, 1));
  EXPECT_EQ(result_type({of(DType::f32), of(DType::f64)}), DType::f64);
  EXPECT_EQ(result_type({of(DType::f32), zero_dim(DType::f64)}), DType::f32);
  EXPECT_EQ(result_type({of(DType::i64), zero_dim(DType::f64)}), DType::f64);
  EXPECT_EQ(result_type({of(DType::i64), number}), DType::f32);
  EXPECT_EQ(result_type({of(DType::bf16), number}), DType::bf16);
  EXPECT_EQ(result_type({of(DType::b8), whole}), DType::i64);
  EXPECT_EQ(result_type({of(DType::u8), whole}), DType::u8);
  EXPECT_EQ(result_type({of(DType::u8), truth}), DType::u8);
  EXPECT_EQ(result_type({zero_dim(DType::i32), whole}), DType::i32);
  EXPECT_EQ(result_type({of(DType::f64), complex}), DType::c128);
  EXPECT_EQ(result_type({of(DType::f32), complex}), DType::c64);
  EXPECT_EQ(result_type({of(DType::f32), zero_dim(DType::c128)}), DType::c64);
  EXPECT_EQ(result_type({of(DType::bf16), of(DType::f16)}), DType::f32);
  EXPECT_EQ(result_type({of(DType::u8), of(DType::i32)}), DType::i32);
  EXPECT_EQ(result_type({number, whole}), DType::f32);
}

TEST(Broadcast, GradientReturnsInShapeAndDtype) {
  Tensor a(full({2, 3}, 1, DType::f32)), b(full({3, 1}, 1, DType::f64).view({1, 3, 1}).select(0, 0).transpose(0, 1));
  a.set_requires_grad();
  b.set_requires_grad();
  Tensor c = add(a, b);                       // (2, 3) f32 + (1, 3) f64
  EXPECT_EQ(c.dtype(), DType::f64);
  c.backward(Tensor(full({2, 3}, 1, DType::f64)));
  EXPECT_EQ(a.grad().dtype(), DType::f32);
  EXPECT_EQ(to_vector<double>(b.grad().array()), (std::vector<double>{2, 2, 2}));
  EXPECT_THROW(add(of(DType::f32, {3}), of(DType::f32, {4})), ShapeError);
}

TEST(Sum, EveryLayout) {
  for (const Shape& shape : {Shape{5}, {3, 40}, {70, 3, 33}, {2, 1, 600, 5}, {4, 9000}, {0, 3}, {3, 0}, {}}) {
    Array x = rand_normal(shape, 0, 1, DType::f64);
    for (int mask = 0; mask < 1 << shape.size(); ++mask) {
      Shape to = shape;
      for (int d = 0; d < shape.size(); ++d) if (mask >> d & 1) to[d] = 1;
      expect_sum(x, to, 1e-10);
      expect_sum(x.to(DType::f32), to, 1e-3);
      if (shape.size() > 1 && shape.numel() > 0) {
        Shape turned = to;
        std::swap(turned[0], turned[1]);
        expect_sum(x.transpose(0, 1), turned, 1e-10);
        expect_sum(x.slice(1, 0, shape[1], 2), [&] { Shape s = to; if (s[1] != 1) s[1] = (shape[1] + 1) / 2; return s; }(), 1e-10);
      }
    }
  }
  expect_sum(full({1, 1}, 0.5, DType::f32).expand({300, 200}), {1, 200}, 1e-6);
  expect_sum(rand_int({40, 50}, -100, 100), {40, 1}, 0);
}

TEST(Sum, SameBitsForAnyThreadCount) {
  const Array x = rand_normal({3000, 130}, 0, 1, DType::f32);
  const int before = num_threads();
  for (const Shape& shape : {Shape{1, 1}, {1, 130}, {3000, 1}}) {
    std::vector<float> first;
    for (int n : {1, 2, 3}) {
      set_num_threads(n);
      Array y = empty(shape, DType::f32);
      kernels::sum(x, y);
      if (first.empty()) first = to_vector<float>(y);
      EXPECT_EQ(first, to_vector<float>(y));
    }
  }
  set_num_threads(before);
}

TEST(Sum, StaysAccurate) {
  Array y = empty({1}, DType::f32);
  kernels::sum(full({20'000'000}, 0.1, DType::f32), y);
  EXPECT_NEAR(y.item<float>(), 20'000'000 * double(0.1f), 0.6);
}
