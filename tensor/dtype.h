#pragma once
// Element types. f32 f64 c64 c128 i64 i32 bool u8 compute; bf16 and f16 are storage: kernels widen them to f32,
// compute, and round once (architecture 6).
#include <cstdint>
#include <cstring>
#include <string_view>

#include "tensor/complex.h"
#include "tensor/error.h"

namespace hippograd {

enum class DType : uint8_t { f32, f64, c64, c128, i64, i32, b8, u8, bf16, f16 };
inline constexpr int kDTypes = 10;

using complex64 = Complex<float>;
using complex128 = Complex<double>;

struct bfloat16 {  // the upper half of a float: 8 exponent bits, 7 mantissa bits
  uint16_t bits = 0;
  bfloat16() = default;
  explicit bfloat16(float x) {  // round to nearest, ties to even; NaN stays NaN
    uint32_t u;
    std::memcpy(&u, &x, 4);
    bits = (u & 0x7fffffffu) > 0x7f800000u ? uint16_t(u >> 16 | 0x40) : uint16_t((u + 0x7fffu + (u >> 16 & 1)) >> 16);
  }
  explicit operator float() const {
    const uint32_t u = uint32_t(bits) << 16;
    float x;
    std::memcpy(&x, &u, 4);
    return x;
  }
};

struct float16 {  // IEEE binary16
  uint16_t bits = 0;
  float16() = default;
  explicit float16(float x) {
    const _Float16 h = _Float16(x);
    std::memcpy(&bits, &h, 2);
  }
  explicit operator float() const {
    _Float16 h;
    std::memcpy(&h, &bits, 2);
    return float(h);
  }
};

template <class T> inline constexpr DType dtype_of = DType::f32;
template <> inline constexpr DType dtype_of<double> = DType::f64;
template <> inline constexpr DType dtype_of<complex64> = DType::c64;
template <> inline constexpr DType dtype_of<complex128> = DType::c128;
template <> inline constexpr DType dtype_of<int64_t> = DType::i64;
template <> inline constexpr DType dtype_of<int32_t> = DType::i32;
template <> inline constexpr DType dtype_of<bool> = DType::b8;
template <> inline constexpr DType dtype_of<uint8_t> = DType::u8;
template <> inline constexpr DType dtype_of<bfloat16> = DType::bf16;
template <> inline constexpr DType dtype_of<float16> = DType::f16;

constexpr int itemsize(DType t) {
  constexpr int sizes[kDTypes] = {4, 8, 8, 16, 8, 4, 1, 1, 2, 2};
  return sizes[int(t)];
}
constexpr bool is_complex(DType t) { return t == DType::c64 || t == DType::c128; }
constexpr bool is_half(DType t) { return t == DType::bf16 || t == DType::f16; }
constexpr bool is_real(DType t) { return t == DType::f32 || t == DType::f64 || is_half(t); }
constexpr bool is_floating(DType t) { return is_real(t) || is_complex(t); }   // can carry a gradient
constexpr bool is_integer(DType t) { return t == DType::i64 || t == DType::i32 || t == DType::u8; }
constexpr int category(DType t) { return t == DType::b8 ? 0 : is_integer(t) ? 1 : is_complex(t) ? 3 : 2; }
constexpr DType real_of(DType t) { return t == DType::c64 ? DType::f32 : t == DType::c128 ? DType::f64 : t; }
constexpr DType complex_of(DType t) { return t == DType::f64 || t == DType::c128 ? DType::c128 : DType::c64; }
// The type a half or integer input is computed in.
constexpr DType compute_dtype(DType t) { return is_half(t) ? DType::f32 : t; }

std::string_view name(DType t);                 // "float32", "complex64", "bool", ...
DType promote(DType a, DType b);                // PyTorch's promotion of two dimensioned tensors
DType default_dtype();                          // f32 unless set_default_dtype
void set_default_dtype(DType t);
inline void append(std::string& s, DType t) { s += name(t); }

// visit(dtype, f): calls f.template operator()<T>() with the C++ type. The list of types is given by the caller, so
// that each kernel instantiates what it supports and refuses the rest by name.
template <class... Ts> struct Types {};
using FloatTypes = Types<float, double>;
using ComplexTypes = Types<complex64, complex128>;
using InexactTypes = Types<float, double, complex64, complex128>;
using RealTypes = Types<float, double, int64_t, int32_t, uint8_t, bool>;
using NumericTypes = Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t, bool>;
using AllTypes = Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t, bool, bfloat16, float16>;

[[noreturn]] void unsupported_dtype(std::string_view op, DType t);

template <class... Ts, class F> void visit(Types<Ts...>, DType t, std::string_view op, F&& f) {
  const bool found = ((dtype_of<Ts> == t && (f.template operator()<Ts>(), true)) || ...);
  if (!found) unsupported_dtype(op, t);
}

}  // namespace hippograd
