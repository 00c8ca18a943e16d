// Extremes, their positions, and counts of what is not 0. Nothing is rounded: any order gives the same.
#include "cuda/reduce.cuh"
#include "tensor/kernels/reduce.h"

namespace hippograd::cuda {
namespace {

using OrderedTypes = Types<float, double, int64_t, int32_t, uint8_t, bool, bfloat16>;

template <class T> struct Limits {   // what loses against everything
  static __host__ __device__ constexpr T lowest() {
    if constexpr (std::is_floating_point_v<T>) return -std::numeric_limits<T>::infinity();
    else return std::numeric_limits<T>::lowest();
  }
  static __host__ __device__ constexpr T highest() {
    if constexpr (std::is_floating_point_v<T>) return std::numeric_limits<T>::infinity();
    else return std::numeric_limits<T>::max();
  }
};
// Small integers and bool travel as 32-bit integers.
template <class T> using Carried = std::conditional_t<(std::is_integral_v<compute_t<T>> && sizeof(T) < 4), int32_t, compute_t<T>>;

template <class T> struct Extreme {
  using In = T;
  using Total = Carried<T>;
  T* y;
  bool least;
  HIPPOGRAD_DEVICE Total none() const { return least ? Limits<Total>::highest() : Limits<Total>::lowest(); }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    Total best = Total(load(x[0]));
#pragma unroll
    for (int i = 1; i < N; ++i) best = join(best, Total(load(x[i])));
    return best;
  }
  HIPPOGRAD_DEVICE Total join(Total a, Total b) const { return (least ? b < a : b > a) || b != b ? b : a; }   // a NaN wins
  HIPPOGRAD_DEVICE void write(Total t, int64_t at, int64_t) const {
    if constexpr (std::is_same_v<T, compute_t<T>>) y[at] = T(t);
    else store(y[at], t);
  }
};

// The first of equal values; the first NaN.
template <class C> struct Placed { C value; int64_t place; };
template <class T> struct ArgExtreme {
  using In = T;
  using C = Carried<T>;
  using Total = Placed<C>;
  T* values;
  int64_t* index;
  bool least;
  HIPPOGRAD_DEVICE Total none() const { return {least ? Limits<C>::highest() : Limits<C>::lowest(), INT64_MAX}; }
  HIPPOGRAD_DEVICE bool beats(C a, C b) const { return (least ? a < b : a > b) || (a != a && b == b); }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t at, int64_t step) const {
    C best = C(load(x[0]));
    int place = 0;
#pragma unroll
    for (int i = 1; i < N; ++i)
      if (const C v = C(load(x[i])); beats(v, best)) best = v, place = i;
    return {best, at + place * step};
  }
  HIPPOGRAD_DEVICE Total join(const Total& a, const Total& b) const {
    if (beats(a.value, b.value)) return a;
    if (beats(b.value, a.value)) return b;
    return a.place < b.place ? a : b;
  }
  HIPPOGRAD_DEVICE void write(const Total& t, int64_t at, int64_t) const {
    if constexpr (std::is_same_v<T, compute_t<T>>) values[at] = T(t.value);
    else store(values[at], t.value);
    index[at] = t.place;
  }
};

template <class T> HIPPOGRAD_DEVICE bool is_set(const T& x) {
  if constexpr (is_complex_v<T>) return x.real() != 0 || x.imag() != 0;
  else return load(x) != compute_t<T>(0);
}
// Any element is set; all are: none is unset.
template <class T> struct Any {
  using In = T;
  using Total = int32_t;
  bool* y;
  bool all;
  HIPPOGRAD_DEVICE Total none() const { return 0; }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    Total found = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) found |= is_set(x[i]) != all;
    return found;
  }
  HIPPOGRAD_DEVICE Total join(Total a, Total b) const { return a | b; }
  HIPPOGRAD_DEVICE void write(Total t, int64_t at, int64_t) const { y[at] = (t != 0) != all; }
};
template <class T> struct Count {
  using In = T;
  using Total = int64_t;
  int64_t* y;
  HIPPOGRAD_DEVICE Total none() const { return 0; }
  template <int N> HIPPOGRAD_DEVICE Total block(const T (&x)[N], int64_t, int64_t) const {
    int n = 0;
#pragma unroll
    for (int i = 0; i < N; ++i) n += is_set(x[i]);
    return n;
  }
  HIPPOGRAD_DEVICE Total join(Total a, Total b) const { return a + b; }
  HIPPOGRAD_DEVICE void write(Total t, int64_t at, int64_t) const { y[at] = t; }
};

template <class T> inline constexpr int kPackOf = std::is_same_v<compute_t<T>, float> ? kPack<T> : 1;

void same_dtype(const char* op, CArray x, CArray y) {
  if (x.dtype() != y.dtype()) fail<DtypeError>(op, ": input is ", x.dtype(), ", output ", y.dtype());
}
void extreme(CArray x, bool least, MArray y) {
  check_reduction("extreme", x, y);
  same_dtype("extreme", x, y);
  visit(OrderedTypes{}, x.dtype(), least ? "min" : "max", [&]<class T>() { reduce<kPackOf<T>, kPackOf<T>>("extreme", Extreme<T>{y.data<T>(), least}, x, y); });
}
void arg_extreme(CArray x, int, bool least, MArray values, MArray index) {   // the dimension is the one in which x and values differ
  check_reduction("arg_extreme", x, values);
  same_dtype("arg_extreme", x, values);
  visit(OrderedTypes{}, x.dtype(), least ? "min" : "max", [&]<class T>() {
    reduce<kPackOf<T>, 1>("arg_extreme", ArgExtreme<T>{values.data<T>(), index.data<int64_t>(), least}, x, values);
  });
}
using EveryType = Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t, bool, bfloat16>;
void any(CArray x, bool all, MArray y) {
  check_reduction("any", x, y);
  visit(EveryType{}, x.dtype(), all ? "all" : "any", [&]<class T>() { reduce<1, 1>("any", Any<T>{y.data<bool>(), all}, x, y); });
}
void count_nonzero(CArray x, MArray y) {
  check_reduction("count_nonzero", x, y);
  visit(EveryType{}, x.dtype(), "count_nonzero", [&]<class T>() { reduce<1, 1>("count_nonzero", Count<T>{y.data<int64_t>()}, x, y); });
}

const Bind b0(kernels::extreme, DeviceKind::CUDA, extreme, kTakesBf16);
const Bind b1(kernels::arg_extreme, DeviceKind::CUDA, arg_extreme, kTakesBf16);
const Bind b2(kernels::any, DeviceKind::CUDA, any, kTakesBf16);
const Bind b3(kernels::count_nonzero, DeviceKind::CUDA, count_nonzero, kTakesBf16);

}  // namespace
}  // namespace hippograd::cuda
