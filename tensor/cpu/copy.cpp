#include "tensor/kernels/copy.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/cpu/loops.h"

namespace hippograd {
namespace kernels {
constinit decltype(copy) copy{"copy", kNativeHalf};
constinit decltype(fill) fill{"fill", kNativeHalf};
constinit decltype(arange) arange{"arange"};
constinit decltype(accumulate) accumulate{"accumulate", kWidenHalfAndKeep};
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
    } else if (std::is_same_v<To, From> && ys == 1 && xs == -1) {   // flip
      for (int64_t i = 0; i < n; ++i) to[i] = convert<To>(from[-i]);
    } else {
      for (int64_t i = 0; i < n; ++i) to[i * ys] = convert<To>(from[i * xs]);
    }
  });
}

// y's rows run across x's: tiles of 16 x 16 elements go through a buffer, so that every cache line is read and written once.
// U: an unsigned type of the element's size. y has stride 1 along dimension b, x along dimension a.
template <class U> void copy_transposed(CArray x, MArray y, int a, int b) {
  constexpr int64_t kTile = 16;
  const int64_t rows = y.shape()[a], columns = y.shape()[b], across = y.strides()[a], along = x.strides()[b];
  std::vector<std::array<int64_t, 2>> planes;   // offsets of the (a, b) planes
  const Array x0 = x.slice(a, 0, 1).slice(b, 0, 1), y0 = y.slice(a, 0, 1).slice(b, 0, 1);
  const cpu::StridedLoop<2> loop({&y0, &x0});
  loop.for_rows_serial([&](const auto& at, int64_t n) {
    for (int64_t i = 0; i < n; ++i) planes.push_back({at[0] + i * loop.row_strides()[0], at[1] + i * loop.row_strides()[1]});
  });
  const U* const from = static_cast<const U*>(x.raw());
  U* const to = static_cast<U*>(y.raw());
  const int64_t strips = (rows + kTile - 1) / kTile;
  parallel_for(int64_t(planes.size()) * strips, 0.5 * double(y.numel()), [&](int64_t task) {
    const auto [at_y, at_x] = planes[size_t(task / strips)];
    const int64_t first = task % strips * kTile, height = std::min(kTile, rows - first);
    const U* const source = from + at_x + first;
    U* const target = to + at_y + first * across;
    alignas(64) U tile[kTile][kTile];
    for (int64_t j0 = 0; j0 < columns; j0 += kTile) {
      const int64_t width = std::min(kTile, columns - j0);
      if (height == kTile) for (int64_t j = 0; j < width; ++j) std::memcpy(tile[j], source + (j0 + j) * along, sizeof(tile[0]));
      else for (int64_t j = 0; j < width; ++j) std::copy_n(source + (j0 + j) * along, height, tile[j]);
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j) target[i * across + j0 + j] = tile[j][i];
    }
  });
}
// Whether x and y lie across each other, and if so the copy.
bool copied_transposed(CArray x, MArray y) {
  int a = -1, b = -1;
  for (int d = 0; d < x.dim(); ++d) {
    if (x.shape()[d] < 8) continue;
    if (x.strides()[d] == 1) a = d;
    if (y.strides()[d] == 1) b = d;
  }
  if (a < 0 || b < 0 || a == b || x.dtype() != y.dtype() || y.numel() < 256) return false;
  switch (itemsize(x.dtype())) {
    case 1: copy_transposed<uint8_t>(x, y, a, b); return true;
    case 2: copy_transposed<uint16_t>(x, y, a, b); return true;
    case 4: copy_transposed<uint32_t>(x, y, a, b); return true;
    case 8: copy_transposed<uint64_t>(x, y, a, b); return true;
    default: return false;
  }
}

void copy_cpu(CArray x, MArray y) {
  if (!(x.shape() == y.shape())) fail<ShapeError>("copy: shapes differ: ", x.shape(), " and ", y.shape());
  if (copied_transposed(x, y)) return;
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
