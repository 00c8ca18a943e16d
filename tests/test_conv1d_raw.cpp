// The CPU causal convolution and linear scan against literal double-precision loops and against central differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tensor/cpu/conv1d_raw.h"
#include "tensor/cpu/linear_scan_raw.h"

namespace {

using namespace hippograd::cpu;
using Complex = std::complex<double>;
using Values = std::vector<double>;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class A, class B>
double max_error(const std::vector<A>& got, const std::vector<B>& expected, double floor = 1e-3) {
  if (got.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double worst = 0, scale = floor;
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(double(got[i]) - double(expected[i]));
    if (!(difference >= 0)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, difference);
    scale = std::max(scale, std::abs(double(expected[i])));
  }
  return worst / scale;
}

Values random_values(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Values v(count);
  for (double& x : v) x = normal(random);
  return v;
}

// d loss / d input by central differences with one Richardson step.
template <class Loss>
Values numeric_gradient(Values& input, const Loss& loss) {
  Values gradient(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    const double x0 = input[i];
    const auto difference = [&](double step) {
      input[i] = x0 + step;
      const double up = loss();
      input[i] = x0 - step;
      const double down = loss();
      input[i] = x0;
      return (up - down) / (2 * step);
    };
    const double h = 1e-3 * std::max(1.0, std::abs(x0));
    gradient[i] = (4 * difference(h / 2) - difference(h)) / 3;
  }
  return gradient;
}

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// ---- causal convolution ----------------------------------------------------------------------------------------

struct Conv {
  int64_t B = 0, L = 0, D = 0, K = 1;
  bool silu = true, has_bias = true, has_initial = true, has_segments = false, channel_first = false;
  Values x, weight, bias, initial;  // (B, L, D), (D, K), (D,), (B, D, K-1)
  std::vector<int64_t> segment;     // (B, L)
};

Conv make_conv(int64_t B, int64_t L, int64_t D, int64_t K, int bits, unsigned seed = 1) {
  Conv c;
  c.B = B, c.L = L, c.D = D, c.K = K;
  c.silu = bits & 1, c.has_bias = bits & 2, c.has_initial = bits & 4, c.has_segments = bits & 8;
  c.channel_first = bits & 16;
  c.x = random_values(B * L * D, seed);
  c.weight = random_values(D * K, seed + 1);
  c.bias = random_values(c.has_bias ? D : 0, seed + 2);
  c.initial = random_values(c.has_initial ? B * D * (K - 1) : 0, seed + 3);
  std::mt19937 random(seed);
  for (int64_t i = 0; c.has_segments && i < B * L; ++i) {
    const int roll = random() % 8;
    const int64_t before = i % L == 0 ? 0 : std::abs(c.segment.back());
    c.segment.push_back(roll == 1 ? -1 : (roll == 0 ? before + 1 : before));
  }
  return c;
}

struct ConvResult {
  Values y, final_states;
};

// Each segment is a list of inputs with K-1 zeros (or the initial states) before it.
ConvResult naive_conv(const Conv& c) {
  ConvResult r{Values(c.B * c.L * c.D), Values(c.B * c.D * (c.K - 1))};
  for (int64_t b = 0; b < c.B; ++b) {
    for (int64_t d = 0; d < c.D; ++d) {
      Values past(c.K - 1);
      for (int64_t k = 0; c.has_initial && k < c.K - 1; ++k) past[k] = c.initial[(b * c.D + d) * (c.K - 1) + k];
      int64_t last = -1;
      for (int64_t t = 0; t < c.L; ++t) {
        if (c.has_segments) {
          const int64_t segment = c.segment[b * c.L + t];
          if (segment < 0) continue;
          if (last >= 0 && segment != last) past.assign(c.K - 1, 0);
          last = segment;
        }
        past.push_back(c.x[(b * c.L + t) * c.D + d]);
        double s = c.has_bias ? c.bias[d] : 0;
        for (int64_t k = 0; k < c.K; ++k) s += c.weight[d * c.K + k] * past[past.size() - c.K + k];
        r.y[(b * c.L + t) * c.D + d] = c.silu ? s / (1 + std::exp(-s)) : s;
      }
      for (int64_t k = 0; k < c.K - 1; ++k) {
        r.final_states[(b * c.D + d) * (c.K - 1) + k] = past[past.size() - (c.K - 1) + k];
      }
    }
  }
  return r;
}

template <class T>
struct StagedConv {
  const Conv& c;
  std::vector<T> x, weight, bias, initial;
  ConvInputs<T> in;

