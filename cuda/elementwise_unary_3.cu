#include "cuda/elementwise.cuh"

namespace hippograd::cuda {
PointwiseEntry unary_entries_3(int id, DType t) { return pointwise_find<1, kUnaryRanges[3], kUnaryRanges[4], UnaryFunctors>(id, t); }
}  // namespace hippograd::cuda
