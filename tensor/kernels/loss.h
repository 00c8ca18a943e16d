#pragma once
// Losses over classes. Logits and log-probabilities contiguous (R, C), f32 or f64; target (R), i64; weight (C) or undefined.
// Rows whose target is `ignore_index` count nothing. Every other target must lie in [0, C): on the CPU IndexError before
// anything is written; a device that does not make the host wait treats the row as ignored and reports the target at the next
// synchronisation. `weight[t]` is taken as 1 where weight is undefined.
#include <string_view>

#include "tensor/kernel.h"

namespace hippograd::kernels {

enum class Reduction : int { None, Mean, Sum };
[[noreturn]] void bad_target(const char* op, int64_t value, int64_t row, int64_t classes, std::string_view note = {});   // throws IndexError

// m = max_k x_k,  s = sum_k exp(x_k - m),  l_c = log s - (x_c - m), all terms of one size for any common offset of the row:
//   loss_r = (1 - smoothing) weight[t] l_t + smoothing / C sum_c weight[c] l_c
// loss: (R) for None, else () with sum_r loss_r, for Mean divided by sum_r weight[t_r] (0 / 0 = NaN if all are ignored).
// stats (R, 2) = (m, s); total () = the divisor of Mean (1 otherwise).
extern constinit Kernel<void(CArray x, CArray target, CArray weight, int64_t ignore_index, double smoothing, Reduction reduction,
                             MArray loss, MArray stats, MArray total)> cross_entropy_fwd;
// q_c = (1 - smoothing) weight[t] [c = t] + smoothing / C weight[c],  Q = sum_c q_c:
//   dx_c = dloss / total (Q exp(x_c - m) / s - q_c)
extern constinit Kernel<void(CArray x, CArray target, CArray weight, int64_t ignore_index, double smoothing, CArray stats, CArray total,
                             CArray dloss, MArray dx)> cross_entropy_bwd;

// loss_r = -weight[t] x_t, reduced as above; dx_t = -dloss / total weight[t], all other elements 0.
extern constinit Kernel<void(CArray x, CArray target, CArray weight, int64_t ignore_index, Reduction reduction, MArray loss,
                             MArray total)> nll_loss_fwd;
extern constinit Kernel<void(CArray target, CArray weight, int64_t ignore_index, CArray total, CArray dloss, MArray dx)> nll_loss_bwd;

}  // namespace hippograd::kernels
