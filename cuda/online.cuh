#pragma once
// The greatest element of a row and the sum of exponentials below it, in one pass (Milakov & Gimelshein 2018):
//   m = max_k x_k      s = sum_k exp(x_k - m)
// A NaN makes s NaN and is passed over by m; a row of -inf only has s = NaN (exp(-inf - -inf)), as computed in two passes.
#include "cuda/rows.cuh"

namespace hippograd::cuda {

template <class A> struct MaxAndSum {
  A max, sum;
  // The sum relative to a greater maximum; that of nothing (-inf, 0) stays 0.
  HIPPOGRAD_DEVICE A below(A m) const { return max == m ? sum : sum * exponential(max - m); }
};
struct JoinMaxAndSum {
  template <class A> HIPPOGRAD_DEVICE MaxAndSum<A> operator()(const MaxAndSum<A>& a, const MaxAndSum<A>& b) const {
    const A m = a.max > b.max ? a.max : b.max;
    return {m, a.below(m) + b.below(m)};
  }
};

template <class T> HIPPOGRAD_DEVICE MaxAndSum<compute_t<T>> max_and_sum(const T* x, int64_t n, bool packed) {
  using A = compute_t<T>;
  __shared__ MaxAndSum<A> scratch[32];
  const A lowest = -A(INFINITY);
  MaxAndSum<A> mine{lowest, 0};
  const auto add = [&]<int K>(const A (&v)[K]) {
    A m = mine.max;
#pragma unroll
    for (int k = 0; k < K; ++k) m = v[k] > m ? v[k] : m;
    A s = mine.below(m);
    const A base = m == lowest ? A(0) : m;   // -inf - 0: such elements add nothing
#pragma unroll
    for (int k = 0; k < K; ++k) s += exponential_of<T>(v[k] - base);
    mine = {m, s};
  };
  over_row(x, n, packed,
           [&](int64_t c, int64_t step, int count) {
             A v[kMany<T> * kPack<T>];
             take_many(x + c, step, count, lowest, v);
             add(v);
           },
           [&](int64_t c) {
             const A v[1] = {load(x[c])};
             add(v);
           });
  mine = block_join(mine, MaxAndSum<A>{lowest, 0}, scratch, JoinMaxAndSum());
  if (mine.max == lowest) mine.sum = A(NAN);
  return mine;
}

}  // namespace hippograd::cuda
