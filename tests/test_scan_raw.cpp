// The CPU selective scan and linear scan against a literal double-precision loop, against central differences and
// against the golden numbers of the specification; layouts, resets, directions, thread counts.
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

#include "tensor/cpu/scan_raw.h"
#include "tensor/cpu/simd.h"

namespace {

using namespace hippograd::cpu;
using Complex = std::complex<double>;
using Values = std::vector<double>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// Largest difference over the largest expected magnitude (at least `floor`); NaN on one side alone is infinite.
template <class A, class B>
double max_error(const std::vector<A>& got, const std::vector<B>& expected, double floor = 1e-3) {
  if (got.size() != expected.size()) return kInf;
  double worst = 0, scale = floor;
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(double(got[i]) - double(expected[i]));
    if (!(difference >= 0)) return kInf;
    worst = std::max(worst, difference);
    scale = std::max(scale, std::abs(double(expected[i])));
  }
  return worst / scale;
}

struct Options {
  bool complex = false, softplus = true, reverse = false, z = true, D = true, bias = true, initial = true;
  bool constant_B = false, constant_C = false, segments = false, channel_first = false;
};

// One problem in channel-last double precision; complex entries are (re, im) pairs.
struct Problem {
  ScanShape s;
  Options o;
  Values u, delta, A, Bt, Ct, D, z, bias, initial;
  std::vector<int64_t> segment;

  int planes() const { return s.complex ? 2 : 1; }
  int64_t stream() const { return s.B * s.L * s.D; }
  int64_t states() const { return s.B * s.D * s.N * planes(); }
  int64_t coefficients(bool constant) const { return (constant ? s.D : s.B * s.L * s.G) * s.N * planes(); }
};

Problem make_problem(int64_t B, int64_t L, int64_t D, int64_t G, int64_t N, Options o, unsigned seed = 1) {
  Problem p;
  p.s = {B, L, D, G, N, o.complex, o.softplus, o.reverse};
  p.o = o;
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const auto fill = [&](int64_t count, double scale, double shift) {
    Values v(count);
    for (double& x : v) x = shift + scale * normal(random);
    return v;
  };
  p.u = fill(p.stream(), 1, 0);
  p.delta = fill(p.stream(), 0.5, o.softplus ? 0 : 0.4);
  p.A = fill(D * N * p.planes(), 0.4, 0);
  for (int64_t i = 0; i < D * N; ++i) p.A[i * p.planes()] = -0.2 - std::abs(p.A[i * p.planes()]);
  p.Bt = fill(p.coefficients(o.constant_B), 1, 0);
  p.Ct = fill(p.coefficients(o.constant_C), 1, 0);
  p.D = fill(D, 1, 0);
  p.z = fill(p.stream(), 1, 0);
  p.bias = fill(D, 0.3, -0.5);
  p.initial = fill(p.states(), 1, 0);
  if (!o.D) p.D.clear();
  if (!o.z) p.z.clear();
  if (!o.bias) p.bias.clear();
  if (!o.initial) p.initial.clear();
  if (o.segments) {  // runs of about eight steps, with padding before, between and inside
    std::uniform_int_distribution<int> die(0, 7);
    for (int64_t b = 0; b < B; ++b) {
      int64_t current = 0;
      for (int64_t t = 0; t < L; ++t) {
        const int roll = die(random);
        if (roll == 0) current = (current + 1) % 3;
        p.segment.push_back(roll == 1 ? -1 - (t % 2) : current);
      }
    }
  }
  return p;
}

double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

struct Result {
  Values out, last;
};

// The recurrence, word for word.
Result naive_scan(const Problem& p) {
  const ScanShape& s = p.s;
  const int planes = p.planes();
  Result r{Values(p.stream()), Values(p.states())};
  const auto number = [&](const Values& v, int64_t i) {
    return planes == 2 ? Complex(v[2 * i], v[2 * i + 1]) : Complex(v[i]);
  };
  for (int64_t b = 0; b < s.B; ++b) {
    for (int64_t d = 0; d < s.D; ++d) {
      std::vector<Complex> h(s.N);
      for (int64_t n = 0; n < s.N; ++n) {
        if (p.o.initial) h[n] = number(p.initial, (b * s.D + d) * s.N + n);
      }
      int64_t last_segment = -1;
      for (int64_t i = 0; i < s.L; ++i) {
        const int64_t t = s.reverse ? s.L - 1 - i : i, at = (b * s.L + t) * s.D + d;
        if (p.o.segments) {
          const int64_t segment = p.segment[b * s.L + t];
          if (segment < 0) continue;
          if (last_segment >= 0 && segment != last_segment) std::fill(h.begin(), h.end(), Complex(0));
          last_segment = segment;
        }
        double delta = p.delta[at] + (p.o.bias ? p.bias[d] : 0);
        if (s.delta_softplus) delta = softplus(delta);
        double y = 0;
        for (int64_t n = 0; n < s.N; ++n) {
          const int64_t varying = ((b * s.L + t) * s.G + d / (s.D / s.G)) * s.N + n, constant = d * s.N + n;
          const Complex Bt = number(p.Bt, p.o.constant_B ? constant : varying);
          const Complex Ct = number(p.Ct, p.o.constant_C ? constant : varying);
          h[n] = std::exp(delta * number(p.A, constant)) * h[n] + delta * p.u[at] * Bt;
          y += (s.complex ? 2 : 1) * (Ct * h[n]).real();
        }
        if (p.o.D) y += p.D[d] * p.u[at];
        if (p.o.z) y *= p.z[at] / (1 + std::exp(-p.z[at]));
        r.out[at] = y;
      }
      for (int64_t n = 0; n < s.N; ++n) {
        const int64_t at = ((b * s.D + d) * s.N + n) * planes;
        r.last[at] = h[n].real();
        if (planes == 2) r.last[at + 1] = h[n].imag();
      }
    }
  }
  return r;
}

