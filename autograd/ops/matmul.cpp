// Matrix products. One op carries them all: it transposes and conjugates its operands in place, broadcasts over batches and
// adds products up, which makes it closed under differentiation - its gradients are products of the same kind.
#include "tensor/kernels/matmul.h"

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"

namespace hippograd {
namespace {

std::vector<DType> product_dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128, DType::bf16}; }

// PyTorch's names of dtypes in the messages of its products.
const char* scalar_name(DType t) {
  constexpr const char* names[kDTypes] = {"float", "double", "c10::complex<float>", "c10::complex<double>", "long int", "int", "bool",
                                          "unsigned char", "c10::BFloat16", "c10::Half"};
  return names[int(t)];
}
void check_dtypes(const char* op, DType a, DType b) {
  if (a != b)
    fail<DtypeError>(op, ": expected m1 and m2 to have the same dtype, but got: ", scalar_name(a), " != ", scalar_name(b), " (", a, " and ",
                     b, ")");
  if (a == DType::b8) fail<DtypeError>(op, ": not implemented for 'Bool'; convert with .to(...) first");
}

std::string by(int64_t rows, int64_t cols) { return cat(rows, "x", cols); }

// All but the last `drop` sizes.
Shape leading(const Shape& shape, int drop) {
  Shape s = shape;
  s.resize(shape.size() - drop);
  return s;
}
Shape joined(const Shape& batch, int64_t rows, int64_t cols) {
  Shape s = batch;
  s.push_back(rows);
  s.push_back(cols);
  return s;
}
// `shape` with ones in front, `rank` dimensions in all.
Shape with_rank(const Shape& shape, int rank) {
  Shape s(rank - shape.size(), 1);
  for (int64_t d : shape) s.push_back(d);
  return s;
}

//   Y_r = sum of P_s Q_s over the batches s that broadcasting `batch` to all batches makes of r
//   P = A, A^T, conj A or A^H  (trans_a, conj_a)     Q likewise from B     A (..., m, k)   B (..., k, n)   Y (batch, m, n)
//   dP = dY Q^H     dQ = P^H dY,  each summed to its operand's batch
struct MatMul {
  static constexpr Autocast autocast = Autocast::Low;
  static constexpr auto name = "matmul", doc = "matrix product, batched and broadcast";
  static constexpr bool differentiable_backward = true;
  Shape batch;
  bool trans_a = false, trans_b = false, conj_a = false, conj_b = false;

