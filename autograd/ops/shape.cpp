// Shapes: views that reorder, cut and regroup dimensions without moving data, and the two ops that copy (clone, contiguous).
// The adjoint of a view puts dy where the view looked and zeros elsewhere; the adjoint of that is the view again.
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

std::string listed(const std::vector<int64_t>& v) {
  std::string s = "[";
  for (size_t i = 0; i < v.size(); ++i) s += cat(i ? ", " : "", v[i]);
  return s + "]";
}

std::vector<DType> view_dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }

// ---- the same elements in another shape ----

struct View {
  static constexpr auto name = "view", doc = "the same elements, in the same order, as another shape; shares storage";
  static constexpr bool is_view = true, differentiable_backward = true;
  Shape shape;

  Outs infer(ArrayIn x) const { return {out(infer_shape(shape, x[0].numel(), name), x[0].dtype())}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].view(shape); }
  Tensor backward(Saved& s, Tensor dy) const { return reshape(dy, s.in(0).shape); }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() {
    return {regrouping({3, 4}, {2, 6}, ""), regrouping({2, -1, 1}, {2, 3, 2}, "-1"), regrouping({}, {1, 1}, "to 0-dim"), regrouping({0, 5}, {5, 0}, "empty")};
  }
  static Sample regrouping(const Shape& to, const Shape& from, const char* label) {   // reshape: some layouts allow no view
    Sample s = sample(View{to}, {normal(from)}, label);
    s.run = [to](const Tensors& x) { return Tensors{reshape(x[0], to)}; };
    return s;
  }
  static ErrorSamples errors() {
    return {error(View{{4, 2}}, {{2, 3}}, "shape (4, 2) is invalid for input of size 6"),
            error(View{{-1, -1}}, {{2, 3}}, "only one dimension can be inferred")};
  }
};

struct Permute {
  static constexpr auto name = "permute", doc = "the input with its dimensions reordered";
  static constexpr bool is_view = true, differentiable_backward = true;
  Shape dims;

  Outs infer(ArrayIn x) const { return {like(x[0].permute(dims))}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].permute(dims); }
  Tensor backward(Saved&, Tensor dy) const {
    Shape inverse = dims;
    for (int i = 0; i < dims.size(); ++i) inverse[normalize_dim(dims[i], dims.size(), name)] = i;
    return permute(dy, inverse);
  }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() {
    return {sample(Permute{{2, 0, 1}}, {{2, 3, 4}}), sample(Permute{{-1, 0, -2}}, {{1, 3, 0}}, "negative dims, empty"),
            sample(Permute{{}}, {normal({})}, "0-dim")};
  }
  static ErrorSamples errors() {
    return {error(Permute{{0, 0}}, {{2, 3}}, "duplicate dims are not allowed"), error(Permute{{0}}, {{2, 3}}, "number of dims must match")};
  }
};

// ---- views of a part of the input, written once for all of them ----
// V gives: names and docs of the view and of its adjoint, Array of(const Array&), `overlaps` (an element may be seen twice),
// cases() (itself and an input shape, for the samples) and errors().

template <class V> struct PartAdjoint;

template <class V> struct Part {
  static constexpr auto name = V::name, doc = V::doc;
  static constexpr bool is_view = true, differentiable_backward = true;
  V v;

  Outs infer(ArrayIn x) const { return {like(v.of(x[0]))}; }
  Array forward(Saved&, ArrayIn x) const { return v.of(x[0]); }
  Tensor backward(Saved& s, Tensor dy) const { return apply(PartAdjoint<V>{s.in(0).shape, v}, {dy}); }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() {
    Samples list;
    for (const auto& [v, shape] : V::cases()) list.push_back(sample(Part{v}, {normal(shape)}));
    return list;
  }
  static ErrorSamples errors() { return V::errors(); }
};

