// sum and prod. Elements are joined 16 at a time in their own precision (bf16: f32), those in double precision.
#include "cuda/reduce.cuh"
#include "tensor/kernels/math.h"
#include "tensor/kernels/reduce.h"

namespace hippograd::cuda {
namespace {

template <class T> struct Wide { using type = T; };
template <> struct Wide<float> { using type = double; };
template <> struct Wide<complex64> { using type = complex128; };

template <class T> HIPPOGRAD_DEVICE T plus(T a, T b) {
  if constexpr (is_complex_v<T>) return T(a.real() + b.real(), a.imag() + b.imag());
  else return a + b;
}
template <class T> HIPPOGRAD_DEVICE T times(T a, T b) {
  if constexpr (is_complex_v<T>) return math::times(a, b);
  else return a * b;
}

template <class T, bool kProduct> struct Accumulate {
  using In = T;
  using Short = compute_t<T>;
  using Total = typename Wide<Short>::type;
  T* y;
  HIPPOGRAD_DEVICE Total none() const { return kProduct ? Total(1) : Total(0); }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    Short s = load(x[0]);
#pragma unroll
    for (int i = 1; i < N; ++i) s = kProduct ? times(s, load(x[i])) : plus(s, load(x[i]));
    return convert<Total>(s);
  }
  HIPPOGRAD_DEVICE Total join(const Total& a, const Total& b) const { return kProduct ? times(a, b) : plus(a, b); }
  HIPPOGRAD_DEVICE void write(const Total& t, int64_t at, int64_t) const { y[at] = convert<T>(t); }
};

void same_dtype(const char* op, CArray x, CArray y) {
  if (x.dtype() != y.dtype()) fail<DtypeError>(op, ": input is ", x.dtype(), ", output ", y.dtype());
}
using SummedTypes = Types<float, double, complex64, complex128, int64_t, bfloat16>;

template <bool kProduct> void accumulate(const char* name, CArray x, MArray y) {
  check_reduction(name, x, y);
  same_dtype(name, x, y);
  visit(SummedTypes{}, x.dtype(), name, [&]<class T>() {
    constexpr int V = std::is_same_v<compute_t<T>, float> ? kPack<T> : 1;
    reduce<V>(name, Accumulate<T, kProduct>{y.data<T>()}, x, y);
  });
}
void sum(CArray x, MArray y) { accumulate<false>("sum", x, y); }
void prod(CArray x, MArray y) { accumulate<true>("prod", x, y); }

const Bind b0(kernels::sum, DeviceKind::CUDA, sum, kTakesBf16);
const Bind b1(kernels::prod, DeviceKind::CUDA, prod, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
