// Row-wise and indexing kernels of a device at the sizes where they change their method (a warp, a block, a cluster, the caches;
// one by one or sorted), against the CPU in double precision; and the reports of bad indices. Skipped, never passed, without a
// device; HIPPOGRAD_TEST_DEVICE=probe runs all of it but the late reports over the probe backend.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/backend.h"
#include "tensor/random.h"

namespace hippograd {
namespace {

Device device_under_test() {
  const char* name = std::getenv("HIPPOGRAD_TEST_DEVICE");
  return Device::parse(name && *name ? name : "cuda");
}

using Function = std::function<Tensors(const Tensors&)>;

class Rows : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_unavailable(device.kind); !why.empty()) GTEST_SKIP() << device.str() << ": " << why;
  }
  Array normal(const Shape& s) { return rand_normal(s, 0, 1, DType::f64, g); }
  Array integers(const Shape& s, int64_t n) { return rand_int(s, 0, n, g); }

  // f's outputs and the gradients of its floating inputs: on the device in `t`, run twice, and on the CPU in double precision
  // from the same (rounded) inputs.
  void compare(const std::string& what, const Function& f, const Arrays& inputs, DType t, bool gradients = true) {
    SCOPED_TRACE(cat(what, " ", t));
    Tensors exact, ours;
    for (const Array& x : inputs) {
      const bool real = x.dtype() == DType::f64;
      const Array rounded = real ? x.to(t) : x;
      exact.push_back(Tensor(real ? rounded.to(DType::f64).clone() : x));
      ours.push_back(Tensor(rounded.to(device)));
      if (real && gradients) exact.back().set_requires_grad(), ours.back().set_requires_grad();
    }
    const Tensors want = f(exact), got = f(ours), again = f(ours);
    Tensors dys, device_dys, wanted, leaves;
    for (size_t k = 0; k < want.size(); ++k) {
      close(cat("output ", int64_t(k)), want[k], got[k], t);
      same_bits(got[k], again[k]);
      const Array dy = normal(want[k].shape()).to(t);
      if (want[k].requires_grad()) dys.push_back(Tensor(dy.to(DType::f64))), device_dys.push_back(Tensor(dy.to(device)));
    }
    if (dys.empty()) return;
    for (size_t i = 0; i < exact.size(); ++i)
      if (exact[i].requires_grad()) wanted.push_back(exact[i]), leaves.push_back(ours[i]);
    const auto differentiable = [](const Tensors& y) {
      Tensors out;
      for (const Tensor& t : y) if (t.requires_grad()) out.push_back(t);
      return out;
    };
    const GradOptions options{.allow_unused = true};
    const Tensors g = grad(differentiable(want), wanted, dys, options), h = grad(differentiable(got), leaves, device_dys, options),
                  h2 = grad(differentiable(again), leaves, device_dys, options);
    for (size_t i = 0; i < g.size(); ++i) {
      ASSERT_EQ(g[i].defined(), h[i].defined());
      if (!g[i].defined()) continue;
      close(cat("gradient ", int64_t(i)), g[i], h[i], t);
      same_bits(h[i], h2[i]);
    }
  }
  void close(const std::string& what, const Tensor& want, const Tensor& got, DType t) {
    ASSERT_EQ(want.shape(), got.shape()) << what;
    const auto a = to_vector<double>(want.array()), b = to_vector<double>(got.array());
    double scale = 1e-6, error = 0;   // where all should be 0, rounding is no error
    size_t worst = 0;
    for (double v : a) if (std::isfinite(v)) scale = std::max(scale, std::abs(v));
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
      const double e = std::abs(a[i] - b[i]) / scale;
      if (!(e <= error)) error = e, worst = i;
    }
    const double allowed = !is_floating(want.dtype()) ? 0 : t == DType::f64 ? 1e-11 : t == DType::f32 ? 2e-5 : 2e-2;
    EXPECT_LE(error, allowed) << what << ", element " << worst << ": " << a[worst] << " and " << b[worst];
  }
  void same_bits(const Tensor& a, const Tensor& b) {
    const Array x = a.array().to(Device{}).contiguous(), y = b.array().to(Device{}).contiguous();
    EXPECT_EQ(std::memcmp(x.raw(), y.raw(), size_t(x.numel()) * itemsize(x.dtype())), 0) << "not the same bits twice";
  }

  const Device device = device_under_test();
  Generator g{17};
};