// A problem in T, in one of the two layouts, ready for the kernels.
template <class T>
struct Staged {
  const Problem& p;
  std::vector<T> u, delta, A, Bt, Ct, D, z, bias, initial;
  ScanInputs<T> in;

  explicit Staged(const Problem& problem) : p(problem) {
    const auto cast = [](const Values& v) { return std::vector<T>(v.begin(), v.end()); };
    u = cast(to_layout(p.u)), delta = cast(to_layout(p.delta)), z = cast(to_layout(p.z));
    Bt = cast(p.o.constant_B ? p.Bt : coefficients_to_layout(p.Bt, true));
    Ct = cast(p.o.constant_C ? p.Ct : coefficients_to_layout(p.Ct, true));
    A = cast(p.A), D = cast(p.D), bias = cast(p.bias), initial = cast(p.initial);
    in.shape = p.s;
    in.u = rows(std::as_const(u)), in.delta = rows(std::as_const(delta)), in.z = rows(std::as_const(z));
    in.A = {A.data(), 0, p.s.N * p.planes(), p.planes()};
    in.Bt = coefficients(std::as_const(Bt), p.o.constant_B);
    in.Ct = coefficients(std::as_const(Ct), p.o.constant_C);
    in.D = {p.o.D ? D.data() : nullptr, 1};
    in.delta_bias = {p.o.bias ? bias.data() : nullptr, 1};
    if (p.o.initial) in.initial_state = states(std::as_const(initial));
    if (p.o.segments) in.segments = {p.segment.data(), p.s.L, 1};
  }

  // (B, L, D) <-> (B, D, L) when the problem is channel-first.
  template <class V>
  V transposed(const V& v, int64_t rows, int64_t columns, int64_t width) const {
    V w(v.size());
    const int64_t block = rows * columns * width;
    for (int64_t b = 0; block > 0 && b < int64_t(v.size()) / block; ++b) {
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t k = 0; k < width; ++k) {
            w[b * block + (j * rows + i) * width + k] = v[b * block + (i * columns + j) * width + k];
          }
        }
      }
    }
    return w;
  }
  template <class V>
  V to_layout(const V& v) const {
    return p.o.channel_first ? transposed(v, p.s.L, p.s.D, 1) : v;
  }
  template <class V>
  V from_layout(const V& v) const {
    return p.o.channel_first ? transposed(v, p.s.D, p.s.L, 1) : v;
  }
  // (B, L, G, N) <-> (B, G, N, L)
  template <class V>
  V coefficients_to_layout(const V& v, bool forward) const {
    if (!p.o.channel_first) return v;
    const int64_t GN = p.s.G * p.s.N;
    return forward ? transposed(v, p.s.L, GN, p.planes()) : transposed(v, GN, p.s.L, p.planes());
  }

  template <class V>
  auto rows(V& v) const -> Rows<std::remove_pointer_t<decltype(v.data())>> {
    if (v.empty()) return {};
    if (p.o.channel_first) return {v.data(), p.s.L * p.s.D, 1, p.s.L};
    return {v.data(), p.s.L * p.s.D, p.s.D, 1};
  }
  template <class V>
  auto states(V& v) const -> States<std::remove_pointer_t<decltype(v.data())>> {
    return {v.data(), p.s.D * p.s.N * p.planes(), p.s.N * p.planes(), p.planes()};
  }
  template <class V>
  auto coefficients(V& v, bool constant) const -> Coefficients<std::remove_pointer_t<decltype(v.data())>> {
    const int64_t N = p.s.N, G = p.s.G, L = p.s.L, w = p.planes();
    if (constant) return {v.data(), true, 0, 0, 0, N * w, w};
    if (p.o.channel_first) return {v.data(), false, G * N * L * w, w, N * L * w, 0, L * w};
    return {v.data(), false, L * G * N * w, G * N * w, N * w, 0, w};
  }
};

