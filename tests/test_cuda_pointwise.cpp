// Pointwise kernels, reductions, running reductions, random numbers and optimizer steps of a device, slot by slot, at the sizes and
// layouts where they change their method (packs and tails, rows and columns, pieces), against the CPU's kernels. Skipped, never
// passed, without a device; HIPPOGRAD_TEST_DEVICE=probe runs all but the late report over the probe backend.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "tensor/backend.h"
#include "tensor/kernels/cumulative.h"
#include "tensor/kernels/dropout.h"
#include "tensor/kernels/elementwise.h"
#include "tensor/kernels/optim.h"
#include "tensor/kernels/reduce.h"
#include "tensor/random.h"

namespace hippograd {
namespace {

using namespace pointwise;

Device device_under_test() {
  const char* name = std::getenv("HIPPOGRAD_TEST_DEVICE");
  return Device::parse(name && *name ? name : "cuda");
}

// The same view of the same numbers on a device: the storage moves as a whole.
Array moved(const Array& x, Device d) {
  const int64_t n = int64_t(x.storage()->bytes()) / itemsize(x.dtype());
  const Array whole(x.storage(), {n}, {1}, 0, x.dtype());
  return whole.to(d).as_strided(x.shape(), x.strides(), x.offset());
}

class OnDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_unavailable(device.kind); !why.empty()) GTEST_SKIP() << device.str() << ": " << why;
  }
  Array normal(const Shape& s, DType t = DType::f32) { return rand_normal(s, 0, 1, t, g); }

  // `f(inputs, y)` on both sides, twice on the device: within `ulps` roundings of the largest element, the same bits twice.
  // y: shape, dtype; the device's starts as NaN or garbage, so that what is not written shows.
  using Call = std::function<void(const Arrays&, Arrays&)>;
  void compare(const std::string& what, const Call& f, const Arrays& inputs, const Arrays& outputs, double allowed) {
    SCOPED_TRACE(what);
    Arrays want, got, again, there;
    for (const Array& y : outputs) {
      want.push_back(y.clone());
      got.push_back(moved(y, device));
      again.push_back(moved(y, device));
    }
    for (const Array& x : inputs) there.push_back(moved(x, device));
    f(inputs, want);
    f(there, got);
    f(there, again);
    for (size_t k = 0; k < outputs.size(); ++k) {
      close(want[k], got[k], allowed);
      const Array a = got[k].to(Device{}).contiguous(), b = again[k].to(Device{}).contiguous();
      EXPECT_EQ(std::memcmp(a.raw(), b.raw(), size_t(a.numel()) * itemsize(a.dtype())), 0) << "not the same bits twice";
    }
  }
  void close(const Array& want, const Array& got, double allowed) {
    const DType t = is_complex(want.dtype()) ? DType::c128 : DType::f64;
    const Array a = want.to(t).contiguous(), b = got.to(Device{}).to(t).contiguous();
    const int64_t n = a.numel() * (is_complex(t) ? 2 : 1);
    const double *p = static_cast<const double*>(a.raw()), *q = static_cast<const double*>(b.raw());
    double scale = 1e-30, error = 0;
    int64_t worst = 0;
    for (int64_t i = 0; i < n; ++i) if (std::isfinite(p[i])) scale = std::max(scale, std::abs(p[i]));
    for (int64_t i = 0; i < n; ++i) {
      if (p[i] == q[i] || (std::isnan(p[i]) && std::isnan(q[i]))) continue;
      if (const double e = std::abs(p[i] - q[i]) / scale; !(e <= error)) error = e, worst = i;
    }
    EXPECT_LE(error, allowed) << "element " << worst << " of " << n << ": " << p[worst] << " on the CPU, " << q[worst] << " there";
  }
  static double rounding(DType t) {
    return t == DType::bf16 ? 0x1p-8 : t == DType::f16 ? 0x1p-11 : t == DType::f32 || t == DType::c64 ? 0x1p-22 : 0x1p-50;
  }
  Generator g{7};
  Device device = device_under_test();
};

