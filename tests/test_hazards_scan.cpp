// What goes wrong in selective scans and causal convolutions elsewhere, as regression tests; and the identities that hold for
// them: values and all gradients.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "autograd/broadcast.h"
#include "autograd/check.h"
#include "autograd/ops.h"
#include "ssm/ops.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {

Tensor leaf(const Array& a) {
  Tensor t(a);
  return t.set_requires_grad();
}
Tensor random(const Shape& s, double low = -1, double high = 1) { return leaf(rand_uniform(s, low, high, DType::f64)); }
Tensor part(const Tensor& x, int64_t dim, int64_t from, int64_t to) { return slice(x, dim, from, to); }

// The inputs of one scan. Names are those of the arguments.
struct Problem {
  Tensor u, delta, A, B, C;
  SelectiveScanOptions o;

  static Problem make(int64_t batch, int64_t L, int64_t D, int64_t N, int64_t G = 1) {
    Problem p{random({batch, L, D}), random({batch, L, D}), random({D, N}, -1.5, -0.1), random({batch, L, G, N}), random({batch, L, G, N}), {}};
    p.o.D = random({D}), p.o.z = random({batch, L, D}), p.o.delta_bias = random({D}), p.o.delta_softplus = true;
    p.o.initial_state = random({batch, D, N});
    return p;
  }
  Tensors inputs() const {
    Tensors list;
    for (const Tensor& t : {u, delta, A, B, C, o.D, o.z, o.delta_bias, o.initial_state}) if (t.defined()) list.push_back(t);
    return list;
  }
  ScanResult run() const { return selective_scan(u, delta, A, B, C, o); }
};

using Form = std::function<ScanResult()>;

// Two forms of the same function of xs: outputs, last states and all gradients agree.
void expect_equal(const Form& a, const Form& b, const Tensors& xs, double tol, const std::string& what) {
  const ScanResult y = a(), w = b();
  EXPECT_LE(max_error(y.out.array(), w.out.array(), 1e-30), tol) << what << ": out";
  EXPECT_LE(max_error(y.last_state.array(), w.last_state.array(), 1e-30), tol) << what << ": last_state";
  const Tensors dys{Tensor(rand_normal(y.out.shape(), 0, 1, y.out.dtype())), Tensor(rand_normal(y.last_state.shape(), 0, 1, y.last_state.dtype()))};
  GradOptions options;
  options.allow_unused = true;
  const Tensors g = grad({y.out, y.last_state}, xs, dys, options), h = grad({w.out, w.last_state}, xs, dys, options);
  for (size_t i = 0; i < xs.size(); ++i) {
    ASSERT_EQ(g[i].defined(), h[i].defined()) << what << ": gradient " << i;
    if (!g[i].defined() || g[i].numel() == 0) continue;
    EXPECT_LE(max_error(g[i].array(), h[i].array(), 1e-6), tol) << what << ": gradient " << i;
  }
}

ScanResult by_reference(const Problem& p) {
  set_reference_mode(true);
  const ScanResult r = p.run();
  set_reference_mode(false);
  return r;
}

// The state by a linear recurrence of the (D N) products: h_t = exp(dt A) h_{t-1} + dt B u.
ScanResult by_linear_scan(const Problem& p) {
  const int64_t batch = p.u.size(0), L = p.u.size(1), D = p.u.size(2), N = p.A.size(1);
  const Tensor dt = unsqueeze(softplus(add(p.delta, p.o.delta_bias)), -1);                             // (B, L, D, 1)
  const Tensor a = exp(mul(dt, p.A)), b = mul(mul(dt, unsqueeze(p.u, -1)), p.B);                       // (B, L, D, N)
  const Tensor h = linear_scan(reshape(a, {batch, L, D * N}), reshape(b, {batch, L, D * N}), reshape(p.o.initial_state, {batch, D * N}));
  const Tensor states = reshape(h, {batch, L, D, N});
  Tensor y = add(squeeze(sum_to(mul(states, p.C), {batch, L, D, 1}), {3}), mul(p.u, p.o.D));
  y = mul(y, silu(p.o.z));
  return {y, states.at(1, L - 1)};
}

// ---- one function, many forms ----

TEST(ScanHazards, EveryLengthEqualsTheLiteralRecurrence) {   // ragged tails of chunks, forward and backward
  for (int64_t L = 1; L <= 36; ++L) {
    const Problem p = Problem::make(1, L, 2, 3);
    expect_equal([&] { return p.run(); }, [&] { return by_reference(p); }, p.inputs(), 1e-12, cat("L = ", L));
  }
}