  explicit StagedConv(const Conv& conv) : c(conv) {
    const auto cast = [](const Values& v) { return std::vector<T>(v.begin(), v.end()); };
    x = cast(layout(c.x, true)), weight = cast(c.weight), bias = cast(c.bias), initial = cast(c.initial);
    in.B = c.B, in.L = c.L, in.D = c.D, in.K = c.K, in.silu = c.silu;
    in.x = rows(std::as_const(x));
    in.weight = {weight.data(), 0, c.K, 1};
    if (c.has_bias) in.bias = bias.data(), in.bias_stride = 1;
    if (c.has_initial) in.initial_states = taps(std::as_const(initial));
    if (c.has_segments) in.segments = {c.segment.data(), c.L, 1};
  }
  template <class V>
  V layout(const V& v, bool forward) const {
    if (!c.channel_first) return v;
    V w(v.size());
    for (int64_t b = 0; b < c.B; ++b) {
      for (int64_t t = 0; t < c.L; ++t) {
        for (int64_t d = 0; d < c.D; ++d) {
          const int64_t last = (b * c.L + t) * c.D + d, first = (b * c.D + d) * c.L + t;
          if (forward) w[first] = v[last];
          else w[last] = v[first];
        }
      }
    }
    return w;
  }
  template <class V>
  auto rows(V& v) const -> Rows<std::remove_pointer_t<decltype(v.data())>> {
    if (c.channel_first) return {v.data(), c.L * c.D, 1, c.L};
    return {v.data(), c.L * c.D, c.D, 1};
  }
  template <class V>
  auto taps(V& v) const -> Taps<std::remove_pointer_t<decltype(v.data())>> {
    return {v.data(), c.D * (c.K - 1), c.K - 1, 1};
  }
};

template <class T>
ConvResult kernel_conv(const Conv& c, int threads = 1) {
  StagedConv<T> staged(c);
  std::vector<T> y(c.x.size(), T(kNaN)), states(c.B * c.D * (c.K - 1), T(kNaN));
  causal_conv1d_forward<T>(staged.in, staged.rows(y), staged.taps(states), threads);
  y = staged.layout(y, false);
  return {Values(y.begin(), y.end()), Values(states.begin(), states.end())};
}

struct ConvDerivatives {
  Values x, weight, bias, initial;
};

template <class T>
ConvDerivatives kernel_conv_gradients(const Conv& c, const Values& dy, const Values& dfinal, int threads = 1) {
  StagedConv<T> staged(c);
  const auto poisoned = [](size_t n) { return std::vector<T>(n, T(kNaN)); };
  auto dx = poisoned(c.x.size()), dw = poisoned(c.weight.size()), db = poisoned(c.bias.size());
  auto dinitial = poisoned(c.initial.size());
  ConvGradients<T> g;
  g.x = staged.rows(dx);
  g.weight = {dw.data(), 0, c.K, 1};
  if (c.has_bias) g.bias = db.data(), g.bias_stride = 1;
  if (c.has_initial) g.initial_states = staged.taps(dinitial);
  const Values dy_layout = staged.layout(dy, true);
  const std::vector<T> dy_T(dy_layout.begin(), dy_layout.end()), dfinal_T(dfinal.begin(), dfinal.end());
  causal_conv1d_backward<T>(staged.in, staged.rows(dy_T), dfinal.empty() ? Taps<const T>{} : staged.taps(dfinal_T), g,
                            threads);
  const auto wide = [](const std::vector<T>& v) { return Values(v.begin(), v.end()); };
  return {wide(staged.layout(dx, false)), wide(dw), wide(db), wide(dinitial)};
}

void expect_conv(const Conv& c, const std::string& label) {
  const ConvResult expected = naive_conv(c), wide = kernel_conv<double>(c), narrow = kernel_conv<float>(c);
  EXPECT_LE(max_error(wide.y, expected.y), 1e-13) << label;
  EXPECT_EQ(wide.final_states, expected.final_states) << label;
  EXPECT_LE(max_error(narrow.y, expected.y), 1e-5) << label;
}

void expect_conv_gradients(Conv c, const std::string& label) {
  const Values dy = random_values(c.x.size(), 31), dfinal = random_values(c.B * c.D * (c.K - 1), 32);
  const ConvDerivatives g = kernel_conv_gradients<double>(c, dy, dfinal);
  const auto loss = [&] {
    const ConvResult r = naive_conv(c);
    return dot(dy, r.y) + dot(dfinal, r.final_states);
  };
  EXPECT_LE(max_error(g.x, numeric_gradient(c.x, loss)), 1e-7) << label;
  EXPECT_LE(max_error(g.weight, numeric_gradient(c.weight, loss)), 1e-7) << label;
  EXPECT_LE(max_error(g.bias, numeric_gradient(c.bias, loss)), 1e-7) << label;
  EXPECT_LE(max_error(g.initial, numeric_gradient(c.initial, loss)), 1e-7) << label;
}

TEST(CausalConv1d, EveryLengthTo70) {
  for (int64_t L = 0; L <= 70; ++L) expect_conv(make_conv(2, L, 3, 4, L % 32), "L=" + std::to_string(L));
}

TEST(CausalConv1d, WidthsAndOptions) {
  for (int64_t K : {1, 2, 3, 4, 5, 8, 40, 70}) {
    for (int bits = 0; bits < 32; ++bits) {
      expect_conv(make_conv(2, 37, 19, K, bits), "K=" + std::to_string(K) + " options " + std::to_string(bits));
    }
  }
}

TEST(CausalConv1d, PublishedLengths) {
  for (int64_t L : {128, 129, 130, 151, 256, 372, 512, 784, 1024, 1134, 2048, 4096}) {
    for (int64_t K : {2, 3, 4}) expect_conv(make_conv(1, L, 16, K, 7), "L=" + std::to_string(L));
  }
}

TEST(CausalConv1d, Gradients) {
  for (int64_t K : {1, 2, 3, 4, 6}) {
    for (int bits = 0; bits < 32; ++bits) {
      expect_conv_gradients(make_conv(2, 9, 2, K, bits, bits + 1),
                            "K=" + std::to_string(K) + " options " + std::to_string(bits));
    }
  }
  for (int64_t L : {1, 2, 31, 32, 33, 64, 65}) expect_conv_gradients(make_conv(1, L, 1, 4, 7 + 8 * (L % 2)), std::to_string(L));
  expect_conv_gradients(make_conv(1, 70, 1, 40, 15), "taps reach over a tile");
  expect_conv_gradients(make_conv(1, 40, 18, 4, 15), "two blocks of channels");
}

TEST(CausalConv1d, EmptySequenceKeepsTheStates) {
  const Conv c = make_conv(2, 0, 3, 4, 7);
  EXPECT_EQ(kernel_conv<double>(c).final_states, c.initial);
  const Values dfinal = random_values(18, 3);
  const ConvDerivatives g = kernel_conv_gradients<double>(c, {}, dfinal);
  EXPECT_EQ(g.initial, dfinal);
  EXPECT_EQ(g.weight, Values(12, 0.0));
}

TEST(CausalConv1d, SplitWithStatesHandedOver) {
  const Conv whole = make_conv(1, 50, 5, 4, 7);
  const ConvResult expected = kernel_conv<double>(whole);
  for (int64_t cut : {1, 2, 31, 32, 33, 49}) {
    Conv first = whole, second = whole;
    first.L = cut, second.L = 50 - cut;
    first.x.assign(whole.x.begin(), whole.x.begin() + cut * 5);
    second.x.assign(whole.x.begin() + cut * 5, whole.x.end());
    const ConvResult a = kernel_conv<double>(first);
    second.initial = a.final_states;
    const ConvResult b = kernel_conv<double>(second);
    Values joined = a.y;
    joined.insert(joined.end(), b.y.begin(), b.y.end());
    EXPECT_EQ(joined, expected.y);
    EXPECT_EQ(b.final_states, expected.final_states);
  }
}

TEST(CausalConv1d, NanStaysInItsSegment) {
  Conv c = make_conv(1, 20, 2, 4, 15);
  for (int64_t t = 0; t < 20; ++t) c.segment[t] = t < 10 ? 0 : 1;
  c.x[9 * 2] = kNaN;
  const Values y = kernel_conv<float>(c).y;
  for (int64_t t = 0; t < 20; ++t) EXPECT_EQ(std::isnan(y[t * 2]), t == 9) << t;
  const ConvDerivatives g = kernel_conv_gradients<double>(c, random_values(40, 1), {});
  for (int64_t t = 10; t < 20; ++t) EXPECT_FALSE(std::isnan(g.x[t * 2])) << t;
}

TEST(CausalConv1d, ThreadCountDoesNotChangeABit) {
  const Conv c = make_conv(3, 100, 70, 4, 15);
  const Values dy = random_values(c.x.size(), 1), dfinal = random_values(3 * 70 * 3, 2);
  const ConvResult y = kernel_conv<float>(c, 1);
  const ConvDerivatives g = kernel_conv_gradients<float>(c, dy, dfinal, 1);
  for (int threads : {2, 5}) {
    EXPECT_EQ(kernel_conv<float>(c, threads).y, y.y);
    const ConvDerivatives many = kernel_conv_gradients<float>(c, dy, dfinal, threads);
    EXPECT_EQ(many.x, g.x);
    EXPECT_EQ(many.weight, g.weight);
    EXPECT_EQ(many.bias, g.bias);
    EXPECT_EQ(many.initial, g.initial);
  }
}

// ---- linear scan -----------------------------------------------------------------------------------------------

struct Linear {
  LinearScanShape s;
  bool has_initial = true, channel_first = false;
  Values a, b, h0;

