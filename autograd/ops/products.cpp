// Products composed of other ops.
#include <limits>

#include "autograd/broadcast.h"
#include "autograd/op.h"
#include "autograd/ops.h"

namespace hippograd {

Tensor inner(const Tensor& input, const Tensor& other) {
  if (input.dim() == 0 || other.dim() == 0) return mul(input, other);
  if (input.size(-1) != other.size(-1))
    fail<ShapeError>("inner: inner() the last dimension must match on both input tensors but got shapes ", input.shape(), " and ", other.shape());
  return tensordot(input, other, {-1}, {-1});
}
Tensor outer(const Tensor& input, const Tensor& vec2) {
  if (input.dim() != 1 || vec2.dim() != 1)
    fail<ShapeError>("outer: Expected 1-D argument ", input.dim() != 1 ? "self" : "vec2", ", but got ",
                     input.dim() != 1 ? input.dim() : vec2.dim(), "-D");
  return mul(unsqueeze(input, 1), unsqueeze(vec2, 0));
}

namespace {
// beta input + alpha product; a beta of 0 ignores the input, NaN and all.
Tensor blend(const char* op, const Tensor& input, const Tensor& product, double beta, double alpha) {
  if (input.dtype() != product.dtype())
    fail<DtypeError>(op, ": input must have the dtype of the product, ", product.dtype(), ", got ", input.dtype());
  (void)expand(input, product.shape());   // the input stretches to the product, never the other way
  const Tensor scaled = alpha == 1 ? product : mul(product, Tensor::number(alpha));
  if (beta == 0) return scaled;
  return add(beta == 1 ? input : mul(input, Tensor::number(beta)), scaled);
}
}  // namespace

Tensor addmm(const Tensor& input, const Tensor& mat1, const Tensor& mat2, double beta, double alpha) {
  return blend("addmm", input, mm(mat1, mat2), beta, alpha);
}
Tensor addmv(const Tensor& input, const Tensor& mat, const Tensor& vec, double beta, double alpha) {
  return blend("addmv", input, mv(mat, vec), beta, alpha);
}
Tensor addr(const Tensor& input, const Tensor& vec1, const Tensor& vec2, double beta, double alpha) {
  return blend("addr", input, outer(vec1, vec2), beta, alpha);
}
Tensor baddbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, double beta, double alpha) {
  return blend("baddbmm", input, bmm(batch1, batch2), beta, alpha);
}
Tensor addbmm(const Tensor& input, const Tensor& batch1, const Tensor& batch2, double beta, double alpha) {
  if (batch1.dim() != 3 || batch2.dim() != 3 || batch1.size(0) != batch2.size(0) || batch1.size(2) != batch2.size(1))
    fail<ShapeError>("addbmm: batch1 must be (b, n, m) and batch2 (b, m, p), got ", batch1.shape(), " and ", batch2.shape());
  return blend("addbmm", input, matmul(flatten(transpose(batch1, 0, 1), 1), flatten(batch2, 0, 1)), beta, alpha);
}


// ---- Contractions of any dimensions: free dimensions to the front, contracted ones into a single k. ----------------------

