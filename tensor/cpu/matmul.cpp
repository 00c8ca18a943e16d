// Batched matrix products: the batch dimensions are folded into the sizes of as few large products as the strides allow,
// which gemm.h then computes.
#include "tensor/kernels/matmul.h"

#include <atomic>
#include <vector>

#include "tensor/cpu/gemm.h"
#include "tensor/kernels/reduce.h"
#include "tensor/parallel.h"

namespace hippograd {
namespace kernels {
constinit decltype(matmul) matmul{"matmul"};
constinit decltype(linear_grad_weight) linear_grad_weight{"linear_grad_weight"};
}  // namespace kernels

namespace {
std::atomic<bool> g_tf32{false};
}
bool tf32_allowed() { return g_tf32.load(std::memory_order_relaxed); }
void allow_tf32(bool allowed) { g_tf32.store(allowed, std::memory_order_relaxed); }

namespace {

struct BatchDim { int64_t size, a, b, y; };   // a size and the step of each operand; y = 0: the products are added up

struct Plan {
  int64_t m, n, k, a_row, a_col, b_row, b_col, y_row;
  std::vector<BatchDim> batch;                // from the outside inwards

  Plan(CArray a, CArray b, CArray y) {
    const int r = y.dim() - 2;
    m = y.shape()[r], n = y.shape()[r + 1], k = a.shape()[r + 1];
    a_row = a.strides()[r], a_col = a.strides()[r + 1];
    b_row = b.strides()[r], b_col = b.strides()[r + 1];
    y_row = n;
    for (int d = 0; d < r; ++d) {
      const bool added = y.shape()[d] == 1;
      if (a.shape()[d] != 1) batch.push_back({a.shape()[d], a.strides()[d], b.strides()[d], added ? 0 : y.strides()[d]});
    }
    while (fold_one()) {}
    merge();
  }

  // Turns one batch dimension into more rows (B shared) or more terms (products added up), if the strides fit.
  bool fold_one() {
    for (size_t i = batch.size(); i-- > 0;) {
      const BatchDim d = batch[i];
      if (d.b == 0 && d.y != 0 && (m == 1 || (d.a == m * a_row && d.y == m * y_row))) {
        if (m == 1) a_row = d.a, y_row = d.y;
        m *= d.size;
      } else if (d.y == 0 && (k == 1 || (d.a == k * a_col && d.b == k * b_row))) {
        if (k == 1) a_col = d.a, b_row = d.b;
        k *= d.size;
      } else {
        continue;
      }
      batch.erase(batch.begin() + int64_t(i));
      return true;
    }
    return false;
  }

