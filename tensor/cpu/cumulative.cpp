#include "tensor/kernels/cumulative.h"

#include <cmath>

#include "tensor/cpu/loops.h"

namespace hippograd {
namespace kernels {
constinit decltype(cumsum) cumsum{"cumsum"};
constinit decltype(cumprod) cumprod{"cumprod"};
constinit decltype(cum_extreme) cum_extreme{"cum_extreme"};
constinit decltype(logcumsumexp) logcumsumexp{"logcumsumexp"};
constinit decltype(logcumsumexp_bwd) logcumsumexp_bwd{"logcumsumexp_bwd"};
}  // namespace kernels

namespace {

template <class T> struct Wide { using type = T; };
template <> struct Wide<float> { using type = double; };
template <> struct Wide<complex64> { using type = complex128; };

// Walks lines along `dim` of N arrays: f(offsets, steps, lane strides, lanes, length) for up to kLanes lines side by side.
constexpr int64_t kLanes = 256;
template <int N, class F> void for_lines(const std::array<const Array*, N>& arrays, int dim, double ns, F&& f) {
  std::array<Array, N> firsts;
  std::array<const Array*, N> pointers;
  std::array<int64_t, N> steps;
  const int64_t length = arrays[0]->dim() == 0 ? 1 : arrays[0]->shape()[dim];
  if (length == 0) return;
  for (int k = 0; k < N; ++k) {
    const Array& a = *arrays[k];
    firsts[k] = a.dim() == 0 ? a : a.slice(dim, 0, 1);
    steps[k] = a.dim() == 0 ? 1 : a.strides()[dim];
    pointers[k] = &firsts[k];
  }
  const cpu::StridedLoop<N> loop(pointers);
  const auto strides = loop.row_strides();
  loop.for_rows(ns * double(length), [&](auto at, int64_t count) {
    for (int64_t done = 0; done < count; done += kLanes) {
      f(at, steps, strides, std::min(kLanes, count - done), length);
      for (int k = 0; k < N; ++k) at[k] += kLanes * strides[k];
    }
  });
}

// y_j = join(y_{j-1}, x_j), accumulated in A.
template <class T, class Join> void scan(CArray x, int dim, bool reverse, MArray y, Join join) {
  using A = typename Wide<T>::type;
  const T* from = x.data<T>();
  T* to = y.data<T>();
  for_lines<2>({&y, &x}, dim, 1.2, [&](const auto& at, const auto& step, const auto& lane, int64_t lanes, int64_t length) {
    const auto place = [&](int64_t j) { return reverse ? length - 1 - j : j; };
    if (step[1] <= lane[1] || lanes == 1) {                    // each line lies in memory
      for (int64_t i = 0; i < lanes; ++i) {
        const T* in = from + at[1] + i * lane[1];
        T* out = to + at[0] + i * lane[0];
        A total = A(in[place(0) * step[1]]);
        out[place(0) * step[0]] = T(total);
        for (int64_t j = 1; j < length; ++j) {
          total = join(total, A(in[place(j) * step[1]]));
          out[place(j) * step[0]] = T(total);
        }
      }
      return;
    }
    A total[kLanes];
    for (int64_t j = 0; j < length; ++j) {
      const T* in = from + at[1] + place(j) * step[1];
      T* out = to + at[0] + place(j) * step[0];
      for (int64_t i = 0; i < lanes; ++i) {
        total[i] = j == 0 ? A(in[i * lane[1]]) : join(total[i], A(in[i * lane[1]]));
        out[i * lane[0]] = T(total[i]);
      }
    }
  });
}

using ScannedTypes = Types<float, double, complex64, complex128, int64_t>;

void cumsum_cpu(CArray x, int dim, bool reverse, MArray y) {
  visit(ScannedTypes{}, x.dtype(), "cumsum", [&]<class T>() { scan<T>(x, dim, reverse, y, [](auto a, auto b) { return a + b; }); });
}
void cumprod_cpu(CArray x, int dim, MArray y) {
  visit(ScannedTypes{}, x.dtype(), "cumprod", [&]<class T>() { scan<T>(x, dim, false, y, [](auto a, auto b) { return a * b; }); });
}

void cum_extreme_cpu(CArray x, int dim, bool least, MArray values, MArray index) {
  visit(RealTypes{}, x.dtype(), least ? "cummin" : "cummax", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = values.data<T>();
    int64_t* to_index = index.data<int64_t>();
    for_lines<3>({&values, &index, &x}, dim, 1.5, [&](const auto& at, const auto& step, const auto& lane, int64_t lanes, int64_t length) {
      for (int64_t i = 0; i < lanes; ++i) {
        const T* in = from + at[2] + i * lane[2];
        T best = in[0];
        int64_t place = 0;
        for (int64_t j = 0; j < length; ++j) {
          const T v = in[j * step[2]];
          if (v != v || (least ? v <= best : v >= best)) {
            best = v;
            place = j;
          }
          to[at[0] + i * lane[0] + j * step[0]] = best;
          to_index[at[1] + i * lane[1] + j * step[1]] = place;
        }
      }
    });
  });
}

void logcumsumexp_cpu(CArray x, int dim, MArray y) {
  visit(FloatTypes{}, x.dtype(), "logcumsumexp", [&]<class T>() {
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_lines<2>({&y, &x}, dim, 15, [&](const auto& at, const auto& step, const auto& lane, int64_t lanes, int64_t length) {
      for (int64_t i = 0; i < lanes; ++i) {
        double top = -INFINITY, total = 0;                     // log sum = top + log(total)
        for (int64_t j = 0; j < length; ++j) {
          const double v = from[at[1] + i * lane[1] + j * step[1]];
          if (v > top) {
            total = total * std::exp(top - v) + 1;
            top = v;
          } else if (v == top) {
            total += v > -INFINITY ? 1 : 0;
          } else {
            total += std::exp(v - top);                        // a NaN stays
          }
          to[at[0] + i * lane[0] + j * step[0]] = T(top + std::log(total));
        }
      }
    });
  });
}

// With r_i = sum_{j >= i} dy_j exp(y_i - y_j):  r_i = dy_i + r_{i+1} exp(y_i - y_{i+1}),  dx_i = exp(x_i - y_i) r_i.
// y rises along the line, so no exponent is positive.
void logcumsumexp_bwd_cpu(CArray x, CArray y, CArray dy, int dim, MArray dx) {
  visit(FloatTypes{}, x.dtype(), "logcumsumexp", [&]<class T>() {
    const T *xp = x.data<T>(), *yp = y.data<T>(), *gp = dy.data<T>();
    T* to = dx.data<T>();
    for_lines<4>({&dx, &x, &y, &dy}, dim, 20, [&](const auto& at, const auto& step, const auto& lane, int64_t lanes, int64_t length) {
      for (int64_t i = 0; i < lanes; ++i) {
        double r = 0, next = 0;
        for (int64_t j = length - 1; j >= 0; --j) {
          const double xj = xp[at[1] + i * lane[1] + j * step[1]], yj = yp[at[2] + i * lane[2] + j * step[2]];
          const double decay = j == length - 1 || yj == next ? 1 : std::exp(yj - next);
          r = double(gp[at[3] + i * lane[3] + j * step[3]]) + r * decay;
          next = yj;
          to[at[0] + i * lane[0] + j * step[0]] = T(xj == -INFINITY ? 0 : std::exp(xj - yj) * r);
        }
      }
    });
  });
}

const Bind b0(kernels::cumsum, DeviceKind::CPU, cumsum_cpu);
const Bind b1(kernels::cumprod, DeviceKind::CPU, cumprod_cpu);
const Bind b2(kernels::cum_extreme, DeviceKind::CPU, cum_extreme_cpu);
const Bind b3(kernels::logcumsumexp, DeviceKind::CPU, logcumsumexp_cpu);
const Bind b4(kernels::logcumsumexp_bwd, DeviceKind::CPU, logcumsumexp_bwd_cpu);

}  // namespace
}  // namespace hippograd