  Outs infer(ArrayIn x) const {
    if (x[0].dim() < 2 || x[1].dim() < 2) fail<ShapeError>(name, ": both operands must be matrices, got ", x[0].shape(), " and ", x[1].shape());
    check_dtypes(name, x[0].dtype(), x[1].dtype());
    const Array a = trans_a ? x[0].transpose(-2, -1) : x[0], b = trans_b ? x[1].transpose(-2, -1) : x[1];
    const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
    if (k != b.size(-2)) {
      if (a.dim() == 2 && b.dim() == 2)
        fail<ShapeError>(name, ": mat1 and mat2 shapes cannot be multiplied (", by(m, k), " and ", by(b.size(-2), n), ")");
      fail<ShapeError>(name, ": Expected size for first two dimensions of batch2 tensor to be: [", leading(b.shape(), 2).numel(), ", ", k,
                       "] but got: [", leading(b.shape(), 2).numel(), ", ", b.size(-2), "]. (input ", a.shape(), ", other ", b.shape(), ")");
    }
    const Shape all = all_batches(x), mine = with_rank(batch, all.size());
    for (int d = 0; d < all.size(); ++d)
      if (mine[d] != all[d] && mine[d] != 1) fail<ShapeError>(name, ": batches ", all, " do not add up to ", batch);
    return {out(joined(batch, m, n), x[0].dtype())};
  }
  Shape all_batches(ArrayIn x) const {
    return broadcast_shapes(broadcast_shapes(leading(x[0].shape(), 2), leading(x[1].shape(), 2), name), batch, name);
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    const Array a = trans_a ? x[0].transpose(-2, -1) : x[0], b = trans_b ? x[1].transpose(-2, -1) : x[1];
    const Shape all = all_batches(x);
    const int64_t m = a.size(-2), k = a.size(-1), n = b.size(-1);
    Array y = empty(joined(with_rank(batch, all.size()), m, n), a.dtype(), a.device());
    kernels::matmul(a.expand(joined(all, m, k)), conj_a, b.expand(joined(all, k, n)), conj_b, {}, y);
    return y.view(joined(batch, m, n));
  }
  Tensors backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), b = s.x(1);
    const Shape batch_a = leading(a.shape(), 2), batch_b = leading(b.shape(), 2);
    const bool conj_q = !conj_b != conj_a, conj_p = !conj_a != conj_b;   // of Q^H and P^H, as seen from A and B themselves
    Tensors g(2);
    if (s.needs(0)) {
      g[0] = trans_a ? apply(MatMul{batch_a, trans_b, true, conj_q, conj_a}, {b, dy})
                     : apply(MatMul{batch_a, false, !trans_b, conj_a, conj_q}, {dy, b});
    }
    if (s.needs(1)) {
      g[1] = trans_b ? apply(MatMul{batch_b, true, trans_a, conj_b, conj_p}, {dy, a})
                     : apply(MatMul{batch_b, !trans_a, false, conj_p, conj_b}, {a, dy});
    }
    return g;
  }
  static std::vector<DType> dtypes() { return product_dtypes(); }
  static Samples samples() {
    return {sample(MatMul{{}}, {{3, 4}, {4, 5}}).bench({{512, 512}, {512, 512}}).bench({{2048, 192}, {192, 768}}),
            sample(MatMul{{}, true, false}, {{4, 3}, {4, 5}}, "A transposed").bench({{512, 512}, {512, 512}}),
            sample(MatMul{{}, false, true}, {{3, 4}, {5, 4}}, "B transposed").bench({{512, 512}, {512, 512}}),
            sample(MatMul{{}, true, true, true, false}, {{4, 3}, {5, 4}}, "both transposed, A conjugated"),
            sample(MatMul{{}, false, true, false, true}, {{3, 4}, {5, 4}}, "B^H"),
            sample(MatMul{{}, true, true, true, true}, {{4, 3}, {5, 4}}, "A^H B^H"),
            sample(MatMul{{2, 3}}, {{2, 1, 2, 4}, {3, 4, 2}}, "broadcast batches"),
            sample(MatMul{{8, 8}}, {{8, 8, 4, 2}, {8, 8, 2, 4}}, "a batch of small ones").bench({{8, 8, 64, 32}, {8, 8, 32, 64}}).bench({{8, 8, 16, 16}, {8, 8, 16, 16}}),
            sample(MatMul{{2}}, {{2, 3, 4}, {4, 5}}, "a shared matrix"),
            sample(MatMul{{}}, {{3, 2, 4}, {3, 4, 2}}, "added up"),
            sample(MatMul{{3, 1}}, {{3, 2, 2, 4}, {2, 4, 1}}, "partly added up"),
            sample(MatMul{{2}}, {{2, 1, 4}, {4, 3}}, "rows of a batch"),
            sample(MatMul{{}}, {{1, 1}, {1, 1}}, "of single elements"),
            sample(MatMul{{}}, {{2, 0}, {0, 3}}, "no terms"),
            sample(MatMul{{0}}, {{0, 2, 3}, {3, 2}}, "no batch"),
            sample(MatMul{{}}, {{17, 35}, {35, 41}}, "odd sizes")};
  }
  static ErrorSamples errors() {
    return {error(MatMul{{}}, {{2, 3}, {2, 3}}, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
            error(MatMul{{2}}, {{2, 3, 4}, {2, 5, 2}}, "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [2, 5]."),
            error(MatMul{{2}}, {{2, 3, 4}, {3, 4, 2}}, "(2,)"),
            error(MatMul{{}}, {{3}, {3, 2}}, "both operands must be matrices"),
            error(MatMul{{}}, {{2, 3}, integers({3, 2}, 0, 5)}, "expected m1 and m2 to have the same dtype")};
  }
};

