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