// All results of a forward and a backward pass, in channel-last doubles. `names` follows `values`.
struct Gradients {
  Values u, delta, A, Bt, Ct, D, z, bias, initial;
  std::vector<std::pair<std::string, Values*>> all() {
    return {{"u", &u}, {"delta", &delta}, {"A", &A}, {"B", &Bt}, {"C", &Ct}, {"D", &D}, {"z", &z},
            {"delta_bias", &bias}, {"initial_state", &initial}};
  }
};

template <class T>
Result kernel_scan(const Problem& p, int threads = 1, std::vector<T>* checkpoints = nullptr) {
  Staged<T> staged(p);
  std::vector<T> out(p.stream(), T(kNaN)), last(p.states(), T(kNaN));
  if (checkpoints) checkpoints->assign(scan_checkpoint_size(p.s), T(kNaN));
  selective_scan_forward<T>(staged.in, staged.rows(out), staged.states(last),
                            checkpoints ? checkpoints->data() : nullptr, threads);
  out = staged.from_layout(out);
  return {Values(out.begin(), out.end()), Values(last.begin(), last.end())};
}

template <class T>
Gradients kernel_gradients(const Problem& p, const Values& dout, const Values& dlast, int threads = 1) {
  std::vector<T> checkpoints;
  kernel_scan<T>(p, threads, &checkpoints);
  Staged<T> staged(p);
  const auto poisoned = [](size_t n) { return std::vector<T>(n, T(kNaN)); };
  auto du = poisoned(p.u.size()), ddelta = poisoned(p.u.size()), dA = poisoned(p.A.size());
  auto dB = poisoned(p.Bt.size()), dC = poisoned(p.Ct.size()), dD = poisoned(p.D.size());
  auto dz = poisoned(p.z.size()), dbias = poisoned(p.bias.size()), dinitial = poisoned(p.initial.size());
  ScanGradients<T> g;
  g.u = staged.rows(du), g.delta = staged.rows(ddelta), g.z = staged.rows(dz);
  g.A = {dA.data(), 0, p.s.N * p.planes(), p.planes()};
  g.Bt = staged.coefficients(dB, p.o.constant_B), g.Ct = staged.coefficients(dC, p.o.constant_C);
  g.D = {p.o.D ? dD.data() : nullptr, 1};
  g.delta_bias = {p.o.bias ? dbias.data() : nullptr, 1};
  if (p.o.initial) g.initial_state = staged.states(dinitial);
  const auto dout_layout = staged.to_layout(dout);
  std::vector<T> dout_T(dout_layout.begin(), dout_layout.end()), dlast_T(dlast.begin(), dlast.end());
  const std::vector<T>&dout_c = dout_T, &dlast_c = dlast_T;
  selective_scan_backward<T>(staged.in, checkpoints.data(), staged.rows(dout_c),
                             dlast.empty() ? States<const T>{} : staged.states(dlast_c), g, threads);
  const auto wide = [](const std::vector<T>& v) { return Values(v.begin(), v.end()); };
  return {wide(staged.from_layout(du)), wide(staged.from_layout(ddelta)), wide(dA),
          wide(p.o.constant_B ? dB : staged.coefficients_to_layout(dB, false)),
          wide(p.o.constant_C ? dC : staged.coefficients_to_layout(dC, false)), wide(dD),
          wide(staged.from_layout(dz)), wide(dbias), wide(dinitial)};
}

Values random_values(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Values v(count);
  for (double& x : v) x = normal(random);
  return v;
}

// d(sum cot . result)/dx for every x in `input`, by central differences with one Richardson step.
Values numeric_gradient(Problem p, Values Problem::*input, const Values& dout, const Values& dlast) {
  const auto loss = [&] {
    const Result r = naive_scan(p);
    double sum = 0;
    for (size_t i = 0; i < dout.size(); ++i) sum += dout[i] * r.out[i];
    for (size_t i = 0; i < dlast.size(); ++i) sum += dlast[i] * r.last[i];
    return sum;
  };
  Values gradient((p.*input).size());
  for (size_t i = 0; i < gradient.size(); ++i) {
    double& x = (p.*input)[i];
    const double x0 = x, h = 1e-3 * std::max(1.0, std::abs(x0));
    const auto difference = [&](double step) {
      x = x0 + step;
      const double up = loss();
      x = x0 - step;
      const double down = loss();
      x = x0;
      return (up - down) / (2 * step);
    };
    gradient[i] = (4 * difference(h / 2) - difference(h)) / 3;
  }
  return gradient;
}

