#pragma once
// Every function on tensors, one line each; the op behind it stands in autograd/ops/*.cpp (or ssm/ops), its documentation in
// docs/ops.md. Names and arguments are PyTorch's. Elementwise functions broadcast and promote like PyTorch.
#include <optional>

#include "autograd/tensor.h"
#include "tensor/random.h"

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
Tensor ravel(const Tensor& input);
Tensor expand_as(const Tensor& input, const Tensor& other);
Tensor broadcast_to(const Tensor& input, const Shape& size);
Tensors broadcast_tensors(const Tensors& tensors);
Tensor mH(const Tensor& input);                                                         // conjugate of mT
Tensor hstack(const Tensors& tensors);
Tensor vstack(const Tensors& tensors);
Tensor dstack(const Tensors& tensors);
Tensor column_stack(const Tensors& tensors);
Tensors hsplit(const Tensor& input, int64_t sections);
Tensors vsplit(const Tensor& input, int64_t sections);
Tensors dsplit(const Tensor& input, int64_t sections);
Tensor atleast_1d(const Tensor& input);
Tensor atleast_2d(const Tensor& input);
Tensor atleast_3d(const Tensor& input);
Tensor fliplr(const Tensor& input);
Tensor flipud(const Tensor& input);
Tensor rot90(const Tensor& input, int64_t k = 1, const Shape& dims = {0, 1});
Tensor roll(const Tensor& input, const Shape& shifts, const Shape& dims = {});          // no dims: over the flat tensor
Tensor repeat(const Tensor& input, const Shape& sizes);
Tensor tile(const Tensor& input, const Shape& dims);
Tensor repeat_interleave(const Tensor& input, int64_t repeats, std::optional<int64_t> dim = {});
Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int64_t> dim = {});
Tensor diag(const Tensor& input, int64_t diagonal = 0);
Tensor diagflat(const Tensor& input, int64_t offset = 0);
Tensor block_diag(const Tensors& tensors);
Tensors meshgrid(const Tensors& tensors, std::string_view indexing = "ij");
Tensor cartesian_prod(const Tensors& tensors);
Tensor select_scatter(const Tensor& input, const Tensor& src, int64_t dim, int64_t index);
Tensor slice_scatter(const Tensor& input, const Tensor& src, int64_t dim, int64_t start, int64_t stop, int64_t step = 1);
Tensor diagonal_scatter(const Tensor& input, const Tensor& src, int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1);

// ---- indexing (index.cpp, advanced_index.cpp) ----
// An index out of range is an IndexError, before anything is written.
Tensor index_select(const Tensor& input, int64_t dim, const Tensor& index);
Tensor index_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_copy(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& source);
Tensor index_fill(const Tensor& input, int64_t dim, const Tensor& index, double value);
Tensor index_fill(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& value);   // value 0-dim
Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx = {});
Tensor gather(const Tensor& input, int64_t dim, const Tensor& index);
Tensor gather_adjoint(const Tensor& dy, const Shape& shape, int64_t dim, const Tensor& index);   // dy added into zeros of `shape`
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src);
Tensor scatter(const Tensor& input, int64_t dim, const Tensor& index, double value);
Tensor scatter_add(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src);
// scatter_reduce's "prod", "amax" and "amin", with the input included.
Tensor scatter_extreme_or_product(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce);
// input[indices]: integer and boolean tensors, undefined for ":". index_put gives the input with values written there.
Tensor index(const Tensor& input, const Tensors& indices);
Tensor index_put(const Tensor& input, const Tensors& indices, const Tensor& values, bool accumulate = false);
Tensor take(const Tensor& input, const Tensor& index);
Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int64_t> dim = {});
Tensor masked_select(const Tensor& input, const Tensor& mask);
Tensor masked_scatter(const Tensor& input, const Tensor& mask, const Tensor& source);
Tensor nonzero(const Tensor& input);                                                    // (count, rank) i64
Tensor argwhere(const Tensor& input);
Tensors where(const Tensor& condition);                                                 // nonzero, one tensor per dimension
Tensor one_hot(const Tensor& input, int64_t num_classes = -1);
Tensor bincount(const Tensor& input, const Tensor& weights = {}, int64_t minlength = 0);
Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& input, bool right = false);
Tensor bucketize(const Tensor& input, const Tensor& boundaries, bool right = false);
Tensor histc(const Tensor& input, int64_t bins = 100, double min = 0, double max = 0);