TEST(ScanHazards, LengthsAroundChunksEqualALinearScan) {     // the last step at L = k chunk + 1
  for (int64_t L : {63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 1023, 1024, 1025, 4097}) {
    const Problem p = Problem::make(1, L, 2, 2);
    expect_equal([&] { return p.run(); }, [&] { return by_linear_scan(p); }, p.inputs(), 1e-11, cat("L = ", L));
  }
}

TEST(ScanHazards, TimeInvariantScanIsAConvolution) {
  const int64_t L = 40, N = 3;
  const Tensor u = random({1, L, 1}), A = random({1, N}, -1.5, -0.1), B = random({1, N}), C = random({1, N});
  const double dt = 0.3;
  const Tensor y = selective_scan(u, Tensor(full({1, L, 1}, dt, DType::f64)), A, B, C).out;
  const std::vector<double> uv = to_vector<double>(u.array()), a = to_vector<double>(A.array()), b = to_vector<double>(B.array()), c = to_vector<double>(C.array());
  for (int64_t t = 0; t < L; ++t) {
    double want = 0;
    for (int64_t s = 0; s <= t; ++s)
      for (size_t n = 0; n < size_t(N); ++n) want += c[n] * std::exp(dt * a[n] * double(t - s)) * dt * b[n] * uv[size_t(s)];
    EXPECT_NEAR(to_vector<double>(y.array())[size_t(t)], want, 1e-12) << t;
  }
}

TEST(ScanHazards, AnySplitWithTheStateHandedOver) {
  const int64_t L = 37;
  const Problem p = Problem::make(2, L, 4, 3, 2);
  for (int64_t cut : {0, 1, 4, 16, 31, 32, 33, 36, 37}) {
    const auto two = [&]() -> ScanResult {
      Tensor state = p.o.initial_state;
      Tensors outs;
      for (const auto& [from, to] : {std::pair<int64_t, int64_t>{0, cut}, {cut, L}}) {
        SelectiveScanOptions o = p.o;
        o.initial_state = state, o.z = part(p.o.z, 1, from, to);
        const ScanResult r = selective_scan(part(p.u, 1, from, to), part(p.delta, 1, from, to), p.A, part(p.B, 1, from, to), part(p.C, 1, from, to), o);
        outs.push_back(r.out);
        state = r.last_state;
      }
      return {cat(outs, 1), state};
    };
    expect_equal(two, [&] { return p.run(); }, p.inputs(), 1e-12, cat("cut at ", cut));
  }
}

TEST(ScanHazards, StepsOfOneAndFourTokensEqualForward) {
  const int64_t L = 12;
  const Problem p = Problem::make(2, L, 3, 4);
  const auto stepped = [&](int64_t tokens) -> ScanResult {
    Tensor state = p.o.initial_state;
    Tensors outs;
    for (int64_t t = 0; t < L; t += tokens) {
      const auto now = [&](const Tensor& x) { return tokens == 1 ? x.at(1, t) : part(x, 1, t, t + tokens); };
      const ScanResult r = selective_scan_step(now(p.u), now(p.delta), p.A, now(p.B), now(p.C), p.o.D, now(p.o.z), p.o.delta_bias, true, state);
      outs.push_back(tokens == 1 ? unsqueeze(r.out, 1) : r.out);
      state = r.last_state;
    }
    return {cat(outs, 1), state};
  };
  for (int64_t tokens : {1, 4}) expect_equal([&] { return stepped(tokens); }, [&] { return p.run(); }, p.inputs(), 1e-12, cat(tokens, " tokens"));
}

TEST(ScanHazards, ComplexWithoutImaginaryPartsIsTwiceTheRealScan) {
  Problem p = Problem::make(2, 19, 4, 3, 2);
  p.o.D = p.o.z = Tensor();
  const auto wide = [](const Tensor& x) { return complex(x, Tensor(zeros_like(x.array()))); };
  const auto by_complex = [&]() -> ScanResult {
    SelectiveScanOptions o = p.o;
    o.initial_state = wide(p.o.initial_state);
    const ScanResult r = selective_scan(p.u, p.delta, wide(p.A), wide(p.B), wide(p.C), o);
    return {r.out, real(r.last_state)};
  };
  const auto twice = [&]() -> ScanResult {
    const ScanResult r = p.run();
    return {mul(r.out, 2.0), r.last_state};
  };
  expect_equal(by_complex, twice, p.inputs(), 1e-12, "complex");
}