template <class V> struct PartAdjoint {
  static constexpr auto name = V::adjoint, doc = V::adjoint_doc;
  static constexpr bool differentiable_backward = true;
  Shape shape;   // of the output
  V v;

  Outs infer(ArrayIn x) const {
    const Shape expected = v.of(Array(nullptr, shape, contiguous_strides(shape), 0, x[0].dtype())).shape();
    if (!(x[0].shape() == expected)) fail<ShapeError>(name, ": input must be ", expected, ", got ", x[0].shape());
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = zeros(shape, x[0].dtype(), x[0].device());
    Array part = v.of(y);
    if (!V::overlaps) {
      kernels::copy(x[0], part);
      return y;
    }
    if (!is_half(y.dtype())) {
      kernels::accumulate(x[0], part);
      return y;
    }
    Array wide = y.to(DType::f32), wide_part = v.of(wide);      // summed in f32, rounded once
    kernels::accumulate(x[0].to(DType::f32), wide_part);
    return wide.to(y.dtype());
  }
  Tensor backward(Saved&, Tensor dy) const { return apply(Part<V>{v}, {dy}); }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() {
    Samples list;
    for (const auto& [v, shape] : V::cases())
      list.push_back(sample(PartAdjoint{shape, v}, {normal(v.of(Array(nullptr, shape, contiguous_strides(shape), 0, DType::f32)).shape())}));
    return list;
  }
  static ErrorSamples errors() {
    const auto [v, shape] = V::cases()[0];
    return {error(PartAdjoint{shape, v}, {{7, 7, 7, 7}}, "input must be")};
  }
};

struct SliceOf {
  static constexpr auto name = "slice", doc = "every step-th index of a dimension from start up to stop";
  static constexpr auto adjoint = "slice_adjoint", adjoint_doc = "places a slice in a tensor of zeros";
  static constexpr bool overlaps = false;
  int64_t dim = 0, start = 0, stop = 0, step = 1;

  Array of(const Array& x) const { return x.slice(dim, start, stop, step); }
  static std::vector<std::pair<SliceOf, Shape>> cases() {
    return {{{1, 1, 3, 1}, {2, 4}}, {{0, 0, 5, 2}, {5, 2}}, {{-1, -3, -1, 1}, {2, 4}}, {{0, 2, 2, 1}, {3}}, {{0, 0, 9, 1}, {0, 2}}};
  }
  static ErrorSamples errors() {
    return {error(Part<SliceOf>{{0, 0, 1, 0}}, {{3}}, "step must be greater than zero"),
            error(Part<SliceOf>{{0, 0, 1, 1}}, {normal({})}, "cannot be applied to a 0-dim tensor"),
            error(Part<SliceOf>{{2, 0, 1, 1}}, {{3, 2}}, "Dimension out of range (expected to be in range of [-2, 1], but got 2)")};
  }
};

struct DiagonalOf {
  static constexpr auto name = "diagonal", doc = "the elements x[.., i, .., i + offset, ..] as a new last dimension";
  static constexpr auto adjoint = "diag_embed", adjoint_doc = "the last dimension placed on a diagonal of zero matrices";
  static constexpr bool overlaps = false;
  int64_t offset = 0, dim1 = 0, dim2 = 1;

  Array of(const Array& x) const { return x.diagonal(offset, dim1, dim2); }
  static std::vector<std::pair<DiagonalOf, Shape>> cases() {
    return {{{0, 0, 1}, {3, 4}}, {{1, -1, 0}, {4, 2, 3}}, {{-2, 0, 1}, {3, 3}}, {{5, 0, 1}, {2, 3}}, {{0, 0, 1}, {1, 0}}};
  }
  static ErrorSamples errors() {
    return {error(Part<DiagonalOf>{{0, 1, -1}}, {{2, 3}}, "dimensions cannot be identical"),
            error(Part<DiagonalOf>{{0, 0, 1}}, {{3}}, "Dimension out of range")};
  }
};