// ---- broadcasting and dtypes (broadcast.cpp; promotion: broadcast.h) ----
Tensor expand(const Tensor& input, const Shape& size);            // -1 keeps a size
Tensor to(const Tensor& input, DType dtype);                      // itself if it has this dtype
Tensor to(const Tensor& input, Device device);                                     // a copy there; recorded, so gradients come back

// ---- arithmetic (arithmetic.cpp) ----
// Python numbers are Tensor::number; the overloads with double are for C++.
Tensor add(const Tensor& input, const Tensor& other, double alpha = 1);
Tensor sub(const Tensor& input, const Tensor& other, double alpha = 1);
Tensor rsub(const Tensor& input, const Tensor& other);            // other - input
Tensor mul(const Tensor& input, const Tensor& other);
Tensor mul_conj(const Tensor& input, const Tensor& other);        // input * conj(other)
Tensor div(const Tensor& input, const Tensor& other);
Tensor div(const Tensor& input, const Tensor& other, std::string_view rounding_mode);   // "", "floor", "trunc"
Tensor floor_divide(const Tensor& input, const Tensor& other);
Tensor remainder(const Tensor& input, const Tensor& other);       // sign of other
Tensor fmod(const Tensor& input, const Tensor& other);            // sign of input
Tensor pow(const Tensor& input, const Tensor& exponent);
Tensor maximum(const Tensor& input, const Tensor& other);
Tensor minimum(const Tensor& input, const Tensor& other);
Tensor fmax(const Tensor& input, const Tensor& other);
Tensor fmin(const Tensor& input, const Tensor& other);
Tensor atan2(const Tensor& input, const Tensor& other);
Tensor hypot(const Tensor& input, const Tensor& other);
Tensor xlogy(const Tensor& input, const Tensor& other);
Tensor xlog1py(const Tensor& input, const Tensor& other);
Tensor logaddexp(const Tensor& input, const Tensor& other);
Tensor logaddexp2(const Tensor& input, const Tensor& other);
Tensor copysign(const Tensor& input, const Tensor& other);
Tensor nextafter(const Tensor& input, const Tensor& other);
Tensor heaviside(const Tensor& input, const Tensor& values);
Tensor addcmul(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, double value = 1);
Tensor addcdiv(const Tensor& input, const Tensor& tensor1, const Tensor& tensor2, double value = 1);
Tensor lerp(const Tensor& input, const Tensor& end, const Tensor& weight);
Tensor neg(const Tensor& input);
Tensor square(const Tensor& input);
Tensor reciprocal(const Tensor& input);
Tensor add(const Tensor& input, double other);
Tensor sub(const Tensor& input, double other);
Tensor rsub(const Tensor& input, double other);
Tensor mul(const Tensor& input, double other);
Tensor div(const Tensor& input, double other);
Tensor pow(const Tensor& input, double exponent);

// ---- pointwise functions (pointwise.cpp) ----
Tensor sqrt(const Tensor& input);
Tensor rsqrt(const Tensor& input);
Tensor exp(const Tensor& input);
Tensor exp2(const Tensor& input);
Tensor expm1(const Tensor& input);
Tensor log(const Tensor& input);
Tensor log2(const Tensor& input);
Tensor log10(const Tensor& input);
Tensor log1p(const Tensor& input);
Tensor sin(const Tensor& input);
Tensor cos(const Tensor& input);
Tensor tan(const Tensor& input);
Tensor asin(const Tensor& input);
Tensor acos(const Tensor& input);
Tensor atan(const Tensor& input);
Tensor sinh(const Tensor& input);
Tensor cosh(const Tensor& input);
Tensor tanh(const Tensor& input);
Tensor asinh(const Tensor& input);
Tensor acosh(const Tensor& input);
Tensor atanh(const Tensor& input);
Tensor erf(const Tensor& input);
Tensor erfc(const Tensor& input);
Tensor erfinv(const Tensor& input);
Tensor lgamma(const Tensor& input);
Tensor digamma(const Tensor& input);
Tensor sinc(const Tensor& input);
Tensor polygamma(int64_t n, const Tensor& input);
Tensor rad2deg(const Tensor& input);
Tensor deg2rad(const Tensor& input);
Tensor logit(const Tensor& input, std::optional<double> eps = {});
Tensor floor(const Tensor& input);
Tensor ceil(const Tensor& input);
Tensor trunc(const Tensor& input);
Tensor round(const Tensor& input, int64_t decimals = 0);          // halves to even
Tensor frac(const Tensor& input);
Tensor sigmoid(const Tensor& input);
Tensor relu(const Tensor& input);
Tensor silu(const Tensor& input);
Tensor gelu(const Tensor& input, std::string_view approximate = "none");
Tensor softplus(const Tensor& input, double beta = 1, std::optional<double> threshold = {});   // exact unless a threshold is given
Tensor silu_mul(const Tensor& input, const Tensor& other);        // silu(input) * other
Tensor bias_gelu(const Tensor& input, const Tensor& bias);        // gelu(input + bias), input (..., D), bias (D)
Tensor bias_silu(const Tensor& input, const Tensor& bias);
Tensor bias_relu(const Tensor& input, const Tensor& bias);

