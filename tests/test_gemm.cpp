// Matrix products of tensor/cpu/gemm.h against the definition summed in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <complex>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "tensor/cpu/gemm.h"

namespace {

using hippograd::cpu::gemm;
using hippograd::cpu::gemm_batched;
using hippograd::cpu::GemmArgs;
using hippograd::cpu::GemmKernel;

template <class T>
constexpr bool kComplex = !std::is_arithmetic_v<T>;
template <class T>
using Wide = std::conditional_t<kComplex<T>, std::complex<double>, double>;

// A matrix of random numbers behind arbitrary strides, in a buffer whose every other element is NaN.
template <class T>
struct Strided {
  int64_t rows, cols, row, col, batch_stride;
  std::vector<T> data;

  enum Layout { Rows, Columns, Wide, Gaps };

  Strided(int64_t rows_, int64_t cols_, Layout layout, std::mt19937& rng, int64_t batch = 1)
      : rows(rows_), cols(cols_) {
    row = layout == Rows ? cols : layout == Columns ? 1 : layout == Wide ? cols + 5 : 2 * cols + 3;
    col = layout == Columns ? rows : layout == Gaps ? 2 : 1;
    batch_stride = std::max<int64_t>(rows, 1) * row + std::max<int64_t>(cols, 1) * col + 7;
    data.assign(static_cast<size_t>(batch_stride * batch), poison());
    std::normal_distribution<double> normal;
    for (int64_t s = 0; s < batch; ++s) {
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < cols; ++j) {
          if constexpr (kComplex<T>) {
            at(i, j, s) = T(static_cast<typename T::value_type>(normal(rng)),
                            static_cast<typename T::value_type>(normal(rng)));
          } else {
            at(i, j, s) = static_cast<T>(std::is_integral_v<T> ? 10 * normal(rng) : normal(rng));
          }
        }
      }
    }
  }
  static T poison() {
    if constexpr (std::is_integral_v<T>) return T(77);
    else return T(std::numeric_limits<double>::quiet_NaN());
  }
  T& at(int64_t i, int64_t j, int64_t s = 0) { return data[static_cast<size_t>(s * batch_stride + i * row + j * col)]; }
};

struct Options {
  bool bias = false, accumulate = false;
  double alpha = 1;
  int threads = 1;
  GemmKernel kernel = GemmKernel::Tiled;
  int64_t batch = 1;
};

// Computes C by the library and compares every element with the definition; returns C without its gaps.
template <class T>
std::vector<T> check(int64_t m, int64_t n, int64_t k, typename Strided<T>::Layout la,
                     typename Strided<T>::Layout lb, const Options& o, unsigned seed = 1) {
  std::mt19937 rng(seed);
  Strided<T> a(m, k, la, rng, o.batch), b(k, n, lb, rng, o.batch), bias(1, n, Strided<T>::Rows, rng);
  Strided<T> c(m, n, Strided<T>::Wide, rng, o.batch);
  const Strided<T> before = c;
  if (!o.accumulate) std::fill(c.data.begin(), c.data.end(), Strided<T>::poison());

  GemmArgs<T> args{m, n, k, a.data.data(), a.row, a.col, b.data.data(), b.row, b.col, c.data.data(), c.row};
  args.bias = o.bias ? bias.data.data() : nullptr;
  args.accumulate = o.accumulate;
  args.alpha = static_cast<T>(o.alpha);
  gemm_batched(args, o.batch, a.batch_stride, b.batch_stride, c.batch_stride, o.threads, o.kernel);

  const double eps = std::is_same_v<T, float> || std::is_same_v<T, std::complex<float>> ? 1.2e-7
                     : std::is_integral_v<T>                                            ? 0
                                                                                        : 2.3e-16;
  std::vector<T> out;
  std::vector<bool> written(c.data.size(), false);
  int wrong = 0;
  for (int64_t s = 0; s < o.batch; ++s) {
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const size_t where = static_cast<size_t>(s * c.batch_stride + i * c.row + j);
        const Wide<T> old = o.accumulate ? Wide<T>(before.data[where]) : Wide<T>(0);
        Wide<T> sum = 0;
        double size = 0;
        for (int64_t p = 0; p < k; ++p) {
          const Wide<T> term = Wide<T>(a.at(i, p, s)) * Wide<T>(b.at(p, j, s));
          sum += term;
          size += std::abs(term);
        }
        const Wide<T> expected = old + o.alpha * sum + (o.bias ? Wide<T>(bias.at(0, j)) : Wide<T>(0));
        const double bound = eps * (static_cast<double>(k) + 4) * (std::abs(o.alpha) * size + 8);
        const double error = std::abs(Wide<T>(c.data[where]) - expected);
        if (!(error <= bound) && ++wrong <= 3) {
          ADD_FAILURE() << "m " << m << " n " << n << " k " << k << " layouts " << la << " " << lb << " at (" << i
                        << ", " << j << ") of product " << s << ": error " << error << " above " << bound;
        }
        out.push_back(c.data[where]);
        written[where] = true;
      }
    }
  }
  // Nothing beside C was written.
  for (size_t w = 0; w < written.size(); ++w) {
    if (written[w]) continue;
    const bool kept = o.accumulate ? std::memcmp(&c.data[w], &before.data[w], sizeof(T)) == 0
                                   : !(c.data[w] == c.data[w]) || std::is_integral_v<T>;
    if (!kept) {
      ADD_FAILURE() << "stray write at " << w << ", m " << m << " n " << n << " k " << k;
      break;
    }
  }
  return out;
}

