#pragma once
// What every .cu file shares: launching, strided geometry, 16-byte loads, half-precision loads, and block-wide sums whose
// order depends on the shape alone.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <array>
#include <complex>
#include <cstdint>

#include "cuda/runtime.h"
#include "tensor/array.h"
#include "tensor/kernel.h"

namespace hippograd::cuda {

#define HIPPOGRAD_DEVICE __device__ __forceinline__

// ---- launching ----
// The number of blocks for n units of work; grids are 1-D, kernels stride over what exceeds the limit.
inline unsigned blocks_for(int64_t n, int per_block, int64_t limit = 0x7fffffff) {
  const int64_t blocks = (n + per_block - 1) / per_block;
  return unsigned(blocks < 1 ? 1 : blocks < limit ? blocks : limit);
}
// As many blocks as keep the device full, for kernels that walk with a grid stride.
inline unsigned persistent_blocks(int64_t n, int per_block, int blocks_per_sm = 8) {
  return blocks_for(n, per_block, int64_t(sm_count()) * blocks_per_sm);
}
template <class... P, class... A>
void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, A&&... arguments) {
  note_launch(reinterpret_cast<const void*>(kernel));
  if (shared > 48 * 1024) check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared)), name);
  kernel<<<grid, block, shared, stream()>>>(static_cast<P>(arguments)...);
  check(cudaGetLastError(), name);
}

// ---- element types on the device: storage type -> type of the computation ----
template <class T> struct Compute { using type = T; };
template <> struct Compute<bfloat16> { using type = float; };
template <> struct Compute<float16> { using type = float; };
template <class T> using compute_t = typename Compute<T>::type;
template <class T> struct RealPart { using type = T; };
template <class R> struct RealPart<Complex<R>> { using type = R; };
template <class T> using real_t = typename RealPart<T>::type;   // of a complex type, else the type itself
template <class T> HIPPOGRAD_DEVICE compute_t<T> load(const T& x) { return x; }
template <> HIPPOGRAD_DEVICE float load(const bfloat16& x) { return __uint_as_float(uint32_t(x.bits) << 16); }
template <> HIPPOGRAD_DEVICE float load(const float16& x) { return __half2float(__ushort_as_half(x.bits)); }
template <class T> HIPPOGRAD_DEVICE void store(T& y, compute_t<T> v) { y = v; }
template <> HIPPOGRAD_DEVICE void store(bfloat16& y, float v) { y.bits = __bfloat16_as_ushort(__float2bfloat16_rn(v)); }
template <> HIPPOGRAD_DEVICE void store(float16& y, float v) { y.bits = __half_as_ushort(__float2half_rn(v)); }

