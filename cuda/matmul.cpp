// Batched matrix products (tensor/kernels/matmul.h): the batch dimensions are folded into the sizes of as few large products
// as the strides allow, which gemm.h then computes.
//   rows   a batch dimension that b does not depend on continues the rows of a and y:  (S, m, k) is (S m, k)
//   terms  one that is added up continues k:  sum_s a_s b_s = [a_1 a_2 ...] [b_1; b_2; ...]
// Where a dimension to be added up does not continue k in memory, or a matrix has no unit stride, that operand is copied:
// one pass over it against one product of the whole, in one fixed order of summation.
#include "tensor/kernels/matmul.h"

#include <utility>

#include "cuda/gemm.h"
#include "cuda/runtime.h"
#include "tensor/kernels/reduce.h"

namespace hippograd::cuda {
namespace {

constexpr int64_t kMaxLoops = 4;              // more launches than these cost more than a copy

struct BatchDim { int64_t size, a, b, y; };   // a size and the step of each operand

// The batch dimensions that could not be folded, from the outside inwards; all of them are free (nothing is added up).
struct Plan {
  Gemm g;
  BatchDim batch[Shape::kMaxRank];
  int dims = 0;
  bool terms_fit = true;                      // every dimension that is added up continues k

  Plan(CArray a, CArray b, CArray y) {
    const int r = y.dim() - 2;
    g.type = g.result = y.dtype();
    g.m = y.shape()[r], g.n = y.shape()[r + 1], g.k = a.shape()[r + 1];
    g.a_row = a.strides()[r], g.a_col = a.strides()[r + 1];
    g.b_row = b.strides()[r], g.b_col = b.strides()[r + 1];
    g.d_row = g.n;
    for (int d = 0; d < r; ++d)
      if (a.shape()[d] != 1) batch[dims++] = {a.shape()[d], a.strides()[d], b.strides()[d], y.shape()[d] == 1 ? 0 : y.strides()[d]};
    while (fold_one()) {}
    merge();
    for (int i = 0; i < dims; ++i) terms_fit = terms_fit && batch[i].y != 0;
  }

  int64_t loops() const {                     // launches, if the largest dimension is the batch of each
    int64_t all = 1, largest = 1;
    for (int i = 0; i < dims; ++i) all *= batch[i].size, largest = std::max(largest, batch[i].size);
    return all / largest;
  }