// ---- pointwise ----

// Pairs of views of one shape: what a packs kernel takes, and what it must leave to the other.
std::vector<std::pair<Array, Array>> layouts(OnDevice&, const std::function<Array(Shape)>& draw) {
  std::vector<std::pair<Array, Array>> out;
  for (int64_t n : {1, 3, 4, 255, 1024, 1027, 4099}) out.push_back({draw({n}), draw({n})});
  out.push_back({draw({33, 64}), draw({64}).expand({33, 64})});                          // a row for every batch entry
  out.push_back({draw({33, 64}), draw({33, 1}).expand({33, 64})});                       // a number for every row
  out.push_back({draw({33, 64}), draw({1, 1}).expand({33, 64})});
  out.push_back({draw({33, 64}), draw({64, 33}).transpose(0, 1)});
  out.push_back({draw({33, 128}).slice(1, 0, 64), draw({33, 128}).slice(1, 64, 128)});   // parts of a packed projection
  out.push_back({draw({33, 128}).slice(1, 1, 65), draw({33, 64})});                      // not aligned
  out.push_back({draw({33, 64}).slice(1, 0, 64, 2), draw({33, 32})});
  out.push_back({draw({5, 3, 2, 8}).permute({2, 0, 1, 3}), draw({2, 5, 3, 8})});
  out.push_back({draw({2, 1, 9}).expand({2, 7, 9}), draw({7, 9}).unsqueeze(0).expand({2, 7, 9})});
  out.push_back({draw({0, 4}), draw({0, 4})});
  out.push_back({draw({}), draw({})});
  return out;
}

TEST_F(OnDevice, PointwiseLayouts) {
  for (DType t : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::c64, DType::c128})
    for (const auto& [a, b] : layouts(*this, [&](const Shape& s) { return normal(s, t); })) {
      const Array y = full(a.shape(), NAN, t), flag = zeros(a.shape(), DType::b8);
      const std::string what = cat(t, " ", a.shape(), " strides ", a.strides(), " and ", b.strides());
      compare("add " + what, [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<Add>, x[0], x[1], 0, o[0]); }, {a, b}, {y}, rounding(t));
      compare("mul " + what, [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<Mul>, x[0], x[1], 0, o[0]); }, {a, b}, {y}, rounding(t));
      compare("eq " + what, [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<Eq>, x[0], x[1], 0, o[0]); }, {a, a}, {flag}, 0);
      compare("exp " + what, [](const Arrays& x, Arrays& o) { kernels::unary(unary_id<Exp>, x[0], 0, 0, o[0]); }, {b}, {y}, 4 * rounding(t));
      compare("2 x " + what, [](const Arrays& x, Arrays& o) { kernels::unary(unary_id<MulNumber>, x[0], 2, 0, o[0]); }, {b}, {y}, rounding(t));
      if (is_complex(t)) continue;
      compare("gelu backward " + what, [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<GeluExactBackward>, x[0], x[1], 0, o[0]); }, {a, b}, {y}, 8 * rounding(t));
      const Array condition = rand_int(a.shape(), 0, 2, g).to(DType::b8);
      compare("where " + what, [](const Arrays& x, Arrays& o) { kernels::ternary(ternary_id<Where>, x[0], x[1], x[2], 0, o[0]); }, {condition, a, b}, {y}, 0);
    }
}

TEST_F(OnDevice, PointwiseIntegersAndBool) {
  for (DType t : {DType::i64, DType::i32, DType::u8, DType::b8})
    for (const auto& [a, b] : layouts(*this, [&](const Shape& s) { return rand_int(s, 0, 9, g).to(t); })) {
      const Array y = zeros(a.shape(), t), flag = zeros(a.shape(), DType::b8);
      compare(cat("add ", t, " ", a.shape()), [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<Add>, x[0], x[1], 0, o[0]); }, {a, b}, {y}, 0);
      compare(cat("lt ", t, " ", a.shape()), [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<Lt>, x[0], x[1], 0, o[0]); }, {a, b}, {flag}, 0);
      compare(cat("not ", t, " ", a.shape()), [](const Arrays& x, Arrays& o) { kernels::unary(unary_id<LogicalNot>, x[0], 0, 0, o[0]); }, {a}, {flag}, 0);
    }
}

