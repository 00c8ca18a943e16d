#pragma once
// Pointwise kernels: y = f(x_0, ...) for the functors of tensor/kernels/elementwise.h. Two kernels per functor and type:
//
//   elements  one element per thread, any strides. Compiled per type of the computation: the one for f32 reads and writes bf16
//             and f16 as well (the type of each operand is an argument: a uniform branch).
//   packs     16 bytes per thread and operand, wherever the innermost dimension is dense or repeated in every operand: whole
//             tensors, scalars, rows broadcast over a batch, columns broadcast along a row, slices of a packed projection.
//             The walk is then over packs: the innermost size and stride are divided by the elements of a pack.
//
// Bytes moved: those of the operands, once. The limit is the memory for everything but the rare functors, so that packs are
// compiled only where they pay: for the common functors f32 and bf16, for plain arithmetic and order every type.
// elementwise_*.cu instantiate the kernels, a range of functors each (compile time); elementwise.cu launches them.
#include "cuda/launch.cuh"
#include "tensor/kernels/pointwise_types.h"

#pragma nv_diag_suppress 186   // "x < 0" in a functor that takes unsigned integers too

namespace hippograd::cuda {

enum class Width : uint8_t { full, bf16, f16 };   // how an operand of an f32 computation is stored

struct PointwiseArguments {
  void* y;
  const void* x[3];
  double p, q;
  Width y_width, x_width[3];   // for the elements kernel
  uint8_t single;              // packs kernel: bit k is set where input k is one element for a whole pack
  bool dense;                  // packs kernel: one dimension, so that pack i lies at element i V: no walk is needed
  int tail;                    // packs kernel: elements after the last pack (one dimension only)
};

// The kernels of one functor for one storage type; null where there is none.
struct PointwiseEntry {
  DType result = DType::f32;
  const void* elements = nullptr;
  const void* packs = nullptr;
  int pack = 1;        // elements per pack
  int unrolled = 1;    // packs per thread
};
inline constexpr int kPointwiseThreads = 256;

// How often a functor is used, hence what is compiled for it.
using BasicFunctors = FunctorList<
    pointwise::Neg, pointwise::Square, pointwise::Abs, pointwise::AddNumber, pointwise::RsubNumber, pointwise::MulNumber,
    pointwise::DivNumber, pointwise::Add, pointwise::Sub, pointwise::Mul, pointwise::Div, pointwise::AddScaled, pointwise::Where,
    pointwise::LogicalNot, pointwise::LogicalAnd, pointwise::LogicalOr, pointwise::Eq, pointwise::Ne, pointwise::Lt, pointwise::Le,
    pointwise::EqNumber, pointwise::NeNumber, pointwise::LtNumber, pointwise::LeNumber, pointwise::GtNumber, pointwise::GeNumber,
    pointwise::Maximum, pointwise::Minimum, pointwise::Relu, pointwise::Clamp, pointwise::MulConj, pointwise::Conj>;
using RareFunctors = FunctorList<
    pointwise::PowNumber, pointwise::Tan, pointwise::Asin, pointwise::Acos, pointwise::Atan, pointwise::Sinh, pointwise::Cosh,
    pointwise::Asinh, pointwise::Acosh, pointwise::Atanh, pointwise::Erfc, pointwise::Erfinv, pointwise::Lgamma, pointwise::Digamma,
    pointwise::Polygamma, pointwise::Sinc, pointwise::SincDerivative, pointwise::RoundDecimals, pointwise::Sgn, pointwise::Angle,
    pointwise::FloorDivide, pointwise::TruncDivide, pointwise::Remainder, pointwise::Fmod, pointwise::Pow, pointwise::Atan2,
    pointwise::Hypot, pointwise::Xlogy, pointwise::Xlog1py, pointwise::Logaddexp, pointwise::Logaddexp2, pointwise::Nextafter,
    pointwise::Heaviside, pointwise::Copysign, pointwise::ShiftLeft, pointwise::ShiftRight, pointwise::MakeComplex, pointwise::Polar,
    pointwise::IsInf, pointwise::Signbit, pointwise::Celu, pointwise::Hardshrink, pointwise::Softshrink, pointwise::Threshold>;

// The types around one functor. T: how inputs are stored.
template <class F, int N, class T> struct Types_of {
  using C = compute_t<T>;
  using First = std::conditional_t<pointwise::has_condition<F>(), bool, T>;   // of input 0
  template <class G> static constexpr auto call(const G& f, compute_t<First> a, [[maybe_unused]] C b, [[maybe_unused]] C c) {
    if constexpr (N == 1) return f(a);
    else if constexpr (N == 2) return f(a, b);
    else return f(a, b, c);
  }
  using Q = std::decay_t<decltype(call(pointwise::make<F>(0, 0), compute_t<First>{}, C{}, C{}))>;
  using Computed = pointwise::Result<C, Q>;                                                       // of the computation
  using Result = std::conditional_t<std::is_same_v<Computed, C>, T, Computed>;                    // as it is stored
};

template <class T> HIPPOGRAD_DEVICE T load_as(const void* x, int64_t i, Width width) {
  if constexpr (std::is_same_v<T, float>) {
    if (width == Width::bf16) return load(static_cast<const bfloat16*>(x)[i]);
    if (width == Width::f16) return load(static_cast<const float16*>(x)[i]);
  }
  return static_cast<const T*>(x)[i];
}
template <class T> HIPPOGRAD_DEVICE void store_as(void* y, int64_t i, T v, Width width) {
  if constexpr (std::is_same_v<T, float>) {
    if (width == Width::bf16) return store(static_cast<bfloat16*>(y)[i], v);
    if (width == Width::f16) return store(static_cast<float16*>(y)[i], v);
  }
  static_cast<T*>(y)[i] = v;
}

template <int N, class F, class T> __global__ void pointwise_elements(Walk<N + 1> walk, PointwiseArguments a) {
  using S = Types_of<F, N, T>;
  const F f = pointwise::make<F>(a.p, a.q);
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < walk.numel; i += int64_t(gridDim.x) * blockDim.x) {
    const auto at = walk.at(i);
    T b{}, c{};
    const auto first = load_as<typename S::First>(a.x[0], at.of[1], a.x_width[0]);
    if constexpr (N > 1) b = load_as<T>(a.x[1], at.of[2], a.x_width[1]);
    if constexpr (N > 2) c = load_as<T>(a.x[2], at.of[3], a.x_width[2]);
    store_as(a.y, at.of[0], typename S::Computed(S::call(f, first, b, c)), a.y_width);
  }
}

