// Second rung of the product ladder: Eigen's product, on one thread.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's AVX-512 header, wherever Eigen is inlined
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <Eigen/Core>

#include "tensor/cpu/gemm.h"

namespace hippograd::cpu {
namespace {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Rows = Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>>;
template <class T>
using Columns = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>, 0, Eigen::OuterStride<>>;

// Calls f with an Eigen view of an operand; one that has no unit stride is copied first.
template <class T, class F>
void with_operand(const T* p, int64_t rows, int64_t cols, int64_t row, int64_t col, F f) {
  if (col == 1 && row >= cols) return f(Rows<T>(p, rows, cols, Eigen::OuterStride<>(row)));
  if (row == 1 && col >= rows) return f(Columns<T>(p, rows, cols, Eigen::OuterStride<>(col)));
  Matrix<T> copy(rows, cols);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) copy(i, j) = p[i * row + j * col];
  }
  f(Rows<T>(copy.data(), rows, cols, Eigen::OuterStride<>(cols)));
}

}  // namespace

template <class T>
void gemm_eigen(const GemmArgs<T>& g) {
  Eigen::Map<Matrix<T>, 0, Eigen::OuterStride<>> c(g.c, g.m, g.n, Eigen::OuterStride<>(g.c_row));
  if (!g.accumulate) c.setZero();
  with_operand(g.a, g.m, g.k, g.a_row, g.a_col, [&](const auto& a) {
    with_operand(g.b, g.k, g.n, g.b_row, g.b_col, [&](const auto& b) { c.noalias() += g.alpha * (a * b); });
  });
  if (g.bias) c.rowwise() += Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(g.bias, g.n);
}

template void gemm_eigen(const GemmArgs<float>&);
template void gemm_eigen(const GemmArgs<double>&);

}  // namespace hippograd::cpu