TEST_F(OnDevice, PointwiseInPlaceAndMixedHalves) {
  for (DType t : {DType::f32, DType::bf16}) {
    const Array x = normal({4099}, t);
    compare(cat("in place ", t), [](const Arrays&, Arrays& o) { kernels::unary(unary_id<Square>, o[0], 0, 0, o[0]); }, {}, {x}, rounding(t));
    compare(cat("into itself ", t), [](const Arrays& in, Arrays& o) { kernels::binary(binary_id<Sub>, o[0], in[0], 0, o[0]); }, {normal({4099}, t)}, {x}, rounding(t));
  }
  const Array a = normal({64, 65}, DType::bf16), b = normal({64, 65}, DType::f32);
  for (DType t : {DType::f32, DType::bf16})
    compare(cat("bf16 + f32 -> ", t), [](const Arrays& x, Arrays& o) { kernels::binary(binary_id<Add>, x[0], x[1], 0, o[0]); }, {a, b}, {zeros({64, 65}, t)}, rounding(t));
}

TEST_F(OnDevice, DivisionOfIntegersByZero) {
  const Array a = arange(8).to(device), zero = arange(8).to(device);   // 0 at position 0
  Array y = zeros({8}, DType::i64, device);
  std::string why;
  try {
    kernels::binary(binary_id<FloorDivide>, a, zero, 0, y);
    (void)y.to(Device{});   // at the synchronisation at latest
  } catch (const std::exception& e) {
    why = e.what();
  }
  EXPECT_NE(why.find("ZeroDivisionError: integer division or modulo by zero"), std::string::npos) << why;
  kernels::binary(binary_id<Add>, a, a, 0, y);   // and the device goes on
  EXPECT_EQ(to_vector<int64_t>(y)[3], 6);
}

// ---- reductions ----

struct Reduction { Shape shape, out; const char* why; };
const Reduction kReductions[] = {
    {{7}, {1}, "a tail"}, {{1}, {1}, "one"}, {{4096}, {1}, "one block"}, {{300001}, {1}, "pieces with a tail"}, {{2, 3}, {1, 1}, "small"},
    {{5, 1000}, {5, 1}, "a block per row"}, {{700, 33}, {700, 1}, "some lanes per row"}, {{3000, 3}, {3000, 1}, "a thread per row"},
    {{3, 70001}, {3, 1}, "pieces of odd rows"}, {{4, 65536}, {4, 1}, "pieces of rows"}, {{600, 4096}, {600, 1}, "long rows"},
    {{1000, 40}, {1, 40}, "columns"}, {{5000, 3}, {1, 3}, "few columns in pieces"}, {{3, 5000}, {1, 5000}, "short columns"},
    {{20000, 70}, {1, 70}, "columns in pieces"}, {{6, 50, 40}, {6, 1, 40}, "columns in the middle"}, {{6, 5, 40}, {1, 5, 1}, "channels"},
    {{3, 4, 5, 8}, {1, 4, 1, 8}, "two of four"}, {{0, 4}, {1, 4}, "empty sums"}, {{4, 0}, {4, 1}, "empty rows"}, {{0, 4}, {0, 1}, "empty output"},
    {{2, 3}, {2, 3}, "nothing reduced"},
};

