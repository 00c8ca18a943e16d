#pragma once
// What the kernels along time share (selective scan, linear scan, causal convolution): arrays as strided pointers that may
// hold bf16, real or complex numbers as planes, and the segments of a packed sequence.
#include "tensor/kernels/math.h"
#include "cuda/launch.cuh"

namespace hippograd::cuda {

// ---- strided arrays ----
// Element (b, t, g, d, n) of an input stands at b * this->b + ...; axes that an array has not have stride 0. T is f32 or f64;
// `half` says that the memory holds bf16. Of a complex array strides count real numbers: the imaginary part is the next one.
// A null pointer means "not given", or "not wanted".
struct Axes {
  int64_t b = 0, t = 0, g = 0, d = 0, n = 0;
};
template <class T> struct Input : Axes {
  const void* data = nullptr;
  bool half = false;
  HIPPOGRAD_DEVICE T at(int64_t i) const {
    if constexpr (std::is_same_v<T, float>)
      if (half) return load(static_cast<const bfloat16*>(data)[i]);
    return static_cast<const T*>(data)[i];
  }
};
template <class T> struct Output : Axes {
  void* data = nullptr;
  bool half = false;
  HIPPOGRAD_DEVICE void put(int64_t i, T x) const {
    if constexpr (std::is_same_v<T, float>)
      if (half) return store(static_cast<bfloat16*>(data)[i], x);
    static_cast<T*>(data)[i] = x;
  }
};

// The axes by name, in the order of the array's dimensions: "btd", "dn", "btgn", ...
template <class View, class A> View view_of(A& x, std::string_view axes) {
  View v;
  if (!x.defined()) return v;
  v.data = x.raw();
  v.half = x.dtype() == DType::bf16;
  const int64_t planes = is_complex(x.dtype()) ? 2 : 1;
  for (int i = 0; i < x.dim(); ++i) {
    const int64_t stride = x.strides()[i] * planes;
    switch (axes[size_t(i)]) {
      case 'b': v.b = stride; break;
      case 't': v.t = stride; break;
      case 'g': v.g = stride; break;
      case 'd': v.d = stride; break;
      default: v.n = stride;
    }
  }
  return v;
}
template <class T> Input<T> input(CArray x, std::string_view axes) { return view_of<Input<T>>(x, axes); }
template <class T> Output<T> output(MArray x, std::string_view axes) { return view_of<Output<T>>(x, axes); }

// A pack as one access. Assigned as a struct, the compiler would write 16-bit members one by one.
template <class T, int N> HIPPOGRAD_DEVICE void store_pack(T* to, const Pack<T, N>& pack) {
  constexpr size_t kBytes = sizeof(Pack<T, N>);
  using Word = std::conditional_t<kBytes == 4, uint32_t, std::conditional_t<kBytes == 8, uint2, uint4>>;
  static_assert(sizeof(Word) == kBytes);
  Word word;
  memcpy(&word, &pack, kBytes);
  *reinterpret_cast<Word*>(to) = word;
}

// ---- real and complex numbers ----
template <class T, bool C> struct Num;
template <class T> struct Num<T, false> { T re = 0; };
template <class T> struct Num<T, true> { T re = 0, im = 0; };

template <class T, bool C> HIPPOGRAD_DEVICE Num<T, C> operator+(Num<T, C> a, Num<T, C> b) {
  if constexpr (C) return {a.re + b.re, a.im + b.im};
  else return {a.re + b.re};
}
template <class T, bool C> HIPPOGRAD_DEVICE Num<T, C> operator*(Num<T, C> a, Num<T, C> b) {
  if constexpr (C) return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  else return {a.re * b.re};
}
template <class T, bool C> HIPPOGRAD_DEVICE Num<T, C> conj(Num<T, C> a) {
  if constexpr (C) return {a.re, -a.im};
  else return a;
}
template <class T, bool C> HIPPOGRAD_DEVICE Num<T, C> scaled(T s, Num<T, C> a) {
  if constexpr (C) return {s * a.re, s * a.im};
  else return {s * a.re};
}
template <class T, bool C> HIPPOGRAD_DEVICE T real_of_product(Num<T, C> a, Num<T, C> b) {
  if constexpr (C) return a.re * b.re - a.im * b.im;
  else return a.re * b.re;
}
template <bool C, class T> HIPPOGRAD_DEVICE Num<T, C> number(const Input<T>& x, int64_t i) {
  if constexpr (C) return {x.at(i), x.at(i + 1)};
  else return {x.at(i)};
}
template <class T, bool C> HIPPOGRAD_DEVICE void put_number(const Output<T>& y, int64_t i, Num<T, C> v) {
  y.put(i, v.re);
  if constexpr (C) y.put(i + 1, v.im);
}
// exp(dt A)
template <class T, bool C> HIPPOGRAD_DEVICE Num<T, C> decay(T dt, Num<T, C> A) {
  const T magnitude = math::exp2(dt * (A.re * math::kLog2e<T>));
  if constexpr (C) {
    T sine, cosine;
    if constexpr (std::is_same_v<T, float>) sincosf(dt * A.im, &sine, &cosine);
    else sincos(dt * A.im, &sine, &cosine);
    return {magnitude * cosine, magnitude * sine};
  } else {
    return {magnitude};
  }
}
// Over runs of `lanes` neighbours in a warp (a power of two): every lane gets the sum, by a fixed tree.
template <class T> HIPPOGRAD_DEVICE T sum_lanes(T x, int lanes) {
  for (int k = lanes / 2; k > 0; k /= 2) x += __shfl_xor_sync(kFullWarp, x, k);
  return x;
}
// Over the lanes that differ by multiples of `lanes`.
template <class T> HIPPOGRAD_DEVICE T sum_across(T x, int lanes) {
  for (int k = 16; k >= lanes; k /= 2) x += __shfl_xor_sync(kFullWarp, x, k);
  return x;
}

// ---- segments ----
// What step i of the scan does: go on, start a new segment (the state before it is 0), or nothing at all. A change of number
// starts a segment; a negative number is padding, and numbers are compared with that of the last real token.
enum StepKind : uint8_t { kContinue, kReset, kPadding };

// kinds (B, L) in the order of the scan, or null without segments.
class StepKinds {
 public:
  StepKinds(CArray seq_idx, int64_t B, int64_t L, bool reverse);
  const uint8_t* get() const { return kinds_; }
 private:
  Workspace memory_;
  const uint8_t* kinds_ = nullptr;
};

}  // namespace hippograd::cuda
