#pragma once
// Sorting. Rows: x (R, N) contiguous; real, integer or bool. NaN counts as the greatest value; equal values keep their order
// (so ties go to the lowest index).
#include "tensor/kernel.h"

namespace hippograd::kernels {

// values (R, N) sorted, index (R, N) i64 where they were.
extern constinit Kernel<void(CArray x, bool descending, MArray values, MArray index)> sort;
// values (R, k): the k greatest (least) of each row, from the outermost inwards; index (R, k) i64.
extern constinit Kernel<void(CArray x, bool least, MArray values, MArray index)> topk;
// values, index (R, 1): the element that stands at place `k` (from 0) of the sorted row; k < 0: the lower median, a NaN if
// there is one; k < -1: the lower median of what is not NaN.
extern constinit Kernel<void(CArray x, int64_t k, MArray values, MArray index)> order_statistic;
// values, index (R, 1): the most frequent value, the least of equally frequent ones, and the last place where it stands.
extern constinit Kernel<void(CArray x, MArray values, MArray index)> mode;

}  // namespace hippograd::kernels
