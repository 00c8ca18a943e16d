// Linear algebra, torch.linalg: decompositions with gradients. Every op works on batches of matrices (..., m, n) and computes
// in double precision. ^H is the conjugate transpose; a gradient G of L means dL = Re tr(G^H dA).
//
// Sources of the gradients: Giles, "Collected matrix derivative results for forward and reverse mode AD" (2008); Walter &
// Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum experimental design" (2010);
// Boeddeker et al., "On the computation of complex-valued gradients" (2017).
#include "tensor/kernels/linalg.h"

#include <cmath>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"
#include "tensor/kernels/copy.h"

namespace hippograd {
namespace {

Shape leading(const Shape& shape, int drop) {
  Shape s = shape;
  s.resize(shape.size() - drop);
  return s;
}
Shape with(Shape batch, std::initializer_list<int64_t> sizes) {
  for (int64_t n : sizes) batch.push_back(n);
  return batch;
}
std::vector<DType> matrix_dtypes() { return {DType::f32, DType::f64, DType::c64, DType::c128}; }

// ---- Checks, in PyTorch's words -----------------------------------------------------------------------------------------

void check_matrix(const char* op, const Array& a) {
  if (a.dim() < 2) fail<ShapeError>(op, ": The input tensor A must have at least 2 dimensions, got ", a.shape());
  if (!is_floating(a.dtype()) || is_half(a.dtype()))
    fail<DtypeError>(op, ": Expected a floating point or complex tensor as input. Got ", a.dtype());
}
void check_square(const char* op, const Array& a) {
  check_matrix(op, a);
  if (a.size(-1) != a.size(-2))
    fail<ShapeError>(op, ": A must be batches of square matrices, but they are ", a.size(-2), " by ", a.size(-1), " matrices");
}

// Matrices as a kernel wants them: (B, m, n), contiguous, f64 or c128.
DType precise(DType t) { return is_complex(t) ? DType::c128 : DType::f64; }
Array batch_of(const Array& a) {
  return a.to(precise(a.dtype())).contiguous().view({leading(a.shape(), 2).numel(), a.size(-2), a.size(-1)});
}
// A result (B, ...) in the caller's precision and shape.
Array as(const Array& result, DType dtype, const Shape& shape) { return result.to(dtype).view(shape); }

// Throws what `message(info)` says about the first matrix whose info is not 0.
template <class Message> void check_info(const char* op, const Array& info, bool batched, Message message) {
  const auto status = to_vector<int64_t>(info);
  for (size_t b = 0; b < status.size(); ++b)
    if (status[b] != 0) fail<LinAlgError>(op, ": ", batched ? cat("(Batch element ", b, "): ") : std::string(), message(status[b]));
}

// ---- Small helpers in differentiable ops --------------------------------------------------------------------------------

Tensor adjoint(const Tensor& a) { return conj(mT(a)); }
Tensor column(const Tensor& v) { return unsqueeze(v, -1); }   // scales rows
Tensor row(const Tensor& v) { return unsqueeze(v, -2); }      // scales columns
Tensor diagonal_of(const Tensor& a) { return diagonal(a, 0, -2, -1); }
Tensor diagonal_matrix(const Tensor& d) { return diag_embed(d, 0, -2, -1); }
// Constants may be made while a backward is recorded: they have no derivative that could be lost.
Tensor constant(double value, const Shape& shape, DType dtype, Device device) {
  const KernelBan lift(nullptr);
  return Tensor(full(shape, value, dtype, device));
}
Tensor identity(int64_t n, DType dtype, Device device) {
  const KernelBan lift(nullptr);
  Array eye = zeros({n, n}, dtype, device);
  Array d = eye.diagonal(0, 0, 1);
  const Array ones = full({n}, 1, dtype, device);
  kernels::copy(ones, d);
  return Tensor(eye);
}
// x_j - x_i at (i, j), with ones on the diagonal.
Tensor differences(const Tensor& x) {
  const Tensor gap = sub(row(x), column(x));
  return add(gap, identity(x.size(-1), x.dtype(), x.device()));
}
Tensor plus(const Tensor& a, const Tensor& b) { return !a.defined() ? b : !b.defined() ? a : add(a, b); }

// ---- Samples: matrices far from singular, the same every time --------------------------------------------------------------

Input regular(Shape s, double shift = 3) {
  std::vector<double> v;
  const int64_t m = s[s.size() - 2], n = s[s.size() - 1];
  for (int64_t i = 0; i < s.numel(); ++i) v.push_back((i % (m * n) / n == i % n ? shift + 0.7 * double(i % n) : 0) + std::sin(1.3 * double(i) + 0.4));
  return values(s, v);
}
// The same with eigenvalues far apart, so that their order is certain.
Input spread(Shape s) {
  Input x = regular(s, 0);
  const int64_t m = s[s.size() - 2], n = s[s.size() - 1];
  for (size_t i = 0; i < x.values.size(); ++i) {
    const int64_t at = int64_t(i) % (m * n), r = at / n, c = at % n;
    x.values[i] = 0.4 * std::sin(1.3 * double(i) + 0.4) + (r == c ? 2 + 3.5 * double(r) : 0);
  }
  return x;
}
// A factor with an imaginary part, where matrices are complex: samples are drawn real.
Tensor tilted(const Tensor& x) { return is_complex(x.dtype()) ? mul(x, Tensor::number(complex128(1, 0.3))) : x; }

// A sample of an op whose inputs or outputs need care (Hermitian inputs, phases that are free): `run` is tested instead.
template <class Run> Sample through(std::vector<Input> inputs, std::string label, Run run) {
  Sample s;
  s.inputs = std::move(inputs);
  s.label = std::move(label);
  s.run = run;
  s.infer = [run](const Tensors& x) {
    const NoGrad off;
    Outs outs;
    for (const Tensor& y : run(x)) outs.push_back(like(y.array()));
    return outs;
  };
  s.tol = 1e-6;   // products of several decompositions
  return s;
}

// ---- Solving ------------------------------------------------------------------------------------------------------------

//   X = A^-1 B     dB = A^-H dX     dA = -dB X^H        A (..., n, n)   B (..., n, c), equal batches
struct Solve {
  static constexpr auto name = "linalg_solve", doc = "the X of A X = B";
  static constexpr bool differentiable_backward = true;
  bool inverse = false;         // for the message only