void expect_gradients(const Problem& p, const std::string& label) {
  const Values dout = random_values(p.stream(), 11), dlast = random_values(p.states(), 12);
  Gradients g = kernel_gradients<double>(p, dout, dlast);
  const std::vector<Values Problem::*> inputs = {&Problem::u, &Problem::delta, &Problem::A, &Problem::Bt, &Problem::Ct,
                                                 &Problem::D, &Problem::z, &Problem::bias, &Problem::initial};
  size_t i = 0;
  for (auto& [name, value] : g.all()) {
    const Values numeric = numeric_gradient(p, inputs[i++], dout, dlast);
    if (numeric.empty()) continue;
    EXPECT_LE(max_error(*value, numeric), 1e-7) << label << ": gradient of " << name;
    double largest = 0;
    for (double x : numeric) largest = std::max(largest, std::abs(x));
    EXPECT_GT(largest, 1e-3) << label << ": the check of " << name << " is vacuous";
  }
}

void expect_forward(const Problem& p, const std::string& label) {
  const Result expected = naive_scan(p), wide = kernel_scan<double>(p), narrow = kernel_scan<float>(p);
  EXPECT_LE(max_error(wide.out, expected.out), 1e-12) << label;
  EXPECT_LE(max_error(wide.last, expected.last), 1e-12) << label;
  EXPECT_LE(max_error(narrow.out, expected.out), 1e-4) << label;
  EXPECT_LE(max_error(narrow.last, expected.last), 1e-4) << label;
}

// ---- elementary functions -------------------------------------------------------------------------------------

// Applied in place to one vector, so that no vector is passed by value.
template <class T>
using InPlace = void (*)(T*);
template <class T>
const InPlace<T> kExp = [](T* x) { store<T>(x, expv<T>(load(x))); };
template <class T>
const InPlace<T> kExp2 = [](T* x) { store<T>(x, exp2v<T>(load(x))); };
template <class T>
const InPlace<T> kSoftplus = [](T* x) { store<T>(x, softplusv<T>(load(x))); };
template <class T>
const InPlace<T> kSigmoid = [](T* x) { store<T>(x, sigmoidv<T>(load(x))); };

template <class T>
double function_value(InPlace<T> f, T x) {
  alignas(64) T lanes[kLanes<T>];
  std::fill(lanes, lanes + kLanes<T>, x);
  f(lanes);
  for (int i = 1; i < kLanes<T>; ++i) EXPECT_TRUE(lanes[i] == lanes[0] || std::isnan(lanes[0]));
  return lanes[0];
}

template <class T>
double ulps(double got, long double exact) {
  const T rounded = static_cast<T>(exact);
  const T next = std::nextafter(std::abs(rounded), std::numeric_limits<T>::infinity());
  return static_cast<double>(std::abs(got - exact) / (static_cast<long double>(next) - std::abs(rounded)));
}

template <class T>
void check_functions(long double low, long double high) {
  double worst_exp = 0, worst_exp2 = 0, worst_softplus = 0, worst_sigmoid = 0, worst_sin = 0, worst_cos = 0;
  for (int i = 0; i <= 40000; ++i) {
    const T x = static_cast<T>(low + (high - low) * i / 40000);
    const long double X = x;
    worst_exp = std::max(worst_exp, ulps<T>(function_value<T>(kExp<T>, x), std::exp(X)));
    worst_exp2 = std::max(worst_exp2, ulps<T>(function_value<T>(kExp2<T>, x), std::exp2(X)));
    worst_softplus = std::max(
        worst_softplus, ulps<T>(function_value<T>(kSoftplus<T>, x), std::max(X, 0.0L) + std::log1p(std::exp(-std::abs(X)))));
    worst_sigmoid = std::max(worst_sigmoid, ulps<T>(function_value<T>(kSigmoid<T>, x), 1 / (1 + std::exp(-X))));
    Vec<T> sine, cosine;
    sincosv<T>(splat<T>(x * 10), sine, cosine);
    const T eps = std::numeric_limits<T>::epsilon();
    worst_sin = std::max<double>(worst_sin, std::abs(sine[0] - std::sin((long double)(x * 10))) / eps);
    worst_cos = std::max<double>(worst_cos, std::abs(cosine[0] - std::cos((long double)(x * 10))) / eps);
  }
  EXPECT_LE(worst_exp, 2);
  EXPECT_LE(worst_exp2, 2);
  EXPECT_LE(worst_softplus, 2.5);
  EXPECT_LE(worst_sigmoid, 3);
  EXPECT_LE(worst_sin, 1.5);
  EXPECT_LE(worst_cos, 1.5);

  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  for (InPlace<T> f : {kExp<T>, kExp2<T>, kSoftplus<T>, kSigmoid<T>}) {
    EXPECT_TRUE(std::isnan(function_value<T>(f, nan)));
    EXPECT_EQ(function_value<T>(f, -inf), 0);
  }
  EXPECT_EQ(function_value<T>(kExp<T>, inf), inf);
  EXPECT_EQ(function_value<T>(kExp2<T>, inf), inf);
  EXPECT_EQ(function_value<T>(kSoftplus<T>, inf), inf);
  EXPECT_EQ(function_value<T>(kSigmoid<T>, inf), 1);
  EXPECT_EQ(function_value<T>(kExp2<T>, T(0)), 1);
}