TEST_F(OnDevice, ReductionsOfFloats) {
  for (DType t : {DType::f32, DType::f64, DType::bf16, DType::c64, DType::c128})
    for (const Reduction& r : kReductions) {
      const Array x = normal(r.shape, t);
      const double n = double(std::max<int64_t>(1, x.numel())), e = 8 * rounding(t) * (t == DType::bf16 ? 1 : std::sqrt(n));
      const std::string what = cat(t, " ", r.shape, " -> ", r.out, ", ", r.why);
      const Array y = full(r.out, NAN, t), real = full(r.out, NAN, real_of(t));
      compare("sum " + what, [](const Arrays& x, Arrays& o) { kernels::sum(x[0], o[0]); }, {x}, {y}, e);
      compare("mean " + what, [](const Arrays& x, Arrays& o) { kernels::mean(x[0], o[0]); }, {x}, {y}, e);
      if (x.numel() < 100) compare("prod " + what, [](const Arrays& x, Arrays& o) { kernels::prod(x[0], o[0]); }, {x}, {y}, e);
      compare("norm 2 " + what, [](const Arrays& x, Arrays& o) { kernels::norm(x[0], 2, o[0]); }, {x}, {real}, e);
      compare("norm 3 " + what, [](const Arrays& x, Arrays& o) { kernels::norm(x[0], 3, o[0]); }, {x}, {real}, e);
      compare("norm 0 " + what, [](const Arrays& x, Arrays& o) { kernels::norm(x[0], 0, o[0]); }, {x}, {real}, e);
      if (x.numel() == 0) continue;
      compare("norm inf " + what, [](const Arrays& x, Arrays& o) { kernels::norm(x[0], INFINITY, o[0]); }, {x}, {real}, e);
      compare("moments " + what, [](const Arrays& x, Arrays& o) { kernels::moments(x[0], o[0], o[1]); }, {x}, {y, real}, e);
      if (t == DType::bf16)
        compare("sum to f32 " + what, [](const Arrays& x, Arrays& o) { kernels::sum(x[0], o[0]); }, {x}, {full(r.out, NAN, DType::f32)}, 1e-5);
      if (!is_complex(t)) compare("logsumexp " + what, [](const Arrays& x, Arrays& o) { kernels::logsumexp(x[0], o[0]); }, {x}, {y}, e);
    }
}

TEST_F(OnDevice, ReductionsThatRoundNothing) {
  for (DType t : {DType::f32, DType::f64, DType::bf16, DType::i64, DType::i32, DType::u8, DType::b8})
    for (const Reduction& r : kReductions) {
      const Array x = rand_int(r.shape, t == DType::b8 || t == DType::u8 ? 0 : -4, t == DType::b8 ? 2 : 5, g).to(t);   // many ties
      const std::string what = cat(t, " ", r.shape, " -> ", r.out, ", ", r.why);
      compare("any " + what, [](const Arrays& x, Arrays& o) { kernels::any(x[0], false, o[0]); }, {x}, {zeros(r.out, DType::b8)}, 0);
      compare("all " + what, [](const Arrays& x, Arrays& o) { kernels::any(x[0], true, o[0]); }, {x}, {zeros(r.out, DType::b8)}, 0);
      compare("count " + what, [](const Arrays& x, Arrays& o) { kernels::count_nonzero(x[0], o[0]); }, {x}, {zeros(r.out, DType::i64)}, 0);
      if (t == DType::i64) compare("sum " + what, [](const Arrays& x, Arrays& o) { kernels::sum(x[0], o[0]); }, {x}, {zeros(r.out, t)}, 0);
      if (x.numel() == 0) continue;
      int reduced = 0, dim = 0;
      for (int d = 0; d < x.dim(); ++d) if (r.shape[d] != r.out[d]) ++reduced, dim = d;
      for (bool least : {false, true}) {
        compare("extreme " + what, [=](const Arrays& x, Arrays& o) { kernels::extreme(x[0], least, o[0]); }, {x}, {zeros(r.out, t)}, 0);
        if (reduced == 1)
          compare("arg " + what, [=](const Arrays& x, Arrays& o) { kernels::arg_extreme(x[0], dim, least, o[0], o[1]); }, {x},
                  {zeros(r.out, t), zeros(r.out, DType::i64)}, 0);
      }
    }
}

