// Copies, casts, fills (tensor/kernels/copy.h).
#include "tensor/kernels/copy.h"

#include "cuda/convert.cuh"

namespace hippograd::cuda {
namespace {

// Contiguous to contiguous: `Per` elements per thread in accesses of up to 16 bytes.
template <class To, class From, int Per> __global__ void convert_run(const From* __restrict__ x, To* __restrict__ y, int64_t n) {
  const int64_t packs = n / Per;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < packs; i += int64_t(gridDim.x) * blockDim.x) {
    const Pack<From, Per> in = reinterpret_cast<const Pack<From, Per>*>(x)[i];
    Pack<To, Per> out;
#pragma unroll
    for (int j = 0; j < Per; ++j) out.v[j] = convert<To>(in.v[j]);
    reinterpret_cast<Pack<To, Per>*>(y)[i] = out;
  }
  if (blockIdx.x == 0)
    for (int64_t i = packs * Per + threadIdx.x; i < n; i += blockDim.x) y[i] = convert<To>(x[i]);
}

// What one thread does with one element: named structs, since nvcc takes no device lambda inside a generic one.
template <class To, class From> struct ConvertElement {
  const From* x;
  To* y;
  HIPPOGRAD_DEVICE void operator()(int64_t, const Walk<2>::Offsets& o) const { y[o.of[0]] = convert<To>(x[o.of[1]]); }
};
template <class T> struct FillElement {
  double re, im;
  T* y;
  HIPPOGRAD_DEVICE void operator()(int64_t, const Walk<1>::Offsets& o) const {
    if constexpr (is_complex_v<T>) y[o.of[0]] = T(typename T::value_type(re), typename T::value_type(im));
    else y[o.of[0]] = convert<T>(re);
  }
};
template <class T> struct ArangeElement {
  double start, step;
  T* y;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    if constexpr (std::is_integral_v<T>) y[i] = T(int64_t(start) + i * int64_t(step));
    else y[i] = convert<T>(start + double(i) * step);
  }
};
template <class T> struct AccumulateElement {
  const T* x;
  T* y;
  HIPPOGRAD_DEVICE void operator()(int64_t, const Walk<2>::Offsets& o) const {
    T& to = y[o.of[1]];
    if constexpr (std::is_same_v<T, bool>) to = to | x[o.of[0]];
    else to = T(to + x[o.of[0]]);
  }
};
template <class T> struct CountNan {
  const T* x;
  unsigned long long* total;
  HIPPOGRAD_DEVICE void operator()(int64_t, const Walk<1>::Offsets& o) const {
    const auto v = load(x[o.of[0]]);
    bool nan;
    if constexpr (is_complex_v<T>) nan = v.real() != v.real() || v.imag() != v.imag();
    else nan = v != v;
    if (nan) atomicAdd(total, 1ull);   // an integer: the order does not matter
  }
};

template <class To, class From> void copy_typed(CArray x, MArray y) {
  const Walk<2> walk({&y, &x});
  To* yp = y.data<To>();
  const From* xp = x.data<From>();
  constexpr int per = 16 / int(sizeof(To) > sizeof(From) ? sizeof(To) : sizeof(From));
  if (walk.contiguous() && aligned16(xp) && aligned16(yp)) {
    if (walk.numel == 0) return;
    launch("copy", convert_run<To, From, per>, blocks_for(walk.numel, 256 * per, 1 << 20), 256, 0, xp, yp, walk.numel);
  } else {
    walk_elements("copy", walk, ConvertElement<To, From>{xp, yp});
  }
}

// Equal types move as plain words of their size: four kernels serve all dtypes.
template <class F> void as_words(DType t, F&& f) {
  switch (itemsize(t)) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    case 8: return f.template operator()<uint64_t>();
    default: return f.template operator()<complex128>();
  }
}

void copy(CArray x, MArray y) {
  if (!(x.shape() == y.shape())) fail<ShapeError>("copy: shapes differ: ", x.shape(), " and ", y.shape());
  if (x.dtype() == y.dtype()) return as_words(x.dtype(), [&]<class T>() { copy_typed<T, T>(x, y); });
  visit(AllTypes{}, y.dtype(), "copy", [&]<class To>() {
    visit(AllTypes{}, x.dtype(), "copy", [&]<class From>() {
      if constexpr (!std::is_same_v<To, From>) copy_typed<To, From>(x, y);
    });
  });
}

void fill(double re, double im, MArray y) {
  visit(AllTypes{}, y.dtype(), "fill", [&]<class T>() { walk_elements("fill", Walk<1>({&y}), FillElement<T>{re, im, y.data<T>()}); });
}
void arange(double start, double step, MArray y) {
  visit(AllTypes{}, y.dtype(), "arange", [&]<class T>() { for_each("arange", y.numel(), ArangeElement<T>{start, step, y.data<T>()}); });
}

// y may overlap itself (windows), so elements of x meet in one place: one thread walks what ends in one element of y. Where
// y is a set of distinct elements the walk is parallel; else it is the serial walk of one thread, in order.
bool distinct(const Array& y) {
  const Walk<1> walk({&y});
  for (int d = 0; d + 1 < walk.rank; ++d)
    if (walk.stride[d][0] < walk.stride[d + 1][0] * walk.size[d + 1]) return false;
  return walk.rank == 0 || walk.stride[walk.rank - 1][0] > 0;
}
void accumulate(CArray x, MArray y) {
  visit(NumericTypes{}, y.dtype(), "accumulate", [&]<class T>() {
    const AccumulateElement<T> add{x.data<T>(), y.data<T>()};
    const Walk<2> walk({&x, &y});
    if (walk.numel == 0) return;
    if (distinct(y)) walk_elements("accumulate", walk, add);
    else launch("accumulate", walk_kernel<2, AccumulateElement<T>>, 1, 1, 0, walk, add);
  });
}

void count_nan(CArray x, MArray count) {
  int64_t* total = count.data<int64_t>();
  for_each("count_nan", 1, ArangeElement<int64_t>{0, 0, total});
  visit(Types<float, double, complex64, complex128, bfloat16, float16>{}, x.dtype(), "count_nan", [&]<class T>() {
    walk_elements("count_nan", Walk<1>({&x}), CountNan<T>{x.data<T>(), reinterpret_cast<unsigned long long*>(total)});
  });
}

const Bind b0(kernels::copy, DeviceKind::CUDA, copy, kTakesHalves);
const Bind b1(kernels::fill, DeviceKind::CUDA, fill, kTakesHalves);
const Bind b2(kernels::arange, DeviceKind::CUDA, arange, kTakesHalves);
const Bind b3(kernels::accumulate, DeviceKind::CUDA, accumulate);
const Bind b4(kernels::count_nan, DeviceKind::CUDA, count_nan, kTakesHalves);

}  // namespace
}  // namespace hippograd::cuda