TEST(ScanFunctions, Float) { check_functions<float>(-103, 88); }
TEST(ScanFunctions, Double) { check_functions<double>(-745, 709); }

TEST(ScanFunctions, LargeAngles) {
  for (double x : {1e4, 1e7, 3e8, 1e15, -1e22}) {
    Vec<double> s, c;
    sincosv<double>(splat(x), s, c);
    EXPECT_NEAR(s[0], std::sin(x), 1e-15) << x;
    EXPECT_NEAR(c[0], std::cos(x), 1e-15) << x;
    Vec<float> sf, cf;
    sincosv<float>(splat(float(x)), sf, cf);
    EXPECT_NEAR(sf[0], std::sin(double(float(x))), 2e-7) << x;
    EXPECT_NEAR(cf[0], std::cos(double(float(x))), 2e-7) << x;
  }
}

// ---- golden numbers of the specification -----------------------------------------------------------------------

Problem golden_problem() {
  Problem p;
  p.s = {1, 3, 1, 1, 2, false, true, false};
  p.o.initial = false;
  p.u = {1, -2, .5}, p.delta = {.1, .2, .3}, p.bias = {-1}, p.A = {-1, -2};
  p.Bt = {1, .2, .5, .3, -1, .4}, p.Ct = {1, .5, -1, .5, 2, .5};  // (L, N)
  p.D = {1}, p.z = {.3, -.7, 1.2};
  return p;
}

void expect_printed(const Values& got, const Values& printed, const char* what) {
  ASSERT_EQ(got.size(), printed.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], printed[i], 6e-12) << what << " " << i;
}

TEST(ScanGolden, Values) {
  Problem p = golden_problem();
  expect_printed(kernel_scan<double>(p).out, {0.23700394088, 0.45510141010, -0.07994452156}, "out");
  expect_printed(kernel_scan<double>(p).last, {-0.29227492403, -0.00427255176}, "last");
  p.o.z = false, p.z.clear();
  expect_printed(kernel_scan<double>(p).out, {1.37526926221, -1.95937586695, -0.08668612394}, "y");
  p.s.reverse = true;
  expect_printed(kernel_scan<double>(p).out, {0.96597655543, -1.58194122345, 0.13713255600}, "reverse y");
  expect_printed(kernel_scan<double>(p).last, {-0.02156879944, -0.02490929026}, "reverse last");
  p.s.reverse = false, p.o.initial = true, p.initial = {.1, -.3};
  expect_printed(kernel_scan<double>(p).out, {1.37054683318, -2.04452355271, -0.03724701502}, "initial y");
  expect_printed(kernel_scan<double>(p).last, {-0.25949784056, -0.03650266778}, "initial last");
  p.o.segments = true, p.segment = {0, 0, 1};
  EXPECT_NEAR(kernel_scan<double>(p).out[2], 0.13713255600, 6e-12);
  expect_printed(kernel_scan<double>(p).last, {-0.20159302444, 0.08063720978}, "segments last");
}

TEST(ScanGolden, Complex) {
  Problem p = golden_problem();
  p.s.complex = true, p.o.z = false, p.z.clear(), p.o.initial = true;
  p.initial = {.1, .2, -.3, 0}, p.A = {-.5, 1, -.25, -2};
  p.Bt = {1, .5, .2, 0, .5, 0, .3, -.1, 0, -1, .4, 0};
  p.Ct = {1, 0, .5, 0, 0, -1, .5, 0, 2, 0, .5, .5};
  expect_printed(kernel_scan<double>(p).out, {1.58281221100, -1.44021841577, -0.77290640844}, "y");
  expect_printed(kernel_scan<double>(p).last, {-0.27205886147, 0.02592952919, 0.13017787927, 0.31484884185}, "last");
}

TEST(ScanGolden, Gradients) {
  Problem p = golden_problem();
  p.o.initial = true, p.initial = {.1, -.3};
  const Gradients g = kernel_gradients<double>(p, {1, 1, 1}, {1, 1});
  expect_printed(g.u, {0.75647978755, 0.22318917037, 0.01102381366}, "du");
  expect_printed(g.delta, {0.49107894162, -0.93588488462, -0.20671544401}, "ddelta");
  expect_printed(g.A, {0.19860691205, -0.09457126480}, "dA");
  expect_printed(g.Bt, {0.56085029425, 0.11648369128, -1.58304241033, -0.39798084848, 0.57342318956, 0.29455056572},
                 "dB");
  expect_printed(g.Ct, {0.07104397577, -0.01437323828, 0.02012827649, 0.06093939589, -0.23931662609, -0.03366384582},
                 "dC");
  expect_printed(g.D, {1.09798474411}, "dD");
  expect_printed(g.z, {0.88781284174, -0.36108988091, -0.03657649843}, "dz");
  expect_printed(g.bias, {-0.65152138701}, "dbias");
  expect_printed(g.initial, {1.16878707022, 0.17258073961}, "dinitial");
}