TEST(ScanHazards, ConjugatePairsGiveARealOutput) {   // h_n and its conjugate: 2 Re of the one is the sum over both
  const int64_t L = 9;
  const Tensor z(rand_normal({2, 3}, 0, 0.5, DType::f64)), w(rand_normal({2, 3}, 0, 1, DType::f64));
  const Tensor A = complex(neg(exp(z)), w);                                                 // (D, N)
  const Tensor B = complex(random({1, L, 1, 3}), random({1, L, 1, 3})), C = complex(random({1, L, 1, 3}), random({1, L, 1, 3}));
  const Tensor u = random({1, L, 2}), delta = random({1, L, 2}, 0.1, 0.9);
  const Tensor half = selective_scan(u, delta, A, B, C).out;
  const Tensor both = selective_scan(u, delta, cat({A, conj(A)}, 1), cat({B, conj(B)}, 3), cat({C, conj(C)}, 3)).out;
  EXPECT_LE(max_error(mul(half, 2.0).array(), both.array()), 1e-12);
}

TEST(ScanHazards, GroupsEqualRepeatedCoefficients) {
  const Problem p = Problem::make(2, 11, 6, 2, 3);
  Problem q = p;
  const auto repeated = [](const Tensor& x) {   // (B, L, 3, N) -> (B, L, 6, N)
    return reshape(expand(unsqueeze(x, 3), {2, 11, 3, 2, 2}), {2, 11, 6, 2});
  };
  q.B = repeated(p.B), q.C = repeated(p.C);
  expect_equal([&] { return p.run(); }, [&] { return q.run(); }, p.inputs(), 1e-12, "groups");
}

TEST(ScanHazards, ConstantCoefficientsEqualRepeatedOnes) {   // the factor B is part of last_state
  for (const bool constant_B : {false, true})
    for (const bool constant_C : {false, true}) {
      Problem p = Problem::make(2, 10, 3, 4), q = p;
      const auto over_time = [](const Tensor& x) { return expand(unsqueeze(unsqueeze(x, 0), 0), {2, 10, 3, 4}); };   // one group per channel
      const auto per_channel = [](const Tensor& x) { return expand(x, {2, 10, 3, 4}); };
      if (constant_B) p.B = random({3, 4});
      if (constant_C) p.C = random({3, 4});
      q.B = constant_B ? over_time(p.B) : per_channel(p.B);
      q.C = constant_C ? over_time(p.C) : per_channel(p.C);
      expect_equal([&] { return p.run(); }, [&] { return q.run(); }, p.inputs(), 1e-12, cat("B ", constant_B, " C ", constant_C));
    }
}

TEST(ScanHazards, ReverseIsFlipScanFlip) {
  for (int64_t L : {1, 5, 33}) {
    Problem p = Problem::make(2, L, 3, 2);
    const auto flipped = [&]() -> ScanResult {
      const auto f = [](const Tensor& x) { return flip(x, {1}); };
      SelectiveScanOptions o = p.o;
      o.z = f(p.o.z);
      const ScanResult r = selective_scan(f(p.u), f(p.delta), p.A, f(p.B), f(p.C), o);
      return {f(r.out), r.last_state};
    };
    Problem q = p;
    q.o.reverse = true;
    expect_equal([&] { return q.run(); }, flipped, p.inputs(), 1e-13, cat("L = ", L));
  }
}

TEST(ScanHazards, OptionsInsideEqualOutside) {
  const Problem p = Problem::make(2, 8, 3, 2);
  const auto outside = [&]() -> ScanResult {
    SelectiveScanOptions o;
    o.initial_state = p.o.initial_state;
    const ScanResult r = selective_scan(p.u, softplus(add(p.delta, p.o.delta_bias)), p.A, p.B, p.C, o);
    return {mul(add(r.out, mul(p.u, p.o.D)), silu(p.o.z)), r.last_state};
  };
  expect_equal([&] { return p.run(); }, outside, p.inputs(), 1e-12, "z, D, bias, softplus");
}