// ---- further activations (activation.cpp) ----
Tensor elu(const Tensor& input, double alpha = 1);
Tensor selu(const Tensor& input);
Tensor celu(const Tensor& input, double alpha = 1);
Tensor leaky_relu(const Tensor& input, double negative_slope = 0.01);
Tensor hardtanh(const Tensor& input, double min_val = -1, double max_val = 1);
Tensor relu6(const Tensor& input);
Tensor hardsigmoid(const Tensor& input);
Tensor hardswish(const Tensor& input);
Tensor mish(const Tensor& input);
Tensor softsign(const Tensor& input);
Tensor logsigmoid(const Tensor& input);
Tensor softshrink(const Tensor& input, double lambda = 0.5);
Tensor hardshrink(const Tensor& input, double lambda = 0.5);
Tensor tanhshrink(const Tensor& input);
Tensor threshold(const Tensor& input, double threshold, double value);
Tensor swish_clamped(const Tensor& input);                        // input * sigmoid(clamp(input, -10, 10))

// ---- comparison, selection, complex (select.cpp, complex.cpp) ----
Tensor eq(const Tensor& input, const Tensor& other);
Tensor ne(const Tensor& input, const Tensor& other);
Tensor lt(const Tensor& input, const Tensor& other);
Tensor le(const Tensor& input, const Tensor& other);
Tensor gt(const Tensor& input, const Tensor& other);
Tensor ge(const Tensor& input, const Tensor& other);
Tensor eq(const Tensor& input, double other);
Tensor ne(const Tensor& input, double other);
Tensor lt(const Tensor& input, double other);
Tensor le(const Tensor& input, double other);
Tensor gt(const Tensor& input, double other);
Tensor ge(const Tensor& input, double other);
Tensor logical_and(const Tensor& input, const Tensor& other);
Tensor logical_or(const Tensor& input, const Tensor& other);
Tensor logical_xor(const Tensor& input, const Tensor& other);
Tensor logical_not(const Tensor& input);
Tensor bitwise_and(const Tensor& input, const Tensor& other);
Tensor bitwise_or(const Tensor& input, const Tensor& other);
Tensor bitwise_xor(const Tensor& input, const Tensor& other);
Tensor bitwise_left_shift(const Tensor& input, const Tensor& other);
Tensor bitwise_right_shift(const Tensor& input, const Tensor& other);
Tensor bitwise_not(const Tensor& input);
Tensor isnan(const Tensor& input);
Tensor isinf(const Tensor& input);
Tensor isfinite(const Tensor& input);
Tensor isposinf(const Tensor& input);
Tensor isneginf(const Tensor& input);
Tensor signbit(const Tensor& input);
Tensor isclose(const Tensor& input, const Tensor& other, double rtol = 1e-5, double atol = 1e-8, bool equal_nan = false);
Tensor where(const Tensor& condition, const Tensor& input, const Tensor& other);
Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value);   // value 0-dim
Tensor masked_fill(const Tensor& input, const Tensor& mask, double value);
Tensor clamp(const Tensor& input, std::optional<double> min, std::optional<double> max);
Tensor clamp(const Tensor& input, const Tensor& min, const Tensor& max);            // either may be undefined
Tensor nan_to_num(const Tensor& input, double nan = 0, std::optional<double> posinf = {}, std::optional<double> neginf = {});
Tensor abs(const Tensor& input);
Tensor sign(const Tensor& input);
Tensor sgn(const Tensor& input);
Tensor conj(const Tensor& input);
Tensor real(const Tensor& input);
Tensor imag(const Tensor& input);
Tensor angle(const Tensor& input);
Tensor complex(const Tensor& real, const Tensor& imag);
Tensor polar(const Tensor& abs, const Tensor& angle);
Tensor view_as_real(const Tensor& input);
Tensor view_as_complex(const Tensor& input);

