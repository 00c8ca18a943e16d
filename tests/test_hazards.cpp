// Numerical hazards that other libraries are known to have fallen into, as regression tests: large common offsets, constant
// rows, rows that see nothing, NaN behind a mask, class counts and shapes at the edges.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/parallel.h"

namespace hippograd {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Generator& draws() {
  static Generator g(11);
  return g;
}
Tensor normal_tensor(Shape s, DType t = DType::f32) { return Tensor(rand_normal(s, 0, 1, t, draws())); }
Tensor leaf(const Tensor& x) { return Tensor(x.array().clone()).set_requires_grad(); }
Tensor tensor(Shape s, std::vector<double> v, DType t = DType::f32) { return Tensor(from_vector(v, s).to(t)); }
std::vector<double> list(const Tensor& x) { return to_vector<double>(x.array()); }

void expect_near(const Tensor& a, const Tensor& b, double tolerance) {
  const auto u = list(a), v = list(b);
  ASSERT_EQ(u.size(), v.size());
  for (size_t i = 0; i < u.size(); ++i) {
    if (u[i] == v[i]) continue;   // infinities
    EXPECT_LE(std::abs(u[i] - v[i]), tolerance) << "element " << i << ": " << u[i] << " and " << v[i];
  }
}
bool all_finite(const Tensor& x) {
  for (double v : list(x)) if (!std::isfinite(v)) return false;
  return true;
}
// A copy with some elements replaced.
Tensor with(const Tensor& x, double value, const std::function<bool(int64_t)>& where) {
  auto v = list(x);
  for (size_t i = 0; i < v.size(); ++i) if (where(int64_t(i))) v[i] = value;
  return tensor(x.shape(), v, x.dtype());
}
bool same_bits(const Tensor& a, const Tensor& b) {
  const Array x = a.array().contiguous(), y = b.array().contiguous();
  return x.shape() == y.shape() && std::memcmp(x.raw(), y.raw(), size_t(x.numel()) * itemsize(x.dtype())) == 0;
}

// ---- softmax ----

TEST(Softmax, ALargeCommonOffsetChangesNothing) {
  for (double offset : {1e4, -1e6, 3e38, -3e38}) {
    const Tensor y = softmax(tensor({1, 3}, {offset, offset, offset}), -1);
    for (double p : list(y)) EXPECT_NEAR(p, 1 / 3.0, 1e-7) << offset;
  }
  const Tensor spread = log_softmax(tensor({1, 3}, {3e38, 0, -3e38}), -1);   // -6e38 is beyond f32
  EXPECT_EQ(list(spread), (std::vector<double>{0, list(spread)[1], -kInf}));
  EXPECT_NEAR(list(spread)[1] / -3e38, 1, 1e-6);
}

TEST(Softmax, MinusInfinityIsAZeroAndNaNStaysInItsRow) {
  EXPECT_EQ(list(softmax(tensor({1, 3}, {-kInf, 0, -kInf}), -1)), (std::vector<double>{0, 1, 0}));
  for (int64_t at = 0; at < 40; ++at) {
    const Tensor x = with(normal_tensor({2, 40}), kNaN, [&](int64_t i) { return i == at; });
    for (const Tensor& y : {softmax(x, -1), log_softmax(x, -1)}) {
      EXPECT_FALSE(all_finite(select(y, 0, 0))) << at;
      EXPECT_TRUE(all_finite(select(y, 0, 1))) << at;
    }
  }
}

// ---- layer_norm, rms_norm ----

TEST(LayerNorm, AConstantRowGivesExactlyTheBias) {
  for (DType t : {DType::f32, DType::f64})
    for (double c : {0.1, -1234567.0, 1e30, 1e-30}) {
      const Tensor bias = normal_tensor({77}, t);
      const Tensor y = layer_norm(Tensor(full({1, 77}, c, t)), {77}, normal_tensor({77}, t), bias);
      EXPECT_EQ(list(y), list(bias)) << c;
    }
}

TEST(LayerNorm, MeanAMillionTimesTheDeviation) {
  const int64_t n = 3000;
  auto v = list(normal_tensor({4, n}, DType::f64));
  for (double& x : v) x = double(float(1e6 + x));   // exact in both precisions
  const Tensor x = tensor({4, n}, v, DType::f64), x32 = tensor({4, n}, v);
  const Tensor w = tensor({n}, list(normal_tensor({n}, DType::f64)), DType::f64);
  expect_near(layer_norm(x32, {n}, to(w, DType::f32)), layer_norm(x, {n}, w), 1e-5);

  const Tensor dy = normal_tensor({4, n}, DType::f64);
  const Tensor a = leaf(x), b = leaf(x32);
  const Tensor ga = grad({layer_norm(a, {n}, w)}, {a}, {dy})[0], gb = grad({layer_norm(b, {n}, to(w, DType::f32))}, {b}, {to(dy, DType::f32)})[0];
  expect_near(gb, ga, 2e-5);
}

TEST(LayerNorm, SquaresBeyondTheRangeOfTheType) {
  for (double scale : {1e30, 1e-30, 1e-42}) {
    std::vector<double> v = {1, -2, 3, 0.5}, scaled;
    for (double x : v) scaled.push_back(x * scale);
    const Tensor unit = layer_norm(tensor({1, 4}, v, DType::f64), {4}, {}, {}, 0), r = rms_norm(tensor({1, 4}, v, DType::f64), {4}, {}, 0.0);
    const double tolerance = scale < 1e-40 ? 1e-2 : 1e-6;   // a subnormal has few bits
    if (scale > 1e-40) expect_near(layer_norm(tensor({1, 4}, scaled), {4}, {}, {}, 0), unit, tolerance);
    if (scale > 1e-37) expect_near(rms_norm(tensor({1, 4}, scaled), {4}, {}, 0.0), r, tolerance);
  }
}

TEST(LayerNorm, NaNAndInfinityStayInTheirRow) {
  for (double bad : {kNaN, kInf, -kInf}) {
    const Tensor x = with(normal_tensor({3, 50}), bad, [](int64_t i) { return i == 67; });
    const Tensor y = layer_norm(x, {50});
    EXPECT_TRUE(all_finite(select(y, 0, 0)) && all_finite(select(y, 0, 2)));
    EXPECT_FALSE(all_finite(select(y, 0, 1)));
    EXPECT_TRUE(std::isnan(list(rms_norm(with(x, kNaN, [](int64_t i) { return i == 67; }), {50}))[60]));
  }
}

// ---- cross_entropy ----

TEST(CrossEntropy, ALargeCommonOffset) {
  const Tensor x = tensor({2, 4}, {1, 2, 3, 4, -1, 0, 1, 0}, DType::f64), t = tensor({2}, {1, 2}, DType::i64);
  for (double offset : {1e4, -1e5, 1e6}) {   // 1e6 + 1 is exact in f32
    auto v = list(x);
    for (double& e : v) e += offset;
    EXPECT_NEAR(cross_entropy(tensor({2, 4}, v), t).item<double>(), cross_entropy(x, t).item<double>(), 1e-6) << offset;
  }
  for (double offset : {3e38, -3e38}) {
    EXPECT_NEAR(cross_entropy(Tensor(full({2, 4}, offset, DType::f32)), t).item<double>(), std::log(4.0), 1e-6);
    EXPECT_NEAR(cross_entropy(Tensor(full({2, 4}, offset, DType::f32)), t, {}, -100, "mean", 0.1).item<double>(), std::log(4.0), 1e-6);
  }
  // One logit far above: the loss is 0 or the distance, never NaN.
  EXPECT_EQ(cross_entropy(tensor({1, 3}, {3e38, 0, 0}), tensor({1}, {0}, DType::i64)).item<double>(), 0);
  EXPECT_NEAR(cross_entropy(tensor({1, 3}, {3e38, 0, 0}), tensor({1}, {1}, DType::i64)).item<double>() / 3e38, 1, 1e-6);
}

TEST(CrossEntropy, EachGradientRowSumsToZero) {
  for (double smoothing : {0.0, 0.2})
    for (double size : {1.0, 1e4}) {
      auto v = list(normal_tensor({8, 1000}));
      for (double& e : v) e *= size;
      const Tensor x = leaf(tensor({8, 1000}, v)), t(rand_int({8}, 0, 1000, draws()));
      const Tensor g = grad({cross_entropy(x, t, {}, -100, "sum", smoothing)}, {x})[0];
      for (int64_t r = 0; r < 8; ++r) {
        double s = 0;
        for (double e : list(select(g, 0, r))) s += e;
        EXPECT_LE(std::abs(s), 2e-6) << "row " << r << " of logits times " << size;
      }
    }
}

TEST(CrossEntropy, AllRowsIgnoredIsNaNForTheMeanOnly) {
  const Tensor x = normal_tensor({2, 3}), t = tensor({2}, {-100, -100}, DType::i64);
  EXPECT_TRUE(std::isnan(cross_entropy(x, t).item<double>()));
  EXPECT_EQ(cross_entropy(x, t, {}, -100, "sum").item<double>(), 0);
  EXPECT_EQ(list(cross_entropy(x, t, {}, -100, "none")), (std::vector<double>{0, 0}));
  EXPECT_TRUE(std::isnan(nll_loss(x, t).item<double>()));
}

TEST(CrossEntropy, ShapesOfPyTorch) {
  const Tensor x = normal_tensor({2, 5, 3, 4}), t(rand_int({2, 3, 4}, 0, 5, draws()));
  EXPECT_EQ(cross_entropy(x, t, {}, -100, "none").shape(), (Shape{2, 3, 4}));
  const double one = cross_entropy(select(select(select(x, 3, 1), 2, 2), 0, 1), select(select(select(t, 2, 1), 1, 2), 0, 1)).item<double>();
  EXPECT_NEAR(list(cross_entropy(x, t, {}, -100, "none"))[12 + 2 * 4 + 1], one, 1e-6);
  EXPECT_NEAR(nll_loss(log_softmax(x, 1), t).item<double>(), cross_entropy(x, t).item<double>(), 1e-6);
}

// ---- attention ----

struct Case { Tensor q, k, v; };
Case draw_case(int64_t batch, int64_t heads, int64_t groups, int64_t queries, int64_t keys, int64_t width, DType t = DType::f64) {
  return {normal_tensor({batch, heads, queries, width}, t), normal_tensor({batch, groups, keys, width}, t), normal_tensor({batch, groups, keys, width}, t)};
}
// Output and gradients for the cotangent dy.
Tensors run(const Case& c, const Tensor& mask, const AttentionOptions& o, const Tensor& dy) {
  const Tensor q = leaf(c.q), k = leaf(c.k), v = leaf(c.v);
  const Tensor y = scaled_dot_product_attention(q, k, v, mask, o);
  Tensors out = grad({y}, {q, k, v}, {dy});
  out.insert(out.begin(), y.detach());
  return out;
}

// The definition, one query at a time, hidden keys left out.
Tensor by_hand(const Case& c, const std::function<bool(int64_t, int64_t, int64_t)>& visible, double clamp = 0) {
  const auto q = list(c.q), k = list(c.k), v = list(c.v);
  const int64_t B = c.q.size(0), H = c.q.size(1), L = c.q.size(2), P = c.q.size(3), G = c.k.size(1), M = c.k.size(2);
  std::vector<double> out(q.size());
  for (int64_t b = 0; b < B; ++b)
    for (int64_t h = 0; h < H; ++h)
      for (int64_t l = 0; l < L; ++l) {
        const int64_t g = h / (H / G), row = ((b * H + h) * L + l) * P;
        double z = 0;
        for (int64_t m = 0; m < M; ++m) {
          if (!visible(h, l, m)) continue;
          double s = 0;
          for (int64_t p = 0; p < P; ++p) s += q[row + p] * k[((b * G + g) * M + m) * P + p] / std::sqrt(double(P));
          if (clamp > 0) s = std::clamp(s, -clamp, clamp);
          z += std::exp(s);
          for (int64_t p = 0; p < P; ++p) out[row + p] += std::exp(s) * v[((b * G + g) * M + m) * P + p];
        }
        for (int64_t p = 0; p < P; ++p) out[row + p] = z > 0 ? out[row + p] / z : 0;
      }
  return tensor(c.q.shape(), out, DType::f64);
}

TEST(Attention, EqualsTheDefinition) {
  for (int64_t groups : {1, 2, 4})
    for (auto [queries, keys] : {std::pair<int64_t, int64_t>{1, 1}, {1, 300}, {14, 14}, {14, 64}, {65, 33}, {100, 7}}) {
      const Case c = draw_case(2, 4, groups, queries, keys, 24);
      AttentionOptions o;
      o.enable_gqa = true;
      expect_near(scaled_dot_product_attention(c.q, c.k, c.v, {}, o), by_hand(c, [](int64_t, int64_t, int64_t) { return true; }), 1e-13);
      o.is_causal = true;
      expect_near(scaled_dot_product_attention(c.q, c.k, c.v, {}, o), by_hand(c, [](int64_t, int64_t l, int64_t m) { return m <= l; }), 1e-13);
      o.prefix = 5;
      expect_near(scaled_dot_product_attention(c.q, c.k, c.v, {}, o), by_hand(c, [](int64_t, int64_t l, int64_t m) { return m <= l + 5; }), 1e-13);
    }
}

TEST(Attention, StridedSlicesOfOneProjectionNeedNoCopy) {
  const int64_t B = 3, L = 10, H = 4, P = 6;
  const Tensor qkv = normal_tensor({B, L, (H + 2) * P}, DType::f64);
  const auto part = [&](int64_t first, int64_t heads) {
    return transpose(unflatten(slice(qkv, 2, first * P, (first + heads) * P), 2, {heads, P}), 1, 2);
  };
  const Tensor q = part(0, H), k = part(H, 1), v = part(H + 1, 1);
  EXPECT_FALSE(q.array().is_contiguous());
  const auto dense = [](const Tensor& x) { return Tensor(x.array().clone()); };
  EXPECT_TRUE(same_bits(scaled_dot_product_attention(q, k, v), scaled_dot_product_attention(dense(q), dense(k), dense(v))));
}

TEST(Attention, ExpandedKeysGiveTheGradientsSummed) {   // eight questions on one picture
  const int64_t pictures = 2, questions = 4;
  const Tensor q = leaf(normal_tensor({pictures, questions, 2, 3, 4}, DType::f64)), k = leaf(normal_tensor({pictures, 1, 1, 5, 4}, DType::f64)),
               v = leaf(normal_tensor({pictures, 1, 1, 5, 4}, DType::f64));
  const Tensor dy = normal_tensor({pictures, questions, 2, 3, 4}, DType::f64);
  const Tensors shared = grad({scaled_dot_product_attention(q, k, v)}, {q, k, v}, {dy});
  // The same with the questions of a picture in one long row of queries.
  const auto merge = [&](const Tensor& x) { return reshape(transpose(x, 1, 2), {pictures, 2, questions * 3, 4}); };
  const Tensors grouped = grad({scaled_dot_product_attention(merge(q), squeeze(k, {1}), squeeze(v, {1}))}, {q, k, v}, {merge(dy)});
  for (int i = 0; i < 3; ++i) expect_near(shared[i], grouped[i], 1e-13);
}

// NaN and infinity in keys and values that no query sees.
TEST(Attention, WhatIsHiddenNeverLeaks) {
  for (double bad : {kNaN, kInf, -kInf}) {
    const Case clean = draw_case(2, 4, 2, 6, 9, 5);
    const Tensor dy = normal_tensor({2, 4, 6, 5}, DType::f64);
    const auto hidden = [](int64_t i) { return i / 5 % 9 == 3 || i / 5 % 9 == 8; };   // keys 3 and 8
    const Case dirty = {clean.q, with(clean.k, bad, hidden), with(clean.v, bad, hidden)};
    AttentionOptions o;
    o.enable_gqa = true;
    const Tensor boolean = tensor({9}, {1, 1, 1, 0, 1, 1, 1, 1, 0}, DType::b8), added = tensor({9}, {0, 0, 0, -kInf, 0, 0, 0, 0, -kInf}, DType::f64);
    for (const Tensor& mask : {boolean, added})
      for (double clamp : {0.0, 100.0}) {
        o.clamp = clamp;
        const Tensors a = run(clean, mask, o, dy), b = run(dirty, mask, o, dy);
        for (int i = 0; i < 4; ++i) expect_near(b[i], a[i], 1e-13);
        for (int i = 2; i < 4; ++i)   // hidden keys and values take gradient 0
          for (int64_t m : {3, 8}) for (double g : list(select(a[i], 2, m))) EXPECT_EQ(g, 0);
      }
  }
}

TEST(Attention, TheFutureNeverLeaks) {
  const Case clean = draw_case(1, 2, 1, 6, 6, 4);
  const Tensor dy = with(normal_tensor({1, 2, 6, 4}, DType::f64), 0, [](int64_t i) { return i / 4 % 6 == 5; });   // the last query is free
  const auto last = [](int64_t i) { return i / 4 % 6 == 5; };
  const Case dirty = {clean.q, with(clean.k, kNaN, last), with(clean.v, kNaN, last)};
  AttentionOptions o;
  o.is_causal = true;
  const Tensors a = run(clean, {}, o, dy), b = run(dirty, {}, o, dy);
  for (int64_t l = 0; l < 5; ++l) {
    expect_near(select(b[0], 2, l), select(a[0], 2, l), 1e-13);
    expect_near(select(b[1], 2, l), select(a[1], 2, l), 1e-13);
  }
  for (double y : list(select(b[0], 2, 5))) EXPECT_TRUE(std::isnan(y));   // it does see the NaN
}

TEST(Attention, AQueryThatSeesNothingGivesZeroAndTakesNoGradient) {
  const Case c = draw_case(1, 2, 1, 3, 4, 5);
  const Tensor mask = tensor({3, 4}, {1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1}, DType::b8);
  const Tensor added = tensor({3, 4}, {0, 0, -kInf, 0, -kInf, -kInf, -kInf, -kInf, 0, 0, 0, 0}, DType::f64);
  for (const Tensor& m : {mask, added}) {
    // Even a NaN in the cotangent or in the query of that row stays there.
    for (double dirt : {0.0, kNaN}) {
      Tensor dy = normal_tensor({1, 2, 3, 5}, DType::f64);
      Case d = c;
      if (dirt != 0) {
        const auto row1 = [](int64_t i) { return i / 5 % 3 == 1; };
        dy = with(dy, kNaN, row1);
        d.q = with(c.q, kNaN, row1);
      }
      const Tensors r = run(d, m, {}, dy);
      for (int i = 0; i < 2; ++i) for (double x : list(select(r[i], 2, 1))) EXPECT_EQ(x, 0);
      for (const Tensor& t : r) EXPECT_TRUE(all_finite(t));
    }
  }
  const Tensors nothing = run(c, tensor({1, 1}, {0}, DType::b8), {}, normal_tensor({1, 2, 3, 5}, DType::f64));
  for (const Tensor& t : nothing) for (double x : list(t)) EXPECT_EQ(x, 0);
}

TEST(Attention, ExtremeScores) {
  Case c = draw_case(1, 1, 1, 4, 6, 3, DType::f32);
  c.q = with(c.q, 3e18, [](int64_t i) { return i % 2 == 0; });
  c.k = with(c.k, 3e18, [](int64_t i) { return i % 4 == 0; });   // scores up to 1e37
  for (const Tensor& t : run(c, {}, {}, normal_tensor({1, 1, 4, 3}))) EXPECT_FALSE(std::isnan(list(t)[0]));
  AttentionOptions o;
  o.clamp = 100;
  for (const Tensor& t : run(c, {}, o, normal_tensor({1, 1, 4, 3}))) EXPECT_TRUE(all_finite(t));
}

TEST(Attention, ClampedScores) {
  Case c = draw_case(1, 2, 1, 5, 7, 3);
  AttentionOptions o;
  o.clamp = 0.3;
  expect_near(scaled_dot_product_attention(c.q, c.k, c.v, {}, o), by_hand(c, [](int64_t, int64_t, int64_t) { return true; }, 0.3), 1e-13);
}

TEST(Attention, MaskShapes) {
  const Case c = draw_case(3, 2, 2, 4, 5, 6);
  const auto all = list(Tensor(rand_int({3, 2, 4, 5}, 0, 2, draws())));
  const Tensor whole = tensor({3, 2, 4, 5}, all, DType::b8);
  const auto check = [&](const Tensor& m, const Tensor& full_mask) {
    expect_near(scaled_dot_product_attention(c.q, c.k, c.v, m), scaled_dot_product_attention(c.q, c.k, c.v, full_mask), 0);
  };
  const Tensor two = select(select(whole, 0, 0), 0, 0), three = select(whole, 1, 0);   // (L, M), (B, L, M)
  check(two, expand(two, {3, 2, 4, 5}));
  check(three, expand(unsqueeze(three, 1), {3, 2, 4, 5}));
  check(slice(whole, 1, 0, 1), expand(slice(whole, 1, 0, 1), {3, 2, 4, 5}));
  check(slice(whole, 2, 1, 2), expand(slice(whole, 2, 1, 2), {3, 2, 4, 5}));
  EXPECT_THROW(scaled_dot_product_attention(c.q, c.k, c.v, tensor({4, 4}, std::vector<double>(16, 1), DType::b8)), ShapeError);
  EXPECT_THROW(scaled_dot_product_attention(c.q, c.k, c.v, tensor({4, 5}, std::vector<double>(20, 1), DType::i64)), DtypeError);
}

TEST(Attention, FourLayoutsOfHeads) {
  const Case c = draw_case(1, 1, 1, 4, 5, 6);
  const Tensor whole = scaled_dot_product_attention(c.q, c.k, c.v);
  const auto drop = [](const Tensor& x, int n) { return n == 1 ? select(x, 0, 0) : select(select(x, 0, 0), 0, 0); };
  for (int n : {1, 2}) expect_near(scaled_dot_product_attention(drop(c.q, n), drop(c.k, n), drop(c.v, n)), drop(whole, n), 0);
  const Case h = draw_case(1, 4, 2, 4, 5, 6);
  EXPECT_THROW(scaled_dot_product_attention(h.q, h.k, h.v), ShapeError);   // needs enable_gqa
}

TEST(Attention, DropoutKeepsTheMeanAndIsRepeatable) {
  const Case c = draw_case(2, 4, 4, 40, 50, 4);
  const Tensor ones = Tensor(full({2, 4, 50, 4}, 1, DType::f64));
  AttentionOptions o;
  o.dropout_p = 0.25;
  manual_seed(5);
  const Tensor a = scaled_dot_product_attention(c.q, c.k, ones, {}, o), next = scaled_dot_product_attention(c.q, c.k, ones, {}, o);
  manual_seed(5);
  EXPECT_TRUE(same_bits(a, scaled_dot_product_attention(c.q, c.k, ones, {}, o)));
  EXPECT_FALSE(same_bits(a, next));
  double total = 0;
  for (double y : list(a)) total += y;
  EXPECT_NEAR(total / double(a.numel()), 1, 0.03);
  o.dropout_p = 1;
  for (double y : list(scaled_dot_product_attention(c.q, c.k, ones, {}, o))) EXPECT_EQ(y, 0);
}

// ---- all ----

TEST(Threads, ChangeNoBit) {
  const Tensor x = leaf(normal_tensor({700, 300})), w = leaf(normal_tensor({300})), b = leaf(normal_tensor({300})), dy = normal_tensor({700, 300});
  const Tensor t(rand_int({700}, 0, 300, draws()));
  const Case c = draw_case(3, 4, 2, 150, 130, 24, DType::f32);
  const Tensor da = normal_tensor({3, 4, 150, 24});
  AttentionOptions o;
  o.enable_gqa = o.is_causal = true;
  const auto everything = [&] {
    Tensors r = grad({layer_norm(x, {300}, w, b)}, {x, w, b}, {dy});
    for (const Tensor& g : grad({rms_norm(x, {300}, w)}, {x, w}, {dy})) r.push_back(g);
    for (const Tensor& g : grad({softmax(x, -1)}, {x}, {dy})) r.push_back(g);
    for (const Tensor& g : grad({cross_entropy(x, t)}, {x})) r.push_back(g);
    for (const Tensor& g : run(c, {}, o, da)) r.push_back(g);
    return r;
  };
  const int before = num_threads();
  set_num_threads(1);
  const Tensors one = everything();
  for (int n : {2, 3, 7}) {
    set_num_threads(n);
    const Tensors many = everything();
    for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], many[i])) << "result " << i << " with " << n << " threads";
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace hippograd