// ---- against the loop ------------------------------------------------------------------------------------------

TEST(ScanForward, EveryLengthTo70) {
  for (int64_t L = 0; L <= 70; ++L) {
    Options o;
    o.reverse = L % 2, o.segments = L % 3 == 0, o.channel_first = L % 5 == 0;
    expect_forward(make_problem(2, L, 5, 1, 3, o), "L=" + std::to_string(L));
  }
  for (int64_t L : {95, 96, 97, 127, 128, 129, 1025}) expect_forward(make_problem(1, L, 3, 1, 2, {}), std::to_string(L));
}

TEST(ScanForward, EveryStateSize) {
  for (int64_t N : {0, 1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 31, 64}) {
    for (bool complex : {false, true}) {
      Options o;
      o.complex = complex;
      expect_forward(make_problem(1, 37, 19, 1, N, o), "N=" + std::to_string(N));
    }
  }
}

// Channels and groups below, at and above the width of a vector, so that every way of cutting the work is visited.
const std::vector<std::pair<int64_t, int64_t>> kChannelsAndGroups = {
    {1, 1}, {7, 1}, {8, 1}, {16, 1}, {17, 1}, {50, 1}, {130, 1}, {12, 2}, {12, 12}, {12, 4}, {33, 3}, {34, 2}, {64, 2},
    {40, 8}, {100, 20}, {36, 2}};

TEST(ScanForward, ChannelsAndGroups) {
  for (auto [D, G] : kChannelsAndGroups) {
    for (int bits = 0; bits < 16; ++bits) {
      Options o;
      o.complex = bits & 1, o.constant_B = bits & 2, o.constant_C = bits & 4, o.channel_first = bits & 8;
      o.segments = bits % 3 == 0;
      expect_forward(make_problem(2, 35, D, G, 5, o), "D=" + std::to_string(D) + " G=" + std::to_string(G) + " options " +
                                                          std::to_string(bits));
    }
  }
}

TEST(ScanForward, OptionalInputs) {
  for (int bits = 0; bits < 64; ++bits) {
    Options o;
    o.softplus = bits & 1, o.reverse = bits & 2, o.z = bits & 4, o.D = bits & 8, o.bias = bits & 16;
    o.initial = bits & 32;
    expect_forward(make_problem(2, 33, 17, 1, 4, o), "options " + std::to_string(bits));
  }
}

TEST(ScanForward, ConstantCoefficientsEqualRepeatedOnes) {
  Options o;
  o.constant_B = true;
  Problem constant = make_problem(2, 40, 6, 6, 4, o), repeated = constant;
  repeated.o.constant_B = false;
  repeated.Bt.clear();
  for (int64_t i = 0; i < 2 * 40; ++i) repeated.Bt.insert(repeated.Bt.end(), constant.Bt.begin(), constant.Bt.end());
  const Result a = kernel_scan<double>(constant), b = kernel_scan<double>(repeated);
  EXPECT_LE(max_error(a.out, b.out), 1e-14);
  EXPECT_LE(max_error(a.last, b.last), 1e-14);
}

TEST(ScanForward, NanInEachInputReachesTheOutput) {
  for (Values Problem::*input : {&Problem::u, &Problem::delta, &Problem::A, &Problem::Bt, &Problem::Ct, &Problem::D,
                                 &Problem::z, &Problem::bias, &Problem::initial}) {
    Problem p = make_problem(1, 20, 3, 1, 4, {});
    (p.*input)[0] = kNaN;
    EXPECT_TRUE(std::isnan(kernel_scan<float>(p).out[0]));
    EXPECT_TRUE(std::isnan(kernel_scan<double>(p).out[0]));
  }
}

