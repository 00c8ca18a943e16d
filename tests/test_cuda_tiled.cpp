// Products and convolutions on CUDA without cuBLAS: what is left to our own kernels where it has no algorithm, against the CPU.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tensor/backend.h"
#include "tensor/kernels/conv.h"
#include "tensor/kernels/matmul.h"
#include "tensor/random.h"

using namespace hippograd;

namespace {

const int g_without = setenv("HIPPOGRAD_BLAS_RANK", "-1", 1);   // read at the first product (cuda/gemm.cpp)

constexpr Device kCuda{DeviceKind::CUDA};
constexpr DType kTypes[] = {DType::f32, DType::f64, DType::c64, DType::c128, DType::i64, DType::i32, DType::u8, DType::bf16, DType::f16};

class CudaTiled : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_unavailable(DeviceKind::CUDA); !why.empty()) GTEST_SKIP() << why;
  }
};

// Small whole numbers: every sum is exact in every type.
Array numbers(const Shape& shape, DType t) {
  static Generator g(5);
  return rand_int(shape, 0, 3, g).to(t);
}
void expect_same(const Array& on_device, const Array& expected, DType t) {
  EXPECT_EQ(to_vector<complex128>(on_device), to_vector<complex128>(expected)) << name(t);
}

TEST_F(CudaTiled, Products) {
  for (DType t : kTypes)
    for (bool biased : {false, true}) {
      const Array a = numbers({2, 70, 19}, t), b = numbers({2, 19, 66}, t), bias = biased ? numbers({66}, t) : Array();
      Array y = zeros({2, 70, 66}, t), on_device = zeros({2, 70, 66}, t, kCuda);
      kernels::matmul(a, false, b, false, bias, y);
      kernels::matmul(a.to(kCuda), false, b.to(kCuda), false, biased ? bias.to(kCuda) : bias, on_device);
      expect_same(on_device, y, t);
    }
}

TEST_F(CudaTiled, Convolutions) {
  ConvGeometry g;
  g.groups = 2;                                 // one group of f32 has a kernel of its own
  for (DType t : {DType::f32, DType::f64, DType::bf16}) {
    const Array x = numbers({2, 4, 6, 5}, t), w = numbers({4, 2, 3, 3}, t), dy = numbers({2, 4, 4, 3}, t);
    Array y = zeros({2, 4, 4, 3}, t), dx = zeros({2, 4, 6, 5}, t), dw = zeros({4, 2, 3, 3}, t);
    Array y2 = y.to(kCuda), dx2 = dx.to(kCuda), dw2 = dw.to(kCuda);
    kernels::conv2d(g, x, w, {}, y);
    kernels::conv2d_input(g, dy, w, dx);
    kernels::conv2d_weight(g, x, dy, dw);
    kernels::conv2d(g, x.to(kCuda), w.to(kCuda), {}, y2);
    kernels::conv2d_input(g, dy.to(kCuda), w.to(kCuda), dx2);
    kernels::conv2d_weight(g, x.to(kCuda), dy.to(kCuda), dw2);
    expect_same(y2, y, t);
    expect_same(dx2, dx, t);
    expect_same(dw2, dw, t);
  }
}

}  // namespace
