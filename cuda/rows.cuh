#pragma once
// Work on contiguous rows (R, C): softmax, norms, losses. A block takes a row (several blocks' rows are in flight per SM, so
// one block's reduction hides behind the others' loads). Thread t reads packs of V elements at columns V (t + k threads).
//
//   for_columns<V>(n, f)      f(c): the thread's packs start at column c
//   take<V>(p, v), put<V>     V elements at p, as one access; v in the type of the computation
// Sums: each thread in the type of the computation, the block in double precision by a fixed tree.
#include "cuda/launch.cuh"

namespace hippograd::cuda {

template <int V, class F> HIPPOGRAD_DEVICE void for_columns(int64_t n, F&& f) {
  for (int64_t c = int64_t(threadIdx.x) * V; c < n; c += int64_t(blockDim.x) * V) f(c);
}
template <int V, class T> HIPPOGRAD_DEVICE void take(const T* p, compute_t<T> (&v)[V]) {
  const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(p);
#pragma unroll
  for (int j = 0; j < V; ++j) v[j] = load(pack.v[j]);
}
template <int V, class T> HIPPOGRAD_DEVICE void put(T* p, const compute_t<T> (&v)[V]) {
  Pack<T, V> pack;
#pragma unroll
  for (int j = 0; j < V; ++j) store(pack.v[j], v[j]);
  *reinterpret_cast<Pack<T, V>*>(p) = pack;
}
struct Larger {   // NaN is passed over
  template <class T> HIPPOGRAD_DEVICE T operator()(T a, T b) const { return b > a || a != a ? b : a; }
};
template <class A> HIPPOGRAD_DEVICE double row_sum(A mine) {
  __shared__ double scratch[32];
  return block_join(double(mine), 0.0, scratch, Plus());
}

HIPPOGRAD_DEVICE float multiply(float a, float b) { return __fmul_rn(a, b); }    // never part of a fused multiply-add
HIPPOGRAD_DEVICE double multiply(double a, double b) { return __dmul_rn(a, b); }
HIPPOGRAD_DEVICE float exponential(float x) { return expf(x); }
HIPPOGRAD_DEVICE double exponential(double x) { return exp(x); }

// bf16 keeps 8 bits: the fast exponential (relative error below 2^-18 where it matters) is exact enough.
template <class T> HIPPOGRAD_DEVICE compute_t<T> exponential_of(compute_t<T> x) {
  if constexpr (std::is_same_v<T, bfloat16>) return __expf(x);
  else return exponential(x);
}

// A block goes over a row of any length and alignment, kMany<T> packs per thread at once, so that enough loads are on their way:
//   many(c, step, count)   the thread's packs start at columns c, c + step, ..., `count` of them (at most kMany<T>)
//   one(c)                 a column before the first or after the last 16-byte boundary; every column if not `packed`
template <class T> inline constexpr int kMany = sizeof(T) == 4 ? 4 : 2;
template <class T, class Many, class One> HIPPOGRAD_DEVICE void over_row(const T* row, int64_t n, bool packed, Many&& many, One&& one) {
  constexpr int V = kPack<T>, U = kMany<T>;
  int64_t head = n;
  if (packed) {
    const int64_t before = int64_t((16 - (reinterpret_cast<uintptr_t>(row) & 15)) & 15) / int64_t(sizeof(T));
    head = before < n ? before : n;
  }
  const int64_t packs = (n - head) / V;
  for (int64_t c = threadIdx.x; c < head; c += blockDim.x) one(c);
  for (int64_t p = threadIdx.x; p < packs; p += int64_t(U) * blockDim.x) {
    int count = 0;
#pragma unroll
    for (int u = 0; u < U; ++u) count += p + u * int64_t(blockDim.x) < packs;
    many(head + p * V, int64_t(blockDim.x) * V, count);
  }
  for (int64_t c = head + packs * V + threadIdx.x; c < n; c += blockDim.x) one(c);
}
// The packs of one `many`, in the type of the computation; those that are not there are `fill`.
template <class T> HIPPOGRAD_DEVICE void take_many(const T* p, int64_t step, int count, compute_t<T> fill, compute_t<T> (&v)[kMany<T> * kPack<T>]) {
  constexpr int V = kPack<T>;
#pragma unroll
  for (int u = 0; u < kMany<T>; ++u) {
    if (u < count) {
      const Pack<T, V> pack = *reinterpret_cast<const Pack<T, V>*>(p + u * step);
#pragma unroll
      for (int j = 0; j < V; ++j) v[u * V + j] = load(pack.v[j]);
    } else {
#pragma unroll
      for (int j = 0; j < V; ++j) v[u * V + j] = fill;
    }
  }
}
// 16 bytes of global memory as one access. Written so, since inside the branches of put_many the compiler takes a pack apart.
template <class T, int V> HIPPOGRAD_DEVICE void write16(T* p, const Pack<T, V>& pack) {
  uint4 word;
  static_assert(sizeof(word) == sizeof(pack));
  memcpy(&word, &pack, sizeof(word));
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p)), "r"(word.x), "r"(word.y), "r"(word.z), "r"(word.w)
               : "memory");
}
template <class T> HIPPOGRAD_DEVICE void put_many(T* p, int64_t step, int count, const compute_t<T> (&v)[kMany<T> * kPack<T>]) {
  constexpr int V = kPack<T>;
#pragma unroll
  for (int u = 0; u < kMany<T>; ++u) {
    if (u >= count) continue;
    Pack<T, V> pack;
#pragma unroll
    for (int j = 0; j < V; ++j) store(pack.v[j], v[u * V + j]);
    write16(p + u * step, pack);
  }
}

// Threads for a row of n elements, V at a time: at least four packs each where the row is long.
inline int row_threads(int64_t n, int v) {
  int threads = 32;
  while (threads < 512 && threads * 4 * v < n) threads *= 2;
  return threads;
}
// f<V>(): packs of 16 bytes where rows of n elements and all pointers allow it.
template <class T, class F, class... P> void by_pack(int64_t n, F&& f, const P*... pointers) {
  const bool aligned = n % kPack<T> == 0 && (aligned16(pointers) && ...);
  if (aligned) f.template operator()<kPack<T>>();
  else f.template operator()<1>();
}
template <class T> const T* maybe(CArray a) { return a.defined() ? a.data<T>() : nullptr; }
template <class T> T* maybe(MArray a) { return a.defined() ? a.data<T>() : nullptr; }

inline unsigned row_blocks(int64_t rows) { return blocks_for(rows, 1); }

}  // namespace hippograd::cuda
