#include "tensor/array.h"

#include "tensor/kernels/copy.h"
#include "tensor/memory.h"

namespace hippograd {

bool Array::is_contiguous() const {
  int64_t expected = 1;
  for (int i = dim() - 1; i >= 0; --i) {
    if (shape_[i] == 0) return true;
    if (shape_[i] == 1) continue;
    if (strides_[i] != expected) return false;
    expected *= shape_[i];
  }
  return true;
}

// ---- views ----

Array Array::as_strided(const Shape& shape, const Shape& strides, int64_t offset) const {
  if (shape.size() != strides.size()) fail<ShapeError>("as_strided: mismatch in length of strides ", strides, " and shape ", shape);
  int64_t last = offset;   // the highest element the view reaches
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0 || strides[i] < 0) fail<ShapeError>("as_strided: sizes and strides must be non-negative, got ", shape, " and ", strides);
    int64_t reach = 0;
    if (shape[i] > 0 && (__builtin_mul_overflow(shape[i] - 1, strides[i], &reach) || __builtin_add_overflow(last, reach, &last)))
      fail<ShapeError>("as_strided: shape ", shape, " with strides ", strides, " overflows");
  }
  if (offset < 0 || (shape.numel() > 0 && (last + 1) * itemsize(dtype_) > int64_t(storage_->bytes())))
    fail<ShapeError>("as_strided: shape ", shape, ", strides ", strides, " and offset ", offset, " reach outside the storage of ",
                     int64_t(storage_->bytes()), " bytes");
  return Array(storage_, shape, strides, offset, dtype_);
}

Array Array::permute(const Shape& dims) const {
  if (dims.size() != dim())
    fail<ShapeError>("permute: the number of dims must match: input has ", dim(), " dimensions, got dims ", dims);
  Array y = *this;
  bool used[Shape::kMaxRank] = {};
  for (int i = 0; i < dim(); ++i) {
    const int d = normalize_dim(dims[i], dim(), "permute");
    if (used[d]) fail<ValueError>("permute: duplicate dims are not allowed, got ", dims);
    used[d] = true;
    y.shape_[i] = shape_[d];
    y.strides_[i] = strides_[d];
  }
  return y;
}

Array Array::transpose(int64_t a, int64_t b) const {
  if (dim() == 0) return normalize_dim(a, 0, "transpose"), normalize_dim(b, 0, "transpose"), *this;
  const int i = normalize_dim(a, dim(), "transpose"), j = normalize_dim(b, dim(), "transpose");
  Array y = *this;
  std::swap(y.shape_[i], y.shape_[j]);
  std::swap(y.strides_[i], y.strides_[j]);
  return y;
}

Array Array::slice(int64_t dim_, int64_t start, int64_t stop, int64_t step) const {
  if (dim() == 0) fail<ShapeError>("slice: cannot be applied to a 0-dim tensor");
  const int d = normalize_dim(dim_, dim(), "slice");
  if (step <= 0) fail<ValueError>("slice: step must be greater than zero, got ", step);
  const int64_t n = shape_[d];
  const auto clamp = [n](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + n : i, 0, n); };
  start = clamp(start);
  stop = std::max(clamp(stop), start);
  Array y = *this;
  y.offset_ += start * strides_[d];
  y.shape_[d] = (stop - start + step - 1) / step;
  y.strides_[d] = strides_[d] * step;
  return y;
}

Array Array::select(int64_t dim_, int64_t index) const {
  if (dim() == 0) fail<IndexError>("select: invalid index of a 0-dim tensor. Use tensor.item() to convert it to a number");
  const int d = normalize_dim(dim_, dim(), "select");
  const int64_t n = shape_[d];
  if (index < -n || index >= n) fail<IndexError>("select: index ", index, " is out of bounds for dimension ", d, " with size ", n);
  Array y = *this;
  y.offset_ += (index < 0 ? index + n : index) * strides_[d];
  y.shape_.erase(d);
  y.strides_.erase(d);
  return y;
}

