// Views: the output shares the input's storage; the gradient is scattered back.
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

// Geometry of a strided region inside a storage, in elements.
struct Region {
  Shape shape, strides;
  int64_t offset = 0;
  Region(Shape s, Shape st, int64_t o) : shape(s), strides(st), offset(o) {}
  explicit Region(const Array& a) : shape(a.shape()), strides(a.strides()), offset(a.offset()) {}
  int64_t end() const {   // one past the last element reached
    int64_t last = offset;
    for (int d = 0; d < shape.size(); ++d) last += std::max<int64_t>(shape[d] - 1, 0) * strides[d];
    return last + 1;
  }
};

// A flat buffer that covers both regions, and each region as a view of it.
struct Cover {
  Array flat;
  int64_t start;
  Cover(const Region& a, const Region& b, DType dtype, Device device) : start(std::min(a.offset, b.offset)) {
    flat = zeros({std::max(a.end(), b.end()) - start}, dtype, device);
  }
  Array at(const Region& r) const { return flat.as_strided(r.shape, r.strides, r.offset - start); }
};

struct AsStrided {
  static constexpr auto name = "as_strided", doc = "view of the storage with the given size, stride and offset";
  static constexpr bool is_view = true, differentiable_backward = true;
  Region from{{}, {}, 0}, to{{}, {}, 0};

  Outs infer(ArrayIn x) const { return {out(x[0].as_strided(to.shape, to.strides, to.offset).shape(), x[0].dtype())}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].as_strided(to.shape, to.strides, to.offset); }
  Tensor backward(Saved&, Tensor dy) const;
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    const Region whole({4, 5}, {5, 1}, 0);
    return {sample(AsStrided{whole, {{2, 3}, {5, 2}, 1}}, {{4, 5}}), sample(AsStrided{whole, {{3, 2}, {1, 1}, 0}}, {{4, 5}}, "overlapping"),
            sample(AsStrided{whole, {{2, 3}, {0, 1}, 7}}, {{4, 5}}, "stride 0")};
  }
  static ErrorSamples errors() {
    return {error(AsStrided{{{4}, {1}, 0}, {{5}, {1}, 0}}, {{4}}, "reach outside the storage"),
            error(AsStrided{{{4}, {1}, 0}, {{2, 2}, {1}, 0}}, {{4}}, "mismatch in length")};
  }
};

// The adjoint of AsStrided: an input-shaped tensor of zeros to which the region's elements are added.
struct AsStridedAdjoint {
  static constexpr auto name = "as_strided_adjoint", doc = "adds the elements of a strided region into a tensor of zeros";
  static constexpr bool differentiable_backward = true;
  Region from{{}, {}, 0}, to{{}, {}, 0};