  Outs infer(ArrayIn x) const {
    const char* op = inverse ? "linalg.inv" : "linalg.solve";
    check_square(op, x[0]);
    check_matrix(op, x[1]);
    if (x[0].dtype() != x[1].dtype()) fail<DtypeError>(op, ": Expected A and B to have the same dtype, but found ", x[0].dtype(), " and ", x[1].dtype());
    if (x[0].size(-1) != x[1].size(-2) || !(leading(x[0].shape(), 2) == leading(x[1].shape(), 2)))
      fail<ShapeError>(op, ": Incompatible shapes of A and B for the equation AX = B (", x[0].size(-2), "x", x[0].size(-1), " and ",
                       x[1].size(-2), "x", x[1].size(-1), ")");
    return {like(x[1])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    const Array a = batch_of(x[0]), b = batch_of(x[1]);
    Array lu = empty_like(a), perm = empty({a.size(0), a.size(1)}, DType::i64, a.device()), info = zeros({a.size(0)}, DType::i64, a.device());
    kernels::lu_factor(a, lu, perm, info);
    check_info(inverse ? "linalg.inv" : "linalg.solve", info, x[0].dim() > 2, [&](int64_t i) {
      return inverse ? cat("The diagonal element ", i, " is zero, the inversion could not be completed because the input matrix is singular.")
                     : std::string("The solver failed because the input matrix is singular.");
    });
    Array y = empty_like(b);
    kernels::lu_solve(lu, perm, b, y);
    const Array result = as(y, x[1].dtype(), x[1].shape());
    s.output(result);
    return result;
  }
  Tensors backward(Saved& s, Tensor dx) const {
    const Tensor db = apply(Solve{*this}, {adjoint(s.x(0)), dx});
    Tensors g{Tensor(), s.needs(1) ? db : Tensor()};
    if (s.needs(0)) g[0] = neg(matmul(db, adjoint(s.y())));
    return g;
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() {
    return {sample(Solve{}, {regular({3, 3}), {3, 2}}), sample(Solve{}, {regular({2, 2, 2}), {2, 2, 1}}, "a batch"),
            sample(Solve{}, {regular({1, 1}), {1, 1}}, "numbers"), sample(Solve{}, {{0, 0}, {0, 2}}, "empty")};
  }
  static ErrorSamples errors() {
    return {error(Solve{}, {values({2, 2}, {1, 2, 2, 4}), {2, 1}}, "The solver failed because the input matrix is singular."),
            error(Solve{true}, {values({2, 2}, {0, 0, 0, 0}), {2, 2}}, "The diagonal element 1 is zero"),
            error(Solve{}, {{2, 3}, {2, 1}}, "A must be batches of square matrices, but they are 2 by 3 matrices"),
            error(Solve{}, {{2, 2}, {3, 2}}, "Incompatible shapes of A and B for the equation AX = B (2x2 and 3x2)")};
  }
};

//   T X = B, T triangular     dB = T^-H dX     dT = -(dB X^H) in T's triangle
struct SolveTriangular {
  static constexpr auto name = "linalg_solve_triangular", doc = "the X of A X = B for a triangular A";
  static constexpr bool differentiable_backward = true;
  bool upper = true, unit = false;

  Outs infer(ArrayIn x) const {
    const char* op = "linalg.solve_triangular";
    check_square(op, x[0]);
    check_matrix(op, x[1]);
    if (x[0].dtype() != x[1].dtype()) fail<DtypeError>(op, ": Expected A and B to have the same dtype, but found ", x[0].dtype(), " and ", x[1].dtype());
    if (x[0].size(-1) != x[1].size(-2) || !(leading(x[0].shape(), 2) == leading(x[1].shape(), 2)))
      fail<ShapeError>(op, ": Incompatible shapes of A and B for the equation AX = B (", x[0].size(-2), "x", x[0].size(-1), " and ",
                       x[1].size(-2), "x", x[1].size(-1), ")");
    return {like(x[1])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    const Array b = batch_of(x[1]);
    Array y = empty_like(b);
    kernels::solve_triangular(batch_of(x[0]), b, upper, unit, y);
    const Array result = as(y, x[1].dtype(), x[1].shape());
    s.output(result);
    return result;
  }
  Tensors backward(Saved& s, Tensor dx) const {
    const Tensor db = apply(SolveTriangular{!upper, unit}, {adjoint(s.x(0)), dx});
    Tensors g{Tensor(), s.needs(1) ? db : Tensor()};
    if (s.needs(0)) {
      const Tensor dt = neg(matmul(db, adjoint(s.y())));
      g[0] = upper ? triu(dt, unit ? 1 : 0) : tril(dt, unit ? -1 : 0);
    }
    return g;
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() {
    return {sample(SolveTriangular{}, {regular({3, 3}), {3, 2}}), sample(SolveTriangular{false, false}, {regular({2, 2, 2}), {2, 2, 1}}, "lower, a batch"),
            sample(SolveTriangular{true, true}, {regular({3, 3}), {3, 1}}, "unit diagonal")};
  }
  static ErrorSamples errors() { return {error(SolveTriangular{}, {{2, 2}, {3, 2}}, "Incompatible shapes of A and B")}; }
};

// ---- Determinants -------------------------------------------------------------------------------------------------------

struct Factors {
  Array lu, perm, info;         // f64 or c128
  explicit Factors(const Array& matrices) {
    const Array a = batch_of(matrices);
    lu = empty_like(a);
    perm = empty({a.size(0), a.size(1)}, DType::i64, a.device());
    info = zeros({a.size(0)}, DType::i64, a.device());
    kernels::lu_factor(a, lu, perm, info);
  }
  // f(b, sign of the permutation, diagonal of U) for every matrix.
  template <class F> void for_each(F f) const {
    const int64_t n = lu.size(-1);
    const auto rows = to_vector<int64_t>(perm);
    const auto diagonals = to_vector<complex128>(lu.diagonal(0, 1, 2));
    for (int64_t b = 0; b < lu.size(0); ++b) {
      double sign = 1;          // a cycle of length c counts (-1)^(c - 1)
      std::vector<bool> seen(size_t(n), false);
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = rows[b * n + i]; !seen[size_t(i)] && j != i; j = rows[b * n + j]) seen[size_t(j)] = true, sign = -sign;
      f(b, sign, std::span(diagonals).subspan(size_t(b * n), size_t(n)));
    }
  }
};

Tensors svd_parts(const Tensor& a);

//   y = det A     dA = conj(y) dy A^-H;   for singular A, with A = U S V^H,  conj(det U det V^H) dy U diag(prod of the others) V^H
struct Det {
  static constexpr auto name = "linalg_det", doc = "the determinant";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_square("linalg.det", x[0]);
    return {out(leading(x[0].shape(), 2), x[0].dtype())};
  }
  Array forward(Saved& s, ArrayIn x) const {
    s.input(0);
    const Factors f(x[0]);
    std::vector<complex128> y;
    f.for_each([&](int64_t, double sign, std::span<const complex128> d) {
      complex128 product = sign;
      for (complex128 u : d) product *= u;
      y.push_back(product);
    });
    const Array result = from_vector(y, {int64_t(y.size())}).to(x[0].device()).to(x[0].dtype()).view(leading(x[0].shape(), 2));
    s.output(result);
    return result;
  }
  Tensor backward(Saved& s, Tensor dy) const {
    const Tensor a = s.x(0), y = s.y();
    bool singular = false;
    const KernelBan lift(nullptr);   // for the test only; both formulas are differentiable
    for (complex128 v : to_vector<complex128>(y.array())) singular = singular || v == complex128(0);
    if (singular) return mul(column(column(dy)), cofactors(a));
    return mul(column(column(mul_conj(dy, y))), adjoint(linalg::inv(a)));
  }
  // conj(d det / dA)
  static Tensor cofactors(const Tensor& a) {
    const Tensors p = svd_parts(a);
    const int64_t n = a.size(-1);
    Tensors others;             // the product of all singular values but one
    for (int64_t i = 0; i < n; ++i) {
      Tensor product = constant(1, leading(a.shape(), 2), p[1].dtype(), a.device());
      for (int64_t j = 0; j < n; ++j)
        if (j != i) product = mul(product, select(p[1], -1, j));
      others.push_back(product);
    }
    const Tensor phase = conj(mul(linalg::det(p[0]), linalg::det(p[2])));
    return mul(column(column(phase)), matmul(mul(p[0], row(stack(others, -1))), p[2]));
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() {
    return {sample(Det{}, {regular({3, 3})}), sample(Det{}, {regular({2, 2, 2})}, "a batch"), sample(Det{}, {regular({1, 1})}, "a number"),
            sample(Det{}, {{0, 0}}, "empty").not_smooth()};
  }
  static ErrorSamples errors() { return {error(Det{}, {{2, 3}}, "A must be batches of square matrices, but they are 2 by 3 matrices")}; }
};

//   det A = s exp(l), |s| = 1     dA = (dl - i Im(conj(ds) s)) A^-H
struct Slogdet {
  static constexpr auto name = "linalg_slogdet", doc = "sign and logarithm of the modulus of the determinant";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_square("linalg.slogdet", x[0]);
    const Shape batch = leading(x[0].shape(), 2);
    return {out(batch, x[0].dtype()), out(batch, real_of(x[0].dtype()))};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    s.input(0);
    const Factors f(x[0]);
    std::vector<complex128> signs;
    std::vector<double> logs;
    f.for_each([&](int64_t, double sign, std::span<const complex128> d) {
      complex128 phase = sign;
      double log = 0;
      for (complex128 u : d) {
        phase *= u == complex128(0) ? u : u / std::abs(u);
        log += std::log(std::abs(u));
      }
      signs.push_back(phase);
      logs.push_back(log);
    });
    const Shape batch = leading(x[0].shape(), 2);
    const Array sign = from_vector(signs, {int64_t(signs.size())}).to(x[0].device()).to(x[0].dtype()).view(batch);
    const Array log = from_vector(logs, {int64_t(logs.size())}).to(x[0].device()).to(real_of(x[0].dtype())).view(batch);
    s.output(sign, 0);
    return {sign, log};
  }
  Tensors backward(Saved& s, Tensors dys) const {
    Tensor g = dys[1];
    if (dys[0].defined() && is_complex(dys[0].dtype())) {
      const Tensor turn = imag(mul_conj(s.y(0), dys[0]));
      const Tensor zero = constant(0, turn.shape(), turn.dtype(), turn.device());
      g = complex(g.defined() ? g : zero, neg(turn));
    }
    if (!g.defined()) return {Tensor()};
    return {mul(column(column(g)), adjoint(linalg::inv(s.x(0))))};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() {
    return {sample(Slogdet{}, {regular({3, 3})}), sample(Slogdet{}, {regular({2, 2, 2})}, "a batch")};
  }
  static ErrorSamples errors() { return {error(Slogdet{}, {{3}}, "must have at least 2 dimensions")}; }
};

// ---- Factorizations -----------------------------------------------------------------------------------------------------

//   A = L L^H     dA = L^-H M L^-1 made Hermitian,  M = tril(L^H dL) with half its diagonal
struct Cholesky {
  static constexpr auto name = "linalg_cholesky", doc = "the lower triangular factor of a Hermitian positive-definite matrix";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_square("linalg.cholesky", x[0]);
    return {like(x[0])};
  }
  Array forward(Saved& s, ArrayIn x) const {
    const Array a = batch_of(x[0]);
    Array l = empty_like(a), info = zeros({a.size(0)}, DType::i64, a.device());
    kernels::cholesky(a, l, info);
    check_info("linalg.cholesky", info, x[0].dim() > 2, [](int64_t i) {
      return cat("The factorization could not be completed because the input is not positive-definite (the leading minor of order ", i,
                 " is not positive-definite).");
    });
    const Array result = as(l, x[0].dtype(), x[0].shape());
    s.output(result);
    return result;
  }
  Tensor backward(Saved& s, Tensor dl) const {
    const Tensor l = s.y(), whole = tril(matmul(adjoint(l), dl));
    const Tensor m = sub(whole, mul(diagonal_matrix(diagonal_of(whole)), 0.5));
    const Tensor left = apply(SolveTriangular{true, false}, {adjoint(l), m});                       // L^-H M
    const Tensor g = adjoint(apply(SolveTriangular{true, false}, {adjoint(l), adjoint(left)}));     // (L^-H left^H)^H = left L^-1
    return mul(add(g, adjoint(g)), 0.5);
  }
  static Tensors run(const Tensors& x) {   // of a positive-definite matrix made of any
    const Tensor a = add(matmul(x[0], adjoint(x[0])), identity(x[0].size(-1), x[0].dtype(), x[0].device()));
    return {apply(Cholesky{}, {a})};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() { return {through({{3, 3}}, "", run), through({{2, 2, 2}}, "a batch", run), through({{1, 1}}, "a number", run)}; }
  static ErrorSamples errors() {
    return {error(Cholesky{}, {values({2, 2}, {1, 0, 0, -1})}, "the leading minor of order 2 is not positive-definite"),
            error(Cholesky{}, {{2, 3}}, "A must be batches of square matrices")};
  }
};

//   P A = L U     dA = P^T L^-H (tril(L^H dL, -1) + triu(dU U^H)) U^-H, for square A
struct Lu {
  static constexpr auto name = "linalg_lu", doc = "the factors of A = P L U";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_matrix("linalg.lu", x[0]);
    const Shape batch = leading(x[0].shape(), 2);
    const int64_t m = x[0].size(-2), n = x[0].size(-1), k = std::min(m, n);
    return {out(with(batch, {m, m}), x[0].dtype()), out(with(batch, {m, k}), x[0].dtype()), out(with(batch, {k, n}), x[0].dtype())};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Outs shapes = infer(x);
    const Factors f(x[0]);
    const int64_t m = x[0].size(-2), n = x[0].size(-1), k = std::min(m, n), batch = f.lu.size(0);
    const NoGrad off;
    const Tensor packed(f.lu);
    const Tensor lower = add(tril(slice(packed, 2, 0, k), -1), slice(identity(m, f.lu.dtype(), f.lu.device()), 1, 0, k));
    const Tensor upper = triu(slice(packed, 1, 0, k));
    Array p = zeros({batch, m, m}, f.lu.dtype(), f.lu.device());
    const Tensor ones = full({batch, 1, m}, 1, f.lu.dtype(), f.lu.device());
    p = scatter_add(p, 1, unsqueeze(Tensor(f.perm), 1), ones).array();   // P_(perm i) i = 1
    Arrays y{as(p, x[0].dtype(), shapes[0].shape), as(lower.array().contiguous(), x[0].dtype(), shapes[1].shape),
             as(upper.array().contiguous(), x[0].dtype(), shapes[2].shape)};
    for (int i = 0; i < 3; ++i) s.output(y[size_t(i)], i);
    (void)n;
    return y;
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[1].defined() && !dys[2].defined()) return {Tensor()};
    const Tensor l = s.y(1), u = s.y(2);
    if (l.size(-2) != u.size(-1)) fail<GradError>("linalg.lu: gradients are implemented for square matrices only, got ", s.in(0).shape);
    Tensor m;
    if (dys[1].defined()) m = tril(matmul(adjoint(l), dys[1]), -1);
    if (dys[2].defined()) m = plus(m, triu(matmul(dys[2], adjoint(u))));
    const Tensor left = apply(SolveTriangular{true, true}, {adjoint(l), m});
    return {matmul(s.y(0), adjoint(apply(SolveTriangular{true, false}, {u, adjoint(left)})))};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static std::vector<Input> example(Shape s) { return {regular(s, 4)}; }
  static Samples samples() {
    const auto factors = [](const Tensors& x) {
      const Tensors y = apply(Lu{}, {x[0]});
      return Tensors{y[1], y[2]};
    };
    return {through(example({3, 3}), "", factors), through(example({2, 2, 2}), "a batch", factors)};
  }
  static ErrorSamples errors() { return {error(Lu{}, {{3}}, "must have at least 2 dimensions")}; }
};

//   A = Q R, m >= n     dA = (dQ + Q H) R^-H,   H = X + X^H - Re diag X,   X = triu(dR R^H - Q^H dQ)
struct Qr {
  static constexpr auto name = "linalg_qr", doc = "an orthonormal basis Q of the columns and the triangular R of A = Q R";
  static constexpr bool differentiable_backward = true;
  bool complete = false;

  Outs infer(ArrayIn x) const {
    check_matrix("linalg.qr", x[0]);
    const Shape batch = leading(x[0].shape(), 2);
    const int64_t m = x[0].size(-2), n = x[0].size(-1), k = complete ? m : std::min(m, n);
    return {out(with(batch, {m, k}), x[0].dtype()), out(with(batch, {k, n}), x[0].dtype())};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    s.input(0);
    const Outs shapes = infer(x);
    const Array a = batch_of(x[0]);
    const int64_t k = shapes[0].shape.back();
    Array q = empty({a.size(0), a.size(1), k}, a.dtype(), a.device()), r = empty({a.size(0), k, a.size(2)}, a.dtype(), a.device());
    kernels::qr(a, q, r);
    Arrays y{as(q, x[0].dtype(), shapes[0].shape), as(r, x[0].dtype(), shapes[1].shape)};
    s.output(y[0], 0);
    s.output(y[1], 1);
    return y;
  }
  // The gradient where Q has as many columns as R.
  static Tensor tall(const Tensor& q, const Tensor& r, const Tensor& dq, const Tensor& dr) {
    Tensor x;
    if (dr.defined()) x = matmul(dr, adjoint(r));
    if (dq.defined()) x = plus(x, neg(matmul(adjoint(q), dq)));
    x = triu(x);
    const Tensor d = real(diagonal_of(x));
    const Tensor h = sub(add(x, adjoint(x)), diagonal_matrix(to(d, x.dtype())));
    const Tensor g = plus(matmul(q, h), dq);
    return adjoint(apply(SolveTriangular{true, false}, {r, adjoint(g)}));   // g R^-H = (R^-1 g^H)^H
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[0].defined() && !dys[1].defined()) return {Tensor()};
    const Tensor q = s.y(0), r = s.y(1);
    const int64_t k = r.size(-2), n = r.size(-1);
    if (complete && k > n) fail<GradError>("linalg.qr: the gradient in mode 'complete' needs a matrix with at least as many columns as rows");
    if (k == n) return {tall(q, r, dys[0], dys[1])};
    // Wide: A = (X | Y), R = (U | V): X = Q U, Y = Q V.
    const Tensor y = slice(s.x(0), -1, k, n), u = slice(r, -1, 0, k);
    const Tensor du = dys[1].defined() ? slice(dys[1], -1, 0, k) : Tensor(), dv = dys[1].defined() ? slice(dys[1], -1, k, n) : Tensor();
    const Tensor dq = plus(dys[0], dv.defined() ? matmul(y, adjoint(dv)) : Tensor());
    const Tensor dx = tall(q, u, dq, du);
    return {cat({dx, dv.defined() ? matmul(q, dv) : constant(0, y.shape(), y.dtype(), y.device())}, -1)};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() {
    const auto run = [](bool complete) { return [complete](const Tensors& x) { return apply_list(Qr{complete}, {tilted(x[0])}); }; };
    return {through({regular({3, 3})}, "", run(false)), through({regular({2, 4, 2})}, "tall, a batch", run(false)),
            through({regular({2, 4})}, "wide", run(false)), through({regular({2, 3})}, "complete", run(true))};
  }
  static ErrorSamples errors() { return {error(Qr{}, {{2}}, "must have at least 2 dimensions")}; }
};

// ---- Eigenvalues --------------------------------------------------------------------------------------------------------

//   A = V diag(w) V^H     dA = V (diag(dw) + (V^H dV) / E) V^H,   E_ij = w_j - w_i off the diagonal
// Reads the lower triangle. The phase of an eigenvector is free: L must not depend on it.
struct Eigh {
  static constexpr auto name = "linalg_eigh", doc = "eigenvalues, ascending, and eigenvectors of a Hermitian matrix";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_square("linalg.eigh", x[0]);
    return {out(leading(x[0].shape(), 1), real_of(x[0].dtype())), like(x[0])};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Array a = batch_of(x[0]);
    Array w = empty({a.size(0), a.size(1)}, DType::f64, a.device()), v = empty_like(a), info = zeros({a.size(0)}, DType::i64, a.device());
    kernels::eigh(a, w, v, info);
    check_info("linalg.eigh", info, x[0].dim() > 2, [](int64_t) {
      return std::string("The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues.");
    });
    Arrays y{as(w, real_of(x[0].dtype()), leading(x[0].shape(), 1)), as(v, x[0].dtype(), x[0].shape())};
    s.output(y[0], 0);
    s.output(y[1], 1);
    return y;
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[0].defined() && !dys[1].defined()) return {Tensor()};
    const Tensor w = s.y(0), v = s.y(1);
    if (!dys[1].defined()) return {matmul(mul(v, row(to(dys[0], v.dtype()))), adjoint(v))};
    const Tensor inner = div(matmul(adjoint(v), dys[1]), differences(w));
    const Tensor off = sub(inner, diagonal_matrix(diagonal_of(inner)));
    const Tensor middle = dys[0].defined() ? add(off, diagonal_matrix(to(dys[0], v.dtype()))) : off;
    return {matmul(matmul(v, middle), adjoint(v))};
  }
  static Tensors run(const Tensors& x) {   // of a Hermitian matrix made of any; V only where its phases cancel
    const Tensors y = apply(Eigh{}, {add(x[0], adjoint(x[0]))});
    return {y[0], matmul(mul(y[1], row(to(mul(y[0], y[0]), y[1].dtype()))), adjoint(y[1]))};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() { return {through({spread({3, 3})}, "", run), through({spread({2, 2, 2})}, "a batch", run)}; }
  static ErrorSamples errors() { return {error(Eigh{}, {{2, 3}}, "A must be batches of square matrices")}; }
};

//   A V = V diag(w)     dA = V^-H (diag(dw) + (V^H dV - V^H V Re diag(V^H dV)) / conj E) V^H     columns of V of length 1
struct Eig {
  static constexpr auto name = "linalg_eig", doc = "eigenvalues and eigenvectors of a square matrix, complex";
  static constexpr bool differentiable_backward = true;

