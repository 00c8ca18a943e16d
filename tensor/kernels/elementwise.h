#pragma once
// Pointwise kernels. The mathematics is written once per op as a functor that works on scalars (CUDA) and on Eigen array
// expressions (CPU SIMD), and stands in one of the lists below. Shapes equal (expand first), any strides; y may alias an
// input that has y's strides.
//
// Rules for a functor: never name a temporary and never construct an array inside (Eigen keeps references); constants go
// through `num(x, c)`, parameters are the members p, q. `HD` is the only test of the compiler.
#include <cmath>
#include <complex>

#include "tensor/kernel.h"

#ifdef __CUDACC__
#define HD __host__ __device__
#else
#define HD
#endif

namespace hippograd {

template <class... F> struct FunctorList {
  static constexpr int size = sizeof...(F);
  template <class G> static constexpr int index = [] {
    int i = 0;
    ((std::is_same_v<F, G> || (++i, false)) || ...);
    return i;
  }();
};

namespace kernels {
// y = f(x); x and y of one dtype unless the functor says otherwise (comparisons give bool; abs/real/imag of complex: real).
extern constinit Kernel<void(int f, CArray x, double p, double q, MArray y)> unary;
extern constinit Kernel<void(int f, CArray a, CArray b, double p, MArray y)> binary;
extern constinit Kernel<void(int f, CArray a, CArray b, CArray c, double p, MArray y)> ternary;
}  // namespace kernels
}  // namespace hippograd
