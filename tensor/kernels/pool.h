#pragma once
// Pooling over windows of one to three axes, and resampling along one axis. All arrays contiguous; f32 f64.
#include <vector>

#include "tensor/kernel.h"

namespace hippograd {

// The windows along one axis: window i covers begin[i], begin[i] + step, ... < end[i], all inside the input. `count` is the
// number of places by which an average divides; it may include padding.
struct PoolAxis {
  std::vector<int64_t> begin, end, count;
  int64_t step = 1;
};
struct PoolWindows { PoolAxis axis[3]; };   // depth, height, width; an absent axis has one window of one element

namespace kernels {
// x (P, D, H, W) -> y, index (P, OD, OH, OW): the largest element of every window, the first one of equals, NaN above all;
// `index` (i64) is its position in its (D, H, W).
extern constinit Kernel<void(const PoolWindows& w, CArray x, MArray y, MArray index)> max_pool;
// y = sum over the window / (divisor, or the product of the axes' counts if divisor is 0).
extern constinit Kernel<void(const PoolWindows& w, int64_t divisor, CArray x, MArray y)> avg_pool;
// The adjoint: dx = every dy spread over its window, overwritten.
extern constinit Kernel<void(const PoolWindows& w, int64_t divisor, CArray dy, MArray dx)> avg_pool_input;

// y (A, M, B)_aib = sum_k weight_ik x_a index_ik b      x (A, N, B)   index (M, K) i64   weight (M, K) f64
extern constinit Kernel<void(CArray x, CArray index, CArray weight, MArray y)> resample;
// The adjoint: dx_a index_ik b = sum of weight_ik dy_aib, overwritten.
extern constinit Kernel<void(CArray dy, CArray index, CArray weight, MArray dx)> resample_input;
}  // namespace kernels

}  // namespace hippograd