// One operand's pack at element offset `at`.
template <int V, class T> HIPPOGRAD_DEVICE Pack<T, V> load_pack(const void* x, int64_t at, bool single) {
  const T* from = static_cast<const T*>(x) + at;
  if (!single) return *reinterpret_cast<const Pack<T, V>*>(from);
  Pack<T, V> p;
  const T one = *from;
#pragma unroll
  for (int j = 0; j < V; ++j) p.v[j] = one;
  return p;
}

template <int N, class F, class T, int V, int U> __global__ void __launch_bounds__(kPointwiseThreads)
pointwise_packs(int64_t packs, PointwiseArguments a, Walk<N + 1> walk) {
  using S = Types_of<F, N, T>;
  using First = typename S::First;
  using R = typename S::Result;
  const F f = pointwise::make<F>(a.p, a.q);
  const int64_t start = int64_t(blockIdx.x) * (kPointwiseThreads * U) + threadIdx.x;
  Pack<First, V> x0[U];
  Pack<T, V> x1[U], x2[U];
  int64_t to[U];
#pragma unroll
  for (int u = 0; u < U; ++u) {   // all loads first: they wait together
    const int64_t i = start + u * kPointwiseThreads;
    if (i >= packs) break;
    typename Walk<N + 1>::Offsets at;
    if (a.dense) {
      at.of[0] = i * V;
#pragma unroll
      for (int k = 0; k < N; ++k) at.of[k + 1] = a.single >> k & 1 ? 0 : i * V;
    } else {
      at = walk.at(i);
    }
    to[u] = at.of[0];
    x0[u] = load_pack<V, First>(a.x[0], at.of[1], a.single & 1);
    if constexpr (N > 1) x1[u] = load_pack<V, T>(a.x[1], at.of[2], a.single & 2);
    if constexpr (N > 2) x2[u] = load_pack<V, T>(a.x[2], at.of[3], a.single & 4);
  }
#pragma unroll
  for (int u = 0; u < U; ++u) {
    if (start + u * kPointwiseThreads >= packs) break;
    Pack<R, V> y;
#pragma unroll
    for (int j = 0; j < V; ++j) store(y.v[j], compute_t<R>(S::call(f, load(x0[u].v[j]), load(x1[u].v[j]), load(x2[u].v[j]))));
    *reinterpret_cast<Pack<R, V>*>(static_cast<R*>(a.y) + to[u]) = y;
  }
  if (blockIdx.x == 0 && int(threadIdx.x) < a.tail) {
    const int64_t i = packs * V + threadIdx.x;
    const auto element = [&]<class E>(const void* x, int bit) { return load(static_cast<const E*>(x)[a.single & bit ? 0 : i]); };
    compute_t<T> b{}, c{};
    if constexpr (N > 1) b = element.template operator()<T>(a.x[1], 2);
    if constexpr (N > 2) c = element.template operator()<T>(a.x[2], 4);
    store(static_cast<R*>(a.y)[i], compute_t<R>(S::call(f, element.template operator()<First>(a.x[0], 1), b, c)));
  }
}