template <class T>
bool same_bits(const std::vector<T>& x, const std::vector<T>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;
}

template <class T>
class Gemm : public ::testing::Test {};
using Floats = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Gemm, Floats);

TYPED_TEST(Gemm, TailsOfRowsAndColumns) {
  using S = Strided<TypeParam>;
  const typename S::Layout layouts[] = {S::Rows, S::Columns, S::Wide, S::Gaps};
  for (int64_t m = 1; m <= 40; ++m) {
    for (int64_t n = 1; n <= 40; ++n) {
      const auto la = layouts[(m + n) % 4], lb = layouts[(m + 3 * n) / 2 % 4];
      check<TypeParam>(m, n, 1 + (m * 7 + n * 3) % 40, la, lb, {}, static_cast<unsigned>(m * 41 + n));
    }
  }
}

TYPED_TEST(Gemm, AllLayoutsAndOptions) {
  using S = Strided<TypeParam>;
  for (auto la : {S::Rows, S::Columns, S::Wide, S::Gaps}) {
    for (auto lb : {S::Rows, S::Columns, S::Wide, S::Gaps}) {
      for (int flags = 0; flags < 8; ++flags) {
        Options o;
        o.bias = flags & 1;
        o.accumulate = flags & 2;
        o.alpha = flags & 4 ? -0.75 : 1;
        check<TypeParam>(37, 83, 29, la, lb, o);
        check<TypeParam>(14, 96, 700, la, lb, o);   // several blocks of p
        check<TypeParam>(5, 64, 33, la, lb, o);     // few rows: B is read in place
      }
    }
  }
}

TYPED_TEST(Gemm, SeveralBlocksOfColumns) {
  using S = Strided<TypeParam>;
  check<TypeParam>(13, 1100, 650, S::Rows, S::Columns, {});
  check<TypeParam>(30, 1100, 350, S::Columns, S::Rows, {});
  check<TypeParam>(64, 300, 256, S::Rows, S::Rows, {});  // rows 1 KB apart: A is packed
}

TYPED_TEST(Gemm, SameBitsForAnyNumberOfThreads) {
  using S = Strided<TypeParam>;
  const int64_t shapes[][3] = {{300, 200, 100}, {96, 97, 2100}, {1, 3000, 900}, {900, 5, 301}, {300, 400, 200}};
  for (const auto& s : shapes) {
    for (auto lb : {S::Rows, S::Columns}) {
      Options o;
      o.bias = true;
      const auto one = check<TypeParam>(s[0], s[1], s[2], S::Rows, lb, o);
      for (int threads : {2, 3, 4, 7}) {
        o.threads = threads;
        EXPECT_TRUE(same_bits(one, check<TypeParam>(s[0], s[1], s[2], S::Rows, lb, o))) << threads << " threads";
      }
    }
  }
}

// A row of C has the same bits whatever rows stand beside it, and so has a column: one step of a recurrent model
// equals the same step inside a sequence.
TYPED_TEST(Gemm, ElementsDoNotDependOnTheirNeighbours) {
  using T = TypeParam;
  std::mt19937 rng(3);
  Strided<T> a(50, 777, Strided<T>::Rows, rng), b(777, 70, Strided<T>::Columns, rng);
  std::vector<T> whole(50 * 70), part(50 * 70);
  gemm<T>({50, 70, 777, a.data.data(), a.row, a.col, b.data.data(), b.row, b.col, whole.data(), 70}, 1);
  for (int64_t i = 0; i < 50; ++i) {
    gemm<T>({1, 70, 777, &a.at(i, 0), a.row, a.col, b.data.data(), b.row, b.col, &part[static_cast<size_t>(i * 70)], 70},
            1);
  }
  EXPECT_TRUE(same_bits(whole, part));
  for (int64_t j = 0; j < 70; ++j) {
    gemm<T>({50, 1, 777, a.data.data(), a.row, a.col, &b.at(0, j), b.row, b.col, &part[static_cast<size_t>(j)], 70}, 1);
  }
  EXPECT_TRUE(same_bits(whole, part));
}

