#pragma once
// The CPU side of tensor/kernels/elementwise.h: for every functor and element type one loop over strided rows, computed in
// chunks by Eigen. Rows that are not contiguous pass through small buffers, so the layout never changes a bit of the result.
// One .cpp per element type instantiates it (compile time).
#include <Eigen/Core>

#include "tensor/cpu/loops.h"
#include "tensor/kernels/elementwise.h"

namespace hippograd::cpu {

constexpr int64_t kChunk = 512;   // elements: inputs and output together stay in L1

template <class T> using Chunk = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T> using ConstChunk = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

template <class T> const T* gather(const T* p, int64_t stride, int64_t n, T* buffer) {
  if (stride == 1) return p;
  if (stride == 0) std::fill_n(buffer, n, *p);
  else for (int64_t i = 0; i < n; ++i) buffer[i] = p[i * stride];
  return buffer;
}

// A functor from its parameters: it takes as many as it has members.
template <class F> F make(double p, double q) {
  if constexpr (requires { F{p, q}; }) return F{p, q};
  else if constexpr (requires { F{p}; }) return F{p};
  else return F{};
}

// Runs `f(chunk inputs...)` over all elements. In: element types of the inputs; R: of the output.
template <class R, class F, class... In> void run(const F& f, double ns, MArray y, const std::array<const Array*, sizeof...(In)>& in) {
  constexpr int N = sizeof...(In);
  std::array<const Array*, N + 1> all{&y};
  std::copy(in.begin(), in.end(), all.begin() + 1);
  const StridedLoop<N + 1> loop(all);
  const auto strides = loop.row_strides();
  R* out = y.data<R>();
  [&]<size_t... K>(std::index_sequence<K...>) {
    const std::tuple<const In*...> base{in[K]->template data<In>()...};
    loop.for_rows(ns, [&](const auto& at, int64_t length) {
      alignas(64) R out_buffer[kChunk];
      std::tuple<std::array<In, kChunk>...> buffers;
      for (int64_t i = 0; i < length; i += kChunk) {
        const int64_t n = std::min(kChunk, length - i);
        R* to = out + at[0] + i * strides[0];
        R* target = strides[0] == 1 ? to : out_buffer;
        Chunk<R>(target, n) = f(ConstChunk<In>(
            gather(std::get<K>(base) + at[K + 1] + i * strides[K + 1], strides[K + 1], n, std::get<K>(buffers).data()), n)...);
        if (target != to) for (int64_t j = 0; j < n; ++j) to[j * strides[0]] = out_buffer[j];
      }
    });
  }(std::make_index_sequence<N>{});
}

// The element type of f's result: integers do not grow (C++ would make an int of two bytes).
template <class T, class Q> using Result = std::conditional_t<std::is_integral_v<Q> && !std::is_same_v<Q, bool>, T, Q>;

using UnaryLoop = void (*)(CArray x, double p, double q, MArray y);
using BinaryLoop = void (*)(CArray a, CArray b, double p, MArray y);

template <class T, class F> constexpr UnaryLoop unary_loop() {
  if constexpr ((F::types & type_bit<T>()) == 0) return nullptr;
  else return [](CArray x, double p, double q, MArray y) {
    using R = Result<T, std::decay_t<decltype(make<F>(p, q)(T{}))>>;
    run<R, F, T>(make<F>(p, q), 1, y, {&x});
  };
}
template <class T, class F> constexpr BinaryLoop binary_loop() {
  if constexpr ((F::types & type_bit<T>()) == 0) return nullptr;
  else return [](CArray a, CArray b, double p, MArray y) {
    using R = Result<T, std::decay_t<decltype(make<F>(p, 0)(T{}, T{}))>>;
    run<R, F, T, T>(make<F>(p, 0), 0.5, y, {&a, &b});
  };
}
template <class T, class... F> UnaryLoop unary_table(FunctorList<F...>, int id) {
  static constexpr UnaryLoop table[] = {unary_loop<T, F>()...};
  return table[id];
}
template <class T, class... F> BinaryLoop binary_table(FunctorList<F...>, int id) {
  static constexpr BinaryLoop table[] = {binary_loop<T, F>()...};
  return table[id];
}

// Defined for each T in elementwise_*.cpp; nullptr: the functor does not take this type.
template <class T> UnaryLoop find_unary(int id);
template <class T> BinaryLoop find_binary(int id);

}  // namespace hippograd::cpu