// ---- reductions and scans along a dimension (reduce.cpp, cumulative.cpp) ----
// dims: empty means all. Sums and products of integers and bool are i64. Pairs of results come as Tensors.
Tensor sum(const Tensor& input, const Shape& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor mean(const Tensor& input, const Shape& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor nansum(const Tensor& input, const Shape& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor nanmean(const Tensor& input, const Shape& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor prod(const Tensor& input, std::optional<int64_t> dim = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor amax(const Tensor& input, const Shape& dims = {}, bool keepdim = false);         // ties share the gradient
Tensor amin(const Tensor& input, const Shape& dims = {}, bool keepdim = false);
Tensors aminmax(const Tensor& input, std::optional<int64_t> dim = {}, bool keepdim = false);
Tensor max(const Tensor& input);
Tensor min(const Tensor& input);
Tensors max(const Tensor& input, int64_t dim, bool keepdim = false);                    // values, indices (the lowest)
Tensors min(const Tensor& input, int64_t dim, bool keepdim = false);
Tensor argmax(const Tensor& input, std::optional<int64_t> dim = {}, bool keepdim = false);
Tensor argmin(const Tensor& input, std::optional<int64_t> dim = {}, bool keepdim = false);
Tensor any(const Tensor& input, const Shape& dims = {}, bool keepdim = false);
Tensor all(const Tensor& input, const Shape& dims = {}, bool keepdim = false);
Tensor count_nonzero(const Tensor& input, const Shape& dims = {});
Tensor var(const Tensor& input, const Shape& dims = {}, double correction = 1, bool keepdim = false);
Tensor std(const Tensor& input, const Shape& dims = {}, double correction = 1, bool keepdim = false);
Tensors var_mean(const Tensor& input, const Shape& dims = {}, double correction = 1, bool keepdim = false);
Tensors std_mean(const Tensor& input, const Shape& dims = {}, double correction = 1, bool keepdim = false);
Tensor logsumexp(const Tensor& input, const Shape& dims = {}, bool keepdim = false);
// (sum |x|^ord)^(1/ord); ord 0 counts what is not zero, inf and -inf take the greatest and least |x|.
Tensor vector_norm(const Tensor& input, double ord = 2, const Shape& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor norm(const Tensor& input, double p = 2, const Shape& dims = {}, bool keepdim = false, std::optional<DType> dtype = {});
Tensor cumsum(const Tensor& input, int64_t dim, std::optional<DType> dtype = {});
Tensor cumprod(const Tensor& input, int64_t dim, std::optional<DType> dtype = {});
Tensors cummax(const Tensor& input, int64_t dim);
Tensors cummin(const Tensor& input, int64_t dim);
Tensor logcumsumexp(const Tensor& input, int64_t dim);
Tensor diff(const Tensor& input, int64_t n = 1, int64_t dim = -1, const Tensor& prepend = {}, const Tensor& append = {});
Tensor trapezoid(const Tensor& y, const Tensor& x = {}, double dx = 1, int64_t dim = -1);
Tensor scatter_reduce(const Tensor& input, int64_t dim, const Tensor& index, const Tensor& src, std::string_view reduce,
                      bool include_self = true);                                        // sum, prod, mean, amax, amin

// ---- sorting (sort.cpp) ----
// NaN counts as the greatest value; equal values keep their order. Each gives values and indices.
Tensors sort(const Tensor& input, int64_t dim = -1, bool descending = false);
Tensor argsort(const Tensor& input, int64_t dim = -1, bool descending = false);
Tensor msort(const Tensor& input);                                                      // along dimension 0, values only
Tensors topk(const Tensor& input, int64_t k, int64_t dim = -1, bool largest = true);    // sorted
Tensors kthvalue(const Tensor& input, int64_t k, int64_t dim = -1, bool keepdim = false);
Tensors median(const Tensor& input, int64_t dim, bool keepdim = false);                 // the lower of two middle values
Tensor median(const Tensor& input);
Tensors nanmedian(const Tensor& input, int64_t dim, bool keepdim = false);
Tensor nanmedian(const Tensor& input);
Tensors mode(const Tensor& input, int64_t dim = -1, bool keepdim = false);
// interpolation: "linear", "lower", "higher", "midpoint" or "nearest". The quantiles' dimension comes first.
Tensor quantile(const Tensor& input, const Tensor& q, std::optional<int64_t> dim = {}, bool keepdim = false,
                std::string_view interpolation = "linear");
Tensor quantile(const Tensor& input, double q, std::optional<int64_t> dim = {}, bool keepdim = false, std::string_view interpolation = "linear");
Tensor nanquantile(const Tensor& input, const Tensor& q, std::optional<int64_t> dim = {}, bool keepdim = false,
                   std::string_view interpolation = "linear");
// output, inverse, counts (undefined unless asked for); dim: unique slices.
Tensors unique(const Tensor& input, bool return_inverse = false, bool return_counts = false, std::optional<int64_t> dim = {});
Tensors unique_consecutive(const Tensor& input, bool return_inverse = false, bool return_counts = false, std::optional<int64_t> dim = {});

// ---- products (matmul.cpp, einsum.cpp) ----
Tensor matmul(const Tensor& input, const Tensor& other);          // vectors, matrices, batches of matrices (broadcast)
Tensor mm(const Tensor& input, const Tensor& mat2);
Tensor bmm(const Tensor& input, const Tensor& mat2);
Tensor mv(const Tensor& input, const Tensor& vec);
Tensor dot(const Tensor& input, const Tensor& tensor);
Tensor vdot(const Tensor& input, const Tensor& other);            // conjugates the first vector
Tensor inner(const Tensor& input, const Tensor& other);
Tensor outer(const Tensor& input, const Tensor& vec2);
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});      // weight (out, in)
Tensor addmm(const Tensor& input, const Tensor& mat1, const Tensor& mat2, double beta = 1, double alpha = 1);
Tensor addmv(const Tensor& input, const Tensor& mat, const Tensor& vec, double beta = 1, double alpha = 1);
Tensor addr(const Tensor& input, const Tensor& vec1, const Tensor& vec2, double beta = 1, double alpha = 1);
Tensor addbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, double beta = 1, double alpha = 1);
Tensor baddbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, double beta = 1, double alpha = 1);
Tensor einsum(std::string_view equation, const Tensors& operands);                      // letters, "...", repeated letters
Tensor tensordot(const Tensor& a, const Tensor& b, int64_t dims = 2);
Tensor tensordot(const Tensor& a, const Tensor& b, const Shape& dims_a, const Shape& dims_b);
Tensor kron(const Tensor& input, const Tensor& other);
Tensor multi_dot(const Tensors& tensors);                         // chain_matmul, linalg.multi_dot: the cheapest order

// ---- convolution and pooling (conv.cpp, pool.cpp) ----
// input (N, C, size...) or (C, size...), weight (out, C / groups, kernel...). Lists hold one number for all axes, or one each.
Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, const Shape& stride = {1}, const Shape& padding = {0},
              const Shape& dilation = {1}, int64_t groups = 1);
Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, const Shape& stride = {1}, const Shape& padding = {0},
              const Shape& dilation = {1}, int64_t groups = 1);