TEST(ScanForward, NanStaysInItsSegment) {
  Options o;
  o.segments = true;
  Problem p = make_problem(1, 60, 3, 1, 4, o);
  for (int64_t t = 0; t < 60; ++t) p.segment[t] = t < 25 ? 0 : t < 30 ? -1 : 1;
  const Result clean = kernel_scan<double>(p);
  p.u[3 * 10] = kNaN;
  for (int64_t i = 25 * 3; i < 30 * 3; ++i) p.u[i] = p.delta[i] = p.z[i] = kNaN;  // padding is not even read into a sum
  const Result dirty = kernel_scan<double>(p);
  for (int64_t i = 0; i < 60 * 3; ++i) {
    if (i / 3 >= 10 && i / 3 < 25 && i % 3 == 0) {
      EXPECT_TRUE(std::isnan(dirty.out[i]));
    } else {
      EXPECT_EQ(dirty.out[i], clean.out[i]);
    }
  }
  EXPECT_EQ(dirty.last, clean.last);
  const Gradients g = kernel_gradients<double>(p, random_values(180, 3), random_values(12, 4));
  for (int64_t t = 25; t < 60; ++t) {
    for (int64_t d = 0; d < 3; ++d) {
      EXPECT_FALSE(std::isnan(g.u[t * 3 + d]));
      if (t < 30) {
        EXPECT_EQ(g.u[t * 3 + d], 0);
      }
    }
    for (int64_t n = 0; n < 4; ++n) EXPECT_FALSE(std::isnan(g.Bt[t * 4 + n]));
  }
}

TEST(ScanForward, VeryNegativeDecayIsZero) {
  Problem p = make_problem(1, 3, 1, 1, 1, {});
  p.A = {-1e6};
  for (double scale : {1.0, 1e30, kInf}) {
    p.A = {-scale};
    p.initial = {5};
    EXPECT_LE(max_error(kernel_scan<double>(p).out, naive_scan(p).out), 1e-12) << scale;
    for (double y : kernel_scan<float>(p).out) EXPECT_TRUE(std::isfinite(y));
  }
}

// ---- gradients -------------------------------------------------------------------------------------------------

TEST(ScanBackward, OptionalInputs) {
  for (int bits = 0; bits < 256; ++bits) {
    if (bits % 5 != 0 && bits % 7 != 0) continue;
    Options o;
    o.softplus = bits & 1, o.reverse = bits & 2, o.z = bits & 4, o.D = bits & 8, o.bias = bits & 16;
    o.initial = bits & 32, o.complex = bits & 64, o.segments = bits & 128;
    expect_gradients(make_problem(1, 6, 3, 1, 3, o, bits), "options " + std::to_string(bits));
  }
}

TEST(ScanBackward, CoefficientsAndLayouts) {
  for (int bits = 0; bits < 32; ++bits) {
    Options o;
    o.constant_B = bits & 1, o.constant_C = bits & 2, o.complex = bits & 4, o.channel_first = bits & 8;
    o.segments = bits & 16;
    expect_gradients(make_problem(2, 5, 6, 3, 2, o, bits), "options " + std::to_string(bits));
    expect_gradients(make_problem(1, 3, 18, 1, 5, o, bits), "18 channels, options " + std::to_string(bits));
  }
}

TEST(ScanBackward, ChunkEdges) {
  for (int64_t L : {1, 2, 31, 32, 33, 64, 65}) {
    Options o;
    o.segments = L % 2;
    expect_gradients(make_problem(1, L, 2, 1, 1, o, L), "L=" + std::to_string(L));
  }
}

// Large enough that the numeric check would be slow: the gradient along random directions instead.
void expect_directional(const Problem& p, const std::string& label) {
  const Values dout = random_values(p.stream(), 21), dlast = random_values(p.states(), 22);
  Gradients wide = kernel_gradients<double>(p, dout, dlast), narrow = kernel_gradients<float>(p, dout, dlast);
  const std::vector<Values Problem::*> inputs = {&Problem::u, &Problem::delta, &Problem::A, &Problem::Bt, &Problem::Ct,
                                                 &Problem::D, &Problem::z, &Problem::bias, &Problem::initial};
  auto wide_all = wide.all(), narrow_all = narrow.all();
  for (size_t k = 0; k < inputs.size(); ++k) {
    const auto& [name, analytic] = wide_all[k];
    EXPECT_LE(max_error(*narrow_all[k].second, *analytic), 2e-4) << label << ": float gradient of " << name;
    const Values direction = random_values(analytic->size(), 30 + k);
    double expected = 0, scale = 1;
    for (size_t i = 0; i < direction.size(); ++i) {
      expected += direction[i] * (*analytic)[i];
      scale += std::abs(direction[i] * (*analytic)[i]);
    }
    const auto loss = [&](double step) {
      Problem moved = p;
      for (size_t i = 0; i < direction.size(); ++i) (moved.*inputs[k])[i] += step * direction[i];
      const Result r = naive_scan(moved);
      double sum = 0;
      for (size_t i = 0; i < dout.size(); ++i) sum += dout[i] * r.out[i];
      for (size_t i = 0; i < dlast.size(); ++i) sum += dlast[i] * r.last[i];
      return sum;
    };
    const double h = 1e-4, d1 = (loss(h) - loss(-h)) / (2 * h), d2 = (loss(h / 2) - loss(-h / 2)) / h;
    EXPECT_LE(std::abs((4 * d2 - d1) / 3 - expected) / scale, 1e-8) << label << ": gradient of " << name;
  }
}