TEST(ScanHazards, PackedEqualsSeparateSequences) {
  // Two rows: 3 + 2 steps with padding between and behind; 6 steps and padding.
  const Tensor seq_idx(from_vector<int64_t>({4, 4, 4, -1, 7, 7, -1, 0, 0, 0, 0, 0, 0, -1}, {2, 7}));
  const Problem p = Problem::make(2, 7, 3, 2);
  Problem packed = p;
  packed.o.seq_idx = seq_idx;
  const auto alone = [&](int64_t b, int64_t from, int64_t to, const Tensor& state) {
    const auto row = [&](const Tensor& x) { return part(part(x, 0, b, b + 1), 1, from, to); };
    SelectiveScanOptions o = p.o;
    o.initial_state = state, o.z = row(p.o.z);
    return selective_scan(row(p.u), row(p.delta), p.A, row(p.B), row(p.C), o);
  };
  const auto separate = [&]() -> ScanResult {
    const Tensor blank(zeros({1, 1, 3}, DType::f64));
    const ScanResult a = alone(0, 0, 3, part(p.o.initial_state, 0, 0, 1)), b = alone(0, 4, 6, {}), c = alone(1, 0, 6, part(p.o.initial_state, 0, 1, 2));
    return {cat({cat({a.out, blank, b.out, blank}, 1), cat({c.out, blank}, 1)}, 0), cat({b.last_state, c.last_state}, 0)};
  };
  expect_equal([&] { return packed.run(); }, separate, p.inputs(), 1e-12, "packed");
}

TEST(ScanHazards, BatchMatesAndPaddingChangeNothing) {
  const Problem p = Problem::make(3, 9, 2, 2);
  Problem q = p;   // rows 1 and 2 become NaN: row 0 keeps its bits, in the values and in its own gradients
  Array u = p.u.array().clone();
  for (int64_t i = 18; i < 54; ++i) u.data<double>()[i] = NAN;
  q.u = leaf(u);
  const Tensor y = p.run().out, w = q.run().out;
  EXPECT_EQ(to_vector<double>(part(y, 0, 0, 1).array()), to_vector<double>(part(w, 0, 0, 1).array()));
  const Tensor g = grad({part(y, 0, 0, 1)}, {p.delta}, {Tensor(full({1, 9, 2}, 1, DType::f64))})[0];
  const Tensor h = grad({part(w, 0, 0, 1)}, {q.delta}, {Tensor(full({1, 9, 2}, 1, DType::f64))})[0];
  EXPECT_EQ(to_vector<double>(part(g, 0, 0, 1).array()), to_vector<double>(part(h, 0, 0, 1).array()));
}

TEST(ScanHazards, NanInEachInputReachesTheOutput) {
  const Problem p = Problem::make(1, 6, 2, 2);
  const Tensors inputs = p.inputs();
  for (size_t i = 0; i < inputs.size(); ++i) {
    Problem q = p;
    Tensor* members[] = {&q.u, &q.delta, &q.A, &q.B, &q.C, &q.o.D, &q.o.z, &q.o.delta_bias, &q.o.initial_state};
    Array a = members[i]->array().clone();
    a.data<double>()[0] = NAN;
    *members[i] = Tensor(a);
    const std::vector<double> y = to_vector<double>(q.run().out.array());
    EXPECT_TRUE(std::any_of(y.begin(), y.end(), [](double v) { return std::isnan(v); })) << "input " << i;
  }
}

// ---- precision ----

TEST(ScanHazards, HalfPrecisionParametersAreRefused) {
  const Tensor u(rand_normal({1, 4, 2}, 0, 1, DType::bf16)), B(rand_normal({1, 4, 1, 2}, 0, 1, DType::bf16));
  const Tensor A(full({2, 2}, -1, DType::f32)), rounded = to(A, DType::bf16), D(full({2}, 1, DType::bf16));
  EXPECT_THROW(selective_scan(u, u, rounded, B, B), DtypeError);
  SelectiveScanOptions o;
  o.D = D;
  EXPECT_THROW(selective_scan(u, u, A, B, B, o), DtypeError);
  o = {};
  o.delta_bias = D;
  EXPECT_THROW(selective_scan(u, u, A, B, B, o), DtypeError);
  const ScanResult r = selective_scan(u, u, A, B, B);
  EXPECT_EQ(r.out.dtype(), DType::bf16);
  EXPECT_EQ(r.last_state.dtype(), DType::f32);
}