//   y = x W^T + b     dx = dy W     dW = dy^T x over all rows     db = dy summed over all rows
//   x (..., k)   W (n, k)   b (n,) optional   y (..., n)
struct Linear {
  static constexpr Autocast autocast = Autocast::Low;
  static constexpr auto name = "linear", doc = "input weight^T + bias";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_dtypes(name, x[0].dtype(), x[1].dtype());
    if (x.has(2)) check_dtypes(name, x[0].dtype(), x[2].dtype());
    if (x[0].dim() < 2 || x[1].dim() != 2)
      fail<ShapeError>(name, ": input must be (..., in) and weight (out, in), got ", x[0].shape(), " and ", x[1].shape());
    const int64_t k = x[0].size(-1), n = x[1].size(0);
    if (k != x[1].size(1))
      fail<ShapeError>(name, ": mat1 and mat2 shapes cannot be multiplied (", by(leading(x[0].shape(), 1).numel(), k), " and ",
                       by(x[1].size(1), n), "): input ", x[0].shape(), ", weight ", x[1].shape());
    if (x.has(2) && !(x[2].shape() == Shape{n})) fail<ShapeError>(name, ": bias must be (", n, ",), got ", x[2].shape(), "; weight is ", x[1].shape());
    Shape y = leading(x[0].shape(), 1);
    y.push_back(n);
    return {out(y, x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.inputs(0, 1);
    Array y = empty(infer(x)[0].shape, x[0].dtype(), x[0].device());
    const Shape batch = leading(x[0].shape(), 2);
    const Array w = x[1].transpose(0, 1).expand(joined(batch, x[1].size(1), x[1].size(0)));
    kernels::matmul(x[0], false, w, false, x.has(2) ? x[2].contiguous() : Array{}, y);
    return y;
  }
  Tensors backward(Saved& s, Tensor dy) const {
    Tensors g(3);
    if (s.needs(0)) g[0] = apply(MatMul{leading(dy.shape(), 2), false, false, false, true}, {dy, s.x(1)});
    if (!recording() && s.needs(1) && s.has(2) && s.needs(2) && is_real(dy.dtype())) {
      const Array x = s.x(0).array().contiguous(), rows = dy.array().contiguous();
      const int64_t n = dy.size(-1), k = x.size(-1), m = leading(x.shape(), 1).numel();
      Array dw = empty({n, k}, dy.dtype(), dy.device()), db = empty({n}, dy.dtype(), dy.device());
      kernels::linear_grad_weight(rows.view({m, n}), x.view({m, k}), dw, db);
      g[1] = Tensor(dw), g[2] = Tensor(db);
      return g;
    }
    if (s.needs(1)) g[1] = apply(MatMul{{}, true, false, false, true}, {dy, s.x(0)});
    if (s.has(2) && s.needs(2)) g[2] = sum_to(dy, {dy.size(-1)});
    return g;
  }
  static std::vector<DType> dtypes() { return product_dtypes(); }
  static Samples samples() {
    return {sample(Linear{}, {{2, 3, 4}, {5, 4}, {5}}).bench({{16, 64, 192}, {768, 192}, {768}}).bench({{16, 64, 768}, {192, 768}, {192}})
                .bench({{4096, 96}, {384, 96}, {384}}).bench({{1024, 96}, {96, 96}, {96}}).bench({{6144, 32}, {64, 32}, {64}}),
            sample(Linear{}, {{3, 4}, {2, 4}, absent()}, "no bias"), sample(Linear{}, {{1, 1}, {1, 1}, {1}}, "single element"),
            sample(Linear{}, {{0, 4}, {2, 4}, {2}}, "no rows"), sample(Linear{}, {{3, 0}, {2, 0}, {2}}, "no columns"),
            sample(Linear{}, {{2, 2, 3, 4}, {1, 4}, {1}}, "one output")};
  }
  static ErrorSamples errors() {
    return {error(Linear{}, {{2, 3}, {4, 2}, absent()}, "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x4)"),
            error(Linear{}, {{2, 3}, {4, 3}, {3}}, "bias must be (4,), got (3,)"),
            error(Linear{}, {{2, 3}, integers({4, 3}, 0, 5), absent()}, "expected m1 and m2 to have the same dtype")};
  }
};

Tensor product(const Tensor& a, const Tensor& b) {
  return apply(MatMul{broadcast_shapes(leading(a.shape(), 2), leading(b.shape(), 2), "matmul")}, {a, b});
}
void check_rank(const char* op, const char* argument, const Tensor& x, int rank) {
  if (x.dim() != rank) {
    const char* kind = rank == 1 ? "a vector" : rank == 2 ? "a matrix" : "a 3D tensor";
    fail<ShapeError>(op, ": ", argument, " must be ", kind, ", got ", x.dim(), "-D tensor of shape ", x.shape());
  }
}

}  // namespace

