#include "tensor/kernels/reduce.h"

#include "tensor/cpu/reduce_loops.h"
#include "tensor/kernels/elementwise.h"

namespace hippograd {
namespace kernels {
constinit decltype(sum) sum{"sum"};
constinit decltype(mean) mean{"mean"};
constinit decltype(prod) prod{"prod"};
constinit decltype(extreme) extreme{"extreme"};
constinit decltype(any) any{"any"};
constinit decltype(count_nonzero) count_nonzero{"count_nonzero"};
constinit decltype(arg_extreme) arg_extreme{"arg_extreme"};
}  // namespace kernels

namespace {
using namespace cpu;
using SummedTypes = Types<float, double, complex64, complex128, int64_t>;

void same_dtype(const char* op, CArray x, CArray y) {
  if (x.dtype() != y.dtype()) fail<DtypeError>(op, ": input is ", x.dtype(), ", output ", y.dtype());
}

void sum_cpu(CArray x, MArray y) {
  check_reduction("sum", x, y);
  same_dtype("sum", x, y);
  visit(SummedTypes{}, x.dtype(), "sum", [&]<class T>() { cpu::reduce<Plus<T>, T>(x, y, y.data<T>(), 0.05 * sizeof(T)); });
}

void mean_cpu(CArray x, MArray y) {
  if (!is_floating(x.dtype())) unsupported_dtype("mean", x.dtype());
  sum_cpu(x, y);
  if (y.numel() > 0) kernels::unary(unary_id<pointwise::DivNumber>, y, double(x.numel()) / double(y.numel()), 0, y);
}

void prod_cpu(CArray x, MArray y) {
  check_reduction("prod", x, y);
  same_dtype("prod", x, y);
  visit(SummedTypes{}, x.dtype(), "prod", [&]<class T>() { cpu::reduce<Times<T>, T>(x, y, y.data<T>(), 0.05 * sizeof(T)); });
}

void extreme_cpu(CArray x, bool least, MArray y) {
  check_reduction("extreme", x, y);
  visit(RealTypes{}, x.dtype(), least ? "min" : "max", [&]<class T>() {
    if (least) cpu::reduce<Least<T>, T>(x, y, y.data<T>(), 0.05 * sizeof(T));
    else cpu::reduce<Greatest<T>, T>(x, y, y.data<T>(), 0.05 * sizeof(T));
  });
}

struct IsSet {   // x != 0
  auto operator()(const auto& x, const auto&) const { return x != typename std::decay_t<decltype(x)>::Scalar(0); }
};
struct OneIfSet {
  auto operator()(const auto& x, const auto&) const { return (x != typename std::decay_t<decltype(x)>::Scalar(0)).template cast<int64_t>(); }
};

void any_cpu(CArray x, bool all, MArray y) {
  check_reduction("any", x, y);
  visit(NumericTypes{}, x.dtype(), all ? "all" : "any", [&]<class T>() {
    if (all) cpu::reduce<And, T>(x, y, y.data<bool>(), 0.2, IsSet{});
    else cpu::reduce<Or, T>(x, y, y.data<bool>(), 0.2, IsSet{});
  });
}

void count_nonzero_cpu(CArray x, MArray y) {
  check_reduction("count_nonzero", x, y);
  visit(NumericTypes{}, x.dtype(), "count_nonzero", [&]<class T>() { cpu::reduce<Plus<int64_t>, T>(x, y, y.data<int64_t>(), 0.3, OneIfSet{}); });
}

// ---- positions ----

template <bool kLeast, class T> bool beats(T a, T b) {   // b loses to a later a only if a is strictly better, or the first NaN
  return (kLeast ? a < b : a > b) || (a != a && b == b);
}

// One line: the extreme value first (vectorised), then its first place.
template <bool kLeast, class T> int64_t find_extreme(const T* x, int64_t stride, int64_t n) {
  if (stride != 1 || n < 16) {
    int64_t best = 0;
    for (int64_t i = 1; i < n; ++i) if (beats<kLeast>(x[i * stride], x[best * stride])) best = i;
    return best;
  }
  using Join = std::conditional_t<kLeast, Least<T>, Greatest<T>>;
  T value = Join::template none<T>();
  for (int64_t i = 0; i < n; i += kBlock) value = Join::join(value, join_block<Join>(x + i, std::min(kBlock, n - i)));
  for (int64_t i = 0; i < n; ++i) if (x[i] == value || (value != value && x[i] != x[i])) return i;
  return 0;
}

template <bool kLeast, class T> void arg_extreme_of(CArray x, int dim, MArray values, MArray index) {
  const Array lines = x.slice(dim, 0, 1);                      // the first element of each line
  const StridedLoop<3> loop({&values, &index, &lines});
  const auto [vs, is, xs] = loop.row_strides();
  const int64_t n = x.shape()[dim], step = x.strides()[dim];
  const T* from = x.data<T>();
  T* to = values.data<T>();
  int64_t* at_index = index.data<int64_t>();
  loop.for_rows(double(n), [&, vs = vs, is = is, xs = xs](const auto& at, int64_t count) {
    if (step <= xs || count == 1) {                            // each line lies in memory
      for (int64_t i = 0; i < count; ++i) {
        const T* line = from + at[2] + i * xs;
        const int64_t best = find_extreme<kLeast>(line, step, n);
        to[at[0] + i * vs] = line[best * step];
        at_index[at[1] + i * is] = best;
      }
      return;
    }
    for (int64_t i = 0; i < count; ++i) {                      // lines side by side: walk them together
      to[at[0] + i * vs] = from[at[2] + i * xs];
      at_index[at[1] + i * is] = 0;
    }
    for (int64_t j = 1; j < n; ++j) {
      const T* row = from + at[2] + j * step;
      for (int64_t i = 0; i < count; ++i) {
        if (!beats<kLeast>(row[i * xs], to[at[0] + i * vs])) continue;
        to[at[0] + i * vs] = row[i * xs];
        at_index[at[1] + i * is] = j;
      }
    }
  });
}

void arg_extreme_cpu(CArray x, int dim, bool least, MArray values, MArray index) {
  check_reduction("arg_extreme", x, values);
  visit(RealTypes{}, x.dtype(), least ? "min" : "max", [&]<class T>() {
    if (least) arg_extreme_of<true, T>(x, dim, values, index);
    else arg_extreme_of<false, T>(x, dim, values, index);
  });
}

const Bind b0(kernels::sum, DeviceKind::CPU, sum_cpu);
const Bind b1(kernels::prod, DeviceKind::CPU, prod_cpu);
const Bind b2(kernels::extreme, DeviceKind::CPU, extreme_cpu);
const Bind b3(kernels::any, DeviceKind::CPU, any_cpu);
const Bind b4(kernels::count_nonzero, DeviceKind::CPU, count_nonzero_cpu);
const Bind b5(kernels::arg_extreme, DeviceKind::CPU, arg_extreme_cpu);
const Bind b6(kernels::mean, DeviceKind::CPU, mean_cpu);

}  // namespace
}  // namespace hippograd