TEST(ScanHazards, LongHalfPrecisionSequence) {   // bf16 in and out, f32 state, L = 65537, against f64
  const int64_t L = 65537;
  const auto bf16 = [](const Shape& s, double low, double high) { return Tensor(rand_uniform(s, low, high, DType::f32).to(DType::bf16)); };
  const auto wide = [](const Tensor& t) { return to(t, DType::f64); };
  const Tensor u = bf16({1, L, 1}, -1, 1), delta = bf16({1, L, 1}, -6, -3), B = bf16({1, L, 1, 2}, -1, 1), C = bf16({1, L, 1, 2}, -1, 1);
  const Tensor A(from_vector<float>({-0.01F, -1}, {1, 2}));
  SelectiveScanOptions o;
  o.delta_softplus = true;
  const ScanResult y = selective_scan(u, delta, A, B, C, o), w = selective_scan(wide(u), wide(delta), wide(A), wide(B), wide(C), o);
  EXPECT_LE(max_error(y.out.array().to(DType::f64), w.out.array()), 1.0 / 256);          // one rounding to 8 bits
  EXPECT_LE(max_error(y.last_state.array().to(DType::f64), w.last_state.array()), 1e-5);
  o.out_dtype = DType::f32;
  EXPECT_LE(max_error(selective_scan(u, delta, A, B, C, o).out.array().to(DType::f64), w.out.array()), 1e-5);
}

TEST(ScanHazards, SoftplusKeepsItsTail) {   // no threshold, no flush to zero at large negative delta
  for (const double x : {-100.0, -95.0, -88.0, -30.0, 19.9, 20.1, 80.0}) {
    Tensor delta = leaf(full({1, 1, 1}, x, DType::f32));
    const Tensor u(full({1, 1, 1}, 1, DType::f32)), A(full({1, 1}, 0, DType::f32)), one(full({1, 1, 1, 1}, 1, DType::f32));
    SelectiveScanOptions o;
    o.delta_softplus = true;
    const Tensor y = selective_scan(u, delta, A, one, one, o).out;                          // = softplus(delta)
    const double want = std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))), tiny = 2.9e-45;   // two steps of the smallest floats
    EXPECT_NEAR(y.item<double>(), want, 4e-7 * want + tiny) << x;
    EXPECT_NEAR(grad({y}, {delta})[0].item<double>(), 1 / (1 + std::exp(-x)), 4e-7 / (1 + std::exp(-x)) + tiny) << x;
  }
}

TEST(ScanHazards, DecayOfAnySizeStaysFinite) {   // |A| dt up to 1e4
  for (const double a : {-1e4, -1e2, -1.0, -1e-8, 0.0}) {
    Tensor A = leaf(full({2, 2}, a, DType::f32)), u = leaf(rand_normal({1, 70, 2}, 0, 1, DType::f32));
    const Tensor one(full({1, 70, 2}, 1, DType::f32)), c(full({1, 70, 1, 2}, 1, DType::f32));
    const ScanResult r = selective_scan(u, one, A, c, c);
    for (const Tensor& g : grad({r.out}, {A, u}, {Tensor(full({1, 70, 2}, 1, DType::f32))}))
      for (double v : to_vector<double>(g.array())) ASSERT_TRUE(std::isfinite(v)) << a;
    for (double v : to_vector<double>(r.out.array())) ASSERT_TRUE(std::isfinite(v)) << a;
  }
}

// ---- causal convolution ----

struct ConvProblem {
  Tensor x, weight, bias, initial;
  Tensors inputs() const { return {x, weight, bias, initial}; }
  static ConvProblem make(int64_t batch, int64_t L, int64_t D, int64_t K) { return {random({batch, L, D}), random({D, K}), random({D}), random({batch, D, K - 1})}; }
  ScanResult run() const {
    const ConvResult r = causal_conv1d(x, weight, bias, "silu", {}, initial);
    return {r.out, r.final_states};
  }
};

TEST(ConvHazards, EveryLengthEqualsTheLiteralSum) {
  for (int64_t K : {2, 3, 4, 7})
    for (int64_t L : {1, 2, 3, 4, 5, 8, 15, 16, 17, 33}) {
      const ConvProblem p = ConvProblem::make(2, L, 3, K);
      const auto literal = [&]() -> ScanResult {
        const Tensor all = cat({transpose(p.initial, 1, 2), p.x}, 1);                       // (B, K-1 + L, D)
        Tensor s = expand(p.bias, {2, L, 3});
        for (int64_t k = 0; k < K; ++k) s = add(s, mul(part(all, 1, k, k + L), p.weight.at(1, k)));
        return {silu(s), transpose(part(all, 1, L, L + K - 1), 1, 2)};
      };
      expect_equal([&] { return p.run(); }, literal, p.inputs(), 1e-12, cat("K = ", K, ", L = ", L));
    }
}