struct WindowsOf {
  static constexpr auto name = "unfold", doc = "windows of a dimension, `step` apart, as a new last dimension";
  static constexpr auto adjoint = "unfold_adjoint", adjoint_doc = "adds windows into the dimension they were cut from";
  static constexpr bool overlaps = true;
  int64_t dim = 0, size = 1, step = 1;

  Array of(const Array& x) const { return x.unfold(dim, size, step); }
  static std::vector<std::pair<WindowsOf, Shape>> cases() {
    return {{{0, 3, 1}, {5}}, {{-1, 2, 2}, {2, 5}}, {{0, 2, 1}, {3, 2}}, {{0, 4, 3}, {4}}};
  }
  static ErrorSamples errors() {
    return {error(Part<WindowsOf>{{0, 4, 1}}, {{3}}, "maximum size for tensor at dimension 0 is 3 but size is 4"),
            error(Part<WindowsOf>{{0, 2, 0}}, {{3}}, "step is 0 but must be > 0")};
  }
};

// ---- several views at once ----
// One node for all parts: its backward joins the parts' gradients once instead of adding as many padded tensors.

struct Split {
  static constexpr auto name = "split", doc = "consecutive parts of a dimension, of the given sizes";
  static constexpr bool is_view = true, differentiable_backward = true;
  std::vector<int64_t> sizes;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    if (x[0].dim() == 0) fail<ShapeError>(name, ": expects at least a 1-dimensional tensor");
    const int d = normalize_dim(dim, x[0].dim(), name);
    int64_t sum = 0;
    for (int64_t n : sizes) {
      if (n < 0) fail<ValueError>(name, ": split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=", listed(sizes));
      sum += n;
    }
    if (sum != x[0].shape()[d])
      fail<ShapeError>(name, ": split_with_sizes expects split_sizes to sum exactly to ", x[0].shape()[d], " (input tensor's size at dimension ",
                       d, "), but got split_sizes=", listed(sizes));
    Outs parts;
    for (int64_t n : sizes) {
      parts.push_back(like(x[0]));
      parts.back().shape[d] = n;
    }
    return parts;
  }
  Arrays forward(Saved&, ArrayIn x) const {
    Arrays parts;
    int64_t start = 0;
    for (int64_t n : sizes) {
      parts.push_back(x[0].slice(dim, start, start + n));
      start += n;
    }
    return parts;
  }
  Tensors backward(Saved& s, Tensors dys) const {
    for (size_t k = 0; k < dys.size(); ++k)
      if (!dys[k].defined()) dys[k] = Tensor(zeros(s.out(int(k)).shape, s.out(int(k)).dtype, s.out(int(k)).device));
    return {cat(dys, dim)};
  }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() {
    return {sample(Split{{1, 3, 2}, 1}, {{2, 6}}), sample(Split{{2, 0}, -1}, {{3, 2}}, "an empty part"), sample(Split{{1}, 0}, {{1, 2}}, "one part")};
  }
  static ErrorSamples errors() {
    return {error(Split{{2, 2}, 0}, {{3}}, "split_sizes to sum exactly to 3"), error(Split{{-1, 4}, 0}, {{3}}, "only non-negative entries"),
            error(Split{{3}, 1}, {{3}}, "Dimension out of range")};
  }
};

struct Unbind {
  static constexpr auto name = "unbind", doc = "the slices at each index of a dimension";
  static constexpr bool is_view = true, differentiable_backward = true;
  int64_t dim = 0;