// n elements read or written as one access of up to 16 bytes.
template <class T, int N> struct alignas(sizeof(T) * N) Pack { T v[N]; };
template <class T> inline constexpr int kPack = int(16 / sizeof(T));
template <class T> bool aligned16(const T* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// Floating dtypes plus bf16: what most fused kernels take. (f16 is widened by the slot.)
using FloatBf16 = Types<float, double, bfloat16>;
using InexactBf16 = Types<float, double, complex64, complex128, bfloat16>;

// ---- division by a number that is fixed for a launch ----
// q = floor(n / d) for 0 <= n < 2^31 by one multiplication (Granlund & Montgomery 1994).
struct Divider {
  uint32_t d = 1, magic = 0, shift = 0;
  Divider() = default;
  explicit Divider(uint32_t divisor) : d(divisor) {
    while (shift < 32 && (uint64_t(1) << shift) < d) ++shift;
    magic = uint32_t(((uint64_t(1) << 32) * ((uint64_t(1) << shift) - d)) / d + 1);
  }
  HIPPOGRAD_DEVICE uint32_t quotient(uint32_t n) const { return (__umulhi(n, magic) + n) >> shift; }
};

// ---- walking N strided arrays of one shape ----
// Dimensions that continue each other in every array are merged; size-1 dimensions vanish. The first array leads: dimensions
// are ordered by its strides, the largest outside. `at(i)` gives the element offsets of linear index i.
template <int N> struct Walk {
  static constexpr int kMax = Shape::kMaxRank;
  int rank = 0;
  bool small = true;                 // every index below 2^31
  int64_t numel = 0;
  int64_t size[kMax];
  Divider divider[kMax];
  int64_t stride[kMax][N];
  struct Offsets { int64_t of[N]; };

  explicit Walk(const std::array<const Array*, N>& arrays, bool keep_order = false) {
    const Shape& shape = arrays[0]->shape();
    numel = shape.numel();
    small = numel < (int64_t(1) << 31);
    for (int d = 0; d < shape.size(); ++d) {
      if (shape[d] == 1) continue;
      size[rank] = shape[d];
      for (int k = 0; k < N; ++k) stride[rank][k] = arrays[size_t(k)]->strides()[d];
      ++rank;
    }
    if (!keep_order)
      for (int i = 1; i < rank; ++i)   // insertion sort, stable
        for (int j = i; j > 0 && stride[j - 1][0] < stride[j][0]; --j) exchange(j - 1, j);
    int kept = 0;
    for (int d = 0; d < rank; ++d) {
      if (kept > 0 && joins(kept - 1, d)) {
        size[kept - 1] *= size[d];
        for (int k = 0; k < N; ++k) stride[kept - 1][k] = stride[d][k];
      } else {
        size[kept] = size[d];
        for (int k = 0; k < N; ++k) stride[kept][k] = stride[d][k];
        ++kept;
      }
    }
    rank = kept;
    if (small) for (int d = 0; d < rank; ++d) divider[d] = Divider(uint32_t(size[d] < 1 ? 1 : size[d]));
  }
  // One run in memory in every array (a stride of 0 is not).
  bool contiguous() const {
    if (rank == 0) return true;
    if (rank > 1) return false;
    for (int k = 0; k < N; ++k) if (stride[0][k] != 1) return false;
    return true;
  }
  HIPPOGRAD_DEVICE Offsets at(int64_t i) const {
    Offsets o{};
    if (small) {
      uint32_t rest = uint32_t(i);
#pragma unroll 1
      for (int d = rank - 1; d > 0; --d) {
        const uint32_t q = divider[d].quotient(rest);
        const int64_t digit = rest - q * divider[d].d;
        rest = q;
#pragma unroll
        for (int k = 0; k < N; ++k) o.of[k] += digit * stride[d][k];
      }
      if (rank > 0)
#pragma unroll
        for (int k = 0; k < N; ++k) o.of[k] += int64_t(rest) * stride[0][k];
    } else {
#pragma unroll 1
      for (int d = rank - 1; d >= 0; --d) {
        const int64_t digit = i % size[d];
        i /= size[d];
#pragma unroll
        for (int k = 0; k < N; ++k) o.of[k] += digit * stride[d][k];
      }
    }
    return o;
  }

 private:
  void exchange(int a, int b) {
    std::swap(size[a], size[b]);
    for (int k = 0; k < N; ++k) std::swap(stride[a][k], stride[b][k]);
  }
  bool joins(int a, int b) const {
    for (int k = 0; k < N; ++k) if (stride[a][k] != stride[b][k] * size[b]) return false;
    return true;
  }
};

// f(linear index, offsets) for every element, one thread each, grid stride.
template <int N, class F> __global__ void walk_kernel(Walk<N> walk, F f) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < walk.numel; i += int64_t(gridDim.x) * blockDim.x)
    f(i, walk.at(i));
}
template <int N, class F> void walk_elements(const char* name, const Walk<N>& walk, F f) {
  if (walk.numel == 0) return;
  launch(name, walk_kernel<N, F>, blocks_for(walk.numel, 256, 1 << 20), 256, 0, walk, f);
}
// f(i) for 0 <= i < n.
template <class F> __global__ void count_kernel(int64_t n, F f) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += int64_t(gridDim.x) * blockDim.x) f(i);
}
template <class F> void for_each(const char* name, int64_t n, F f) {
  if (n == 0) return;
  launch(name, count_kernel<F>, blocks_for(n, 256, 1 << 20), 256, 0, n, f);
}

// ---- sums over a warp and a block: fixed trees ----
inline constexpr unsigned kFullWarp = 0xffffffffu;
template <class T> HIPPOGRAD_DEVICE T shuffle_xor(T x, int lanes) {
  if constexpr (sizeof(T) <= 8 && std::is_arithmetic_v<T>) {
    return __shfl_xor_sync(kFullWarp, x, lanes);
  } else {
    static_assert(sizeof(T) % 4 == 0, "shuffle_xor: whole 32-bit words");
    T y;
    const uint32_t* from = reinterpret_cast<const uint32_t*>(&x);
    uint32_t* to = reinterpret_cast<uint32_t*>(&y);
#pragma unroll
    for (int w = 0; w < int(sizeof(T) / 4); ++w) to[w] = __shfl_xor_sync(kFullWarp, from[w], lanes);
    return y;
  }
}
// Every lane gets join(x_0, ..., x_31). `join` is associative up to rounding; the tree is fixed.
template <class T, class Join> HIPPOGRAD_DEVICE T warp_join(T x, Join join) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) x = join(x, shuffle_xor(x, lanes));
  return x;
}
// Every thread gets the joined value. `scratch`: one T per warp. blockDim.x a multiple of 32, 1-D. The call may be repeated.
template <class T, class Join> HIPPOGRAD_DEVICE T block_join(T x, T neutral, T* scratch, Join join) {
  x = warp_join(x, join);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  if (warps == 1) return x;
  __syncthreads();
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  x = lane < warps ? scratch[lane] : neutral;
  return warp_join(x, join);
}
struct Plus { template <class T> HIPPOGRAD_DEVICE T operator()(T a, T b) const { return a + b; } };
struct Greater { template <class T> HIPPOGRAD_DEVICE T operator()(T a, T b) const { return a != a ? a : b != b ? b : a > b ? a : b; } };   // NaN wins

}  // namespace hippograd::cuda
