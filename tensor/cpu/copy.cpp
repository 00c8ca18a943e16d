#include "tensor/kernels/copy.h"

#include <cmath>

#include "tensor/cpu/loops.h"

namespace hippograd {
namespace kernels {
constinit decltype(copy) copy{"copy", kNativeHalf};
constinit decltype(fill) fill{"fill", kNativeHalf};
constinit decltype(arange) arange{"arange"};
constinit decltype(accumulate) accumulate{"accumulate"};
constinit decltype(count_nan) count_nan{"count_nan"};
}  // namespace kernels

namespace {

template <class T> inline constexpr bool is_complex_v = false;
template <class R> inline constexpr bool is_complex_v<std::complex<R>> = true;
template <class T> inline constexpr bool is_half_v = std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

// The conversions of PyTorch: float to integer truncates (out-of-range and NaN become the lowest value rather than undefined
// behaviour), anything to bool is x != 0, complex to real drops the imaginary part.
template <class To, class From> To convert(From x) {
  if constexpr (std::is_same_v<To, From>) return x;
  else if constexpr (is_half_v<From>) return convert<To>(float(x));
  else if constexpr (is_half_v<To>) return To(convert<float>(x));
  else if constexpr (is_complex_v<From> && is_complex_v<To>) return To(x);
  else if constexpr (is_complex_v<From> && std::is_same_v<To, bool>) return x != From(0);
  else if constexpr (is_complex_v<From>) return convert<To>(x.real());
  else if constexpr (is_complex_v<To>) return To(convert<typename To::value_type>(x));
  else if constexpr (std::is_same_v<To, bool>) return x != From(0);
  else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (!(x > From(-9.2233720368547758e18) && x < From(9.2233720368547758e18))) return std::is_same_v<To, int64_t> ? To(INT64_MIN) : To(0);
    return static_cast<To>(static_cast<int64_t>(x));
  } else return static_cast<To>(x);
}

template <class To, class From> void copy_rows(CArray x, MArray y) {
  const cpu::StridedLoop<2> loop({&y, &x});
  const auto [ys, xs] = loop.row_strides();
  To* yp = y.data<To>();
  const From* xp = x.data<From>();
  loop.for_rows(sizeof(To) > 4 ? 0.5 : 0.3, [&, ys = ys, xs = xs](const auto& at, int64_t n) {
    To* to = yp + at[0];
    const From* from = xp + at[1];
    if (ys == 1 && xs == 1) {
      if constexpr (std::is_same_v<To, From>) std::copy_n(from, n, to);
      else for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[i]);
    } else {
      for (int64_t i = 0; i < n; ++i) to[i * ys] = convert<To>(from[i * xs]);
    }
  });
}

void copy_cpu(CArray x, MArray y) {
  if (!(x.shape() == y.shape())) fail<ShapeError>("copy: shapes differ: ", x.shape(), " and ", y.shape());
  visit(AllTypes{}, y.dtype(), "copy", [&]<class To>() {
    visit(AllTypes{}, x.dtype(), "copy", [&]<class From>() { copy_rows<To, From>(x, y); });
  });
}

void fill_cpu(double re, double im, MArray y) {
  visit(AllTypes{}, y.dtype(), "fill", [&]<class T>() {
    T value;
    if constexpr (is_complex_v<T>) value = T(typename T::value_type(re), typename T::value_type(im));
    else value = convert<T>(re);
    const cpu::StridedLoop<1> loop({&y});
    const int64_t step = loop.row_strides()[0];
    T* p = y.data<T>();
    loop.for_rows(0.2, [&](const auto& at, int64_t n) {
      if (step == 1) std::fill_n(p + at[0], n, value);
      else for (int64_t i = 0; i < n; ++i) p[at[0] + i * step] = value;
    });
  });
}

void arange_cpu(double start, double step, MArray y) {
  visit(NumericTypes{}, y.dtype(), "arange", [&]<class T>() {
    T* p = y.data<T>();
    const int64_t n = y.numel();
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_integral_v<T>) p[i] = T(int64_t(start) + i * int64_t(step));
      else p[i] = convert<T>(start + double(i) * step);
    }
  });
}

void accumulate_cpu(CArray x, MArray y) {   // on one thread, in order: y may overlap itself
  visit(NumericTypes{}, y.dtype(), "accumulate", [&]<class T>() {
    const cpu::StridedLoop<2> loop({&x, &y});
    const auto [xs, ys] = loop.row_strides();
    const T* xp = x.data<T>();
    T* yp = y.data<T>();
    loop.for_rows_serial([&, xs = xs, ys = ys](const auto& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) {
        T& to = yp[at[1] + i * ys];
        to = T(to + xp[at[0] + i * xs]);
      }
    });
  });
}

void count_nan_cpu(CArray x, MArray count) {
  int64_t total = 0;
  visit(InexactTypes{}, x.dtype(), "count_nan", [&]<class T>() {
    const cpu::StridedLoop<1> loop({&x});
    const int64_t step = loop.row_strides()[0];
    const T* p = x.data<T>();
    loop.for_rows_serial([&](const auto& at, int64_t n) {
      for (int64_t i = 0; i < n; ++i) total += p[at[0] + i * step] != p[at[0] + i * step];
    });
  });
  *count.data<int64_t>() = total;
}

const Bind b0(kernels::copy, DeviceKind::CPU, copy_cpu);
const Bind b1(kernels::fill, DeviceKind::CPU, fill_cpu);
const Bind b2(kernels::arange, DeviceKind::CPU, arange_cpu);
const Bind b3(kernels::accumulate, DeviceKind::CPU, accumulate_cpu);
const Bind b4(kernels::count_nan, DeviceKind::CPU, count_nan_cpu);

}  // namespace
}  // namespace hippograd