Array Array::expand(const Shape& shape) const {
  const int extra = shape.size() - dim();
  if (extra < 0) fail<ShapeError>("expand: the number of sizes ", shape, " must be at least the number of dimensions of ", shape_);
  Array y = *this;
  y.shape_ = shape;
  y.strides_ = Shape(shape.size(), 0);
  for (int i = 0; i < shape.size(); ++i) {
    const int64_t have = i < extra ? 1 : shape_[i - extra];
    if (shape[i] == -1 && i >= extra) y.shape_[i] = have;
    if (y.shape_[i] < 0 || (have != y.shape_[i] && have != 1))
      fail<ShapeError>("expand: cannot expand ", shape_, " to ", shape, ": the sizes of dimension ", i, " are ", have, " and ", shape[i]);
    if (i >= extra && have == y.shape_[i]) y.strides_[i] = strides_[i - extra];
  }
  return y;
}

Array Array::unsqueeze(int64_t dim_) const {
  const int d = normalize_dim(dim_, dim() + 1, "unsqueeze");
  Array y = *this;
  y.strides_.insert(d, d < dim() ? shape_[d] * strides_[d] : 1);
  y.shape_.insert(d, 1);
  return y;
}

Array Array::squeeze(int64_t dim_) const {
  const int d = normalize_dim(dim_, dim(), "squeeze");
  if (dim() == 0 || shape_[d] != 1) return *this;
  Array y = *this;
  y.shape_.erase(d);
  y.strides_.erase(d);
  return y;
}

Array Array::diagonal(int64_t offset, int64_t dim1, int64_t dim2) const {
  const int a = normalize_dim(dim1, dim(), "diagonal"), b = normalize_dim(dim2, dim(), "diagonal");
  if (a == b) fail<ValueError>("diagonal: dimensions cannot be identical: ", dim1, ", ", dim2);
  const int64_t rows = shape_[a] + std::min<int64_t>(offset, 0), cols = shape_[b] - std::max<int64_t>(offset, 0);
  const int64_t length = std::max<int64_t>(std::min(rows, cols), 0);
  Array y = *this;
  if (length > 0) y.offset_ += offset >= 0 ? offset * strides_[b] : -offset * strides_[a];
  const int64_t step = strides_[a] + strides_[b];
  for (int d : {std::max(a, b), std::min(a, b)}) {
    y.shape_.erase(d);
    y.strides_.erase(d);
  }
  y.shape_.push_back(length);
  y.strides_.push_back(step);
  return y;
}

Array Array::unfold(int64_t dim_, int64_t size, int64_t step) const {
  const int d = normalize_dim(dim_, dim(), "unfold");
  const int64_t n = dim() == 0 ? 1 : shape_[d];
  if (size < 0 || size > n) fail<ShapeError>("unfold: maximum size for tensor at dimension ", d, " is ", n, " but size is ", size);
  if (step <= 0) fail<ValueError>("unfold: step is ", step, " but must be > 0");
  Array y = dim() == 0 ? unsqueeze(0) : *this;
  const int64_t stride = y.strides_[d];
  y.shape_[d] = (n - size) / step + 1;
  y.strides_[d] = stride * step;
  y.shape_.push_back(size);
  y.strides_.push_back(stride);
  if (dim() == 0) { y.shape_.erase(0); y.strides_.erase(0); }
  return y;
}

// A reshape needs no copy if every new dimension lies within one run of memory-adjacent old dimensions.
bool Array::can_view(const Shape& shape, Shape* strides) const {
  Shape out(shape.size(), 1);
  if (numel() == 0) {
    if (strides) *strides = contiguous_strides(shape);
    return true;
  }
  int v = shape.size() - 1;
  int64_t run = 1, done = 1;                       // elements of the current run, of them covered by new dimensions
  int64_t base = dim() ? strides_.back() : 1;      // stride of the run's innermost element
  for (int d = dim() - 1; d >= -1; --d) {
    if (d >= 0) run *= shape_[d];
    const bool run_ends = d <= 0 || (shape_[d - 1] != 1 && strides_[d - 1] != run * base);
    if (!run_ends) continue;
    while (v >= 0 && (done < run || shape[v] == 1)) {
      out[v] = base * done;
      done *= shape[v--];
    }
    if (done != run) return false;
    if (d <= 0) break;
    base = strides_[d - 1];
    run = done = 1;
  }
  if (v >= 0) return false;
  if (strides) *strides = out;
  return true;
}

