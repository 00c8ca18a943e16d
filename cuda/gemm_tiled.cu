// Matrix products for what cuBLASLt does not take: integers, strides that are no matrix of BLAS, k = 0.
//
// A block makes 64 x 64 elements of d: 16 columns of a and 16 rows of b at a time go through shared memory, where each is read
// 64 times; a thread keeps 4 x 4 sums in registers, 16 apart in both directions, so that the threads of a warp write
// neighbours. A sum runs over k in order: its bits do not depend on the strides.
#include "cuda/gemm.h"
#include "cuda/launch.cuh"

namespace hippograd::cuda {
namespace {

constexpr int kTile = 64, kDepth = 16, kSide = 16, kOwn = kTile / kSide;   // kSide^2 threads

// Integers are added up without sign, where overflow is defined.
template <class T> struct Sum { using type = compute_t<T>; };
template <> struct Sum<int64_t> { using type = uint64_t; };
template <> struct Sum<int32_t> { using type = uint32_t; };
template <> struct Sum<uint8_t> { using type = uint32_t; };

template <class T> HIPPOGRAD_DEVICE void multiply_add(T& sum, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) sum = fma(a, b, sum);
  else sum += a * b;
}
template <class R> HIPPOGRAD_DEVICE void multiply_add(Complex<R>& sum, Complex<R> a, Complex<R> b) {
  sum = {fma(a.real(), b.real(), fma(-a.imag(), b.imag(), sum.real())), fma(a.real(), b.imag(), fma(a.imag(), b.real(), sum.imag()))};
}
template <class S, class T> HIPPOGRAD_DEVICE S fetch(const T& x, bool) { return S(load(x)); }
template <class S, class R> HIPPOGRAD_DEVICE S fetch(const Complex<R>& x, bool conj) { return {x.real(), conj ? -x.imag() : x.imag()}; }

// tile[p][i] = x(first + i, depth + p), zeros outside. Neighbouring threads take neighbours in memory.
template <class S, class T>
HIPPOGRAD_DEVICE void fill_tile(S (*tile)[kTile + 1], const T* x, int64_t first, int64_t count, int64_t stride, int64_t depth, int64_t k,
                                int64_t k_stride, bool conj) {
  const bool along_k = k_stride == 1;
#pragma unroll
  for (int e = threadIdx.x; e < kTile * kDepth; e += kSide * kSide) {
    const int i = along_k ? e / kDepth : e % kTile, p = along_k ? e % kDepth : e / kTile;
    const bool inside = first + i < count && depth + p < k;
    tile[p][i] = inside ? fetch<S>(x[(first + i) * stride + (depth + p) * k_stride], conj) : S(0);
  }
}

template <class T, class Out> __global__ void __launch_bounds__(kSide* kSide) tiled_kernel(Gemm g) {
  using S = typename Sum<T>::type;
  __shared__ S a_tile[kDepth][kTile + 1], b_tile[kDepth][kTile + 1];
  const int64_t tiles_n = (g.n + kTile - 1) / kTile, tiles = (g.m + kTile - 1) / kTile * tiles_n;
  const int row = threadIdx.x / kSide, col = threadIdx.x % kSide;
  for (int64_t work = blockIdx.x; work < tiles * g.batch; work += gridDim.x) {
    const int64_t s = work / tiles, i0 = work % tiles / tiles_n * kTile, j0 = work % tiles % tiles_n * kTile;
    const T *a = static_cast<const T*>(g.a) + s * g.a_step, *b = static_cast<const T*>(g.b) + s * g.b_step;
    S sum[kOwn][kOwn] = {};
    for (int64_t depth = 0; depth < g.k; depth += kDepth) {
      fill_tile(a_tile, a, i0, g.m, g.a_row, depth, g.k, g.a_col, g.conj_a);
      fill_tile(b_tile, b, j0, g.n, g.b_col, depth, g.k, g.b_row, g.conj_b);
      __syncthreads();
#pragma unroll 4
      for (int p = 0; p < kDepth; ++p) {
        S x[kOwn], y[kOwn];
#pragma unroll
        for (int u = 0; u < kOwn; ++u) x[u] = a_tile[p][row + u * kSide], y[u] = b_tile[p][col + u * kSide];
#pragma unroll
        for (int u = 0; u < kOwn; ++u)
#pragma unroll
          for (int v = 0; v < kOwn; ++v) multiply_add(sum[u][v], x[u], y[v]);
      }
      __syncthreads();
    }
    Out* d = static_cast<Out*>(g.d) + s * g.d_step;
#pragma unroll
    for (int u = 0; u < kOwn; ++u) {
#pragma unroll
      for (int v = 0; v < kOwn; ++v) {
        const int64_t i = i0 + row + u * kSide, j = j0 + col + v * kSide;
        if (i >= g.m || j >= g.n) continue;
        S value = sum[u][v];
        if (g.bias) value += fetch<S>(static_cast<const T*>(g.bias)[j], false);
        Out& to = d[i * g.d_row + j];
        if (g.accumulate) value += fetch<S>(to, false);
        store(to, compute_t<Out>(value));
      }
    }
  }
}

template <class T> struct AddBias {
  const T* bias;
  T* d;
  int64_t m, n, row, step;
  HIPPOGRAD_DEVICE void operator()(int64_t i) const {
    const int64_t line = i / n, j = i - line * n;
    T& to = d[line / m * step + line % m * row + j];
    store(to, load(to) + load(bias[j]));
  }
};

template <class R> struct Conjugate {
  Complex<R>* x;
  HIPPOGRAD_DEVICE void operator()(int64_t, const Walk<1>::Offsets& o) const { x[o.of[0]] = {x[o.of[0]].real(), -x[o.of[0]].imag()}; }
};

template <class T, class Out> void launch_tiled(const Gemm& g) {
  const int64_t blocks = (g.m + kTile - 1) / kTile * ((g.n + kTile - 1) / kTile) * g.batch;
  launch("matmul", tiled_kernel<T, Out>, blocks_for(blocks, 1, 1 << 24), kSide * kSide, 0, g);
}

}  // namespace

void gemm_tiled(const Gemm& g) {
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  visit(Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t, bfloat16, float16>{}, g.type, "matmul", [&]<class T>() {
    if constexpr (std::is_same_v<T, bfloat16>) {   // convolutions keep sums in f32
      if (g.result == DType::f32) return launch_tiled<T, float>(g);
    }
    launch_tiled<T, T>(g);
  });
}

void add_bias(const Gemm& g) {
  visit(Types<double, complex64, complex128>{}, g.type, "matmul", [&]<class T>() {
    const AddBias<T> add{static_cast<const T*>(g.bias), static_cast<T*>(g.d), g.m, g.n, g.d_row, g.d_step};
    for_each("matmul_bias", g.batch * g.m * g.n, add);
  });
}

void conjugate(Array& x) {
  const Walk<1> walk({&x});
  visit(ComplexTypes{}, x.dtype(), "matmul", [&]<class T>() {
    walk_elements("matmul_conjugate", walk, Conjugate<typename T::value_type>{x.data<T>()});
  });
}

}  // namespace hippograd::cuda