Tensor conv3d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, const Shape& stride = {1}, const Shape& padding = {0},
              const Shape& dilation = {1}, int64_t groups = 1);
// padding "valid" or "same"; conv1d, conv2d, conv3d by the number of the weight's dimensions.
Tensor convolution(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& stride, std::string_view padding,
                   const Shape& dilation = {1}, int64_t groups = 1);
// weight (C, out / groups, kernel...).
Tensor conv_transpose1d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, const Shape& stride = {1}, const Shape& padding = {0},
                        const Shape& output_padding = {0}, int64_t groups = 1, const Shape& dilation = {1});
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {}, const Shape& stride = {1}, const Shape& padding = {0},
                        const Shape& output_padding = {0}, int64_t groups = 1, const Shape& dilation = {1});
Tensor im2col(const Tensor& input, const Shape& kernel_size, const Shape& dilation = {1}, const Shape& padding = {0},
              const Shape& stride = {1});                         // torch.nn.functional.unfold
Tensor col2im(const Tensor& input, const Shape& output_size, const Shape& kernel_size, const Shape& dilation = {1}, const Shape& padding = {0},
              const Shape& stride = {1});                         // torch.nn.functional.fold

// Pooling over the last `axes` dimensions (1, 2 or 3) of (N, C, size...) or (C, size...). An empty stride is the kernel's size.
Tensors max_pool(const Tensor& input, int axes, const Shape& kernel_size, const Shape& stride = {}, const Shape& padding = {0},
                 const Shape& dilation = {1}, bool ceil_mode = false);                  // values, positions in the plane
Tensor avg_pool(const Tensor& input, int axes, const Shape& kernel_size, const Shape& stride = {}, const Shape& padding = {0},
                bool ceil_mode = false, bool count_include_pad = true, std::optional<int64_t> divisor_override = {});