  Outs infer(ArrayIn x) const {
    if (x[0].dim() == 0) fail<IndexError>(name, ": Dimension specified as ", dim, " but tensor has no dimensions");
    Outs parts;
    for (const Array& part : cut(x[0])) parts.push_back(like(part));
    return parts;
  }
  Arrays forward(Saved&, ArrayIn x) const { return cut(x[0]); }
  Tensors backward(Saved& s, Tensors dys) const {
    if (dys.empty()) return {Tensor(zeros(s.in(0).shape, s.in(0).dtype, s.in(0).device))};
    for (size_t k = 0; k < dys.size(); ++k)
      if (!dys[k].defined()) dys[k] = Tensor(zeros(s.out(int(k)).shape, s.out(int(k)).dtype, s.out(int(k)).device));
    return {stack(dys, dim)};
  }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() { return {sample(Unbind{-1}, {{2, 3}}), sample(Unbind{0}, {{2}}, "to scalars"), sample(Unbind{1}, {{0, 2}}, "empty")}; }
  static ErrorSamples errors() {
    return {error(Unbind{0}, {normal({})}, "tensor has no dimensions"), error(Unbind{1}, {{3}}, "Dimension out of range")};
  }

 private:
  Arrays cut(const Array& x) const {
    Arrays parts;
    for (int64_t i = 0, n = x.size(dim); i < n; ++i) parts.push_back(x.select(dim, i));
    return parts;
  }
};

// PyTorch forbids changing these in place while they are recorded: each of them owns the whole history.
Tensors several_views(Tensors parts) {
  for (Tensor& t : parts) t.impl()->multi_output_view = true;
  return parts;
}

// ---- copies ----

struct Clone {
  static constexpr auto name = "clone", doc = "a contiguous copy";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].clone(); }
  Tensor backward(Saved&, Tensor dy) const { return dy; }
  static std::vector<DType> dtypes() { return view_dtypes(); }
  static Samples samples() {
    return {sample(Clone{}, {{2, 3}}).bench({{2048, 512}}), sample(Clone{}, {normal({})}, "0-dim"), sample(Clone{}, {{0, 3}}, "empty")};
  }
  static ErrorSamples errors() { return {}; }
};

int64_t checked_parts(const char* op, int64_t n, const char* what) {
  if (n <= 0) fail<ValueError>(op, ": ", op, " expects `", what, "` to be greater than 0, got: ", n);
  return n;
}

}  // namespace

// ---- regrouping ----

Tensor view(const Tensor& input, const Shape& shape) { return apply(View{shape}, {input}); }

Tensor reshape(const Tensor& input, const Shape& shape) {
  const Shape wanted = infer_shape(shape, input.numel(), "reshape");
  return view(input.array().can_view(wanted) ? input : clone(input), wanted);
}

Tensor view_as(const Tensor& input, const Tensor& other) { return view(input, other.shape()); }
Tensor reshape_as(const Tensor& input, const Tensor& other) { return reshape(input, other.shape()); }

Tensor flatten(const Tensor& input, int64_t start_dim, int64_t end_dim) {
  const int first = normalize_dim(start_dim, input.dim(), "flatten"), last = normalize_dim(end_dim, input.dim(), "flatten");
  if (first > last) fail<ValueError>("flatten: flatten() has invalid args: start_dim cannot come after end_dim");
  if (input.dim() == 0) return reshape(input, {1});
  if (first == last) return input;
  Shape shape;
  for (int d = 0; d < input.dim(); ++d) {
    if (d <= first || d > last) shape.push_back(input.shape()[d]);
    else shape.back() *= input.shape()[d];
  }
  return reshape(input, shape);
}

Tensor unflatten(const Tensor& input, int64_t dim, const Shape& sizes) {
  const int d = normalize_dim(dim, input.dim(), "unflatten");
  if (sizes.empty()) fail<ValueError>("unflatten: sizes must be non-empty");
  const int64_t n = input.dim() ? input.shape()[d] : 1;
  const Shape parts = infer_shape(sizes, n, "unflatten: Provided sizes must multiply up to the size of the dimension");
  Shape shape;
  for (int i = 0; i < std::max(input.dim(), 1); ++i) {
    if (i != d) shape.push_back(input.shape()[i]);
    else for (int64_t p : parts) shape.push_back(p);
  }
  return view(input, shape);
}

