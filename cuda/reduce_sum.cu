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

template <class T, bool kProduct, class Out> struct Accumulate {
  using In = T;
  using Short = compute_t<T>;
  using Total = typename Wide<Short>::type;
  Out* y;
  double divisor;   // of the total: 1, or what makes it a mean
  HIPPOGRAD_DEVICE Total none() const { return kProduct ? Total(1) : Total(0); }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    Short s = load(x[0]);
#pragma unroll
    for (int i = 1; i < N; ++i) s = kProduct ? times(s, load(x[i])) : plus(s, load(x[i]));
    return convert<Total>(s);
  }
  HIPPOGRAD_DEVICE Total join(const Total& a, const Total& b) const { return kProduct ? times(a, b) : plus(a, b); }
  HIPPOGRAD_DEVICE void write(const Total& t, int64_t at, int64_t) const {
    if constexpr (std::is_integral_v<T>) y[at] = t;
    else y[at] = convert<Out>(t / divisor);
  }
};

using SummedTypes = Types<float, double, complex64, complex128, int64_t>;

// Equal dtypes; f32 from bf16 as well, for whoever goes on computing with the result.
template <bool kProduct> void accumulate(const char* name, CArray x, double divisor, MArray y) {
  check_reduction(name, x, y);
  if (x.dtype() == DType::bf16) {
    constexpr int V = kPack<bfloat16>;
    if (y.dtype() == DType::bf16) return reduce<V, V>(name, Accumulate<bfloat16, kProduct, bfloat16>{y.data<bfloat16>(), divisor}, x, y);
    if (y.dtype() == DType::f32) return reduce<V, V>(name, Accumulate<bfloat16, kProduct, float>{y.data<float>(), divisor}, x, y);
  }
  if (x.dtype() != y.dtype()) fail<DtypeError>(name, ": input is ", x.dtype(), ", output ", y.dtype());
  visit(SummedTypes{}, x.dtype(), name, [&]<class T>() {
    constexpr int V = std::is_same_v<T, float> ? kPack<T> : 1;
    reduce<V, V>(name, Accumulate<T, kProduct, T>{y.data<T>(), divisor}, x, y);
  });
}
void sum(CArray x, MArray y) { accumulate<false>("sum", x, 1, y); }
void mean(CArray x, MArray y) {
  if (!is_floating(x.dtype())) unsupported_dtype("mean", x.dtype());
  accumulate<false>("mean", x, double(x.numel()) / double(y.numel()), y);
}
void prod(CArray x, MArray y) { accumulate<true>("prod", x, 1, y); }

const Bind b0(kernels::sum, DeviceKind::CUDA, sum, kTakesBf16);
const Bind b1(kernels::mean, DeviceKind::CUDA, mean, kTakesBf16);
const Bind b2(kernels::prod, DeviceKind::CUDA, prod, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
