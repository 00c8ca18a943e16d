#pragma once
// Complex arithmetic in device code. std::complex's own operators compile there but are wrong: libstdc++ computes with the
// compiler's _Complex types, which nvcc does not translate faithfully. These take precedence in hippograd's code, where they
// are declared before it. Of the assignments only those of a complex number: `z *= 2.0f` is std::complex's, so write z = z * 2.
#include <complex>
#include <cuda/std/complex>

namespace hippograd {
#define HIPPOGRAD_COMPLEX_OPERATORS(C, R)                                                                                         \
  __host__ __device__ inline C operator+(const C& a, const C& b) { return C(a.real() + b.real(), a.imag() + b.imag()); }          \
  __host__ __device__ inline C operator+(const C& a, R b) { return C(a.real() + b, a.imag()); }                                   \
  __host__ __device__ inline C operator+(R a, const C& b) { return C(a + b.real(), b.imag()); }                                   \
  __host__ __device__ inline C operator-(const C& a) { return C(-a.real(), -a.imag()); }                                          \
  __host__ __device__ inline C operator-(const C& a, const C& b) { return C(a.real() - b.real(), a.imag() - b.imag()); }          \
  __host__ __device__ inline C operator-(const C& a, R b) { return C(a.real() - b, a.imag()); }                                   \
  __host__ __device__ inline C operator-(R a, const C& b) { return C(a - b.real(), -b.imag()); }                                  \
  __host__ __device__ inline C operator*(const C& a, R b) { return C(a.real() * b, a.imag() * b); }                               \
  __host__ __device__ inline C operator*(R a, const C& b) { return C(a * b.real(), a * b.imag()); }                               \
  __host__ __device__ inline C operator*(const C& a, const C& b) {                                                                \
    return C(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());                               \
  }                                                                                                                               \
  __host__ __device__ inline C operator/(const C& a, R b) { return C(a.real() / b, a.imag() / b); }                               \
  /* b is scaled to size 1 first: its square cannot overflow */                                                                   \
  __host__ __device__ inline C operator/(const C& a, const C& b) {                                                                \
    const R re = b.real() < 0 ? -b.real() : b.real(), im = b.imag() < 0 ? -b.imag() : b.imag(), scale = re > im ? re : im;        \
    const R x = b.real() / scale, y = b.imag() / scale, d = (x * x + y * y) * scale;                                              \
    return C((a.real() * x + a.imag() * y) / d, (a.imag() * x - a.real() * y) / d);                                               \
  }                                                                                                                               \
  __host__ __device__ inline C operator/(R a, const C& b) { return C(a, R(0)) / b; }                                              \
  __host__ __device__ inline C& operator+=(C& a, const C& b) { return a = a + b; }                                                \
  __host__ __device__ inline C& operator-=(C& a, const C& b) { return a = a - b; }                                                \
  __host__ __device__ inline C& operator*=(C& a, const C& b) { return a = a * b; }                                                \
  __host__ __device__ inline C& operator/=(C& a, const C& b) { return a = a / b; }
HIPPOGRAD_COMPLEX_OPERATORS(std::complex<float>, float)
HIPPOGRAD_COMPLEX_OPERATORS(std::complex<double>, double)
#undef HIPPOGRAD_COMPLEX_OPERATORS
}  // namespace hippograd