// ---- reordering ----

Tensor permute(const Tensor& input, const Shape& dims) { return apply(Permute{dims}, {input}); }

Tensor transpose(const Tensor& input, int64_t dim0, int64_t dim1) {
  const int a = normalize_dim(dim0, input.dim(), "transpose"), b = normalize_dim(dim1, input.dim(), "transpose");
  Shape dims;
  for (int d = 0; d < input.dim(); ++d) dims.push_back(d == a ? b : d == b ? a : d);
  return permute(input, dims);
}

Tensor t(const Tensor& input) {
  if (input.dim() > 2) fail<ShapeError>("t: t() expects a tensor with <= 2 dimensions, but self is ", input.dim(), "D");
  return transpose(input, 0, input.dim() < 2 ? 0 : 1);
}

Tensor mT(const Tensor& input) {
  if (input.dim() < 2) fail<ShapeError>("mT: tensor.mT is only supported on matrices or batches of matrices. Got ", input.dim(), "-D tensor.");
  return transpose(input, -2, -1);
}

Tensor movedim(const Tensor& input, const Shape& source, const Shape& destination) {
  if (source.size() != destination.size())
    fail<ValueError>("movedim: Invalid source or destination dims: source (", source, " dims) should contain the same number of dims as "
                     "destination (", destination, " dims)");
  const int rank = input.dim();
  Shape dims(rank, -1);
  std::array<bool, Shape::kMaxRank> taken{};
  for (int i = 0; i < source.size(); ++i) {
    const int from = normalize_dim(source[i], rank, "movedim"), to = normalize_dim(destination[i], rank, "movedim");
    if (rank == 0) continue;
    if (taken[from]) fail<ValueError>("movedim: repeated dim in `source` (", source, ")");
    if (dims[to] >= 0) fail<ValueError>("movedim: repeated dim in `destination` (", destination, ")");
    dims[to] = from;
    taken[from] = true;
  }
  int next = 0;
  for (int64_t& d : dims) {
    if (d >= 0) continue;
    while (taken[next]) ++next;
    d = next++;
  }
  return permute(input, dims);
}

Tensor squeeze(const Tensor& input) {
  Shape shape;
  for (int64_t n : input.shape()) if (n != 1) shape.push_back(n);
  return view(input, shape);
}

Tensor squeeze(const Tensor& input, const Shape& dims) {
  std::array<bool, Shape::kMaxRank + 1> drop{};
  for (int64_t d : dims) {
    bool& mark = drop[normalize_dim(d, input.dim(), "squeeze")];
    if (mark) fail<ValueError>("squeeze: dim ", d, " appears multiple times in the list of dims");
    mark = true;
  }
  Shape shape;
  for (int d = 0; d < input.dim(); ++d) if (!drop[d] || input.shape()[d] != 1) shape.push_back(input.shape()[d]);
  return view(input, shape);
}

Tensor unsqueeze(const Tensor& input, int64_t dim) {
  Shape shape = input.shape();
  shape.insert(normalize_dim(dim, input.dim() + 1, "unsqueeze"), 1);
  return view(input, shape);
}

// ---- parts ----

Tensor slice(const Tensor& input, int64_t dim, int64_t start, int64_t stop, int64_t step) {
  return apply(Part<SliceOf>{{dim, start, stop, step}}, {input});
}

Tensor narrow(const Tensor& input, int64_t dim, int64_t start, int64_t length) {
  if (input.dim() == 0) fail<ShapeError>("narrow: narrow() cannot be applied to a 0-dim tensor.");
  const int64_t n = input.size(dim);
  if (length < 0) fail<ValueError>("narrow: narrow(): length must be non-negative.");
  if (start < -n || start > n) fail<IndexError>("narrow: start out of range (expected to be in range of [", -n, ", ", n, "], but got ", start, ")");
  if (start < 0) start += n;
  if (length > n - start) fail<ShapeError>("narrow: start (", start, ") + length (", length, ") exceeds dimension size (", n, ").");
  return slice(input, dim, start, start + length);
}

