#include "cuda/elementwise.cuh"

namespace hippograd::cuda {
PointwiseEntry unary_entries_1(int id, DType t) { return pointwise_find<1, kUnaryRanges[1], kUnaryRanges[2], UnaryFunctors>(id, t); }
}  // namespace hippograd::cuda
