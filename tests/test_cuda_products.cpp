// Products, convolutions, pooling and transforms on CUDA at the sizes and layouts where their kernels take other paths than in
// the small samples of the op table: copies of operands, loops over batches, several chunks, long tables, long transforms.
// Reference: the CPU's kernels on the same numbers in double precision. Skipped without a device.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>

#include "autograd/check.h"
#include "tensor/backend.h"
#include "tensor/kernels/conv.h"
#include "tensor/kernels/fft.h"
#include "tensor/kernels/matmul.h"
#include "tensor/kernels/pool.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {

const Device kDevice = [] {      // HIPPOGRAD_TEST_DEVICE=probe runs the cases over the probe backend
  const char* name = std::getenv("HIPPOGRAD_TEST_DEVICE");
  return Device::parse(name && *name ? name : "cuda:0");
}();
#define SKIP_WITHOUT_CUDA() \
  if (const std::string why = why_unavailable(kDevice.kind); !why.empty()) GTEST_SKIP() << why

Array random(const Shape& s, DType t, uint64_t seed) {
  Generator g(seed);
  if (is_integer(t)) return rand_int(s, 0, 100, g).to(t);
  if (!is_complex(t)) return rand_normal(s, 0, 1, t == DType::f64 ? t : DType::f32, g).to(t);
  Shape pairs = s;
  pairs.push_back(2);
  const Array parts = rand_normal(pairs, 0, 1, DType::f64, g);
  Array x = empty(s, DType::c128);
  std::copy_n(parts.data<double>(), parts.numel(), reinterpret_cast<double*>(x.data<complex128>()));
  return x.to(t);
}
DType wide(DType t) { return is_integer(t) ? t : is_complex(t) ? DType::c128 : DType::f64; }
double tolerance(DType t) { return t == DType::bf16 ? 8e-3 : t == DType::f16 ? 1e-3 : t == DType::f64 || t == DType::c128 ? 1e-12 : is_integer(t) ? 0 : 5e-6; }

bool same_bits(const Array& x, const Array& y) {
  const Array a = x.to(Device{}).contiguous(), b = y.to(Device{}).contiguous();
  return std::memcmp(a.raw(), b.raw(), size_t(a.numel() * itemsize(a.dtype()))) == 0;
}
void expect_close(const Array& got, const Array& want, DType t) {
  const Array g = got.to(Device{}).to(wide(got.dtype()));
  if (is_integer(t)) EXPECT_TRUE(same_bits(g, want));
  else EXPECT_LT(max_error(g, want), tolerance(t));
}

// ---- matrix products ----
using View = std::function<Array(const Array&)>;
Array same(const Array& x) { return x; }
Array turn(const Array& x) { return x.transpose(-2, -1); }

