#pragma once
// The CPU side of tensor/kernels/elementwise.h: for every functor and element type one loop over a row of dense memory, which
// the compiler vectorises (`omp simd`: no element depends on another). Walking strides, buffering rows that are not dense
// and sharing work among threads is done once for all, in elementwise.cpp, on rows of bytes. The layout never changes a bit
// of the result. elementwise_*.cpp instantiate the loops, one file per element type (compile time).
#include "tensor/kernels/pointwise_types.h"

namespace hippograd::cpu {

// y[i] = f(a[i], ...) for n elements. `row` is null where the functor does not take the type. `left` and `right` read a single
// a or b for the whole row; they may be null.
struct UnaryRow {
  DType result = DType::f32;
  void (*row)(double p, double q, void* y, int64_t n, const void* a) = nullptr;
};
struct BinaryRow {
  DType result = DType::f32;
  using Function = void (*)(double p, void* y, int64_t n, const void* a, const void* b);
  Function row = nullptr, left = nullptr, right = nullptr;
};
struct TernaryRow {
  DType result = DType::f32;
  void (*row)(double p, void* y, int64_t n, const void* a, const void* b, const void* c) = nullptr;
};
template <class T> UnaryRow unary_row(int id);
template <class T> BinaryRow binary_row(int id);
template <class T> TernaryRow ternary_row(int id);

// ---- instantiation ----

using pointwise::has_condition, pointwise::is_exact, pointwise::make, pointwise::Result, pointwise::takes;

template <class Test> HIPPOGRAD_INLINE bool any_of(int64_t n, Test test) {
  int any = 0;
#pragma omp simd reduction(| : any)
  for (int64_t i = 0; i < n; ++i) any |= int(test(i));
  return any != 0;
}

template <class T, class F> constexpr UnaryRow make_unary_row() {
  if constexpr (!takes<T, F>()) return {};
  else {
    using R = Result<T, std::decay_t<decltype(make<F>(0, 0)(T{}))>>;
    return {dtype_of<R>, [](double p, double q, void* y_, int64_t n, const void* a_) {
      R* y = static_cast<R*>(y_);
      const T* a = static_cast<const T*>(a_);
      const F f = make<F>(p, q);
      if constexpr (requires { f.rare(T{}); }) {
        if (any_of(n, [&](int64_t i) { return f.rare(a[i]); })) {
          for (int64_t i = 0; i < n; ++i) y[i] = f.rare(a[i]) ? R(f.careful(a[i])) : R(f(a[i]));
          return;
        }
      }
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = R(f(a[i]));
    }};
  }
}

enum Operand { kArray, kSingle };
template <class T, class R, class F, Operand A, Operand B> void binary_loop(double p, void* y_, int64_t n, const void* a_, const void* b_) {
  R* y = static_cast<R*>(y_);
  const T *a = static_cast<const T*>(a_), *b = static_cast<const T*>(b_);
  const F f = make<F>(p, 0);
  const T first_a = *a, first_b = *b;   // y may overwrite them
  if constexpr (requires { f.rare(T{}, T{}); }) {
    if (any_of(n, [&](int64_t i) { return f.rare(a[i], b[i]); })) {
      for (int64_t i = 0; i < n; ++i) y[i] = f.rare(a[i], b[i]) ? R(f.careful(a[i], b[i])) : R(f(a[i], b[i]));
      return;
    }
  }
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = R(f(A == kArray ? a[i] : first_a, B == kArray ? b[i] : first_b));
}
template <class T, class F> constexpr BinaryRow make_binary_row() {
  if constexpr (!takes<T, F>()) return {};
  else {
    using R = Result<T, std::decay_t<decltype(make<F>(0, 0)(T{}, T{}))>>;
    if constexpr (is_exact<F>() && std::is_floating_point_v<T>)
      return {dtype_of<R>, binary_loop<T, R, F, kArray, kArray>, binary_loop<T, R, F, kSingle, kArray>, binary_loop<T, R, F, kArray, kSingle>};
    else
      return {dtype_of<R>, binary_loop<T, R, F, kArray, kArray>};
  }
}

template <class T, class F> constexpr TernaryRow make_ternary_row() {
  if constexpr (!takes<T, F>()) return {};
  else {
    using A = std::conditional_t<has_condition<F>(), bool, T>;
    return {dtype_of<T>, [](double p, void* y_, int64_t n, const void* a_, const void* b_, const void* c_) {
      T* y = static_cast<T*>(y_);
      const A* a = static_cast<const A*>(a_);
      const T *b = static_cast<const T*>(b_), *c = static_cast<const T*>(c_);
      const F f = make<F>(p, 0);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = T(f(a[i], b[i], c[i]));
    }};
  }
}

template <class T, class... F> UnaryRow find_unary(FunctorList<F...>, int id) {
  static constexpr UnaryRow table[] = {make_unary_row<T, F>()...};
  return table[id];
}
template <class T, class... F> BinaryRow find_binary(FunctorList<F...>, int id) {
  static constexpr BinaryRow table[] = {make_binary_row<T, F>()...};
  return table[id];
}
template <class T, class... F> TernaryRow find_ternary(FunctorList<F...>, int id) {
  static constexpr TernaryRow table[] = {make_ternary_row<T, F>()...};
  return table[id];
}

}  // namespace hippograd::cpu