Tensor matmul(const Tensor& input, const Tensor& other) {
  if (input.dim() == 0 || other.dim() == 0)
    fail<ShapeError>("matmul: both arguments to matmul need to be at least 1D, but they are ", input.dim(), "D and ", other.dim(), "D");
  const bool row = input.dim() == 1, column = other.dim() == 1;
  if (row && column) return dot(input, other);
  if (column && input.dim() == 2) return mv(input, other);
  Tensor y = product(row ? unsqueeze(input, 0) : input, column ? unsqueeze(other, 1) : other);
  if (row) y = squeeze(y, {-2});
  if (column) y = squeeze(y, {-1});
  return y;
}

Tensor mm(const Tensor& input, const Tensor& mat2) {
  check_rank("mm", "self", input, 2);
  check_rank("mm", "mat2", mat2, 2);
  return product(input, mat2);
}
Tensor bmm(const Tensor& input, const Tensor& mat2) {
  check_rank("bmm", "batch1", input, 3);
  check_rank("bmm", "batch2", mat2, 3);
  if (mat2.size(0) != input.size(0) || mat2.size(1) != input.size(2))
    fail<ShapeError>("bmm: Expected size for first two dimensions of batch2 tensor to be: [", input.size(0), ", ", input.size(2), "] but got: [",
                     mat2.size(0), ", ", mat2.size(1), "].");
  return product(input, mat2);
}
Tensor mv(const Tensor& input, const Tensor& vec) {
  if (input.dim() != 2 || vec.dim() != 1)
    fail<ShapeError>("mv: vector + matrix @ vector expected, got ", vec.dim(), ", ", input.dim(), ", ", vec.dim());
  if (input.size(1) != vec.size(0))
    fail<ShapeError>("mv: size mismatch, got input (", input.size(0), "), mat (", by(input.size(0), input.size(1)), "), vec (", vec.size(0), ")");
  return squeeze(product(input, unsqueeze(vec, 1)), {1});
}
Tensor dot(const Tensor& input, const Tensor& tensor) {
  if (input.dim() != 1 || tensor.dim() != 1)
    fail<ShapeError>("dot: 1D tensors expected, but got ", input.dim(), "D and ", tensor.dim(), "D tensors");
  if (input.dtype() != tensor.dtype())
    fail<DtypeError>("dot: expected both vectors to have same dtype, but found ", input.dtype(), " and ", tensor.dtype());
  if (input.size(0) != tensor.size(0))
    fail<ShapeError>("dot: inconsistent tensor size, expected tensor [", input.size(0), "] and src [", tensor.size(0),
                     "] to have the same number of elements, but got ", input.size(0), " and ", tensor.size(0), " elements respectively");
  return reshape(product(unsqueeze(input, 0), unsqueeze(tensor, 1)), {});
}
Tensor vdot(const Tensor& input, const Tensor& other) {
  if (!is_complex(input.dtype()) || input.dim() != 1 || other.dim() != 1 || input.size(0) != other.size(0)) return dot(input, other);
  return reshape(apply(MatMul{{}, true, false, true, false}, {unsqueeze(input, 1), unsqueeze(other, 1)}), {});
}
Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  if (weight.dim() == 1) {
    const Tensor y = matmul(input, weight);
    return bias.defined() ? add(y, bias) : y;
  }
  if (input.dim() == 1) return squeeze(apply(Linear{}, {unsqueeze(input, 0), weight, bias}), {0});
  return apply(Linear{}, {input, weight, bias});
}

}  // namespace hippograd
