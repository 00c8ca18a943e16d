#include "tensor/kernels/pool.h"

#include <algorithm>
#include <limits>

#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(max_pool) max_pool{"max_pool"};
constinit decltype(avg_pool) avg_pool{"avg_pool"};
constinit decltype(avg_pool_input) avg_pool_input{"avg_pool_input"};
constinit decltype(resample) resample{"resample"};
constinit decltype(resample_input) resample_input{"resample_input"};
}  // namespace kernels

namespace {

// Calls f(plane, window, i, j, k) for every output: `window` counts the outputs of a plane.
template <class F> void for_each_window(const PoolWindows& w, int64_t planes, double cost, F f) {
  const int64_t od = int64_t(w.axis[0].begin.size()), oh = int64_t(w.axis[1].begin.size()), ow = int64_t(w.axis[2].begin.size());
  parallel_for(planes, cost, [&](int64_t plane) {
    for (int64_t i = 0, window = 0; i < od; ++i)
      for (int64_t j = 0; j < oh; ++j)
        for (int64_t k = 0; k < ow; ++k, ++window) f(plane, window, i, j, k);
  });
}

// Calls f(position in the plane) for every element of window (i, j, k).
template <class F> void for_each_element(const PoolWindows& w, const Shape& x, int64_t i, int64_t j, int64_t k, F f) {
  const PoolAxis &d = w.axis[0], &h = w.axis[1], &c = w.axis[2];
  for (int64_t a = d.begin[i]; a < d.end[i]; a += d.step)
    for (int64_t b = h.begin[j]; b < h.end[j]; b += h.step)
      for (int64_t e = c.begin[k]; e < c.end[k]; e += c.step) f((a * x[2] + b) * x[3] + e);
}

double window_cost(const PoolWindows& w, const Shape& x, const Shape& y) {
  double elements = 1;
  for (const PoolAxis& a : w.axis) elements *= a.begin.empty() ? 1 : double(a.end[0] - a.begin[0]) / double(a.step) + 1;
  return 1.0 * double(y.numel()) * elements + 0.3 * double(x.numel());
}

// One row of outputs: row by row of the windows, so that the inner loops run along memory. A NaN beats any number, and of equals
// the first stays; chosen by arithmetic, since a jump would be guessed wrong half the time.
template <class T> void max_pool_row(const PoolWindows& w, const Shape& s, const T* plane, int64_t i, int64_t j, T* to, int64_t* at) {
  const PoolAxis &d = w.axis[0], &h = w.axis[1], &c = w.axis[2];
  const int64_t n = int64_t(c.begin.size());
  for (int64_t k = 0; k < n; ++k) to[k] = -std::numeric_limits<T>::infinity(), at[k] = -1;
  for (int64_t a = d.begin[i]; a < d.end[i]; a += d.step)
    for (int64_t b = h.begin[j]; b < h.end[j]; b += h.step) {
      const int64_t row = (a * s[2] + b) * s[3];
      const T* const x = plane + row;
      for (int64_t k = 0; k < n; ++k) {
        T best = to[k];
        int64_t where = at[k];
        for (int64_t e = c.begin[k]; e < c.end[k]; e += c.step) {
          const T v = x[e];
          const bool better = (where < 0) | (v > best) | ((v != v) & (best == best));
          where = better ? row + e : where;
          best = better ? v : best;
        }
        to[k] = best;
        at[k] = where;
      }
    }
}

void max_pool_cpu(const PoolWindows& w, CArray x, MArray y, MArray index) {
  visit(FloatTypes{}, x.dtype(), "max_pool", [&]<class T>() {
    const Shape& s = x.shape();
    const int64_t plane_size = s[1] * s[2] * s[3], od = int64_t(w.axis[0].begin.size()), oh = int64_t(w.axis[1].begin.size());
    const int64_t ow = int64_t(w.axis[2].begin.size());
    const T* from = x.data<T>();
    T* to = y.data<T>();
    int64_t* at = index.data<int64_t>();
    parallel_for(s[0], window_cost(w, s, y.shape()), [=, &w, &s](int64_t plane) {
      for (int64_t i = 0; i < od; ++i)
        for (int64_t j = 0; j < oh; ++j) {
          const int64_t first = ((plane * od + i) * oh + j) * ow;
          max_pool_row(w, s, from + plane * plane_size, i, j, to + first, at + first);
        }
    });
  });
}

int64_t divisor_of(const PoolWindows& w, int64_t divisor, int64_t i, int64_t j, int64_t k) {
  return divisor ? divisor : w.axis[0].count[i] * w.axis[1].count[j] * w.axis[2].count[k];
}

void avg_pool_cpu(const PoolWindows& w, int64_t divisor, CArray x, MArray y) {
  visit(FloatTypes{}, x.dtype(), "avg_pool", [&]<class T>() {
    const Shape& s = x.shape();
    const int64_t plane_size = s[1] * s[2] * s[3], outputs = y.numel() / std::max<int64_t>(s[0], 1);
    const T* from = x.data<T>();
    T* to = y.data<T>();
    for_each_window(w, s[0], window_cost(w, s, y.shape()), [=, &w, &s](int64_t plane, int64_t window, int64_t i, int64_t j, int64_t k) {
      T sum = 0;
      for_each_element(w, s, i, j, k, [&](int64_t q) { sum += from[plane * plane_size + q]; });
      to[plane * outputs + window] = sum / T(divisor_of(w, divisor, i, j, k));
    });
  });
}

void avg_pool_input_cpu(const PoolWindows& w, int64_t divisor, CArray dy, MArray dx) {
  visit(FloatTypes{}, dy.dtype(), "avg_pool", [&]<class T>() {
    const Shape& s = dx.shape();
    const int64_t plane_size = s[1] * s[2] * s[3], outputs = dy.numel() / std::max<int64_t>(s[0], 1);
    const T* from = dy.data<T>();
    T* to = dx.data<T>();
    std::fill_n(to, dx.numel(), T(0));
    for_each_window(w, s[0], window_cost(w, s, dy.shape()), [=, &w, &s](int64_t plane, int64_t window, int64_t i, int64_t j, int64_t k) {
      const T share = from[plane * outputs + window] / T(divisor_of(w, divisor, i, j, k));
      for_each_element(w, s, i, j, k, [&](int64_t q) { to[plane * plane_size + q] += share; });
    });
  });
}

void resample_cpu(CArray x, CArray index, CArray weight, MArray y) {
  visit(FloatTypes{}, x.dtype(), "resample", [&]<class T>() {
    const int64_t n = x.shape()[1], b = x.shape()[2], m = y.shape()[1], taps = index.shape()[1];
    const T* from = x.data<T>();
    T* to = y.data<T>();
    const int64_t* at = index.data<int64_t>();
    const double* share = weight.data<double>();
    parallel_for(y.shape()[0], double(y.numel() * taps), [=](int64_t a) {
      for (int64_t i = 0; i < m; ++i) {
        T* row = to + (a * m + i) * b;
        std::fill_n(row, b, T(0));
        for (int64_t k = 0; k < taps; ++k) {
          const T* source = from + (a * n + at[i * taps + k]) * b;
          const T f = T(share[i * taps + k]);
          for (int64_t q = 0; q < b; ++q) row[q] += f * source[q];
        }
      }
    });
  });
}

void resample_input_cpu(CArray dy, CArray index, CArray weight, MArray dx) {
  visit(FloatTypes{}, dy.dtype(), "resample", [&]<class T>() {
    const int64_t n = dx.shape()[1], b = dx.shape()[2], m = dy.shape()[1], taps = index.shape()[1];
    const T* from = dy.data<T>();
    T* to = dx.data<T>();
    const int64_t* at = index.data<int64_t>();
    const double* share = weight.data<double>();
    std::fill_n(to, dx.numel(), T(0));
    parallel_for(dy.shape()[0], double(dy.numel() * taps), [=](int64_t a) {
      for (int64_t i = 0; i < m; ++i) {
        for (int64_t k = 0; k < taps; ++k) {
          const T* row = from + (a * m + i) * b;
          T* target = to + (a * n + at[i * taps + k]) * b;
          const T f = T(share[i * taps + k]);
          for (int64_t q = 0; q < b; ++q) target[q] += f * row[q];
        }
      }
    });
  });
}

const Bind b0(kernels::max_pool, DeviceKind::CPU, max_pool_cpu);
const Bind b1(kernels::avg_pool, DeviceKind::CPU, avg_pool_cpu);
const Bind b2(kernels::avg_pool_input, DeviceKind::CPU, avg_pool_input_cpu);
const Bind b3(kernels::resample, DeviceKind::CPU, resample_cpu);
const Bind b4(kernels::resample_input, DeviceKind::CPU, resample_input_cpu);

}  // namespace
}  // namespace hippograd
