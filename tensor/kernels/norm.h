#pragma once
// Normalisation of rows. Arrays contiguous, f32 or f64; weight, bias, z may be undefined. Statistics are summed in blocks, the
// blocks in double precision, after the row was shifted by its first element: no cancellation for a large common offset, and
// a constant row gives exactly the bias. Column sums for the weights' gradients go over fixed pieces of rows, in order.
#include "tensor/kernel.h"

namespace hippograd::kernels {

// x, y (R, C), weight, bias (C), stats (R, 2):
//   y = (x - mean) r weight + bias      r = 1 / sqrt(var + eps),  var = mean((x - mean)^2)
//   stats = (mean - x_0, r)
extern constinit Kernel<void(CArray x, CArray weight, CArray bias, double eps, MArray y, MArray stats)> layer_norm_fwd;
// x_hat = (x - mean) r,  g = dy weight:
//   dx = r (g - mean(g) - x_hat mean(g x_hat))     dweight = sum_rows dy x_hat     dbias = sum_rows dy
// Undefined outputs are not computed.
extern constinit Kernel<void(CArray x, CArray weight, CArray stats, CArray dy, MArray dx, MArray dweight, MArray dbias)> layer_norm_bwd;

enum class Gate : int { None, After, Before };   // of rms_norm: n(x), n(x) silu(z), n(x silu(z))

// x, z, y (R, G, C), weight (G, C), stats (R, G): each group of C is normalised on its own.
//   u = x, or x silu(z) (Before)      y = u r weight, times silu(z) (After)      r = 1 / sqrt(mean(u^2) + eps) = stats
extern constinit Kernel<void(CArray x, CArray z, CArray weight, Gate gate, double eps, MArray y, MArray stats)> rms_norm_fwd;
// g = dy weight (times silu(z) if After):   du = r (g - u r mean(g u r))
extern constinit Kernel<void(CArray x, CArray z, CArray weight, Gate gate, CArray stats, CArray dy, MArray dx, MArray dz,
                             MArray dweight)> rms_norm_bwd;

}  // namespace hippograd::kernels
