#pragma once
// Pointwise kernels. The mathematics is written once per op as a functor that works on scalars (CUDA) and on Eigen array
// expressions (CPU SIMD), and stands in one of the lists at the end. Shapes equal (expand first), any strides; y may be one
// of the inputs.
//
// Rules for a functor: never name a temporary and never construct an array inside (Eigen keeps references into its
// expression); constants go through `num(x, c)`; parameters are its members, in the order the slot passes them.
// `types` says which element types it takes. `HD` is the only test of the compiler.
#include <cmath>
#include <complex>
#include <cstdlib>

#include "tensor/kernel.h"

#ifdef __CUDACC__
#define HD __host__ __device__
#else
#define HD
#endif

namespace hippograd {

// Which element types a functor is made for.
enum TypeSet : unsigned { kRealTypes = 1, kComplexTypes = 2, kIntTypes = 4, kBoolType = 8,
                          kInexact = kRealTypes | kComplexTypes, kNumbers = kInexact | kIntTypes, kOrdered = kRealTypes | kIntTypes | kBoolType,
                          kEverything = 15 };
template <class T> constexpr unsigned type_bit() {
  if (std::is_same_v<T, bool>) return kBoolType;
  if (std::is_integral_v<T>) return kIntTypes;
  return std::is_floating_point_v<T> ? kRealTypes : kComplexTypes;
}

namespace pointwise {

// The constant c in the scalar type of x (x: a number or an Eigen expression).
template <class X> HD constexpr auto num(const X&, double c) {
  if constexpr (requires { typename X::Scalar; }) return typename X::Scalar(c);
  else return X(c);
}

// ---- binary ----
struct Add { static constexpr unsigned types = kEverything; HD auto operator()(const auto& a, const auto& b) const { return a + b; } };
struct Sub { static constexpr unsigned types = kNumbers; HD auto operator()(const auto& a, const auto& b) const { return a - b; } };
struct Mul { static constexpr unsigned types = kEverything; HD auto operator()(const auto& a, const auto& b) const { return a * b; } };
struct Div { static constexpr unsigned types = kInexact; HD auto operator()(const auto& a, const auto& b) const { return a / b; } };

// ---- unary ----
struct Neg { static constexpr unsigned types = kNumbers; HD auto operator()(const auto& x) const { return -x; } };
struct Exp { static constexpr unsigned types = kInexact; HD auto operator()(const auto& x) const { using std::exp; return exp(x); } };

}  // namespace pointwise

template <class... F> struct FunctorList {
  static constexpr int size = sizeof...(F);
  template <class G> static constexpr int find() {
    int i = 0;
    ((std::is_same_v<F, G> || (++i, false)) || ...);
    return i;
  }
};
using UnaryFunctors = FunctorList<pointwise::Neg, pointwise::Exp>;
using BinaryFunctors = FunctorList<pointwise::Add, pointwise::Sub, pointwise::Mul, pointwise::Div>;

template <class F> inline constexpr int unary_id = UnaryFunctors::find<F>();
template <class F> inline constexpr int binary_id = BinaryFunctors::find<F>();

namespace kernels {
// y = f(x), f = UnaryFunctors[id]{p, q}. y has the functor's result type: x's, or bool, or the real type of a complex x.
extern constinit Kernel<void(int id, CArray x, double p, double q, MArray y)> unary;
// y = f(a, b), f = BinaryFunctors[id]{p}; a and b of one dtype.
extern constinit Kernel<void(int id, CArray a, CArray b, double p, MArray y)> binary;
}  // namespace kernels

}  // namespace hippograd