 private:
  void erase(int i) {
    std::copy(batch + i + 1, batch + dims, batch + i);
    --dims;
  }
  bool fold_one() {
    for (int i = dims; i-- > 0;) {
      const BatchDim d = batch[i];
      if (d.b == 0 && d.y != 0 && ((g.m == 1 && d.a != 0) || (d.a == g.m * g.a_row && d.y == g.m * g.d_row))) {
        if (g.m == 1) g.a_row = d.a, g.d_row = d.y;
        g.m *= d.size;
      } else if (d.y == 0 && (g.k == 1 || (d.a == g.k * g.a_col && d.b == g.k * g.b_row))) {
        if (g.k == 1) g.a_col = d.a, g.b_row = d.b;
        g.k *= d.size;
      } else {
        continue;
      }
      erase(i);
      return true;
    }
    return false;
  }
  void merge() {                              // joins neighbours that continue each other in all operands
    for (int i = 1; i < dims;) {
      const BatchDim inner = batch[i];
      BatchDim& outer = batch[i - 1];
      if (outer.a == inner.a * inner.size && outer.b == inner.b * inner.size && outer.y == inner.y * inner.size) {
        outer = {outer.size * inner.size, inner.a, inner.b, inner.y};
        erase(i);
      } else {
        ++i;
      }
    }
  }
};

// One product per index of all batch dimensions but the largest, which is the batch of each launch.
void multiply(const Plan& plan) {
  int inner = 0;
  for (int i = 1; i < plan.dims; ++i)
    if (plan.batch[i].size > plan.batch[inner].size) inner = i;
  Gemm g = plan.g;
  if (plan.dims > 0) {
    const BatchDim& d = plan.batch[inner];
    g.batch = d.size, g.a_step = d.a, g.b_step = d.b, g.d_step = d.y;
  }
  const int64_t size = itemsize(g.type);
  for (int64_t loop = 0, loops = plan.loops(); loop < loops; ++loop) {
    Gemm part = g;
    int64_t rest = loop;
    for (int i = plan.dims; i-- > 0;) {
      if (i == inner) continue;
      const BatchDim& d = plan.batch[i];
      const int64_t at = rest % d.size;
      rest /= d.size;
      part.a = static_cast<const char*>(part.a) + at * d.a * size;
      part.b = static_cast<const char*>(part.b) + at * d.b * size;
      part.d = static_cast<char*>(part.d) + at * d.y * size;
    }
    gemm(part);
  }
}

// A copy without gaps. The last two dimensions keep the order in which they lie in memory; batch dimensions along which x
// repeats keep stride 0 if `repeats`.
Array packed(CArray x, bool repeats) {
  const int r = x.dim() - 2;
  const bool turned = x.strides()[r] < x.strides()[r + 1];
  Array once = turned ? x.transpose(-2, -1) : x;
  for (int d = 0; d < r && repeats; ++d)
    if (x.strides()[d] == 0) once = once.slice(d, 0, 1);
  once = once.contiguous();
  if (turned) once = once.transpose(-2, -1);
  return once.expand(x.shape());
}
Array conjugated(CArray x) {
  Array y = packed(x, true);
  if (y.storage() == x.storage()) y = y.clone();
  Array once = y;
  for (int d = 0; d < y.dim(); ++d)
    if (y.strides()[d] == 0) once = once.slice(d, 0, 1);
  conjugate(once);
  return y;
}

// x (S..., o, k) with the dimensions that y adds up joined with k:  (free..., o, terms k).  A view if the strides allow.
Array joined_terms(CArray x, CArray y) {
  const int r = x.dim() - 2;
  const bool outside = x.strides()[r] >= x.strides()[r + 1];   // where o lies in memory: it stays there
  Shape order, shape;
  const auto free_dims = [&](int d) { return y.shape()[d] == x.shape()[d]; };
  int64_t terms = x.shape()[r + 1];
  for (int d = 0; d < r; ++d) if (free_dims(d)) order.push_back(d), shape.push_back(x.shape()[d]);
  if (outside) order.push_back(r), shape.push_back(x.shape()[r]);
  for (int d = 0; d < r; ++d) if (!free_dims(d)) order.push_back(d), terms *= x.shape()[d];
  order.push_back(r + 1), shape.push_back(terms);
  if (!outside) order.push_back(r), shape.push_back(x.shape()[r]);
  const Array joined = x.permute(order).reshape(shape);
  return outside ? joined : joined.transpose(-2, -1);
}
Array without_added(Array y, CArray a) {
  Shape shape;
  for (int d = 0; d < y.dim(); ++d) if (d >= y.dim() - 2 || y.shape()[d] == a.shape()[d]) shape.push_back(y.shape()[d]);
  return y.view(shape);
}

// The operands of one product, changed step by step until cuBLAS takes them.
struct Operands {
  Array a, b, y;
  bool conj_a, conj_b;
  Plan plan{a, b, y};

  bool a_fits() const { return blas_strides(plan.g.m, plan.g.k, plan.g.a_row, plan.g.a_col); }
  bool b_fits() const { return blas_strides(plan.g.k, plan.g.n, plan.g.b_row, plan.g.b_col); }
  // cuBLAS conjugates what it transposes only; in its column-major terms.
  bool a_conjugates() const { return blas_matrix(plan.g.k, plan.g.m, plan.g.a_col, plan.g.a_row).transposed; }
  bool b_conjugates() const { return blas_matrix(plan.g.n, plan.g.k, plan.g.b_col, plan.g.b_row).transposed; }
  void replace(Array& operand, const Array& by) {
    operand = by;
    plan = Plan(a, b, y);
  }