struct Product {
  const char* name;
  Shape a, b;                    // in memory
  View view_a, view_b;           // as multiplied
  Shape y;
  bool bias = false, complex = false;
};
const std::vector<Product>& products() {
  static const std::vector<Product> all = {
      {"plain", {130, 70}, {70, 90}, same, same, {130, 90}, true},
      {"transposed", {70, 130}, {90, 70}, turn, turn, {130, 90}, true},
      {"heads, looped", {2, 9, 3, 8}, {2, 7, 3, 8}, [](const Array& x) { return x.permute({0, 2, 1, 3}); },
       [](const Array& x) { return x.permute({0, 2, 3, 1}); }, {2, 3, 9, 7}},
      {"heads, copied", {6, 9, 8, 8}, {6, 7, 8, 8}, [](const Array& x) { return x.permute({0, 2, 1, 3}); },
       [](const Array& x) { return x.permute({0, 2, 3, 1}); }, {6, 8, 9, 7}},
      {"every other column", {12, 32}, {16, 20}, [](const Array& x) { return x.slice(1, 0, 32, 2); }, same, {12, 20}, true},
      {"every other element", {12, 32}, {32, 40}, [](const Array& x) { return x.slice(1, 0, 32, 2); },
       [](const Array& x) { return x.slice(0, 1, 32, 2).slice(1, 0, 40, 2); }, {12, 20}},
      {"one row repeated", {1, 16}, {16, 20}, [](const Array& x) { return x.expand({12, 16}); }, same, {12, 20}},
      {"one row of many batches", {5, 1, 33}, {16, 20}, [](const Array& x) { return x.slice(2, 0, 32, 2); },
       [](const Array& x) { return x.expand({5, 16, 20}); }, {5, 1, 20}},
      {"a shared matrix times vectors", {40, 16}, {11, 16, 1}, [](const Array& x) { return x.expand({11, 40, 16}); }, same, {11, 40, 1}},
      {"rows between other rows", {7, 5, 16}, {16, 20}, [](const Array& x) { return x.transpose(0, 1); }, [](const Array& x) { return x.expand({5, 16, 20}); },
       {5, 7, 20}, true},
      {"added up in place", {6, 10, 16}, {6, 10, 20}, turn, same, {1, 16, 20}},
      {"added up by a copy", {6, 16, 10}, {6, 10, 20}, same, same, {1, 16, 20}, true},
      {"added up, first of two", {6, 3, 16, 10}, {6, 3, 10, 20}, same, same, {1, 3, 16, 20}},
      {"added up, last of two", {3, 6, 16, 10}, {6, 10, 20}, same, [](const Array& x) { return x.expand({3, 6, 10, 20}); }, {3, 1, 16, 20}},
      {"repeated and added up", {16, 1}, {6, 1, 20}, [](const Array& x) { return x.expand({6, 16, 1}); }, same, {1, 16, 20}},
      {"many batches", {70000, 2, 3}, {70000, 3, 2}, same, same, {70000, 2, 2}},
      {"a long sum", {8, 20000}, {20000, 9}, same, same, {8, 9}, true},
      {"overlapping windows", {200}, {16, 12}, [](const Array& x) { return x.unfold(0, 16, 3); }, same, {62, 12}},
      {"small, k along memory in both", {132, 96}, {100, 96}, same, turn, {132, 100}, true},
      {"small, k along memory in a", {132, 96}, {96, 100}, same, same, {132, 100}, true},
      {"small, k along memory in b", {128, 132}, {100, 128}, turn, turn, {132, 100}},
      {"small, a long sum", {1000, 96}, {1000, 72}, turn, same, {96, 72}},
      {"small, a longer sum", {4100, 64}, {4100, 48}, turn, same, {64, 48}},
      {"small, batches", {5, 64, 36}, {5, 36, 64}, same, same, {5, 64, 64}},
      {"no terms", {5, 0}, {0, 6}, same, same, {5, 6}, true},
  };
  return all;
}