TEST_F(OnDevice, ReductionsOfViews) {
  const Array big = normal({64, 96, 40});
  const Array views[] = {big.transpose(0, 2), big.slice(2, 1, 33), big.slice(1, 0, 96, 3), big.permute({1, 2, 0}), big.select(2, 3).unsqueeze(2),
                         normal({64, 1, 1}).expand({64, 32, 8}), normal({1, 1, 1}).expand({64, 32, 8}), normal({1, 32, 8}).expand({64, 32, 8})};
  for (const Array& x : views)
    for (int mask = 1; mask < 8; ++mask) {
      Shape out = x.shape();
      for (int d = 0; d < 3; ++d) if (mask & 1 << d) out[d] = 1;
      const std::string what = cat(x.shape(), " strides ", x.strides(), " -> ", out);
      compare("sum " + what, [](const Arrays& x, Arrays& o) { kernels::sum(x[0], o[0]); }, {x}, {full(out, NAN, DType::f32)}, 1e-5);
      compare("moments " + what, [](const Arrays& x, Arrays& o) { kernels::moments(x[0], o[0], o[1]); }, {x},
              {full(out, NAN, DType::f32), full(out, NAN, DType::f32)}, 1e-5);
      const Array across = full({out[2], out[1], out[0]}, NAN, DType::f32).transpose(0, 2);   // an output of any strides
      compare("sum, strided output " + what, [](const Arrays& x, Arrays& o) { kernels::sum(x[0], o[0]); }, {x}, {across}, 1e-5);
    }
}

TEST_F(OnDevice, SpecialNumbersInReductions) {
  const double inf = INFINITY, nan = NAN;
  for (const auto& values : std::vector<std::vector<float>>{{1, float(inf), 2, 3, 4}, {1, float(-inf), 2}, {float(-inf), float(-inf)}, {3, float(nan), 9, float(nan)},
                                                             {float(inf), float(-inf)}, {1e30f, 1e30f, -1e30f}, {1e-40f, 0, -0.f}}) {
    const int64_t n = int64_t(values.size());
    const Array x = from_vector(values, {1, n});
    const Array y = zeros({1, 1}, DType::f32), i = zeros({1, 1}, DType::i64);
    compare("sum", [](const Arrays& x, Arrays& o) { kernels::sum(x[0], o[0]); }, {x}, {y}, 1e-6);
    compare("max", [](const Arrays& x, Arrays& o) { kernels::extreme(x[0], false, o[0]); }, {x}, {y}, 0);
    compare("argmin", [](const Arrays& x, Arrays& o) { kernels::arg_extreme(x[0], 1, true, o[0], o[1]); }, {x}, {y, i}, 0);
    compare("logsumexp", [](const Arrays& x, Arrays& o) { kernels::logsumexp(x[0], o[0]); }, {x}, {y}, 1e-6);
    compare("moments", [](const Arrays& x, Arrays& o) { kernels::moments(x[0], o[0], o[1]); }, {x}, {y, y}, 1e-6);
    compare("cummax", [](const Arrays& x, Arrays& o) { kernels::cum_extreme(x[0], 1, false, o[0], o[1]); }, {x}, {zeros({1, n}, DType::f32), zeros({1, n}, DType::i64)}, 0);
    compare("logcumsumexp", [](const Arrays& x, Arrays& o) { kernels::logcumsumexp(x[0], 1, o[0]); }, {x}, {zeros({1, n}, DType::f32)}, 1e-6);
  }
}

// ---- running reductions ----