  void prepare() {
    if (!is_integer(y.dtype())) {             // gemm_tiled takes any strides
      for (const bool repeats : {true, false}) {
        if (!a_fits()) replace(a, packed(a, repeats));
        if (!b_fits()) replace(b, packed(b, repeats));
      }
    }
    if (plan.loops() > kMaxLoops) replace(a, packed(a, false));
    if (plan.loops() > kMaxLoops) replace(b, packed(b, false));
    if (conj_a && !a_conjugates()) conj_a = false, replace(a, conjugated(a));
    if (conj_b && !b_conjugates()) conj_b = false, replace(b, conjugated(b));
  }
};

void product(CArray a, bool conj_a, CArray b, bool conj_b, CArray bias, Array y) {
  const int r = y.dim() - 2;
  if (y.shape()[r + 1] == 1 && y.shape()[r] > 1 && !bias.defined()) {   // A b as b^T A^T: a shared A then folds its batches
    Shape shape = y.shape();
    std::swap(shape[r], shape[r + 1]);
    return product(b.transpose(-2, -1), conj_b, a.transpose(-2, -1), conj_a, bias, y.view(shape));
  }
  Operands p{a, b, y, conj_a, conj_b};
  if (!p.plan.terms_fit)
    return product(joined_terms(a, y), conj_a, joined_terms(b.transpose(-2, -1), y).transpose(-2, -1), conj_b, bias, without_added(y, a));
  p.prepare();
  p.plan.g.a = p.a.raw(), p.plan.g.b = p.b.raw(), p.plan.g.d = p.y.raw();
  p.plan.g.bias = bias.defined() ? bias.raw() : nullptr;
  p.plan.g.conj_a = p.conj_a, p.plan.g.conj_b = p.conj_b;
  multiply(p.plan);
}

void matmul(CArray a, bool conj_a, CArray b, bool conj_b, CArray bias, MArray y) {
  if (y.numel() == 0) return;
  if (a.numel() == 0 || b.numel() == 0) {     // sums of nothing
    Gemm g;
    g.type = g.result = y.dtype();
    g.n = y.shape().back(), g.m = y.numel() / g.n;
    g.d = y.raw(), g.d_row = g.n, g.bias = bias.defined() ? bias.raw() : nullptr;
    return gemm_tiled(g);
  }
  const bool complex = is_complex(y.dtype());
  const bool misplaced = bias.defined() && reinterpret_cast<uintptr_t>(bias.raw()) % 16 != 0;   // cuBLASLt reads it by 16 bytes
  product(a, complex && conj_a, b, complex && conj_b, misplaced ? bias.clone() : bias, y);
}

void linear_grad_weight(CArray dy, CArray x, MArray dw, MArray db) {
  if (dw.numel() && dy.numel() && dw.dtype() == DType::f32) {
    Gemm g;                                   // dy^T x: both operands lie along their rows
    g.m = dw.shape()[0], g.n = dw.shape()[1], g.k = dy.shape()[0];
    g.a = dy.raw(), g.a_row = 1, g.a_col = g.m;
    g.b = x.raw(), g.b_row = g.n, g.b_col = 1;
    g.d = dw.raw(), g.d_row = g.n;
    if (gemm_small(g, db.data<float>())) return;
  }
  matmul(dy.transpose(0, 1), false, x, false, {}, dw);
  Array row = db.view({1, db.numel()});
  kernels::sum(dy, row);
}

const Bind b0(kernels::matmul, DeviceKind::CUDA, matmul, kTakesHalves);
const Bind b1(kernels::linear_grad_weight, DeviceKind::CUDA, linear_grad_weight, kTakesHalves);

}  // namespace
}  // namespace hippograd::cuda
