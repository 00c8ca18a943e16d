#pragma once
// The second stage of sums over rows: partial (2, pieces, n) -> out_k[c] = sum over pieces, in double precision, by a fixed tree.
#include "cuda/launch.cuh"

namespace hippograd::cuda {

// A block: 32 columns x 32 lines of pieces. blockIdx.y: which output; a null one is left out.
template <class T> __global__ void __launch_bounds__(1024) add_pieces_kernel(const compute_t<T>* partial, int64_t pieces, int64_t n, T* first, T* second) {
  __shared__ double sums[32][33];
  T* out = blockIdx.y == 0 ? first : second;
  if (!out) return;
  const int lane = threadIdx.x & 31, line = threadIdx.x >> 5;
  const int64_t c = int64_t(blockIdx.x) * 32 + lane;
  const compute_t<T>* from = partial + int64_t(blockIdx.y) * pieces * n;
  double sum = 0;
  if (c < n)
#pragma unroll 8
    for (int64_t p = line; p < pieces; p += 32) sum += double(from[p * n + c]);
  sums[line][lane] = sum;
  __syncthreads();
  if (line > 0 || c >= n) return;
  for (int l = 1; l < 32; ++l) sum += sums[l][lane];
  store(out[c], compute_t<T>(sum));
}
template <class T> void add_pieces(const char* name, const compute_t<T>* partial, int64_t pieces, int64_t n, T* first, T* second) {
  if (first || second) launch(name, add_pieces_kernel<T>, dim3(blocks_for(n, 32), 2), 1024, 0, partial, pieces, n, first, second);
}

}  // namespace hippograd::cuda
