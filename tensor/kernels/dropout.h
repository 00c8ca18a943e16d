#pragma once
// Random masks. u_i in [0, 1) is word i % 4 of Philox block offset + i / 4 (tensor/random.h), as a fraction of 2^32; the same
// for every dtype and device. state: i64[2] (seed, offset). All arrays contiguous, x and y of one shape and dtype.
#include "tensor/kernel.h"

namespace hippograd::kernels {

// y_i = u_i < p ? 0 : x_i / (1 - p)        0 <= p < 1
extern constinit Kernel<void(CArray state, CArray x, double p, MArray y)> dropout;
// y_i = u_i < x_i ? 1 : 0
extern constinit Kernel<void(CArray state, CArray x, MArray y)> bernoulli;

}  // namespace hippograd::kernels