TEST(ConvHazards, AnySplitAndAnyStepEqualOneCall) {
  const ConvProblem p = ConvProblem::make(2, 9, 3, 4);
  for (int64_t tokens : {1, 2, 4, 5}) {
    const auto updated = [&]() -> ScanResult {
      Tensor state = p.initial;
      Tensors outs;
      for (int64_t t = 0; t < 9; t += tokens) {
        const ConvResult r = causal_conv1d_update(tokens == 1 ? p.x.at(1, t) : part(p.x, 1, t, t + tokens), state, p.weight, p.bias, "silu");
        outs.push_back(tokens == 1 ? unsqueeze(r.out, 1) : r.out);
        state = r.final_states;
      }
      return {cat(outs, 1), state};
    };
    expect_equal(updated, [&] { return p.run(); }, p.inputs(), 1e-12, cat(tokens, " tokens"));
  }
}

TEST(ConvHazards, PackedEqualsSeparateSequences) {
  const Tensor seq_idx(from_vector<int64_t>({1, 1, 1, 1, 5, 5, -1}, {1, 7}));
  const ConvProblem p = ConvProblem::make(1, 7, 2, 3);
  const auto packed = [&]() -> ScanResult {
    const ConvResult r = causal_conv1d(p.x, p.weight, p.bias, "silu", seq_idx, p.initial);
    return {r.out, r.final_states};
  };
  const auto separate = [&]() -> ScanResult {
    const ConvResult a = causal_conv1d(part(p.x, 1, 0, 4), p.weight, p.bias, "silu", {}, p.initial), b = causal_conv1d(part(p.x, 1, 4, 6), p.weight, p.bias, "silu");
    return {cat({a.out, b.out, Tensor(zeros({1, 1, 2}, DType::f64))}, 1), b.final_states};
  };
  expect_equal(packed, separate, p.inputs(), 1e-12, "packed");
}

TEST(ConvHazards, RunningStateIsShiftedInPlace) {
  const ConvProblem p = ConvProblem::make(2, 6, 3, 4);
  const NoGrad off;
  const ConvResult whole = causal_conv1d(p.x, p.weight, p.bias, "silu");
  const Tensor state(zeros({2, 3, 5}, DType::f64));                                         // longer than K - 1 = 3
  for (int64_t t = 0; t < 6; ++t) {
    const Tensor y = causal_conv1d_update_fn(p.x.at(1, t), state, p.weight, p.bias, "silu");
    EXPECT_LE(max_error(y.array(), whole.out.at(1, t).array()), 1e-12) << t;
  }
  EXPECT_LE(max_error(state.array(), transpose(part(p.x, 1, 1, 6), 1, 2).array()), 0.0);    // the last five inputs
  EXPECT_THROW(causal_conv1d_update_fn(p.x.at(1, 0), Tensor(zeros({2, 3, 2}, DType::f64)), p.weight), ShapeError);
}

TEST(LinearScanHazards, EqualsTheLoopAlongAnyDimension) {
  const Tensor a = random({2, 5, 3}), b = random({2, 5, 3});
  for (int64_t dim = 0; dim < 3; ++dim)
    for (const bool reverse : {false, true}) {
      Shape rest = a.shape();
      rest.erase(int(dim));
      const Tensor h0 = random(rest);
      const auto loop = [&]() -> ScanResult {
        const int64_t L = a.size(dim);
        Tensor h = h0;
        Tensors hs{size_t(L), Tensor()};
        for (int64_t i = 0; i < L; ++i) {
          const int64_t t = reverse ? L - 1 - i : i;
          hs[size_t(t)] = h = add(mul(a.at(dim, t), h), b.at(dim, t));
        }
        return {stack(hs, dim), h};
      };
      const auto op = [&]() -> ScanResult {
        const Tensor h = linear_scan(a, b, h0, dim, reverse);
        return {h, h.at(dim, reverse ? 0 : a.size(dim) - 1)};
      };
      expect_equal(op, loop, {a, b, h0}, 1e-13, cat("dim ", dim, " reverse ", reverse));
    }
}

}  // namespace