TYPED_TEST(Gemm, EmptySizes) {
  using T = TypeParam;
  using S = Strided<T>;
  for (GemmKernel kernel : {GemmKernel::Naive, GemmKernel::Eigen, GemmKernel::Tiled}) {
    for (int flags = 0; flags < 4; ++flags) {
      Options o;
      o.kernel = kernel;
      o.bias = flags & 1;
      o.accumulate = flags & 2;
      check<T>(5, 7, 0, S::Rows, S::Rows, o);
      check<T>(0, 7, 3, S::Rows, S::Rows, o);
      check<T>(5, 0, 3, S::Rows, S::Rows, o);
      o.batch = 0;
      check<T>(5, 7, 3, S::Rows, S::Rows, o);
    }
  }
}

TYPED_TEST(Gemm, NanAndInfinityPropagate) {
  using T = TypeParam;
  const T nan = std::numeric_limits<T>::quiet_NaN(), inf = std::numeric_limits<T>::infinity();
  for (int64_t m : {1, 13, 40}) {
    std::vector<T> a(static_cast<size_t>(m * 20), T(0)), b(20 * 35, T(1)), c(static_cast<size_t>(m * 35), nan);
    b[3 * 35 + 5] = nan;   // 0 * NaN is NaN: column 5
    b[4 * 35 + 34] = inf;  // 0 * inf is NaN: column 34
    a[0] = inf;            // row 0
    gemm<T>({m, 35, 20, a.data(), 20, 1, b.data(), 35, 1, c.data(), 35}, 1);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < 35; ++j) {
        const T x = c[static_cast<size_t>(i * 35 + j)];
        if (j == 5 || j == 34) EXPECT_TRUE(std::isnan(x)) << i << " " << j;
        else EXPECT_EQ(x, i == 0 ? inf : T(0)) << i << " " << j;
      }
    }
  }
}

TYPED_TEST(Gemm, Batches) {
  using S = Strided<TypeParam>;
  for (int threads : {1, 2, 3}) {
    Options o;
    o.threads = threads;
    o.bias = true;
    o.batch = 37;
    check<TypeParam>(9, 24, 17, S::Rows, S::Columns, o);
    check<TypeParam>(33, 40, 48, S::Columns, S::Rows, o);
    o.batch = 3;
    check<TypeParam>(130, 150, 90, S::Rows, S::Rows, o);
  }
}

TYPED_TEST(Gemm, BatchThatSharesB) {
  using T = TypeParam;
  std::mt19937 rng(5);
  Strided<T> a(60, 21, Strided<T>::Rows, rng), b(21, 18, Strided<T>::Rows, rng);
  std::vector<T> whole(60 * 18), batched(60 * 18);
  gemm<T>({60, 18, 21, a.data.data(), 21, 1, b.data.data(), 18, 1, whole.data(), 18}, 1);
  gemm_batched<T>({15, 18, 21, a.data.data(), 21, 1, b.data.data(), 18, 1, batched.data(), 18}, 4, 15 * 21, 0, 15 * 18, 2);
  EXPECT_TRUE(same_bits(whole, batched));
}

TYPED_TEST(Gemm, OtherRungs) {
  using S = Strided<TypeParam>;
  for (GemmKernel kernel : {GemmKernel::Naive, GemmKernel::Eigen}) {
    for (auto la : {S::Rows, S::Columns, S::Wide, S::Gaps}) {
      for (auto lb : {S::Rows, S::Columns, S::Wide, S::Gaps}) {
        Options o;
        o.kernel = kernel;
        o.bias = o.accumulate = la != S::Rows;
        o.alpha = 1.5;
        check<TypeParam>(23, 31, 19, la, lb, o);
        check<TypeParam>(1, 1, 5, la, lb, o);
      }
    }
  }
}

TEST(GemmOtherTypes, Complex) {
  Options o;
  for (int flags = 0; flags < 4; ++flags) {
    o.bias = flags & 1;
    o.accumulate = flags & 2;
    o.alpha = flags ? -0.5 : 1;
    o.batch = 2;
    o.threads = 2;
    for (auto kernel : {GemmKernel::Naive, GemmKernel::Tiled}) {
      o.kernel = kernel;
      using F = std::complex<float>;
      using D = std::complex<double>;
      check<F>(13, 21, 17, Strided<F>::Rows, Strided<F>::Columns, o);
      check<D>(13, 21, 17, Strided<D>::Gaps, Strided<D>::Rows, o);
      check<D>(3, 2, 0, Strided<D>::Rows, Strided<D>::Rows, o);
    }
  }
}

TEST(GemmOtherTypes, Integers) {
  Options o;
  o.accumulate = true;
  o.threads = 3;
  o.batch = 5;
  check<int64_t>(13, 21, 17, Strided<int64_t>::Rows, Strided<int64_t>::Columns, o);
  check<int32_t>(13, 21, 17, Strided<int32_t>::Gaps, Strided<int32_t>::Rows, o);
}

}  // namespace