Tensor diagonal(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  return apply(Part<DiagonalOf>{{offset, dim1, dim2}}, {input});
}

Tensor diag_embed(const Tensor& input, int64_t offset, int64_t dim1, int64_t dim2) {
  if (input.dim() == 0) fail<ShapeError>("diag_embed: input must have at least one dimension");
  const int rank = input.dim() + 1;
  const int a = normalize_dim(dim1, rank, "diag_embed"), b = normalize_dim(dim2, rank, "diag_embed");
  if (a == b) fail<ValueError>("diag_embed: diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  const int64_t n = input.size(-1) + std::abs(offset);
  Shape shape = input.shape();
  shape.resize(rank - 2);
  shape.insert(std::min(a, b), n);
  shape.insert(std::max(a, b), n);
  return apply(PartAdjoint<DiagonalOf>{shape, {offset, a, b}}, {input});
}

Tensor unfold(const Tensor& input, int64_t dim, int64_t size, int64_t step) { return apply(Part<WindowsOf>{{dim, size, step}}, {input}); }

Tensors split(const Tensor& input, const std::vector<int64_t>& split_sizes, int64_t dim) {
  return several_views(apply(Split{split_sizes, dim}, {input}));
}

Tensors split(const Tensor& input, int64_t split_size, int64_t dim) {
  if (input.dim() == 0) fail<ShapeError>("split: split expects at least a 1-dimensional tensor");
  if (split_size < 0) fail<ValueError>("split: split expects split_size be non-negative, but got split_size=", split_size);
  const int64_t n = input.size(dim);
  if (split_size == 0 && n > 0)
    fail<ValueError>("split: split_size can only be 0 if dimension size is 0, but got dimension size of ", n);
  std::vector<int64_t> sizes;
  for (int64_t left = n; left > split_size; left -= split_size) sizes.push_back(split_size);
  sizes.push_back(n - split_size * int64_t(sizes.size()));
  return split(input, sizes, dim);
}

Tensors chunk(const Tensor& input, int64_t chunks, int64_t dim) {
  if (input.dim() == 0) fail<ShapeError>("chunk: chunk expects at least a 1-dimensional tensor");
  checked_parts("chunk", chunks, "chunks");
  const int64_t n = input.size(dim);
  if (n == 0) return split(input, std::vector<int64_t>(size_t(chunks), 0), dim);   // PyTorch: as many empty parts
  return split(input, (n + chunks - 1) / chunks, dim);
}

Tensors tensor_split(const Tensor& input, int64_t sections, int64_t dim) {
  if (input.dim() == 0) fail<ShapeError>("tensor_split: tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
  if (sections <= 0) fail<ValueError>("tensor_split: number of sections must be larger than 0, got ", sections);
  const int64_t n = input.size(dim);
  std::vector<int64_t> sizes;
  for (int64_t k = 0; k < sections; ++k) sizes.push_back(n / sections + (k < n % sections));
  return split(input, sizes, dim);
}

Tensors tensor_split(const Tensor& input, const std::vector<int64_t>& indices, int64_t dim) {
  if (input.dim() == 0) fail<ShapeError>("tensor_split: tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
  Tensors parts;
  int64_t start = 0;
  for (int64_t stop : indices) {
    parts.push_back(slice(input, dim, start, stop));
    start = stop;
  }
  parts.push_back(slice(input, dim, start, input.size(dim)));
  return several_views(std::move(parts));
}

Tensors unbind(const Tensor& input, int64_t dim) { return several_views(apply(Unbind{dim}, {input})); }

// ---- copies ----

Tensor clone(const Tensor& input) { return apply(Clone{}, {input}); }
Tensor contiguous(const Tensor& input) { return input.array().is_contiguous() ? input : clone(input); }

}  // namespace hippograd