  Outs infer(ArrayIn x) const {
    Dims d(name);
    if (!(x[0].shape() == to.shape)) fail<ShapeError>(name, ": input must be ", to.shape, ", got ", x[0].shape());
    return {out(from.shape, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Array dy = is_half(x[0].dtype()) ? x[0].to(DType::f32) : x[0];
    const Cover cover(from, to, dy.dtype(), dy.device());
    Array region = cover.at(to);
    kernels::accumulate(dy, region);
    return cover.at(from).contiguous().to(x[0].dtype());
  }
  Tensor backward(Saved&, Tensor dy) const;
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() {
    return {sample(AsStridedAdjoint{{{4, 5}, {5, 1}, 0}, {{2, 3}, {5, 2}, 1}}, {{2, 3}}),
            sample(AsStridedAdjoint{{{4, 5}, {5, 1}, 0}, {{2, 3}, {0, 1}, 7}}, {{2, 3}}, "stride 0")};
  }
  static ErrorSamples errors() { return {error(AsStridedAdjoint{{{4}, {1}, 0}, {{2}, {1}, 0}}, {{3}}, "input must be (2,), got (3,)")}; }
};

Tensor AsStrided::backward(Saved&, Tensor dy) const { return apply(AsStridedAdjoint{from, to}, {dy}); }

// Gathers the region out of a (re-laid) input-shaped tensor.
struct AsStridedGather {
  static constexpr auto name = "as_strided_gather", doc = "the elements of a strided region, for a tensor laid out as `from`";
  static constexpr bool differentiable_backward = true;
  Region from{{}, {}, 0}, to{{}, {}, 0};

  Outs infer(ArrayIn x) const {
    if (!(x[0].shape() == from.shape)) fail<ShapeError>(name, ": input must be ", from.shape, ", got ", x[0].shape());
    return {out(to.shape, x[0].dtype())};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Cover cover(from, to, x[0].dtype(), x[0].device());
    Array whole = cover.at(from);
    kernels::copy(x[0], whole);
    return cover.at(to).clone();
  }
  Tensor backward(Saved&, Tensor dy) const { return apply(AsStridedAdjoint{from, to}, {dy}); }
  static Samples samples() { return {sample(AsStridedGather{{{4, 5}, {5, 1}, 0}, {{2, 3}, {5, 2}, 1}}, {{4, 5}})}; }
  static ErrorSamples errors() { return {error(AsStridedGather{{{4}, {1}, 0}, {{2}, {1}, 0}}, {{3}}, "input must be (4,), got (3,)")}; }
};
Tensor AsStridedAdjoint::backward(Saved&, Tensor dy) const { return apply(AsStridedGather{from, to}, {dy}); }

// base with a region overwritten by value.
struct AsStridedScatter {
  static constexpr auto name = "as_strided_scatter", doc = "the input with a strided region replaced by `src`";
  static constexpr bool differentiable_backward = true;
  Region from{{}, {}, 0}, to{{}, {}, 0};

  Outs infer(ArrayIn x) const {
    if (!(x[1].shape() == to.shape)) fail<ShapeError>(name, ": src must be ", to.shape, ", got ", x[1].shape());
    Dims d(name);
    d.same_dtype("input", x[0], "src", x[1]);
    return {like(x[0])};
  }
  Array forward(Saved&, ArrayIn x) const {
    const Cover cover(from, to, x[0].dtype(), x[0].device());
    Array whole = cover.at(from), region = cover.at(to);
    kernels::copy(x[0], whole);
    kernels::copy(x[1], region);
    return whole.clone();
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensors g(2);
    if (s.needs(0)) g[0] = apply(AsStridedScatter{*this}, {dy, Tensor(zeros(to.shape, dy.dtype(), dy.device()))});
    if (s.needs(1)) g[1] = apply(AsStridedGather{from, to}, {dy});
    return g;
  }
  static Samples samples() { return {sample(AsStridedScatter{{{4, 5}, {5, 1}, 0}, {{2, 3}, {5, 2}, 1}}, {{4, 5}, {2, 3}})}; }
  static ErrorSamples errors() {
    return {error(AsStridedScatter{{{4}, {1}, 0}, {{2}, {1}, 0}}, {{4}, {3}}, "src must be (2,), got (3,)")};
  }
};

// One index of a dimension; the dimension disappears.
struct Select {
  static constexpr auto name = "select", doc = "the slice of the input at one index of a dimension";
  static constexpr bool is_view = true, differentiable_backward = true;
  int64_t dim = 0, index = 0;

  Outs infer(ArrayIn x) const { return {like(x[0].select(dim, index))}; }
  Array forward(Saved&, ArrayIn x) const { return x[0].select(dim, index); }
  Tensor backward(Saved& s, Tensor dy) const;
  static std::vector<DType> dtypes() { return {DType::f32, DType::f64, DType::c128, DType::bf16}; }
  static Samples samples() { return {sample(Select{1, -1}, {{3, 4, 2}}), sample(Select{0, 0}, {{2}}, "to a scalar")}; }
  static ErrorSamples errors() {
    return {error(Select{0, 5}, {{3}}, "index 5 is out of bounds for dimension 0 with size 3"), error(Select{2, 0}, {{3}}, "Dimension out of range")};
  }
};
// dy placed at one index of a dimension of zeros.
struct SelectAdjoint {
  static constexpr auto name = "select_adjoint", doc = "places a slice at one index of a dimension in a tensor of zeros";
  static constexpr bool differentiable_backward = true;
  Shape shape;
  int64_t dim = 0, index = 0;

  Outs infer(ArrayIn x) const { return {out(shape, x[0].dtype())}; }
  Array forward(Saved&, ArrayIn x) const {
    Array y = zeros(shape, x[0].dtype(), x[0].device());
    Array slot = y.select(dim, index);
    kernels::copy(x[0], slot);
    return y;
  }
  Tensor backward(Saved&, Tensor dy) const { return select(dy, dim, index); }
  static Samples samples() { return {sample(SelectAdjoint{{3, 4, 2}, 1, -1}, {{3, 2}})}; }
  static ErrorSamples errors() { return {error(SelectAdjoint{{3, 4}, 1, 0}, {{4}}, "shapes differ")}; }
};
Tensor Select::backward(Saved& s, Tensor dy) const { return apply(SelectAdjoint{s.in(0).shape, dim, index}, {dy}); }

}  // namespace

Tensor as_strided(const Tensor& input, const Shape& size, const Shape& stride, int64_t storage_offset) {
  return apply(AsStrided{Region(input.array()), {size, stride, storage_offset}}, {input});
}
Tensor as_strided_scatter_history(const Tensor& base, const Tensor& value, const Array& region) {
  return apply(AsStridedScatter{Region(base.array()), Region(region)}, {base, value});
}
Tensor select(const Tensor& input, int64_t dim, int64_t index) { return apply(Select{dim, index}, {input}); }

}  // namespace hippograd
