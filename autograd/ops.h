#pragma once
// Every function on tensors, one line each; the op behind it stands in autograd/ops/*.cpp (or ssm/ops), its documentation in
// docs/ops.md. Names and arguments are PyTorch's. Elementwise functions broadcast and promote like PyTorch.
#include <optional>

#include "autograd/tensor.h"

namespace hippograd {

// ---- for the engine ----
void add_into(Array& sum, const Array& term);                     // sum += term
// The history of `base` after `value` was written into the region `region` of base's storage (no data is moved).
Tensor as_strided_scatter_history(const Tensor& base, const Tensor& value, const Array& region);

// ---- views (view.cpp) ----
Tensor as_strided(const Tensor& input, const Shape& size, const Shape& stride, int64_t storage_offset);
Tensor select(const Tensor& input, int64_t dim, int64_t index);

// ---- shapes and copies (shape.cpp) ----

// ---- indexing (index.cpp) ----

// ---- broadcasting and dtypes (broadcast.cpp; promotion: broadcast.h) ----
Tensor expand(const Tensor& input, const Shape& size);            // -1 keeps a size
Tensor to(const Tensor& input, DType dtype);                      // itself if it has this dtype

// ---- arithmetic (arithmetic.cpp) ----
Tensor add(const Tensor& input, const Tensor& other);

// ---- pointwise functions (pointwise.cpp) ----

// ---- comparison, selection, complex (select.cpp, complex.cpp) ----

// ---- reductions and scans along a dimension (reduce.cpp, cumulative.cpp) ----

// ---- sorting (sort.cpp) ----

// ---- products (matmul.cpp, einsum.cpp) ----

// ---- convolution and pooling (conv.cpp, pool.cpp) ----

// ---- softmax, norms, losses (softmax.cpp, norm.cpp, loss.cpp) ----

// ---- attention (attention.cpp) ----

// ---- random (random.cpp) ----

// ---- linear algebra, Fourier (linalg.cpp, fft.cpp) ----

}  // namespace hippograd
