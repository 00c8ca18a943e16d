// tensor/cpu/conv_raw.h against the definition, summed in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tensor/cpu/conv_raw.h"

namespace {

using namespace hippograd::cpu;

struct Gradients {
  std::vector<double> y, dx, dw, db;
};

// Y, and the gradients of sum(Y * dY), tap by tap.
template <class T>
Gradients definition(const Conv2dShape& s, const std::vector<T>& x, const std::vector<T>& w,
                     const std::vector<T>& bias, const std::vector<T>& dy) {
  Gradients r{std::vector<double>(dy.size()), std::vector<double>(x.size()), std::vector<double>(w.size()),
              std::vector<double>(bias.size())};
  size_t out = 0;
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t o = 0; o < s.out_channels; ++o) {
      for (int64_t oy = 0; oy < s.out_h(); ++oy) {
        for (int64_t ox = 0; ox < s.out_w(); ++ox, ++out) {
          const auto channel = static_cast<size_t>(o);
          r.y[out] = bias[channel];
          r.db[channel] += dy[out];
          for (int64_t c = 0; c < s.group_in(); ++c) {
            for (int64_t i = 0; i < s.kernel_h; ++i) {
              for (int64_t j = 0; j < s.kernel_w; ++j) {
                const int64_t iy = oy * s.stride_h + i * s.dilation_h - s.pad_h;
                const int64_t ix = ox * s.stride_w + j * s.dilation_w - s.pad_w;
                if (iy < 0 || iy >= s.height || ix < 0 || ix >= s.width) continue;
                const int64_t in_channel = o / s.group_out() * s.group_in() + c;
                const auto at_x =
                    static_cast<size_t>(((n * s.in_channels + in_channel) * s.height + iy) * s.width + ix);
                const auto at_w = static_cast<size_t>(((o * s.group_in() + c) * s.kernel_h + i) * s.kernel_w + j);
                r.y[out] += double(x[at_x]) * w[at_w];
                r.dx[at_x] += double(dy[out]) * w[at_w];
                r.dw[at_w] += double(dy[out]) * x[at_x];
              }
            }
          }
        }
      }
    }
  }
  return r;
}

template <class T>
void expect_close(const std::vector<T>& got, const std::vector<double>& expected, double scale, const std::string& what) {
  ASSERT_EQ(got.size(), expected.size());
  const double bound = scale * std::numeric_limits<T>::epsilon();
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::abs(got[i] - expected[i]);
    ASSERT_TRUE(error <= bound) << what << " at " << i << ": " << got[i] << " instead of " << expected[i];
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
void check(const Conv2dShape& s) {
  SCOPED_TRACE(::testing::Message() << s.batch << "x" << s.in_channels << "x" << s.height << "x" << s.width << " -> "
                                    << s.out_channels << ", kernel " << s.kernel_h << "x" << s.kernel_w << ", stride "
                                    << s.stride_h << "x" << s.stride_w << ", pad " << s.pad_h << "x" << s.pad_w
                                    << ", dilation " << s.dilation_h << "x" << s.dilation_w << ", groups " << s.groups);
  std::mt19937 rng(7);
  std::normal_distribution<double> normal;
  auto random = [&](int64_t count) {
    std::vector<T> v(static_cast<size_t>(count));
    for (T& e : v) e = static_cast<T>(normal(rng));
    return v;
  };
  const auto x = random(s.batch * s.in_channels * s.height * s.width);
  const auto w = random(s.out_channels * s.group_in() * s.taps());
  const auto bias = random(s.out_channels), dy = random(s.batch * s.out_channels * s.out_pixels());
  const Gradients expected = definition(s, x, w, bias, dy);

  std::vector<T> first[4];
  for (int threads : {1, 2, 3}) {
    const T nan = std::numeric_limits<T>::quiet_NaN();  // results are overwritten, never read
    std::vector<T> y(dy.size(), nan), dx(x.size(), nan), dw(w.size(), nan), db(bias.size(), nan);
    conv2d_forward(s, x.data(), w.data(), bias.data(), y.data(), threads);
    conv2d_backward_input(s, dy.data(), w.data(), dx.data(), threads);
    conv2d_backward_weight(s, x.data(), dy.data(), dw.data(), db.data(), threads);
    if (threads == 1) {
      const double terms = static_cast<double>(s.group_in() * s.taps());
      const double back = static_cast<double>(s.group_out() * s.taps());
      const double all = static_cast<double>(s.batch * s.out_pixels());
      expect_close(y, expected.y, 8 * terms + 16, "y");
      expect_close(dx, expected.dx, 8 * back + 16, "dx");
      expect_close(dw, expected.dw, 8 * all + 16, "dw");
      expect_close(db, expected.db, 8 * all + 16, "db");
      first[0] = y, first[1] = dx, first[2] = dw, first[3] = db;
    } else {
      EXPECT_TRUE(same_bits(first[0], y) && same_bits(first[1], dx) && same_bits(first[2], dw) &&
                  same_bits(first[3], db))
          << threads << " threads";
    }
  }
}

template <class T>
class ConvRaw : public ::testing::Test {};
using Floats = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ConvRaw, Floats);