TEST_F(OnDevice, RunningReductions) {
  const std::pair<Shape, int> cases[] = {{{1}, 0}, {{31}, 0}, {{5000}, 0}, {{200003}, 0}, {{3, 4097}, 1}, {{4097, 3}, 0}, {{40, 70}, 0}, {{40, 70}, 1},
                                         {{3000, 64}, 0}, {{6, 500, 7}, 1}, {{100, 8}, 1}, {{2, 20000}, 1}, {{0, 3}, 0}, {{3, 0}, 1}, {{}, 0}};
  for (const auto& [shape, d] : cases) {
    const int dim = d;
    const Array x = normal(shape, DType::f64);
    const std::string what = cat(shape, " along ", dim);
    for (DType t : {DType::f32, DType::f64, DType::bf16, DType::c128}) {
      const Array a = x.to(t), y = full(shape, NAN, t);
      for (bool reverse : {false, true})
        compare(cat("cumsum ", t, " ", what), [=](const Arrays& x, Arrays& o) { kernels::cumsum(x[0], dim, reverse, o[0]); }, {a}, {y}, 4 * rounding(t) + 1e-12);
      if (x.numel() < 100) compare(cat("cumprod ", t, " ", what), [=](const Arrays& x, Arrays& o) { kernels::cumprod(x[0], dim, o[0]); }, {a}, {y}, 4 * rounding(t));
    }
    const Array whole = rand_int(shape, -3, 4, g);
    compare("cumsum of integers " + what, [=](const Arrays& x, Arrays& o) { kernels::cumsum(x[0], dim, true, o[0]); }, {whole}, {zeros(shape, DType::i64)}, 0);
    for (DType t : {DType::f32, DType::i64, DType::u8})
      for (bool least : {false, true})
        compare("cum extreme " + what, [=](const Arrays& x, Arrays& o) { kernels::cum_extreme(x[0], dim, least, o[0], o[1]); }, {whole.to(t)},
                {zeros(shape, t), zeros(shape, DType::i64)}, 0);
    Array y = zeros(shape, DType::f64);
    kernels::logcumsumexp(x, dim, y);
    compare("logcumsumexp " + what, [=](const Arrays& x, Arrays& o) { kernels::logcumsumexp(x[0], dim, o[0]); }, {x}, {full(shape, NAN, DType::f64)}, 1e-13);
    compare("its gradient " + what, [=](const Arrays& x, Arrays& o) { kernels::logcumsumexp_bwd(x[0], x[1], x[2], dim, o[0]); },
            {x, y, normal(shape, DType::f64)}, {full(shape, NAN, DType::f64)}, 1e-11);
    if (x.dim() == 2)
      compare("cumsum of a transposed array " + what, [=](const Arrays& x, Arrays& o) { kernels::cumsum(x[0].transpose(0, 1), 1 - dim, false, o[0]); }, {x},
              {full({shape[1], shape[0]}, NAN, DType::f64)}, 1e-12);
  }
}

// ---- random numbers ----

TEST_F(OnDevice, RandomNumbersAreTheCpus) {
  for (int64_t n : {1, 2, 3, 4, 5, 1023, 100001})
    for (int64_t offset : {int64_t(0), int64_t(12345), int64_t(1) << 40}) {
      const Array state = from_vector<int64_t>({-77, offset}, {2});
      SCOPED_TRACE(cat(n, " numbers at ", offset));
      for (DType t : {DType::f32, DType::f64}) {
        compare("uniform", [](const Arrays& s, Arrays& o) { kernels::uniform(s[0], 0, 1, o[0]); }, {state}, {zeros({n}, t)}, 0);
        compare("uniform in a range", [](const Arrays& s, Arrays& o) { kernels::uniform(s[0], -3, 0.7, o[0]); }, {state}, {zeros({n}, t)}, 0);
        compare("unaligned", [](const Arrays& s, Arrays& o) { kernels::uniform(s[0], 0, 1, o[0]); }, {state}, {zeros({n + 1}, t).slice(0, 1, n + 1)}, 0);
      }
      compare("randint", [](const Arrays& s, Arrays& o) { kernels::randint(s[0], -5, 1000003, o[0]); }, {state}, {zeros({n}, DType::i64)}, 0);
      for (DType t : {DType::f32, DType::bf16, DType::f64}) {
        const Array p = rand_uniform({n}, 0, 1, t, g);
        compare("dropout", [](const Arrays& s, Arrays& o) { kernels::dropout(s[0], s[1], 0.3, o[0]); }, {state, p}, {zeros({n}, t)}, 0);
        compare("bernoulli", [](const Arrays& s, Arrays& o) { kernels::bernoulli(s[0], s[1], o[0]); }, {state, p}, {zeros({n}, t)}, 0);
      }
    }
}