  Outs infer(ArrayIn x) const {
    check_square("linalg.eig", x[0]);
    return {out(leading(x[0].shape(), 1), complex_of(x[0].dtype())), out(x[0].shape(), complex_of(x[0].dtype()))};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Array a = batch_of(x[0]);
    Array count = empty({}, DType::i64, a.device());
    const Array difference = sub(Tensor(a), Tensor(a)).array();   // NaN where a is not finite
    kernels::count_nan(difference, count);
    if (count.item<int64_t>() > 0) fail<LinAlgError>("linalg.eig: input tensor should not contain infs or NaNs.");
    Array w = empty({a.size(0), a.size(1)}, DType::c128, a.device()), v = empty(a.shape(), DType::c128, a.device());
    Array info = zeros({a.size(0)}, DType::i64, a.device());
    kernels::eig(a, w, v, info);
    check_info("linalg.eig", info, x[0].dim() > 2, [](int64_t) { return std::string("The algorithm failed to converge."); });
    const DType dtype = complex_of(x[0].dtype());
    Arrays y{as(w, dtype, leading(x[0].shape(), 1)), as(v, dtype, x[0].shape())};
    s.output(y[0], 0);
    s.output(y[1], 1);
    return y;
  }
  Tensors backward(Saved& s, Tensors dys) const {
    if (!dys[0].defined() && !dys[1].defined()) return {Tensor()};
    const Tensor w = s.y(0), v = s.y(1), vh = adjoint(v);
    Tensor middle;
    if (dys[1].defined()) {
      const Tensor x = matmul(vh, dys[1]);
      const Tensor turn = mul(matmul(vh, v), row(to(real(diagonal_of(x)), v.dtype())));
      const Tensor inner = div(sub(x, turn), conj(differences(w)));
      middle = sub(inner, diagonal_matrix(diagonal_of(inner)));
    }
    if (dys[0].defined()) middle = plus(middle, diagonal_matrix(dys[0]));
    const Tensor g = apply(Solve{}, {vh, matmul(middle, vh)});
    return {to(g, s.in(0).dtype)};
  }
  static Tensors run(const Tensors& x) {
    const Tensors y = apply(Eig{}, {x[0]});
    const Tensor w2 = diagonal_matrix(mul(y[0], y[0]));
    return {y[0], mul(y[1], conj(y[1])), matmul(matmul(y[1], w2), linalg::inv(y[1]))};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() { return {through({spread({3, 3})}, "", run), through({spread({2, 2, 2})}, "a batch", run)}; }
  static ErrorSamples errors() { return {error(Eig{}, {{2, 3}}, "A must be batches of square matrices")}; }
};

//   A = U diag(s) V^H     dA = U [ diag(ds) + (skew(U^H dU) / E) S + S (skew(V^H dV) / E) ] V^H + the parts of dU, dV outside of U, V
//   skew(X) = X - X^H     E_ij = s_j^2 - s_i^2 off the diagonal.  The phase of a pair of vectors is free.
struct Svd {
  static constexpr auto name = "linalg_svd", doc = "singular values, descending, and singular vectors";
  static constexpr bool differentiable_backward = true;
  bool full = false;

