#pragma once
// layer_norm and rms_norm of rows that a team of threads can hold (cuda/team.cuh). false: these rows cannot, nothing was done.
#include "tensor/array.h"

namespace hippograd::cuda {

// x, y (R, C). centre: layer_norm, stats (R, 2); else rms_norm, stats (R).
bool norm_fwd_held(bool centre, CArray x, CArray weight, CArray bias, double eps, MArray y, MArray stats);
bool norm_bwd_held(bool centre, CArray x, CArray weight, CArray stats, CArray dy, MArray dx, MArray dweight, MArray dbias);

}  // namespace hippograd::cuda