constexpr DType kFloats[] = {DType::f32, DType::bf16, DType::f64};
// one warp (whole packs and not), one block, clusters of 2 and 4, the caches
constexpr int64_t kWidths[] = {1, 37, 248, 257, 768, 1000, 1024, 1028, 4096, 8200, 16384, 20000, 32000, 40000, 50257, 70000};

TEST_F(Rows, Softmax) {
  for (int64_t n : kWidths)
    for (DType t : kFloats) {
      const int64_t rows = n < 2000 ? 300 : 5;
      const Array x = normal({rows, n});
      compare(cat("softmax ", n), [](const Tensors& x) { return Tensors{softmax(x[0], -1)}; }, {x}, t);
      compare(cat("log_softmax ", n), [](const Tensors& x) { return Tensors{log_softmax(x[0], -1)}; }, {x}, t);
    }
}

TEST_F(Rows, SoftmaxOfInfinitiesAndNaN) {
  for (int64_t n : {7, 1024, 4096, 20000, 50257})
    for (int special = 0; special < 4; ++special) {
      Array x = normal({3, n});
      double* p = x.data<double>() + n;   // the middle row
      const double values[] = {-INFINITY, INFINITY, NAN, -INFINITY};
      for (int64_t c = 0; c < n; ++c) if (special == 3 || c == n / 2) p[c] = values[special];
      compare(cat("softmax with ", values[special], " ", n), [](const Tensors& x) { return Tensors{softmax(x[0], -1), log_softmax(x[0], -1)}; }, {x},
              DType::f32, false);
    }
}

TEST_F(Rows, Norms) {
  for (int64_t n : kWidths)
    for (DType t : kFloats) {
      const int64_t rows = n < 2000 ? 700 : 9;
      const Array x = normal({rows, n}), w = normal({n}), b = normal({n});
      compare(cat("layer_norm ", n), [n](const Tensors& x) { return Tensors{layer_norm(x[0], {n}, x[1], x[2], 1e-3)}; }, {x, w, b}, t);
      compare(cat("layer_norm, plain ", n), [n](const Tensors& x) { return Tensors{layer_norm(x[0], {n}, {}, {}, 1e-3)}; }, {x}, t);
      compare(cat("rms_norm ", n), [n](const Tensors& x) { return Tensors{rms_norm(x[0], {n}, x[1], 1e-3)}; }, {x, w}, t);
      for (bool before : {false, true})
        compare(cat("rms_norm_gated ", n, before), [before](const Tensors& x) { return Tensors{rms_norm_gated(x[0], x[1], x[2], 1e-3, 0, before)}; },
                {x, normal({rows, n}), w}, t);
    }
}

TEST_F(Rows, NormsOfHarshRows) {   // a large common offset; a constant row; squares beyond the range of f32
  for (int64_t n : {768, 4096, 20000, 50000}) {
    Array x = normal({6, n});
    double* p = x.data<double>();
    for (int64_t c = 0; c < n; ++c) {
      p[c] = 1e4 + c % 2;
      p[n + c] = 3;
      p[2 * n + c] *= 1e30;
      p[3 * n + c] *= 1e-30;
      p[4 * n + c] = 0;
    }
    compare(cat("layer_norm ", n), [n](const Tensors& x) { return Tensors{layer_norm(x[0], {n}, {}, {}, 1e-12)}; }, {x}, DType::f32, false);
    compare(cat("rms_norm ", n), [n](const Tensors& x) { return Tensors{rms_norm(x[0], {n}, {}, 1e-70)}; }, {x}, DType::f32, false);
  }
}

TEST_F(Rows, Losses) {
  for (int64_t n : {1, 10, 1000, 4096, 32000, 50257})
    for (DType t : kFloats)
      for (const char* reduction : {"mean", "none"}) {
        const int64_t rows = n < 2000 ? 500 : 7;
        Array target = integers({rows}, n);
        target.data<int64_t>()[rows / 2] = -100;
        const Array x = normal({rows, n}), w = rand_uniform({n}, 0.5, 2, DType::f64, g);
        compare(cat("cross_entropy ", n), [&](const Tensors& x) { return Tensors{cross_entropy(x[0], x[1], {}, -100, reduction)}; }, {x, target}, t);
        compare(cat("cross_entropy, smoothed ", n), [&](const Tensors& x) {
          return Tensors{cross_entropy(x[0], x[1], x[2].detach(), -100, reduction, 0.1)}; }, {x, target, w}, t);
        compare(cat("nll_loss ", n), [&](const Tensors& x) { return Tensors{nll_loss(x[0], x[1], {}, -100, reduction)}; }, {x, target}, t);
      }
}