class CudaMatmul : public testing::TestWithParam<DType> {};
TEST_P(CudaMatmul, EveryLayout) {
  SKIP_WITHOUT_CUDA();
  const DType t = GetParam();
  for (const Product& p : products()) {
    for (const int conj : is_complex(t) ? std::vector{0, 1, 2, 3} : std::vector{0}) {
      SCOPED_TRACE(cat(p.name, ", conjugated: ", conj));
      const Array a = random(p.a, t, 1), b = random(p.b, t, 2), bias = random({p.y.back() + 1}, t, 3);
      const auto slice = [](const Array& x) { return x.slice(0, 1, x.size(0)); };   // not aligned to 16 bytes
      Array want = empty(p.y, wide(t)), y = empty(p.y, t, kDevice), again = empty(p.y, t, kDevice);
      kernels::matmul(p.view_a(a.to(wide(t))), conj & 1, p.view_b(b.to(wide(t))), conj & 2, p.bias ? slice(bias.to(wide(t))) : Array{}, want);
      const Array a1 = a.to(kDevice), b1 = b.to(kDevice), bias1 = bias.to(kDevice);
      for (Array* out : {&y, &again}) kernels::matmul(p.view_a(a1), conj & 1, p.view_b(b1), conj & 2, p.bias ? slice(bias1) : Array{}, *out);
      expect_close(y, want, t);
      EXPECT_TRUE(same_bits(y, again));
      if (HasFailure()) return;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Types, CudaMatmul,
                         testing::Values(DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8),
                         [](const auto& info) { return std::string(name(info.param)); });

TEST(CudaMatmulTf32, IsAnOption) {
  SKIP_WITHOUT_CUDA();
  if (kDevice.kind != DeviceKind::CUDA) GTEST_SKIP() << kDevice.str() << " has no such mode";
  const Array a = random({256, 512}, DType::f32, 1), b = random({512, 128}, DType::f32, 2);
  Array want = empty({256, 128}, DType::f64), y = empty({256, 128}, DType::f32, kDevice);
  kernels::matmul(a.to(DType::f64), false, b.to(DType::f64), false, {}, want);
  const auto error = [&] {
    kernels::matmul(a.to(kDevice), false, b.to(kDevice), false, {}, y);
    return max_error(y.to(Device{}).to(DType::f64), want);
  };
  EXPECT_LT(error(), 2e-6);
  allow_tf32(true);
  const double rounded = error();
  allow_tf32(false);
  EXPECT_GT(rounded, 1e-5);
  EXPECT_LT(rounded, 2e-3);
  EXPECT_LT(error(), 2e-6);
}

// ---- convolutions ----
struct Convolution { const char* name; Shape x, w; ConvGeometry g; };
ConvGeometry geometry(int64_t stride, int64_t padding, int64_t dilation = 1, int64_t groups = 1) {
  return {{stride, stride}, {padding, padding}, {dilation, dilation}, groups};
}
const std::vector<Convolution>& convolutions() {
  static const std::vector<Convolution> all = {
      {"several chunks", {4, 64, 64, 64}, {24, 64, 3, 3}, geometry(1, 1)},       {"patches", {3, 3, 64, 48}, {40, 3, 16, 16}, geometry(16, 0)},
      {"stride 2, odd", {5, 12, 33, 29}, {20, 12, 3, 3}, geometry(2, 1)},        {"pointwise", {3, 24, 17, 19}, {36, 24, 1, 1}, geometry(1, 0)},
      {"one pixel, stride 2", {3, 24, 16, 18}, {36, 24, 1, 1}, geometry(2, 0)},  {"two groups, dilated", {2, 8, 20, 22}, {6, 4, 3, 2}, geometry(1, 2, 2, 2)},
      {"depthwise", {4, 24, 40, 40}, {24, 1, 5, 5}, geometry(1, 2, 1, 24)},      {"many groups", {2, 48, 14, 14}, {24, 4, 3, 3}, geometry(2, 1, 1, 12)},
      {"two outputs for each input", {2, 6, 30, 31}, {12, 1, 3, 3}, geometry(1, 1, 1, 6)},
  };
  return all;
}
class CudaConv : public testing::TestWithParam<DType> {};
TEST_P(CudaConv, EveryPath) {
  SKIP_WITHOUT_CUDA();
  const DType t = GetParam();
  for (const Convolution& c : convolutions()) {
    SCOPED_TRACE(c.name);
    const Shape out{c.x[0], c.w[0], c.g.outputs(0, c.x[2], c.w[2]), c.g.outputs(1, c.x[3], c.w[3])};
    const Array x = random(c.x, t, 1), w = random(c.w, t, 2), b = random({c.w[0]}, t, 3), dy = random(out, t, 4);
    const auto run = [&](DType type, Device d) {
      const auto on = [&](const Array& v) { return v.to(type).to(d); };
      Arrays r{empty(out, type, d), empty(c.x, type, d), empty(c.w, type, d)};
      kernels::conv2d(c.g, on(x), on(w), on(b), r[0]);
      kernels::conv2d_input(c.g, on(dy), on(w), r[1]);
      kernels::conv2d_weight(c.g, on(x), on(dy), r[2]);
      return r;
    };
    const Arrays want = run(DType::f64, Device{}), got = run(t, kDevice), again = run(t, kDevice);
    for (size_t i = 0; i < 3; ++i) {
      SCOPED_TRACE(cat("result ", int64_t(i)));
      expect_close(got[i], want[i], t);
      EXPECT_TRUE(same_bits(got[i], again[i]));
    }
    if (HasFailure()) return;
  }
}
INSTANTIATE_TEST_SUITE_P(Types, CudaConv, testing::Values(DType::f32, DType::f64, DType::bf16),
                         [](const auto& info) { return std::string(name(info.param)); });

// ---- pooling ----
PoolAxis axis(int64_t size, int64_t window, int64_t stride, int64_t step) {
  PoolAxis a;
  a.step = step;
  for (int64_t begin = 0; begin + (window - 1) * step < size; begin += stride)
    a.begin.push_back(begin), a.end.push_back(begin + (window - 1) * step + 1), a.count.push_back(window);
  return a;
}
class CudaPool : public testing::TestWithParam<DType> {};
TEST_P(CudaPool, LongTablesOfWindows) {
  SKIP_WITHOUT_CUDA();
  const DType t = GetParam();
  for (const int64_t width : {200, 1500}) {                      // tables in the argument, and in memory
    for (const int64_t step : {1, 2}) {
      SCOPED_TRACE(cat("width ", width, ", step ", step));
      const PoolWindows w{{axis(1, 1, 1, 1), axis(9, 3, 2, step), axis(width, 4, 2, 1)}};
      const Shape in{3, 1, 9, width}, out{3, 1, int64_t(w.axis[1].begin.size()), int64_t(w.axis[2].begin.size())};
      const Array x = random(in, t, 1), dy = random(out, t, 2);
      const auto run = [&](DType type, Device d) {
        Arrays r{empty(out, type, d), empty(out, DType::i64, d), empty(out, type, d), empty(in, type, d)};
        kernels::max_pool(w, x.to(type).to(d), r[0], r[1]);
        kernels::avg_pool(w, 0, x.to(type).to(d), r[2]);
        kernels::avg_pool_input(w, 5, dy.to(type).to(d), r[3]);
        return r;
      };
      const Arrays want = run(DType::f64, Device{}), got = run(t, kDevice);
      EXPECT_TRUE(same_bits(got[1], want[1]));
      for (const size_t i : {0, 2, 3}) expect_close(got[i], want[i], t);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Types, CudaPool, testing::Values(DType::f32, DType::f64, DType::bf16),
                         [](const auto& info) { return std::string(name(info.param)); });

TEST(CudaResample, GathersAnyTable) {
  SKIP_WITHOUT_CUDA();
  Generator g(5);
  const int64_t inputs = 50, outputs = 70, taps = 4;
  const Array index = rand_int({outputs, taps}, 0, inputs, g), weight = rand_normal({outputs, taps}, 0, 1, DType::f64, g);
  const Array x = random({6, inputs, 40}, DType::f64, 1), dy = random({6, outputs, 40}, DType::f64, 2);
  const auto run = [&](Device d) {
    Arrays r{empty({6, outputs, 40}, DType::f64, d), empty({6, inputs, 40}, DType::f64, d)};
    kernels::resample(x.to(d), index.to(d), weight.to(d), r[0]);
    kernels::resample_input(dy.to(d), index.to(d), weight.to(d), r[1]);
    return r;
  };
  const Arrays want = run(Device{}), got = run(kDevice);
  for (size_t i = 0; i < 2; ++i) expect_close(got[i], want[i], DType::f64);
}

// ---- Fourier transforms ----
class CudaFft : public testing::TestWithParam<DType> {};
TEST_P(CudaFft, AnyLength) {
  SKIP_WITHOUT_CUDA();
  const DType t = GetParam();
  for (const int64_t n : {1, 2, 3, 7, 12, 1009, 4096, 10007, 65536, 100000}) {
    for (const int sign : {-1, 1}) {
      for (const bool doubled : {false, true}) {
        SCOPED_TRACE(cat("n ", n, ", sign ", sign, doubled ? ", doubled" : ""));
        const int64_t rows = 3, half = n / 2 + 1;
        const Array z = random({rows, n}, complex_of(t), 1), spectrum = random({rows, half}, complex_of(t), 2);
        const Array real = random({rows * n + 1}, t, 3);        // the input of rfft is not aligned to a complex element
        const auto run = [&](DType type, Device d) {
          Arrays r{empty({rows, n}, complex_of(type), d), empty({rows, half}, complex_of(type), d), empty({rows, n}, type, d)};
          kernels::fft(sign, 0.5, z.to(complex_of(type)).to(d), r[0]);
          kernels::rfft(sign, 2, doubled, real.to(type).to(d).slice(0, 1, rows * n + 1).view({rows, n}), r[1]);
          const Array before = spectrum.to(complex_of(type)).to(d), kept = before.clone();
          kernels::irfft(sign, 1, doubled, before, r[2]);
          EXPECT_TRUE(same_bits(before, kept)) << "irfft changed its input";
          return r;
        };
        const Arrays want = run(DType::f64, Device{}), got = run(t, kDevice), again = run(t, kDevice);
        for (size_t i = 0; i < 3; ++i) {
          expect_close(got[i], want[i], t);
          EXPECT_TRUE(same_bits(got[i], again[i]));
        }
        if (HasFailure()) return;
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Types, CudaFft, testing::Values(DType::f32, DType::f64), [](const auto& info) { return std::string(name(info.param)); });

}  // namespace
