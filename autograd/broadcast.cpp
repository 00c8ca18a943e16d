#include "autograd/broadcast.h"

#include "autograd/op.h"
#include "tensor/kernels/copy.h"
#include "tensor/kernels/reduce.h"

namespace hippograd {
namespace {

// `shape` with ones put in front, `rank` dimensions in all.
Shape padded(const Shape& shape, int rank) {
  Shape s(rank - shape.size(), 1);
  for (int64_t d : shape) s.push_back(d);
  return s;
}

//   y = x stretched     dx = dy summed over the stretched dimensions
struct Expand {
  static constexpr auto name = "expand", doc = "view with dimensions of size 1 stretched to the given sizes";
  static constexpr bool is_view = true, differentiable_backward = true;
  Shape shape;
  Outs infer(ArrayIn x) const { return {like(x[0].expand(shape))}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].expand(shape); }
  Tensor backward(Saved& s, Tensor dy) const { return sum_to(dy, s.in(0).shape); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(Expand{{2, 3, 4}}, {{3, 1}}), sample(Expand{{64, 768}}, {{1, 768}}, "row").bench({{1, 768}}), sample(Expand{{2, 3}}, {normal({})}, "scalar"),
            sample(Expand{{0, 3}}, {{1, 3}}, "to nothing"), sample(Expand{{-1, 4}}, {{3, 1}}, "-1 keeps a size")};
  }
  static ErrorSamples errors() {
    return {error(Expand{{2, 4}}, {{3, 1}}, "cannot expand (3, 1) to (2, 4)"), error(Expand{{3}}, {{3, 1}}, "the number of sizes (3,)")};
  }
};

//   y = x summed to a shape that broadcasts to x's     dx = dy stretched
struct SumTo {
  static constexpr auto name = "sum_to", doc = "the input summed over the dimensions that broadcasting to its shape would stretch";
  static constexpr bool differentiable_backward = true;
  Shape shape;
  Outs infer(ArrayIn x) const {
    bool fits = shape.size() <= x[0].dim();
    for (int i = 1; fits && i <= shape.size(); ++i) {
      const int64_t have = x[0].shape()[x[0].dim() - i], want = shape[shape.size() - i];
      fits = want == 1 || want == have;
    }
    if (!fits) fail<ShapeError>(name, ": cannot sum ", x[0].shape(), " to ", shape);
    return {out(shape, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(padded(shape, x[0].dim()), x[0].dtype(), x[0].device());
    kernels::sum(x[0], y);
    return y.view(shape);
  }
  Tensor backward(Saved& s, Tensor dy) const { return expand(dy, s.in(0).shape); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(SumTo{{3, 1}}, {{2, 3, 4}}).bench({{1024, 3, 256}}), sample(SumTo{{}}, {{2, 3}}, "to a scalar"),
            sample(SumTo{{3}}, {{0, 3}}, "of nothing"), sample(SumTo{{1, 40}}, {{70, 40}}, "rows")};
  }
  static ErrorSamples errors() { return {error(SumTo{{2}}, {{2, 3}}, "cannot sum (2, 3) to (2,)")}; }
};

//   y = x in another dtype     dx = dy in x's dtype (the real part, where x is real and y complex)
struct To {
  static constexpr auto name = "to", doc = "the input converted to another dtype";
  static constexpr bool differentiable_backward = true;
  DType dtype = DType::f32;
  Outs infer(ArrayIn x) const { return {out(x[0].shape(), dtype)}; }
  Array forward(Saved&, ArrayIn x) const {
    Array y = empty(x[0].shape(), dtype, x[0].device());
    kernels::copy(x[0], y);
    return y;
  }
  Tensor backward(Saved& s, Tensor dy) const { return to(dy, s.in(0).dtype); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() { return {sample(To{DType::f64}, {Input({2, 3}).real()}), sample(To{DType::c128}, {{2, 3}}, "to complex")}; }
  static ErrorSamples errors() { return {}; }
};

//   y = x on another device     dx = dy on x's device
struct ToDevice {
  static constexpr auto name = "to_device", doc = "a copy of the input on another device";
  static constexpr bool differentiable_backward = true;
  Device device;
  Outs infer(ArrayIn x) const { return {like(x[0])}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].device() == device ? x[0].clone() : x[0].to(device); }
  Tensor backward(Saved& s, Tensor dy) const { return to(dy, s.in(0).device); }
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }
  static Samples samples() { return {sample(ToDevice{}, {{2, 3}}), sample(ToDevice{}, {{0, 2}}, "nothing")}; }
  static ErrorSamples errors() { return {}; }
};

