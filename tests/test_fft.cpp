// Fourier transforms against the definition, for every kind of length.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "autograd/ops.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {

// y_k = sum_j x_j exp(sign 2 pi i j k / n), in double.
std::vector<complex128> definition(const std::vector<complex128>& x, int sign) {
  const int64_t n = int64_t(x.size());
  std::vector<complex128> y(x.size());
  for (int64_t k = 0; k < n; ++k)
    for (int64_t j = 0; j < n; ++j) y[k] += x[j] * std::polar(1.0, sign * 2 * std::numbers::pi * double(j * k % n) / double(n));
  return y;
}
double distance(const Array& got, const std::vector<complex128>& want) {
  const auto y = to_vector<complex128>(got);
  double worst = 0, size = 1;
  if (y.size() < want.size()) return INFINITY;
  for (size_t k = 0; k < want.size(); ++k) {
    worst = std::max(worst, std::abs(y[k] - want[k]));
    size = std::max(size, std::abs(want[k]));
  }
  return worst / size;
}

class Lengths : public testing::TestWithParam<int64_t> {};

TEST_P(Lengths, MatchTheDefinition) {
  const int64_t n = GetParam();
  Generator g(uint64_t(n) + 1);
  const Array x = rand_normal({n}, 0, 1, DType::c128, g), real = rand_normal({n}, 0, 1, DType::f64, g);
  const auto values = to_vector<complex128>(x), reals = to_vector<complex128>(real);
  EXPECT_LT(distance(fft::fft(x).array(), definition(values, -1)), 1e-13);
  EXPECT_LT(distance(fft::fft(x.to(DType::c64)).array(), definition(values, -1)), 3e-6);
  EXPECT_LT(distance(fft::ifft(x, {}, -1, "forward").array(), definition(values, 1)), 1e-13);
  EXPECT_LT(distance(fft::ifft(fft::fft(x)).array(), values), 1e-13);
  auto half = definition(reals, -1);
  half.resize(size_t(n / 2 + 1));
  EXPECT_LT(distance(fft::rfft(real).array(), half), 1e-13);
  EXPECT_LT(distance(fft::irfft(fft::rfft(real), n).array(), reals), 1e-13);
  EXPECT_LT(distance(fft::ihfft(fft::hfft(fft::ihfft(real), n)).array(), to_vector<complex128>(fft::ihfft(real).array())), 1e-13);
}
INSTANTIATE_TEST_SUITE_P(Fft, Lengths, testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16, 17, 22, 30, 32, 34, 49, 60, 97, 128, 169, 243,
                                                      360, 1000, 1009, 1024, 1155));

TEST(Fft, CutsAndPads) {
  Generator g(3);
  const Array x = rand_normal({2, 6}, 0, 1, DType::c128, g);
  EXPECT_LT(distance(fft::fft(x, 4).array(), to_vector<complex128>(fft::fft(Tensor(x.slice(1, 0, 4))).array())), 1e-15);
  EXPECT_EQ(fft::fft(x, 9).shape(), (Shape{2, 9}));
  EXPECT_EQ(fft::irfft(x).shape(), (Shape{2, 10}));
}
TEST(Fft, SeveralDimensions) {
  Generator g(4);
  const Array x = rand_normal({3, 4, 5}, 0, 1, DType::f64, g);
  const Tensor whole = fft::fftn(x), half = fft::rfftn(x);
  EXPECT_LT(distance(half.array(), to_vector<complex128>(slice(whole, 2, 0, 3).array())), 1e-14);
  EXPECT_LT(distance(fft::irfftn(half, {3, 4, 5}).array(), to_vector<complex128>(x)), 1e-14);
  EXPECT_THROW(fft::fftn(x, {}, {1, 1}), ValueError);
}
TEST(Fft, NormsAndErrors) {
  const Array x = full({4}, 1, DType::f64);
  EXPECT_NEAR(to_vector<complex128>(fft::fft(x, {}, -1, "ortho").array())[0].real(), 2, 1e-15);
  EXPECT_NEAR(to_vector<complex128>(fft::fft(x, {}, -1, "forward").array())[0].real(), 1, 1e-15);
  EXPECT_THROW(fft::fft(x, {}, -1, "none"), ValueError);
  EXPECT_THROW(fft::fft(x, 0), ValueError);
  EXPECT_THROW(fft::rfft(fft::fft(x)), DtypeError);
}
TEST(Fft, FrequenciesAndShifts) {
  EXPECT_EQ(to_vector<double>(fft::fftfreq(5, 0.2, DType::f64).array()), (std::vector<double>{0, 1, 2, -2, -1}));
  EXPECT_EQ(to_vector<double>(fft::rfftfreq(4, 0.25, DType::f64).array()), (std::vector<double>{0, 1, 2}));
  const Tensor i(arange(5));
  EXPECT_EQ(to_vector<int64_t>(fft::fftshift(i).array()), (std::vector<int64_t>{3, 4, 0, 1, 2}));
  EXPECT_EQ(to_vector<int64_t>(fft::ifftshift(fft::fftshift(i)).array()), (std::vector<int64_t>{0, 1, 2, 3, 4}));
}

}  // namespace
