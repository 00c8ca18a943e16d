#pragma once
// What both sides need to know of a functor of tensor/kernels/elementwise.h: how it is made, which types it takes and gives.
#include "tensor/kernels/elementwise.h"

namespace hippograd::pointwise {

// A functor from its parameters: it takes as many as it has members.
template <class F> HIPPOGRAD_INLINE F make(double p, double q) {
  if constexpr (requires { F{p, q}; }) return F{p, q};
  else if constexpr (requires { F{p}; }) return F{p};
  else return F{};
}
template <class F> constexpr bool is_exact() {
  if constexpr (requires { F::exact; }) return F::exact; else return false;
}
template <class F> constexpr bool has_condition() {
  if constexpr (requires { F::condition; }) return F::condition; else return false;
}
template <class T, class F> constexpr bool takes() { return (F::types & type_bit<T>()) != 0; }

// The element type of f's result: integers do not grow (C++ would make an int of two bytes).
template <class T, class Q> using Result = std::conditional_t<std::is_integral_v<Q> && !std::is_same_v<Q, bool>, T, Q>;

}  // namespace hippograd::pointwise