  Outs infer(ArrayIn x) const {
    check_matrix("linalg.svd", x[0]);
    const Shape batch = leading(x[0].shape(), 2);
    const int64_t m = x[0].size(-2), n = x[0].size(-1), k = std::min(m, n);
    return {out(with(batch, {m, full ? m : k}), x[0].dtype()), out(with(batch, {k}), real_of(x[0].dtype())),
            out(with(batch, {full ? n : k, n}), x[0].dtype())};
  }
  Arrays forward(Saved& s, ArrayIn x) const {
    const Outs shapes = infer(x);
    const Array a = batch_of(x[0]);
    const int64_t b = a.size(0), m = a.size(1), n = a.size(2), k = std::min(m, n);
    Array u = empty({b, m, full ? m : k}, a.dtype(), a.device()), values = empty({b, k}, DType::f64, a.device());
    Array vh = empty({b, full ? n : k, n}, a.dtype(), a.device()), info = zeros({b}, DType::i64, a.device());
    kernels::svd(a, u, values, vh, info);
    check_info("linalg.svd", info, x[0].dim() > 2, [](int64_t) {
      return std::string("The algorithm failed to converge because the input matrix contained non-finite values.");
    });
    if (full) s.input(0);
    Arrays y{as(u, x[0].dtype(), shapes[0].shape), as(values, real_of(x[0].dtype()), shapes[1].shape), as(vh, x[0].dtype(), shapes[2].shape)};
    for (int i = 0; i < 3; ++i) s.output(y[size_t(i)], i);
    return y;
  }
  Tensors backward(Saved& s, Tensors dys) const {
    Tensor u = s.y(0), values = s.y(1), vh = s.y(2);
    const int64_t k = values.size(-1), m = u.size(-2), n = vh.size(-1);
    if (full && m != n && (dys[0].defined() || dys[2].defined()))
      fail<GradError>("linalg.svd: singular vectors have gradients only with full_matrices=False (or for square matrices)");
    if (full && m != n && recording()) {   // the extra vectors have no gradient: start again without them
      const Tensors thin = apply(Svd{}, {s.x(0)});
      u = thin[0], values = thin[1], vh = thin[2];
    }
    u = slice(u, -1, 0, k), vh = slice(vh, -2, 0, k);
    const Tensor sigma = to(values, u.dtype());
    Tensor middle;
    if (dys[1].defined()) middle = diagonal_matrix(to(dys[1], u.dtype()));
    if (dys[0].defined() || dys[2].defined()) {
      const Tensor square = mul(sigma, sigma), gap = differences(square);
      if (dys[0].defined()) {
        const Tensor x = matmul(adjoint(u), dys[0]), skew = sub(x, adjoint(x));
        middle = plus(middle, mul(div(skew, gap), row(sigma)));
        if (is_complex(u.dtype())) {   // the diagonal: an imaginary turn of U against V
          middle = sub(middle, diagonal_matrix(mul(diagonal_of(skew), sigma)));
          middle = add(middle, diagonal_matrix(div(diagonal_of(skew), mul(sigma, 2))));
        }
      }
      if (dys[2].defined()) {
        const Tensor x = matmul(vh, adjoint(dys[2])), skew = sub(x, adjoint(x));
        const Tensor term = mul(column(sigma), div(skew, gap));
        middle = plus(middle, is_complex(u.dtype()) ? sub(term, diagonal_matrix(diagonal_of(term))) : term);
      }
    }
    if (!middle.defined()) return {Tensor()};
    Tensor g = matmul(matmul(u, middle), vh);
    if (dys[0].defined() && m > k) {
      const Tensor outside = sub(dys[0], matmul(u, matmul(adjoint(u), dys[0])));
      g = add(g, matmul(div(outside, row(sigma)), vh));
    }
    if (dys[2].defined() && n > k) {
      const Tensor outside = sub(dys[2], matmul(matmul(dys[2], adjoint(vh)), vh));
      g = add(g, matmul(u, div(outside, column(sigma))));
    }
    return {g};
  }
  static Tensors run(const Tensors& x) {   // S, U S^3 V^H, U U^H: what does not depend on phases
    const Tensors y = apply(Svd{}, {x[0]});
    const Tensor sigma = to(y[1], y[0].dtype());
    return {y[1], matmul(mul(y[0], row(mul(sigma, mul(sigma, sigma)))), y[2]), matmul(mul(y[0], row(sigma)), adjoint(y[0]))};
  }
  static std::vector<DType> dtypes() { return matrix_dtypes(); }
  static Samples samples() {
    return {through({spread({3, 3})}, "", run), through({spread({2, 3, 2})}, "tall, a batch", run), through({spread({2, 4})}, "wide", run),
            through({spread({3, 2})}, "singular values", [](const Tensors& x) { return Tensors{apply(Svd{true}, {x[0]})[1]}; })};
  }
  static ErrorSamples errors() { return {error(Svd{}, {{2}}, "must have at least 2 dimensions")}; }
};
Tensors svd_parts(const Tensor& a) { return apply(Svd{}, {a}); }

}  // namespace

// ---- The functions ------------------------------------------------------------------------------------------------------

namespace linalg {
namespace {
// A and B stretched to one batch.
Tensors same_batch(const char* op, const Tensor& a, const Tensor& b) {
  check_matrix(op, a.array());
  check_matrix(op, b.array());
  const Shape batch = broadcast_shapes(leading(a.shape(), 2), leading(b.shape(), 2), op);
  return {expand(a, with(batch, {a.size(-2), a.size(-1)})), expand(b, with(batch, {b.size(-2), b.size(-1)}))};
}
double epsilon(DType t) { return real_of(t) == DType::f64 ? 2.220446049250313e-16 : 1.1920928955078125e-07; }
}  // namespace

Tensor solve(const Tensor& a, const Tensor& b, bool left) {
  check_square("linalg.solve", a.array());
  const bool vector = b.dim() == 1 || (b.dim() == a.dim() - 1 && b.shape() == leading(a.shape(), 1));   // PyTorch's rule
  if (vector) {
    if (!left) fail<ValueError>("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False.");
    return squeeze(solve(a, unsqueeze(b, -1), true), {-1});
  }
  if (!left) return mT(solve(mT(a), mT(b), true));   // X A = B  <=>  A^T X^T = B^T
  const Tensors x = same_batch("linalg.solve", a, b);
  return hippograd::apply(Solve{}, x);
}
Tensor inv(const Tensor& a) {
  check_square("linalg.inv", a.array());
  return apply(Solve{true}, {a, expand(identity(a.size(-1), a.dtype(), a.device()), a.shape())});
}
Tensor det(const Tensor& a) { return apply(Det{}, {a}); }
Tensors slogdet(const Tensor& a) { return apply(Slogdet{}, {a}); }
Tensor cholesky(const Tensor& a, bool upper) {
  if (upper) return adjoint(cholesky(adjoint(a), false));
  return apply(Cholesky{}, {a});
}
Tensor cholesky_solve(const Tensor& b, const Tensor& factor, bool upper) {   // A = L L^H, or A = U^H U
  const Tensors x = same_batch("cholesky_solve", upper ? adjoint(factor) : factor, b);
  return apply(SolveTriangular{true, false}, {adjoint(x[0]), apply(SolveTriangular{false, false}, {x[0], x[1]})});
}
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unitriangular) {
  if (!left) return mT(solve_triangular(mT(a), mT(b), !upper, true, unitriangular));
  return hippograd::apply(SolveTriangular{upper, unitriangular}, same_batch("linalg.solve_triangular", a, b));
}
Tensors lu(const Tensor& a) { return apply(Lu{}, {a}); }
Tensors qr(const Tensor& a, std::string_view mode) {
  if (mode != "reduced" && mode != "complete" && mode != "r")
    fail<ValueError>("linalg.qr: qr received unrecognized mode '", mode, "' but expected one of 'reduced' (default), 'r', or 'complete'");
  Tensors y = apply(Qr{mode == "complete"}, {a});
  if (mode == "r") y[0] = Tensor(empty({0}, a.dtype(), a.device()));
  return y;
}
Tensors eigh(const Tensor& a, std::string_view uplo) {
  if (uplo != "L" && uplo != "U") fail<ValueError>("linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got ", uplo);
  check_square("linalg.eigh", a.array());
  return apply(Eigh{}, {uplo == "U" ? adjoint(a) : a});
}
Tensor eigvalsh(const Tensor& a, std::string_view uplo) { return eigh(a, uplo)[0]; }
Tensors eig(const Tensor& a) { return apply(Eig{}, {a}); }
Tensor eigvals(const Tensor& a) { return eig(a)[0]; }
Tensors svd(const Tensor& a, bool full_matrices) { return apply(Svd{full_matrices}, {a}); }
Tensor svdvals(const Tensor& a) { return svd(a, false)[1]; }

namespace {
// The largest singular value, or the largest modulus of an eigenvalue, times rtol, or atol if that is larger.
Tensor tolerance(const Tensor& a, const Tensor& values, std::optional<double> atol, std::optional<double> rtol) {
  const double relative = rtol ? *rtol : atol && *atol > 0 ? 0 : epsilon(a.dtype()) * double(std::max(a.size(-1), a.size(-2)));
  const Tensor largest = values.size(-1) ? amax(values, {-1}, true) : values;
  return clamp(mul(largest, relative), atol.value_or(0), {});
}
Tensor spectrum(const Tensor& a, bool hermitian) { return hermitian ? abs(eigvalsh(a)) : svdvals(a); }
}  // namespace

Tensor matrix_rank(const Tensor& a, std::optional<double> atol, std::optional<double> rtol, bool hermitian) {
  const NoGrad off;
  const Tensor values = spectrum(a, hermitian);
  return sum(to(gt(values, tolerance(a, values, atol, rtol)), DType::i64), {-1});
}
// V diag(1 / s) U^H over the singular values above the tolerance; the rank is taken as constant by the gradient.
Tensor pinv(const Tensor& a, std::optional<double> atol, std::optional<double> rtol, bool hermitian) {
  check_matrix("linalg.pinv", a.array());
  const int64_t m = a.size(-2), n = a.size(-1);
  if (a.numel() == 0) return Tensor(zeros(with(leading(a.shape(), 2), {n, m}), a.dtype(), a.device()));
  const bool full_rank = [&] {
    const NoGrad off;
    const auto ranks = to_vector<int64_t>(matrix_rank(a, atol, rtol, hermitian).array());
    return std::all_of(ranks.begin(), ranks.end(), [&](int64_t r) { return r == std::min(m, n); });
  }();
  if (full_rank) {   // by QR: A^+ = R^-1 Q^H, and through A^H for a wide A; no singular vectors, so equal singular values do no harm
    if (m < n) return adjoint(pinv(adjoint(a), atol, rtol, hermitian));
    const Tensors y = qr(a);
    return solve_triangular(y[1], adjoint(y[0]), true);
  }
  const Tensors y = svd(a, false);
  const Tensor keep = gt(y[1], tolerance(a, y[1], atol, rtol)).detach();
  const Tensor inverse = where(keep, reciprocal(where(keep, y[1], Tensor(full({}, 1, y[1].dtype(), a.device())))), Tensor(zeros({}, y[1].dtype(), a.device())));
  return matmul(mul(adjoint(y[2]), row(to(inverse, a.dtype()))), adjoint(y[0]));
}
// solution, residuals, rank, singular values (empty, as with PyTorch's default driver)
Tensors lstsq(const Tensor& a, const Tensor& b, std::optional<double> rcond) {
  check_matrix("linalg.lstsq", a.array());
  const bool vector = b.dim() == a.dim() - 1 && b.dim() >= 1;
  const Tensor right = vector ? unsqueeze(b, -1) : b;
  if (right.dim() < 2 || right.size(-2) != a.size(-2))
    fail<ShapeError>("linalg.lstsq: input.size(-2) should match other.size(-2), got ", a.shape(), " and ", b.shape());
  const Tensor x = matmul(pinv(a, {}, rcond), right);
  const Tensor rank = matrix_rank(a, {}, rcond);
  Tensor residuals(empty({0}, real_of(a.dtype()), a.device()));
  const auto ranks = to_vector<int64_t>(rank.array());
  if (a.size(-2) > a.size(-1) && std::all_of(ranks.begin(), ranks.end(), [&](int64_t r) { return r == a.size(-1); })) {
    const Tensor r = abs(sub(matmul(a, x), right));
    residuals = sum(mul(r, r), {-2});
  }
  return {vector ? squeeze(x, {-1}) : x, vector && residuals.dim() > 0 && residuals.numel() > 0 ? squeeze(residuals, {-1}) : residuals, rank,
          Tensor(empty({0}, real_of(a.dtype()), a.device()))};
}

// ---- Norms --------------------------------------------------------------------------------------------------------------

Tensor matrix_norm(const Tensor& a, std::string_view ord, const Shape& dims, bool keepdim) {
  if (a.dim() < 2) fail<ShapeError>("linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got ", a.shape());
  if (dims.size() != 2) fail<ValueError>("linalg.matrix_norm: dim must be a 2-tuple, got ", dims);
  if (ord != "fro" && ord != "nuc") fail<ValueError>("linalg.matrix_norm: Order ", ord, " not supported.");
  if (ord == "fro") return vector_norm(a, 2, dims, keepdim);
  const Tensor y = sum(svdvals(movedim(a, dims, {-2, -1})), {-1});
  if (!keepdim) return y;
  Shape shape = a.shape();
  for (int64_t d : dims) shape[normalize_dim(d, a.dim(), "linalg.matrix_norm")] = 1;
  return reshape(y, shape);
}
Tensor matrix_norm(const Tensor& a, double ord, const Shape& dims, bool keepdim) {
  if (a.dim() < 2) fail<ShapeError>("linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got ", a.shape());
  if (dims.size() != 2) fail<ValueError>("linalg.matrix_norm: dim must be a 2-tuple, got ", dims);
  const double kind = std::abs(ord);
  if (kind != 1 && kind != 2 && !std::isinf(kind)) fail<ValueError>("linalg.matrix_norm: Order ", ord, " not supported.");
  const Tensor x = movedim(a, dims, {-2, -1});
  const Tensor values = kind == 2 ? svdvals(x) : sum(abs(x), {kind == 1 ? -2 : -1});
  const Tensor y = ord > 0 ? amax(values, {-1}) : amin(values, {-1});
  if (!keepdim) return y;
  Shape shape = a.shape();
  for (int64_t d : dims) shape[normalize_dim(d, a.dim(), "linalg.matrix_norm")] = 1;
  return reshape(y, shape);
}
Tensor cond(const Tensor& a, std::optional<double> p) {
  check_matrix("linalg.cond", a.array());
  if (!p || std::abs(*p) == 2) {
    const Tensor values = svdvals(a);
    const Tensor largest = amax(values, {-1}), smallest = amin(values, {-1});
    return p && *p < 0 ? div(smallest, largest) : div(largest, smallest);
  }
  check_square("linalg.cond", a.array());
  return mul(matrix_norm(a, *p, {-2, -1}), matrix_norm(inv(a), *p, {-2, -1}));
}

// ---- Functions of matrices ----------------------------------------------------------------------------------------------

Tensor matrix_power(const Tensor& a, int64_t n) {
  if (a.dim() < 2 || a.size(-1) != a.size(-2)) check_square("linalg.matrix_power", a.array());
  if (n < 0) return matrix_power(inv(a), -n);
  Tensor result = expand(identity(a.size(-1), a.dtype(), a.device()), a.shape()), square = a;
  bool first = true;
  for (; n > 0; n /= 2) {
    if (n % 2) result = first ? square : matmul(result, square), first = false;
    if (n > 1) square = matmul(square, square);
  }
  return first ? clone(result) : result;
}

// exp(A) = r(A / 2^s)^(2^s), r the Pade approximant of order 13 (Higham, "The scaling and squaring method for the matrix
// exponential revisited", 2005); s from the largest 1-norm of the batch.
Tensor matrix_exp(const Tensor& a) {
  check_square("linalg.matrix_exp", a.array());
  if (a.numel() == 0) return clone(a);
  constexpr double kTheta = 5.371920351148152;
  constexpr double b[] = {64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
                          670442572800,      33522128640,       1323241920,       40840800,         960960,          16380,
                          182,               1};
  double norm = 0;
  for (double v : to_vector<double>(amax(sum(abs(a.detach()), {-2}), {-1}).array())) norm = std::max(norm, v);
  const int squarings = std::isfinite(norm) && norm > kTheta ? int(std::ceil(std::log2(norm / kTheta))) : 0;
  const Tensor x = squarings ? mul(a, std::ldexp(1.0, -squarings)) : a, eye = identity(a.size(-1), a.dtype(), a.device());
  const Tensor x2 = matmul(x, x), x4 = matmul(x2, x2), x6 = matmul(x2, x4);
  const auto mix = [&](double c6, double c4, double c2) { return add(add(mul(x6, c6), mul(x4, c4)), mul(x2, c2)); };
  const Tensor odd = add(add(matmul(x6, mix(b[13], b[11], b[9])), mix(b[7], b[5], b[3])), mul(eye, b[1]));
  const Tensor even = add(add(matmul(x6, mix(b[12], b[10], b[8])), mix(b[6], b[4], b[2])), mul(eye, b[0]));
  const Tensor u = matmul(x, odd);
  Tensor y = solve(sub(even, u), add(even, u), true);
  for (int i = 0; i < squarings; ++i) y = matmul(y, y);
  return y;
}

Tensor cross(const Tensor& input, const Tensor& other, int64_t dim) {
  const Tensors x = broadcast("linalg.cross", {input, other});
  const int d = normalize_dim(dim, x[0].dim(), "linalg.cross");
  if (input.size(dim) != 3 || other.size(dim) != 3)
    fail<ShapeError>("linalg.cross: inputs dimension ", dim, " must have length 3. Got ", input.size(dim), " and ", other.size(dim));
  const auto at = [&](int i, int64_t k) { return select(x[size_t(i)], d, k % 3); };
  Tensors parts;
  for (int64_t k = 0; k < 3; ++k) parts.push_back(sub(mul(at(0, k + 1), at(1, k + 2)), mul(at(0, k + 2), at(1, k + 1))));
  return stack(parts, d);
}
// The powers x^0 ... x^(n-1) along a new last dimension.
Tensor vander(const Tensor& x, std::optional<int64_t> n) {
  if (x.dim() < 1) fail<ShapeError>("linalg.vander: the input must have at least one dimension");
  const int64_t count = n.value_or(x.size(-1));
  if (count < 1) fail<ValueError>("linalg.vander: N must be greater than 0, got ", count);
  Tensors powers{Tensor(full(x.shape(), 1, x.dtype(), x.device()))};
  while (int64_t(powers.size()) < count) powers.push_back(mul(powers.back(), x));
  return stack(powers, -1);
}

}  // namespace linalg
}  // namespace hippograd