// Fields: batch, in, height, width, out, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, _w, groups.
TYPED_TEST(ConvRaw, StemOfTheSmallModel) {
  check<TypeParam>({3, 3, 64, 64, 32, 3, 3, 2, 2, 1, 1, 1, 1, 1});
  check<TypeParam>({2, 32, 32, 32, 64, 3, 3, 2, 2, 1, 1, 1, 1, 1});
  check<TypeParam>({5, 64, 16, 16, 96, 3, 3, 2, 2, 1, 1, 1, 1, 1});
}

TYPED_TEST(ConvRaw, StridePaddingDilationGroups) {
  for (int64_t stride : {1, 2, 3}) {
    for (int64_t pad : {0, 1, 4}) {
      for (int64_t dilation : {1, 2}) {
        for (int64_t groups : {1, 2, 4}) {
          check<TypeParam>({2, 4, 11, 9, 8, 3, 2, stride, 1, pad, 1, dilation, 1, groups});
          check<TypeParam>({1, 4, 9, 11, 4, 2, 3, 1, stride, 0, pad, 1, dilation, groups});
        }
      }
    }
  }
}

TYPED_TEST(ConvRaw, PatchesAndPointwise) {
  check<TypeParam>({2, 3, 32, 32, 24, 8, 8, 8, 8, 0, 0, 1, 1, 1});   // patch embedding
  check<TypeParam>({2, 48, 13, 7, 40, 1, 1, 1, 1, 0, 0, 1, 1, 1});   // the picture is the patch matrix
  check<TypeParam>({2, 48, 13, 7, 40, 1, 1, 2, 1, 0, 1, 1, 1, 2});
  check<TypeParam>({1, 70, 24, 24, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1});  // several blocks of channels
  check<TypeParam>({1, 2, 70, 70, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1});    // several tiles of pixels
}

TYPED_TEST(ConvRaw, Depthwise) {
  check<TypeParam>({2, 40, 30, 30, 40, 3, 3, 1, 1, 1, 1, 1, 1, 40});
  check<TypeParam>({2, 5, 12, 15, 15, 5, 3, 2, 3, 2, 1, 1, 2, 5});  // three outputs per channel
  check<TypeParam>({1, 6, 1, 50, 6, 1, 4, 1, 1, 0, 3, 1, 1, 6});
}

TYPED_TEST(ConvRaw, Empty) {
  check<TypeParam>({0, 3, 8, 8, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1});
  check<TypeParam>({2, 3, 8, 8, 0, 3, 3, 1, 1, 1, 1, 1, 1, 1});
}

}  // namespace