Tensor tensordot(const Tensor& a, const Tensor& b, const Shape& dims_a, const Shape& dims_b) {
  if (dims_a.size() != dims_b.size())
    fail<ValueError>("tensordot: both dimension lists should have same length, got ", dims_a, " and ", dims_b);
  if (a.dtype() != b.dtype()) fail<DtypeError>("tensordot: both inputs should have same dtype, got ", a.dtype(), " and ", b.dtype());
  bool used_a[Shape::kMaxRank] = {}, used_b[Shape::kMaxRank] = {};
  Shape da, db;
  for (int i = 0; i < dims_a.size(); ++i) {
    const int x = normalize_dim(dims_a[i], a.dim(), "tensordot"), y = normalize_dim(dims_b[i], b.dim(), "tensordot");
    if (a.size(x) != b.size(y))
      fail<ShapeError>("tensordot: contracted dimensions need to match, but first has size ", a.size(x), " in dim ", dims_a[i],
                       " and second has size ", b.size(y), " in dim ", dims_b[i]);
    if (used_a[x] || used_b[y]) fail<ValueError>("tensordot: a dimension appears twice in ", dims_a, " or ", dims_b);
    used_a[x] = used_b[y] = true;
    da.push_back(x);
    db.push_back(y);
  }
  Shape order_a, order_b = db, result;
  int64_t k = 1, m = 1, n = 1;
  for (int d = 0; d < a.dim(); ++d) {
    if (used_a[d]) continue;
    order_a.push_back(d);
    result.push_back(a.size(d));
    m *= a.size(d);
  }
  for (int64_t d : da) order_a.push_back(d), k *= a.size(d);
  for (int d = 0; d < b.dim(); ++d) {
    if (used_b[d]) continue;
    order_b.push_back(d);
    result.push_back(b.size(d));
    n *= b.size(d);
  }
  return reshape(mm(reshape(permute(a, order_a), {m, k}), reshape(permute(b, order_b), {k, n})), result);
}
Tensor tensordot(const Tensor& a, const Tensor& b, int64_t dims) {
  if (dims < 0 || dims > a.dim() || dims > b.dim())
    fail<ValueError>("tensordot: dims must lie between 0 and the number of dimensions, got ", dims, " for ", a.shape(), " and ", b.shape());
  Shape da, db;
  for (int64_t i = 0; i < dims; ++i) {
    da.push_back(a.dim() - dims + i);
    db.push_back(i);
  }
  return tensordot(a, b, da, db);
}

// (a x b)_(i p + k)(j q + l) = a_ij b_kl
Tensor kron(const Tensor& input, const Tensor& other) {
  const int rank = std::max(input.dim(), other.dim());
  Shape a, b, result;
  for (int d = 0; d < rank; ++d) {
    const int ia = d - (rank - input.dim()), ib = d - (rank - other.dim());
    const int64_t na = ia < 0 ? 1 : input.size(ia), nb = ib < 0 ? 1 : other.size(ib);
    a.push_back(na);
    a.push_back(1);
    b.push_back(1);
    b.push_back(nb);
    result.push_back(na * nb);
  }
  return reshape(mul(reshape(input, a), reshape(other, b)), result);
}

// The order of products that costs the fewest multiplications (dynamic programming over where the last product splits).
Tensor multi_dot(const Tensors& tensors) {
  const int n = int(tensors.size());
  if (n < 2) fail<ValueError>("multi_dot: expected at least 2 tensors but got ", n);
  Tensors chain = tensors;
  const bool row = chain.front().dim() == 1, column = chain.back().dim() == 1;
  if (row) chain.front() = unsqueeze(chain.front(), 0);
  if (column) chain.back() = unsqueeze(chain.back(), 1);
  std::vector<int64_t> sizes;
  for (int i = 0; i < n; ++i) {
    if (chain[i].dim() != 2) fail<ShapeError>("multi_dot: tensor ", i, " must be a matrix, got ", tensors[i].shape());
    if (i > 0 && chain[i].size(0) != chain[i - 1].size(1))
      fail<ShapeError>("multi_dot: tensors ", i - 1, " and ", i, " with shapes ", tensors[i - 1].shape(), " and ", tensors[i].shape(),
                       " cannot be multiplied");
    sizes.push_back(chain[i].size(0));
  }
  sizes.push_back(chain.back().size(1));
  std::vector<double> cost(size_t(n * n), 0);
  std::vector<int> split(size_t(n * n), 0);
  for (int length = 2; length <= n; ++length) {
    for (int i = 0; i + length <= n; ++i) {
      const int j = i + length - 1;
      cost[i * n + j] = std::numeric_limits<double>::infinity();
      for (int k = i; k < j; ++k) {
        const double c = cost[i * n + k] + cost[(k + 1) * n + j] + double(sizes[i]) * double(sizes[k + 1]) * double(sizes[j + 1]);
        if (c < cost[i * n + j]) cost[i * n + j] = c, split[i * n + j] = k;
      }
    }
  }
  const std::function<Tensor(int, int)> multiply = [&](int i, int j) {
    if (i == j) return chain[i];
    const int k = split[i * n + j];
    return mm(multiply(i, k), multiply(k + 1, j));
  };
  Tensor y = multiply(0, n - 1);
  if (row) y = squeeze(y, {0});
  if (column) y = squeeze(y, {-1});
  return y;
}

}  // namespace hippograd