TEST_F(Rows, SumsAtEqualPositions) {
  for (DType t : kFloats)
    for (auto [count, rows, width] : {std::tuple<int64_t, int64_t, int64_t>{9, 4, 5}, {1000, 3, 64}, {5000, 700, 24}, {5000, 1, 7}, {3000, 100000, 8}}) {
      const Array index = integers({count}, rows);
      compare(cat("embedding ", count, " of ", rows), [](const Tensors& x) { return Tensors{embedding(x[0], x[1])}; }, {index, normal({rows, width})}, t);
      compare(cat("embedding, padding ", count), [](const Tensors& x) { return Tensors{embedding(x[0], x[1], 0)}; }, {index, normal({rows, width})}, t);
      compare(cat("index_add ", count), [](const Tensors& x) { return Tensors{index_add(x[0], 1, x[1], x[2])}; },
              {normal({3, rows, width}), index, normal({3, count, width})}, t);
      compare(cat("index_copy ", count), [](const Tensors& x) { return Tensors{index_copy(x[0], 0, x[1], x[2])}; },
              {normal({rows, width}), index, normal({count, width})}, t, false);
    }
}

TEST_F(Rows, Scatter) {
  for (auto [length, lines, n] : {std::tuple<int64_t, int64_t, int64_t>{40, 30, 11}, {3000, 4, 50}, {3000, 4, 5000}, {9000, 1, 2}})
    for (int64_t dim : {0, 1}) {
      const auto shape = [&, lines = lines](int64_t m) { return dim == 0 ? Shape{m, lines} : Shape{lines, m}; };
      const Array x = normal(shape(n)), src = normal(shape(length)), index = integers(shape(length), n);
      const std::string what = cat(length, " in ", lines, " lines of ", n, ", dim ", dim);
      compare("gather " + what, [&](const Tensors& x) { return Tensors{gather(x[0], dim, x[1])}; }, {x, index}, DType::f32);
      compare("scatter " + what, [&](const Tensors& x) { return Tensors{scatter(x[0], dim, x[1], x[2])}; }, {x, index, src}, DType::f32, false);
      compare("scatter_add " + what, [&](const Tensors& x) { return Tensors{scatter_add(x[0], dim, x[1], x[2])}; }, {x, index, src}, DType::f32);
      for (const char* how : {"amax", "amin", "prod"})
        compare(cat("scatter ", how, " ", what), [&](const Tensors& x) { return Tensors{scatter_extreme_or_product(x[0], dim, x[1], x[2], how)}; },
                {x, index, src}, DType::f64, false);
    }
}

TEST_F(Rows, Sorting) {
  for (auto [rows, n] : {std::pair<int64_t, int64_t>{50, 33}, {7, 2048}, {6, 2049}, {3, 40000}, {1, 100000}})
    for (DType t : {DType::f32, DType::bf16, DType::f64, DType::i64, DType::i32, DType::u8, DType::b8}) {
      Array x = is_floating(t) ? normal({rows, n}) : integers({rows, n}, t == DType::b8 ? 2 : 200);
      if (t == DType::f32) for (int64_t i = 0; i < n; i += 5) x.data<double>()[i] = i % 3 ? -0.0 : NAN;
      if (is_floating(t)) for (int64_t i = 1; i < n; i += 7) x.data<double>()[i] = 0.5;   // ties
      const Array typed = x.to(t);
      const auto both = [&](const char* what, const Function& f) {
        SCOPED_TRACE(cat(what, " ", rows, " x ", n, " ", t));
        const Tensors want = f({Tensor(typed)}), got = f({Tensor(typed.to(device))});
        for (size_t k = 0; k < want.size(); ++k) same_bits(want[k], got[k]);
      };
      for (bool down : {false, true}) both("sort", [&](const Tensors& x) { return sort(x[0], -1, down); });
      for (bool most : {false, true}) both("topk", [&](const Tensors& x) { return topk(x[0], 20, -1, most); });
      both("kthvalue", [&](const Tensors& x) { return kthvalue(x[0], 17, -1, false); });
      both("median", [](const Tensors& x) { return median(x[0], -1, false); });
      both("nanmedian", [](const Tensors& x) { return nanmedian(x[0], -1, false); });
      both("mode", [](const Tensors& x) { return mode(x[0], -1, false); });
      both("nonzero", [](const Tensors& x) { return Tensors{nonzero(x[0])}; });
    }
}

