#pragma once
// Conversions between element types on the device; the rules of tensor/cpu/copy.cpp.
#include "cuda/launch.cuh"

namespace hippograd::cuda {

template <class T> inline constexpr bool is_complex_v = false;
template <class R> inline constexpr bool is_complex_v<Complex<R>> = true;

template <class To, class From> HIPPOGRAD_DEVICE To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (!std::is_same_v<compute_t<From>, From>) {
    return convert<To>(load(x));
  } else if constexpr (!std::is_same_v<compute_t<To>, To>) {
    To y;
    store(y, convert<float>(x));
    return y;
  } else if constexpr (is_complex_v<From>) {
    if constexpr (std::is_same_v<To, bool>) return x.real() != 0 || x.imag() != 0;
    else if constexpr (is_complex_v<To>) return To(typename To::value_type(x.real()), typename To::value_type(x.imag()));
    else return convert<To>(x.real());
  } else if constexpr (is_complex_v<To>) {
    return To(convert<typename To::value_type>(x), 0);
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (!(x > From(-9.2233720368547758e18) && x < From(9.2233720368547758e18))) return std::is_same_v<To, int64_t> ? To(INT64_MIN) : To(0);
    return static_cast<To>(static_cast<int64_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace hippograd::cuda