Tensors adaptive_max_pool(const Tensor& input, int axes, const Shape& output_size);     // -1 keeps a size
Tensor adaptive_avg_pool(const Tensor& input, int axes, const Shape& output_size);
// mode: nearest, nearest-exact, linear, bilinear, trilinear, bicubic, area. Either `size` or `scale_factor` is empty.
Tensor interpolate(const Tensor& input, const Shape& size, const std::vector<double>& scale_factor = {}, std::string_view mode = "nearest",
                   bool align_corners = false, bool recompute_scale_factor = false);
Tensor pixel_shuffle(const Tensor& input, int64_t upscale_factor);
Tensor pixel_unshuffle(const Tensor& input, int64_t downscale_factor);

// ---- softmax, norms, losses (softmax.cpp, norm.cpp, loss.cpp) ----
Tensor softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype = {});
Tensor log_softmax(const Tensor& input, int64_t dim, std::optional<DType> dtype = {});
Tensor softmin(const Tensor& input, int64_t dim, std::optional<DType> dtype = {});      // softmax(-input)
// Over the trailing dimensions `normalized_shape`; weight and bias (normalized_shape) may be undefined.
Tensor layer_norm(const Tensor& input, const Shape& normalized_shape, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
Tensor rms_norm(const Tensor& input, const Shape& normalized_shape, const Tensor& weight = {}, std::optional<double> eps = {});   // default: machine epsilon
// rms_norm(input) silu(z) (norm_before_gate) or rms_norm(input silu(z)); groups of `group_size` elements of the last dimension
// have statistics of their own (0: one group).
Tensor rms_norm_gated(const Tensor& input, const Tensor& z, const Tensor& weight, double eps = 1e-5, int64_t group_size = 0, bool norm_before_gate = false);
// Over the channels, dimension 1, of input (N, C, ...); weight, bias and running statistics (C) may be undefined. Training
// updates the running statistics in place (unbiased variance) and is differentiated through the batch's own.
Tensor group_norm(const Tensor& input, int64_t num_groups, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);
Tensor batch_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight = {}, const Tensor& bias = {},
                  bool training = false, double momentum = 0.1, double eps = 1e-5);
Tensor instance_norm(const Tensor& input, const Tensor& running_mean = {}, const Tensor& running_var = {}, const Tensor& weight = {},
                     const Tensor& bias = {}, bool use_input_stats = true, double momentum = 0.1, double eps = 1e-5);
Tensor normalize(const Tensor& input, double p = 2, int64_t dim = 1, double eps = 1e-12);   // input / max(norm, eps)
// input (N, C, ...) or (C) logits; target (N, ...) class indices, or class probabilities shaped like input. reduction: "none",
// "mean" (over the targets' weights) or "sum".
Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {}, int64_t ignore_index = -100,
                     std::string_view reduction = "mean", double label_smoothing = 0);
Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {}, int64_t ignore_index = -100, std::string_view reduction = "mean");
// Losses per element, reduced; kl_div also by "batchmean". torch.nn.functional's names and defaults.
Tensor mse_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean", const Tensor& weight = {});
Tensor l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean", const Tensor& weight = {});
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean", double beta = 1);
Tensor huber_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean", double delta = 1, const Tensor& weight = {});
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {}, std::string_view reduction = "mean");
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target, const Tensor& weight = {}, std::string_view reduction = "mean",
                                        const Tensor& pos_weight = {});
Tensor kl_div(const Tensor& input, const Tensor& target, std::string_view reduction = "mean", bool log_target = false);
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input = true, bool full = false, double eps = 1e-8,
                        std::string_view reduction = "mean");
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var, bool full = false, double eps = 1e-6,
                         std::string_view reduction = "mean");
Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin = 0, std::string_view reduction = "mean");
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin = 1, std::string_view reduction = "mean");
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim = 1, double eps = 1e-8);
Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target, double margin = 0, std::string_view reduction = "mean");
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p = 2, double eps = 1e-6, bool keepdim = false);
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin = 1, double p = 2,
                           double eps = 1e-6, bool swap = false, std::string_view reduction = "mean");
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean");
Tensor multi_margin_loss(const Tensor& input, const Tensor& target, double p = 1, double margin = 1, const Tensor& weight = {},
                         std::string_view reduction = "mean");
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {}, std::string_view reduction = "mean");
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, std::string_view reduction = "mean");