TEST_F(Rows, Searching) {
  const Array sorted = sort(Tensor(normal({4, 3000})), -1)[0].array(), x = normal({4, 500});
  for (bool right : {false, true})
    compare("searchsorted", [&](const Tensors& x) { return Tensors{searchsorted(x[0], x[1], right)}; }, {sorted, x}, DType::f64, false);
  for (int64_t bins : {3, 100, 9000}) compare("histc", [&](const Tensors& x) { return Tensors{histc(x[0], bins, -2, 2)}; }, {x}, DType::f64, false);
  compare("bincount", [](const Tensors& x) { return Tensors{bincount(x[0])}; }, {integers({5000}, 30)}, DType::f32, false);
}

// ---- bad indices ----

class LateErrors : public Rows {
 protected:
  // f runs without waiting; the next synchronisation throws what the CPU throws at once, and the device works on.
  void expect_late(const std::string& message, const std::function<void()>& f) {
    f();
    try {
      runtime(device.kind).synchronize(device);
      ADD_FAILURE() << "no error: " << message;
    } catch (const IndexError& e) {
      EXPECT_NE(std::string(e.what()).find(message), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("found at a later synchronisation"), std::string::npos) << e.what();
    }
    runtime(device.kind).synchronize(device);   // reported once
    EXPECT_EQ(to_vector<double>(mul(Tensor(full({3}, 2, DType::f32, device)), Tensor(full({3}, 3, DType::f32, device))).array()), (std::vector<double>{6, 6, 6}));
  }
  Tensor on_device(const std::vector<int64_t>& v) { return Tensor(from_vector(v, {int64_t(v.size())}).to(device)); }
};

TEST_F(LateErrors, AreThrownAtTheNextSynchronisation) {
  if (device.kind != DeviceKind::CUDA) GTEST_SKIP() << "the probe throws at once";
  const Tensor table = Tensor(full({5, 4}, 1, DType::f32, device)), bad = on_device({1, 7, 2}), logits = Tensor(full({3, 4}, 1, DType::f32, device));
  Tensor y;
  expect_late("embedding: index out of range in self: index 7 is out of bounds for dimension 0 with size 5", [&] { y = embedding(bad, table); });
  EXPECT_EQ(to_vector<double>(y.array()), (std::vector<double>{1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1}));   // the bad row is zero
  expect_late("gather: index out of range in self: index 9", [&] { gather(table, 0, Tensor(full({1, 4}, 9, DType::i64, device))); });
  expect_late("index_copy: index out of range in self: index -1", [&] { y = index_copy(table, 0, on_device({-1, 0}), Tensor(full({2, 4}, 3, DType::f32, device))); });
  EXPECT_EQ(to_vector<double>(sum(y).array())[0], 4 * 3 + 16.0);
  expect_late("index -6 is out of bounds for dimension 0 with size 5", [&] { index(table, {on_device({0, -6})}); });
  expect_late("cross_entropy: Target 4 is out of bounds. (position 1", [&] { y = cross_entropy(logits, on_device({0, 4, 1})); });
  EXPECT_NEAR(to_vector<double>(y.array())[0], std::log(4.0), 1e-6);   // the mean of the other rows
  expect_late("nll_loss: Target 8 is out of bounds. (position 0", [&] { nll_loss(logits, on_device({8, 0, 1})); });
}

TEST_F(LateErrors, TheFirstOneIsReported) {
  if (device.kind != DeviceKind::CUDA) GTEST_SKIP() << "the probe throws at once";
  const Tensor table = Tensor(full({5, 4}, 1, DType::f32, device));
  expect_late("index_select: index out of range in self: index 6", [&] {
    index_select(table, 0, on_device({6}));
    index_select(table, 0, on_device({8}));
  });
}

}  // namespace
}  // namespace hippograd