TEST_F(OnDevice, NormalsWithinTwoUlp) {
  const Array state = from_vector<int64_t>({99, 3}, {2});
  const int64_t n = 1 << 18;
  Array here = zeros({n}, DType::f32), there = zeros({n}, DType::f32, device);
  kernels::normal(state, 0, 1, here);
  kernels::normal(state.to(device), 0, 1, there);
  const auto a = to_vector<float>(here), b = to_vector<float>(there);
  int64_t worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    int32_t p, q;
    std::memcpy(&p, &a[size_t(i)], 4);
    std::memcpy(&q, &b[size_t(i)], 4);
    ASSERT_EQ(std::signbit(a[size_t(i)]), std::signbit(b[size_t(i)])) << i;
    worst = std::max<int64_t>(worst, std::abs(int64_t(p) - int64_t(q)));
  }
  EXPECT_LE(worst, 2);
}

// ---- optimizer ----

TEST_F(OnDevice, OptimizerSteps) {
  for (DType t : {DType::f32, DType::f64}) {
    Arrays flat;   // p, g, m, v; tensors are parts of these, some of them not aligned
    for (int k = 0; k < 4; ++k) flat.push_back(k == 3 ? rand_uniform({40000}, 0, 1, t, g) : normal({40000}, t));
    std::vector<std::pair<int64_t, int64_t>> parts{{0, 1}, {1, 5}, {8, 2056}, {2056, 7000}, {7001, 20000}, {20000, 20000}, {20000, 32768}};
    for (int64_t i = 0; i < 700; ++i) parts.push_back({33000 + 8 * i, 33000 + 8 * i + 1 + i % 8});   // more than a table holds
    const Array scalars = from_vector<double>({0.01, 3, 0.5, 0}, {4});
    const auto pieces = [&](const Arrays& x) {
      std::vector<AdamTensors> list;
      for (auto [b, e] : parts) list.push_back({x[0].slice(0, b, e), x[1].slice(0, b, e), x[2].slice(0, b, e), x[3].slice(0, b, e)});
      return list;
    };
    for (bool decoupled : {true, false})
      compare(cat("adam ", t), [&](const Arrays& in, Arrays& o) { kernels::adam_step(in[0], pieces(o), AdamConfig{0.9, 0.99, 1e-6, 0.1, decoupled}); }, {scalars}, flat,
              4 * rounding(t));
    for (bool nesterov : {true, false})
      compare(cat("sgd ", t), [&](const Arrays& in, Arrays& o) {
        std::vector<SgdTensors> list;
        for (const AdamTensors& a : pieces(o)) list.push_back({a.param, a.grad, a.m});
        kernels::sgd_step(in[0], list, SgdConfig{0.9, nesterov ? 0 : 0.1, 0.01, nesterov});
      }, {scalars}, flat, 4 * rounding(t));
    compare(cat("nothing moves after a bad gradient ", t), [&](const Arrays& in, Arrays& o) { kernels::adam_step(in[0], pieces(o), AdamConfig{}); },
            {from_vector<double>({0.01, 3, 0.5, 1}, {4})}, flat, 0);
    const auto clip = [&](const Arrays& in, Arrays& o) {
      std::vector<Array> list;
      for (auto [b, e] : parts) list.push_back(in[0].slice(0, b, e));
      list.push_back(in[1]);
      kernels::clip_factor(list, 1.5, o[0], o[1]);
    };
    compare(cat("clip ", t), clip, {flat[1], normal({33, 70}, DType::bf16).transpose(0, 1)}, {scalars, zeros({}, DType::f64)}, 1e-12);
    Array bad = flat[1].clone();
    kernels::unary(unary_id<Log>, bad, 0, 0, bad);   // NaN
    compare(cat("not finite ", t), clip, {bad, normal({3}, DType::f32)}, {scalars, zeros({}, DType::f64)}, 0);
  }
}

}  // namespace
}  // namespace hippograd
