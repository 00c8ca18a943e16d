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

// ---- shapes and copies (shape.cpp, join.cpp; composite.cpp) ----
// Lists of dimensions and sizes are Shapes; negative dimensions count from the end. Views share storage.
Tensor view(const Tensor& input, const Shape& shape);                                   // one -1 is inferred
Tensor reshape(const Tensor& input, const Shape& shape);                                // a view where possible
Tensor view_as(const Tensor& input, const Tensor& other);
Tensor reshape_as(const Tensor& input, const Tensor& other);
Tensor flatten(const Tensor& input, int64_t start_dim = 0, int64_t end_dim = -1);
Tensor unflatten(const Tensor& input, int64_t dim, const Shape& sizes);
Tensor permute(const Tensor& input, const Shape& dims);
Tensor transpose(const Tensor& input, int64_t dim0, int64_t dim1);
Tensor t(const Tensor& input);                                                          // at most 2 dimensions
Tensor mT(const Tensor& input);                                                         // swaps the last two
Tensor movedim(const Tensor& input, const Shape& source, const Shape& destination);
Tensor squeeze(const Tensor& input);                                                    // drops every size-1 dimension
Tensor squeeze(const Tensor& input, const Shape& dims);
Tensor unsqueeze(const Tensor& input, int64_t dim);
Tensor slice(const Tensor& input, int64_t dim, int64_t start, int64_t stop, int64_t step = 1);
Tensor narrow(const Tensor& input, int64_t dim, int64_t start, int64_t length);
Tensor diagonal(const Tensor& input, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);
Tensor diag_embed(const Tensor& input, int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1);
Tensor unfold(const Tensor& input, int64_t dim, int64_t size, int64_t step);
Tensors split(const Tensor& input, int64_t split_size, int64_t dim = 0);
Tensors split(const Tensor& input, const std::vector<int64_t>& split_sizes, int64_t dim = 0);
Tensors chunk(const Tensor& input, int64_t chunks, int64_t dim = 0);
Tensors tensor_split(const Tensor& input, int64_t sections, int64_t dim = 0);
Tensors tensor_split(const Tensor& input, const std::vector<int64_t>& indices, int64_t dim = 0);
Tensors unbind(const Tensor& input, int64_t dim = 0);
Tensor clone(const Tensor& input);
Tensor contiguous(const Tensor& input);                                                 // the same tensor if it is already
Tensor cat(const Tensors& tensors, int64_t dim = 0);                                    // promotes; skips 1-D empty tensors
Tensor stack(const Tensors& tensors, int64_t dim = 0);
Tensor flip(const Tensor& input, const Shape& dims);
Tensor tril(const Tensor& input, int64_t diagonal = 0);
Tensor triu(const Tensor& input, int64_t diagonal = 0);
// torch.nn.functional.pad: pairs (before, after) from the last dimension backwards; negative amounts crop. mode: "constant",
// "reflect", "replicate" or "circular".
Tensor pad(const Tensor& input, const std::vector<int64_t>& padding, std::string_view mode = "constant", double value = 0);

// ---- indexing (index.cpp, advanced_index.cpp) ----
// An index out of range is an IndexError, before anything is written.
Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_copy(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_fill(const Tensor& input, int64_t dim, const Tensor& index, double value);
Tensor index_fill(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& value);   // value 0-dim
Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx = {});
Tensor gather(const Tensor& input, int64_t dim, const Tensor& index);
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, double value);
Tensor scatter_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src);

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