// Promotion of two ranks: the lower counts only where its category is higher.
DType combine(DType higher, DType lower) {
  if (category(lower) <= category(higher)) return higher;
  if (is_real(higher) && is_complex(lower)) return complex_of(higher);
  return lower;
}

// A Python number in the dtype it stands for.
DType number_dtype(DType t) { return t == DType::f64 ? default_dtype() : t == DType::c128 ? complex_of(default_dtype()) : t; }

}  // namespace

Tensor expand(const Tensor& input, const Shape& size) {
  if (input.shape() == size) return input;
  return apply(Expand{size}, {input});
}
Tensor sum_to(const Tensor& dy, const Shape& shape) {
  if (dy.shape() == shape) return dy;
  return apply(SumTo{shape}, {dy});
}
Tensor to(const Tensor& input, DType dtype) {
  if (input.dtype() == dtype) return input;
  return apply(To{dtype}, {input});
}
Tensor to(const Tensor& input, Device device) {
  if (input.device() == device) return input;
  require_backend(device);
  return apply(ToDevice{device}, {input});
}

DType result_type(const Tensors& inputs) {
  DType best[3];   // tensors with dimensions, 0-dim tensors, numbers
  bool seen[3] = {};
  for (const Tensor& t : inputs) {
    if (!t.defined()) continue;
    const int rank = t.is_number() ? 2 : t.dim() == 0 ? 1 : 0;
    const DType d = rank == 2 ? number_dtype(t.dtype()) : t.dtype();
    best[rank] = seen[rank] ? promote(best[rank], d) : d;
    seen[rank] = true;
  }
  int rank = 0;
  while (rank < 3 && !seen[rank]) ++rank;
  if (rank == 3) fail<ValueError>("result_type: at least one tensor is needed");
  DType result = best[rank];
  for (int lower = rank + 1; lower < 3; ++lower)
    if (seen[lower]) result = combine(result, best[lower]);
  return result;
}

Tensors broadcast_tensors(std::string_view op, Tensors inputs) {
  const Tensor* first = nullptr;
  bool equal = true;
  for (const Tensor& t : inputs) {
    if (!t.defined()) continue;
    if (!first) first = &t;
    else equal = equal && t.shape() == first->shape();
  }
  if (equal) return inputs;
  Shape shape = first->shape();
  for (const Tensor& t : inputs)
    if (t.defined()) shape = broadcast_shapes(shape, t.shape(), op);
  for (Tensor& t : inputs)
    if (t.defined()) t = expand(t, shape);
  return inputs;
}

Tensors broadcast_as(std::string_view op, Tensors inputs, DType dtype) {
  Device device;   // numbers and constants without dimensions follow the others; written by a kernel, so also while a step is captured
  for (const Tensor& t : inputs)
    if (t.defined() && !t.is_number() && (device.is_cpu() || t.dim() > 0)) device = t.device();
  for (Tensor& t : inputs) {
    if (!t.defined()) continue;
    if (!(t.device() == device) && t.dim() == 0 && !t.requires_grad()) {
      KernelBan lift(nullptr);   // a constant: there is no derivative to cut
      t = t.device().is_cpu() ? Tensor(scalar(t.array().item<complex128>(), dtype, device)) : Tensor(t.array().to(dtype).to(device));
    }
    t = to(t, dtype);
  }
  return broadcast_tensors(op, std::move(inputs));
}

Tensors broadcast(std::string_view op, Tensors inputs) {
  const DType dtype = result_type(inputs);
  return broadcast_as(op, std::move(inputs), dtype);
}

}  // namespace hippograd