  int planes() const { return s.complex ? 2 : 1; }
  int64_t size() const { return s.B * s.L * s.D * planes(); }
  Rows<double> rows(Values& v) const {
    const int64_t w = planes();
    if (channel_first) return {v.data(), s.L * s.D * w, w, s.L * w};
    return {v.data(), s.L * s.D * w, s.D * w, w};
  }
  Rows<const double> rows(const Values& v) const {
    const Rows<double> r = rows(const_cast<Values&>(v));
    return {r.data, r.stride_b, r.stride_t, r.stride_d};
  }
  template <class V>
  auto initial(V& v) const -> Rows<std::remove_pointer_t<decltype(v.data())>> {
    if (!has_initial) return {};
    return {v.data(), s.D * planes(), 0, planes()};
  }
};

Linear make_linear(int64_t B, int64_t L, int64_t D, int bits) {
  Linear p;
  p.s = {B, L, D, bool(bits & 1), bool(bits & 2)};
  p.has_initial = bits & 4, p.channel_first = bits & 8;
  p.a = random_values(p.size(), 1);
  for (double& x : p.a) x *= 0.6;
  p.b = random_values(p.size(), 2);
  p.h0 = random_values(B * D * p.planes(), 3);
  return p;
}

Values naive_linear(const Linear& p) {
  Values h(p.size());
  const Rows<const double> a = p.rows(p.a), b = p.rows(p.b);
  const Rows<double> out = p.rows(h);
  for (int64_t batch = 0; batch < p.s.B; ++batch) {
    for (int64_t d = 0; d < p.s.D; ++d) {
      const auto number = [&](const double* x) { return Complex(x[0], p.s.complex ? x[1] : 0); };
      Complex state = 0;
      if (p.has_initial) state = number(&p.h0[(batch * p.s.D + d) * p.planes()]);
      for (int64_t i = 0; i < p.s.L; ++i) {
        const int64_t t = p.s.reverse ? p.s.L - 1 - i : i;
        const int64_t at = batch * a.stride_b + t * a.stride_t + d * a.stride_d;
        state = number(a.data + at) * state + number(b.data + at);
        out.data[at] = state.real();
        if (p.s.complex) out.data[at + 1] = state.imag();
      }
    }
  }
  return h;
}

TEST(LinearScan, AgreesWithTheLoop) {
  for (auto [B, D] : {std::pair<int64_t, int64_t>{1, 1}, {2, 3}, {3, 17}, {40, 1}, {9, 2}, {2, 64}}) {
    for (int64_t L : {0, 1, 2, 31, 32, 33, 70}) {
      for (int bits = 0; bits < 16; ++bits) {
        const Linear p = make_linear(B, L, D, bits);
        Values h(p.size(), kNaN), threaded = h;
        linear_scan_forward<double>(p.s, p.rows(p.a), p.rows(p.b), p.initial(p.h0), p.rows(h), 1);
        EXPECT_LE(max_error(h, naive_linear(p)), 1e-13) << B << " " << D << " " << L << " " << bits;
        linear_scan_forward<double>(p.s, p.rows(p.a), p.rows(p.b), p.initial(p.h0), p.rows(threaded), 3);
        EXPECT_EQ(h, threaded);
      }
    }
  }
}

TEST(LinearScan, Gradients) {
  for (auto [B, D, L] : {std::array<int64_t, 3>{1, 2, 7}, {2, 18, 1}, {18, 1, 3}, {1, 1, 33}, {1, 1, 65}}) {
    for (int bits = 0; bits < 16; ++bits) {
      Linear p = make_linear(B, L, D, bits);
      const std::string label = std::to_string(L) + " options " + std::to_string(bits);
      const Values dh = random_values(p.size(), 9), h = naive_linear(p);
      Values da(p.size(), kNaN), db = da, dh0(p.h0.size(), kNaN);
      linear_scan_backward<double>(p.s, p.rows(std::as_const(p.a)), p.initial(std::as_const(p.h0)), p.rows(h),
                                   p.rows(dh), p.rows(da), p.rows(db), p.initial(dh0), 1);
      const auto loss = [&] { return dot(dh, naive_linear(p)); };
      EXPECT_LE(max_error(da, numeric_gradient(p.a, loss)), 1e-7) << label;
      EXPECT_LE(max_error(db, numeric_gradient(p.b, loss)), 1e-7) << label;
      if (p.has_initial) {
        EXPECT_LE(max_error(dh0, numeric_gradient(p.h0, loss)), 1e-7) << label;
      }
    }
  }
}

}  // namespace