// Which kernels stand in the table for functor F and storage type T.
template <int N, class F, class T> PointwiseEntry pointwise_entry() {
  PointwiseEntry e;
  if constexpr (pointwise::takes<compute_t<T>, F>()) {
    using S = Types_of<F, N, T>;
    using R = typename S::Result;
    e.result = dtype_of<R>;
    if constexpr (std::is_same_v<T, compute_t<T>>) e.elements = reinterpret_cast<const void*>(&pointwise_elements<N, F, T>);
    constexpr bool basic = BasicFunctors::find<F>() >= 0, rare = RareFunctors::find<F>() >= 0;
    if constexpr (basic || (!rare && (std::is_same_v<T, float> || std::is_same_v<T, bfloat16>))) {
      constexpr int largest = int(sizeof(T) > sizeof(R) ? sizeof(T) : sizeof(R)), V = 16 / largest, U = largest >= 4 ? 2 : 1;
      if constexpr (V > 1) {
        e.packs = reinterpret_cast<const void*>(&pointwise_packs<N, F, T, V, U>);
        e.pack = V;
        e.unrolled = U;
      }
    }
  }
  return e;
}

// One row of the table per functor, one column per storage type.
template <int N, int kBegin, class... F> struct PointwiseTable {
  static PointwiseEntry find(int id, DType dtype) {
    static const PointwiseEntry rows[][8 + 1] = {
        {pointwise_entry<N, F, float>(), pointwise_entry<N, F, double>(), pointwise_entry<N, F, complex64>(),
         pointwise_entry<N, F, complex128>(), pointwise_entry<N, F, int64_t>(), pointwise_entry<N, F, int32_t>(),
         pointwise_entry<N, F, bool>(), pointwise_entry<N, F, uint8_t>(), pointwise_entry<N, F, bfloat16>()}...};
    static_assert(int(DType::bf16) == 8 && int(DType::u8) == 7 && int(DType::b8) == 6, "the columns follow DType");
    return rows[id - kBegin][int(dtype)];
  }
};
template <int N, int kBegin, int kEnd, class List> PointwiseEntry pointwise_find(int id, DType dtype) {
  return []<size_t... I, class... F>(std::index_sequence<I...>, FunctorList<F...>, int i, DType t) {
    using All = std::tuple<F...>;
    return PointwiseTable<N, kBegin, std::tuple_element_t<kBegin + I, All>...>::find(i, t);
  }(std::make_index_sequence<kEnd - kBegin>{}, List{}, id, dtype);
}

using PointwiseFind = PointwiseEntry(int id, DType dtype);
PointwiseFind unary_entries_0, unary_entries_1, unary_entries_2, unary_entries_3;
PointwiseFind binary_entries_0, binary_entries_1, binary_entries_2;
PointwiseFind ternary_entries;
// Functors of each file: [0, first), [first, second), ...
inline constexpr int kUnaryRanges[] = {0, 20, 42, 62, UnaryFunctors::size};
inline constexpr int kBinaryRanges[] = {0, 16, 34, BinaryFunctors::size};

}  // namespace hippograd::cuda