Array Array::view(const Shape& requested) const {
  const Shape shape = infer_shape(requested, numel(), "view");
  Array y = *this;
  if (!can_view(shape, &y.strides_))
    fail<ShapeError>("view: view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
                     "contiguous subspaces). Use .reshape(...) instead. Got ", shape_, " with strides ", strides_, " for ", shape);
  y.shape_ = shape;
  return y;
}

// ---- copies ----

Array Array::clone() const {
  Array y = empty(shape_, dtype_, device());
  kernels::copy(*this, y);
  return y;
}
Array Array::contiguous() const { return is_contiguous() ? *this : clone(); }
Array Array::reshape(const Shape& requested) const {
  const Shape shape = infer_shape(requested, numel(), "reshape");
  return can_view(shape) ? view(shape) : clone().view(shape);
}
Array Array::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Array y = empty(shape_, dtype, device());
  kernels::copy(*this, y);
  return y;
}
Array Array::to(Device target) const {
  if (target == device()) return *this;
  const Array x = contiguous();
  Array y = empty(shape_, dtype_, target);
  const Device backend = target.is_cpu() ? device() : target;
  runtime(backend.kind).copy(y.raw(), target, x.raw(), device(), size_t(numel()) * itemsize(dtype_));
  return y;
}

// ---- makers ----

Array empty(const Shape& shape, DType dtype, Device device) {
  int64_t bytes = 0;
  for (int64_t d : shape) if (d < 0) fail<ShapeError>("empty: Trying to create tensor with negative dimension ", d, ": ", shape);
  if (__builtin_mul_overflow(shape.numel(), itemsize(dtype), &bytes)) fail<ShapeError>("empty: shape ", shape, " overflows memory");
  auto storage = [&] {
    try {
      return std::make_shared<Storage>(device, size_t(bytes));
    } catch (const OutOfMemory& e) {
      fail<OutOfMemory>("no room for a ", name(dtype), " tensor of shape ", shape, ": ", e.what());
    }
  }();
  if (size_t(bytes) >= kLargeStorage) describe_storage(*storage, shape, dtype);
  return Array(std::move(storage), shape, contiguous_strides(shape), 0, dtype);
}
Array full(const Shape& shape, double value, DType dtype, Device device) {
  KernelBan lift(nullptr);   // a constant may be made in a recorded backward: there is no derivative to cut
  Array y = empty(shape, dtype, device);
  kernels::fill(value, 0, y);
  return y;
}
Array zeros(const Shape& shape, DType dtype, Device device) { return full(shape, 0, dtype, device); }
Array empty_like(const Array& x) { return empty(x.shape(), x.dtype(), x.device()); }
Array zeros_like(const Array& x) { return zeros(x.shape(), x.dtype(), x.device()); }
Array scalar(double value, DType dtype, Device device) { return full({}, value, dtype, device); }
Array scalar(std::complex<double> value, DType dtype, Device device) {
  Array y = empty({}, dtype, device);
  kernels::fill(value.real(), value.imag(), y);
  return y;
}
Array arange(int64_t n, DType dtype) {
  Array y = empty({n}, dtype);
  kernels::arange(0, 1, y);
  return y;
}

Shape infer_shape(const Shape& requested, int64_t numel, std::string_view op) {
  Shape shape = requested;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      if (unknown >= 0) fail<ShapeError>(op, ": only one dimension can be inferred, got ", requested);
      unknown = i;
    } else if (shape[i] < 0) {
      fail<ShapeError>(op, ": invalid shape dimension ", shape[i], " in ", requested);
    } else {
      known *= shape[i];
    }
  }
  if (unknown >= 0 && known == 0)
    fail<ShapeError>(op, ": cannot infer -1 in ", requested, " because the unspecified dimension size can be any value");
  if (unknown >= 0 && numel % known == 0) shape[unknown] = numel / known;
  if (unknown >= 0 ? numel % known != 0 : known != numel)
    fail<ShapeError>(op, ": shape ", requested, " is invalid for input of size ", numel);
  return shape;
}

}  // namespace hippograd
