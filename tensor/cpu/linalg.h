#pragma once
// What the decompositions share: matrices of a batch, in parallel.
#include <algorithm>
#include <complex>

#include "tensor/array.h"
#include "tensor/parallel.h"

namespace hippograd::cpu {

// Calls f(b) for every matrix of a batch; `flops` is the work of one.
template <class F> void for_each_matrix(int64_t batch, double flops, F f) { parallel_for(batch, double(batch) * flops, f); }

inline double conj_of(double x) { return x; }
inline complex128 conj_of(complex128 x) { return std::conj(x); }
inline double real_part(double x) { return x; }
inline double real_part(complex128 x) { return x.real(); }

using DecompositionTypes = Types<double, complex128>;

}  // namespace hippograd::cpu