// ---- attention (attention.cpp) ----
struct AttentionOptions {
  double dropout_p = 0;
  bool is_causal = false;
  std::optional<double> scale = {};   // default 1 / sqrt(P)
  bool enable_gqa = false;            // H a multiple of the key heads (one key head is always allowed)
  int64_t prefix = 0;                 // causal: keys that lie before the first query (a cache): query l sees keys up to l + prefix
  double clamp = 0;                   // > 0: scores are clamped to +-clamp before the mask
};
// query (..., H, L, P), key (..., G, M, P), value (..., G, M, Q) -> (..., H, L, Q). attn_mask broadcasts to (..., H, L, M) (also
// (B, L, M) for all heads): bool, true = visible, or numbers to add. A query that sees no key gives 0, with gradient 0.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& attn_mask = {},
                                    const AttentionOptions& options = {});
// The weights (..., H, L, M) themselves, without dropout.
Tensor attention_weights(const Tensor& query, const Tensor& key, const Tensor& attn_mask = {}, const AttentionOptions& options = {});

// ---- random (random.cpp) ----
Tensor dropout(const Tensor& input, double p = 0.5, bool training = true, Generator& g = default_generator());
Tensor bernoulli(const Tensor& input, Generator& g = default_generator());    // 1 with probability input
Tensor rand(const Shape& size, DType dtype = default_dtype(), Generator& g = default_generator(), Device device = {});
Tensor randn(const Shape& size, DType dtype = default_dtype(), Generator& g = default_generator(), Device device = {});
Tensor randint(int64_t low, int64_t high, const Shape& size, DType dtype = DType::i64, Generator& g = default_generator(), Device device = {});
Tensor randperm(int64_t n, DType dtype = DType::i64, Generator& g = default_generator());
Tensor normal(const Tensor& mean, const Tensor& std, Generator& g = default_generator());
Tensor uniform_(const Tensor& self, double from = 0, double to = 1, Generator& g = default_generator());
Tensor normal_(const Tensor& self, double mean = 0, double std = 1, Generator& g = default_generator());
Tensor bernoulli_(const Tensor& self, double p = 0.5, Generator& g = default_generator());
Tensor exponential_(const Tensor& self, double lambd = 1, Generator& g = default_generator());
Tensor log_normal_(const Tensor& self, double mean = 1, double std = 2, Generator& g = default_generator());
Tensor cauchy_(const Tensor& self, double median = 0, double sigma = 1, Generator& g = default_generator());
Tensor geometric_(const Tensor& self, double p, Generator& g = default_generator());
Tensor random_(const Tensor& self, std::optional<int64_t> from = {}, std::optional<int64_t> to = {}, Generator& g = default_generator());

// ---- in place (inplace.cpp): self <- f(self, ...), returning self ----
// For every other function: assign_(self, f(self, ...), "f_"). DtypeError if the result's category does not fit self's dtype.
Tensor assign_(const Tensor& self, const Tensor& value, std::string_view op);
Tensor add_(const Tensor& self, const Tensor& other, double alpha = 1);
Tensor sub_(const Tensor& self, const Tensor& other, double alpha = 1);
Tensor mul_(const Tensor& self, const Tensor& other);
Tensor div_(const Tensor& self, const Tensor& other, std::string_view rounding_mode = "");
Tensor addcmul_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, double value = 1);
Tensor addcdiv_(const Tensor& self, const Tensor& tensor1, const Tensor& tensor2, double value = 1);
Tensor lerp_(const Tensor& self, const Tensor& end, const Tensor& weight);
Tensor neg_(const Tensor& self);
Tensor abs_(const Tensor& self);
Tensor square_(const Tensor& self);
Tensor reciprocal_(const Tensor& self);
Tensor sqrt_(const Tensor& self);
Tensor rsqrt_(const Tensor& self);
Tensor exp_(const Tensor& self);
Tensor log_(const Tensor& self);
Tensor sigmoid_(const Tensor& self);
Tensor tanh_(const Tensor& self);
Tensor relu_(const Tensor& self);
Tensor erfinv_(const Tensor& self);
Tensor floor_(const Tensor& self);
Tensor ceil_(const Tensor& self);
Tensor trunc_(const Tensor& self);
Tensor sin_(const Tensor& self);
Tensor cos_(const Tensor& self);
Tensor clamp_(const Tensor& self, std::optional<double> min, std::optional<double> max);
Tensor copy_(const Tensor& self, const Tensor& source);           // converts
Tensor fill_(const Tensor& self, const Tensor& value);            // value 0-dim
Tensor zero_(const Tensor& self);
Tensor masked_fill_(const Tensor& self, const Tensor& mask, const Tensor& value);