  // Joins neighbours that continue each other in all operands.
  void merge() {
    for (size_t i = 1; i < batch.size();) {
      const BatchDim inner = batch[i];
      BatchDim& outer = batch[i - 1];
      if (outer.a == inner.a * inner.size && outer.b == inner.b * inner.size && outer.y == inner.y * inner.size) {
        outer = {outer.size * inner.size, inner.a, inner.b, inner.y};
        batch.erase(batch.begin() + int64_t(i));
      } else {
        ++i;
      }
    }
  }
};

template <class T> struct Run {
  Plan plan;
  cpu::GemmArgs<T> args;
  BatchDim inner{1, 0, 0, 0};                 // the dimension that gemm_batched walks
  std::vector<BatchDim> outer, added;         // those walked here: one product each, and terms of the same product

  Run(CArray a, CArray b, CArray bias, MArray y) : plan(a, b, y) {
    args = {plan.m, plan.n, plan.k, a.data<T>(), plan.a_row, plan.a_col, b.data<T>(), plan.b_row, plan.b_col,
            y.data<T>(), plan.y_row, bias.defined() ? bias.data<T>() : nullptr};
    for (const BatchDim& d : plan.batch) (d.y == 0 ? added : outer).push_back(d);
    if (!outer.empty()) inner = outer.back(), outer.pop_back();
  }

  static int64_t count(const std::vector<BatchDim>& dims) {
    int64_t c = 1;
    for (const BatchDim& d : dims) c *= d.size;
    return c;
  }
  static void advance(cpu::GemmArgs<T>& g, const std::vector<BatchDim>& dims, int64_t index) {
    for (size_t i = dims.size(); i-- > 0; index /= dims[i].size) {
      const int64_t at = index % dims[i].size;
      g.a += at * dims[i].a, g.b += at * dims[i].b, g.c += at * dims[i].y;
    }
  }

  // The products at one index of the outer dimensions: all terms, in order.
  void products(int64_t index, int threads) const {
    cpu::GemmArgs<T> g = args;
    advance(g, outer, index);
    for (int64_t t = 0, terms = count(added); t < terms; ++t) {
      cpu::GemmArgs<T> term = g;
      advance(term, added, t);
      if (t > 0) term.accumulate = true, term.bias = nullptr;
      if (term.n == 1 && term.a_row == 1 && term.c_row == 1 && !term.bias) {   // A^T is rows in memory: (A b)^T = b^T A^T
        std::swap(term.m, term.n);
        std::swap(term.a, term.b);
        term.b_row = term.a_col, term.b_col = term.a_row, term.a_col = plan.b_row, term.a_row = 0, term.c_row = term.n;
        cpu::gemm_batched(term, inner.size, inner.b, inner.a, inner.y, threads);
      } else {
        cpu::gemm_batched(term, inner.size, inner.a, inner.b, inner.y, threads);
      }
    }
  }

  void operator()() const {
    const int64_t tasks = count(outer);
    const int threads = in_parallel() ? 1 : num_threads();
    const double flops = 2.0 * double(args.m) * double(args.n) * double(args.k) * double(inner.size * count(added));
    if (tasks < threads || threads == 1 || flops * double(tasks) < 2e6) {
      for (int64_t t = 0; t < tasks; ++t) products(t, threads);
      return;
    }
    parallel_for(tasks, flops * double(tasks), [&](int64_t t) { products(t, 1); });
  }
};

using ProductTypes = Types<float, double, complex64, complex128, int64_t, int32_t, uint8_t>;

Array conjugated(CArray x) {
  Array y = x.clone();
  visit(ComplexTypes{}, y.dtype(), "conj", [&]<class T>() {
    T* p = y.data<T>();
    for (int64_t i = 0, n = y.numel(); i < n; ++i) p[i] = std::conj(p[i]);
  });
  return y;
}

void matmul_cpu(CArray a, bool conj_a, CArray b, bool conj_b, CArray bias, MArray y) {
  if (is_complex(y.dtype()) && conj_a) return matmul_cpu(conjugated(a), false, b, conj_b, bias, y);
  if (is_complex(y.dtype()) && conj_b) return matmul_cpu(a, conj_a, conjugated(b), false, bias, y);
  visit(ProductTypes{}, y.dtype(), "matmul", [&]<class T>() {
    if (a.numel() == 0 || b.numel() == 0) {   // sums of nothing
      T* p = y.data<T>();
      const int64_t n = y.dim() ? y.shape().back() : 1;
      for (int64_t i = 0, total = y.numel(); i < total; ++i) p[i] = bias.defined() ? bias.data<T>()[i % n] : T(0);
      return;
    }
    Run<T>(a, b, bias, y)();
  });
}

void linear_grad_weight_cpu(CArray dy, CArray x, MArray dw, MArray db) {
  matmul_cpu(dy.transpose(0, 1), false, x, false, {}, dw);
  Array row = db.view({1, db.numel()});
  kernels::sum(dy, row);
}

const Bind b0(kernels::matmul, DeviceKind::CPU, matmul_cpu);
const Bind b1(kernels::linear_grad_weight, DeviceKind::CPU, linear_grad_weight_cpu);

}  // namespace
}  // namespace hippograd