TEST(ScanBackward, ChannelsAndGroups) {
  for (auto [D, G] : kChannelsAndGroups) {
    for (int bits = 0; bits < 8; ++bits) {
      Options o;
      o.complex = bits & 1, o.constant_B = bits & 2, o.constant_C = bits & 4, o.segments = bits % 3 == 1;
      o.reverse = bits % 2 == 1, o.channel_first = bits == 6;
      expect_directional(make_problem(2, 35, D, G, 5, o, bits), "D=" + std::to_string(D) + " G=" + std::to_string(G) +
                                                                    " options " + std::to_string(bits));
    }
  }
}

TEST(ScanBackward, EveryStateSize) {
  for (int64_t N : {1, 2, 3, 4, 5, 8, 13, 16, 33}) {
    for (bool complex : {false, true}) {
      Options o;
      o.complex = complex;
      expect_directional(make_problem(1, 67, 20, 1, N, o), "N=" + std::to_string(N));
    }
  }
}

TEST(ScanBackward, EveryLength) {
  for (int64_t L = 0; L <= 70; L += 1) {
    Options o;
    o.reverse = L % 2, o.segments = L % 3 == 0;
    const Problem p = make_problem(1, L, 3, 1, 2, o);
    if (L % 7 == 0 || L > 60) expect_directional(p, "L=" + std::to_string(L));
  }
}

// ---- identities ------------------------------------------------------------------------------------------------

TEST(ScanIdentities, SplitWithStateHandedOver) {
  const Problem whole = make_problem(1, 50, 4, 1, 3, {});
  const Result expected = kernel_scan<double>(whole);
  for (int64_t cut : {0, 1, 31, 32, 33, 49, 50}) {
    const auto part = [&](int64_t from, int64_t to) {
      Problem p = whole;
      p.s.L = to - from;
      for (auto [v, width] : {std::pair{&p.u, 4}, {&p.delta, 4}, {&p.z, 4}, {&p.Bt, 3}, {&p.Ct, 3}}) {
        *v = Values(v->begin() + from * width, v->begin() + to * width);
      }
      return p;
    };
    const Result first = kernel_scan<double>(part(0, cut));
    Problem rest = part(cut, 50);
    rest.initial = first.last;
    const Result second = kernel_scan<double>(rest);
    Values joined = first.out;
    joined.insert(joined.end(), second.out.begin(), second.out.end());
    EXPECT_EQ(joined, expected.out) << cut;  // the same operations in the same order: the same bits
    EXPECT_EQ(second.last, expected.last) << cut;
  }
}

TEST(ScanIdentities, ComplexWithZeroImaginaryPartsIsTwiceReal) {
  Options o;
  o.D = false;
  const Problem real = make_problem(2, 33, 5, 1, 4, o);
  Problem complex = real;
  complex.s.complex = true;
  for (Values Problem::*v : {&Problem::A, &Problem::Bt, &Problem::Ct, &Problem::initial}) {
    Values pairs;
    for (double x : real.*v) pairs.push_back(x), pairs.push_back(0);
    complex.*v = pairs;
  }
  Values twice = kernel_scan<double>(real).out;
  for (double& y : twice) y *= 2;
  EXPECT_LE(max_error(kernel_scan<double>(complex).out, twice), 1e-14);
}

TEST(ScanIdentities, ThreadCountDoesNotChangeABit) {
  for (auto [B, D, G] : {std::array<int64_t, 3>{3, 100, 1}, {1, 200, 2}, {2, 48, 24}}) {
    for (int bits = 0; bits < 4; ++bits) {
      Options o;
      o.complex = bits & 1, o.constant_B = bits & 2;
      const Problem p = make_problem(B, 70, D, G, 6, o);
      const Values dout = random_values(p.stream(), 5), dlast = random_values(p.states(), 6);
      const Result one = kernel_scan<float>(p, 1);
      Gradients g1 = kernel_gradients<float>(p, dout, dlast, 1);
      for (int threads : {2, 3, 7}) {
        const Result many = kernel_scan<float>(p, threads);
        EXPECT_EQ(one.out, many.out);
        EXPECT_EQ(one.last, many.last);
        Gradients gn = kernel_gradients<float>(p, dout, dlast, threads);
        auto all1 = g1.all(), alln = gn.all();
        for (size_t i = 0; i < all1.size(); ++i) EXPECT_EQ(*all1[i].second, *alln[i].second) << all1[i].first;
      }
    }
  }
}

TEST(ScanIdentities, LongSequence) {
  expect_forward(make_problem(1, 65537, 1, 1, 1, {}), "L=65537");
}

}  // namespace