// ---- linear algebra, Fourier (linalg.cpp, fft.cpp) ----
namespace fft {                   // torch.fft. norm: backward, ortho, forward. n, s: cut or pad with zeros first; s_i = -1 keeps a size
Tensor fft(const Tensor& input, std::optional<int64_t> n = {}, int64_t dim = -1, std::string_view norm = "backward");
Tensor ifft(const Tensor& input, std::optional<int64_t> n = {}, int64_t dim = -1, std::string_view norm = "backward");
Tensor rfft(const Tensor& input, std::optional<int64_t> n = {}, int64_t dim = -1, std::string_view norm = "backward");
Tensor irfft(const Tensor& input, std::optional<int64_t> n = {}, int64_t dim = -1, std::string_view norm = "backward");
Tensor hfft(const Tensor& input, std::optional<int64_t> n = {}, int64_t dim = -1, std::string_view norm = "backward");
Tensor ihfft(const Tensor& input, std::optional<int64_t> n = {}, int64_t dim = -1, std::string_view norm = "backward");
// An empty dim: the last s.size() dimensions, or all. fft2, rfft2, ... are these with dim (-2, -1).
Tensor fftn(const Tensor& input, const Shape& s = {}, const Shape& dim = {}, std::string_view norm = "backward");
Tensor ifftn(const Tensor& input, const Shape& s = {}, const Shape& dim = {}, std::string_view norm = "backward");
Tensor rfftn(const Tensor& input, const Shape& s = {}, const Shape& dim = {}, std::string_view norm = "backward");
Tensor irfftn(const Tensor& input, const Shape& s = {}, const Shape& dim = {}, std::string_view norm = "backward");
Tensor fftfreq(int64_t n, double d = 1, DType dtype = default_dtype());
Tensor rfftfreq(int64_t n, double d = 1, DType dtype = default_dtype());
Tensor fftshift(const Tensor& input, const Shape& dim = {});
Tensor ifftshift(const Tensor& input, const Shape& dim = {});
}  // namespace fft

namespace linalg {                // torch.linalg. Matrices are the last two dimensions; LinAlgError on singular ones
Tensor solve(const Tensor& a, const Tensor& b, bool left = true);
Tensor inv(const Tensor& a);
Tensor det(const Tensor& a);
Tensors slogdet(const Tensor& a);                                 // sign, logarithm of the modulus
Tensor cholesky(const Tensor& a, bool upper = false);
Tensor cholesky_solve(const Tensor& b, const Tensor& factor, bool upper = false);       // torch.cholesky_solve
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true, bool unitriangular = false);
Tensors lu(const Tensor& a);                                      // P, L, U
Tensors qr(const Tensor& a, std::string_view mode = "reduced");   // Q, R
Tensors eigh(const Tensor& a, std::string_view uplo = "L");       // eigenvalues, eigenvectors
Tensor eigvalsh(const Tensor& a, std::string_view uplo = "L");
Tensors eig(const Tensor& a);
Tensor eigvals(const Tensor& a);
Tensors svd(const Tensor& a, bool full_matrices = true);          // U, S, V^H
Tensor svdvals(const Tensor& a);
Tensor matrix_rank(const Tensor& a, std::optional<double> atol = {}, std::optional<double> rtol = {}, bool hermitian = false);
Tensor pinv(const Tensor& a, std::optional<double> atol = {}, std::optional<double> rtol = {}, bool hermitian = false);
Tensors lstsq(const Tensor& a, const Tensor& b, std::optional<double> rcond = {});      // solution, residuals, rank, singular values
Tensor matrix_norm(const Tensor& a, std::string_view ord = "fro", const Shape& dims = {-2, -1}, bool keepdim = false);   // fro, nuc
Tensor matrix_norm(const Tensor& a, double ord, const Shape& dims = {-2, -1}, bool keepdim = false);                     // 1, 2, inf, and negative
Tensor cond(const Tensor& a, std::optional<double> p = {});
Tensor matrix_power(const Tensor& a, int64_t n);
Tensor matrix_exp(const Tensor& a);
Tensor cross(const Tensor& input, const Tensor& other, int64_t dim = -1);
Tensor vander(const Tensor& x, std::optional<int64_t> n = {});
}  // namespace linalg

}  // namespace hippograd
