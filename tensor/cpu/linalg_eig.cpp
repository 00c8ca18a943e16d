// Eigenvalues of general matrices, by Eigen: complex Schur form. A real matrix takes the real solver, whose eigenvalues come in
// exact conjugate pairs.
#include <Eigen/Eigenvalues>

#include "tensor/cpu/linalg.h"
#include "tensor/kernels/linalg.h"

namespace hippograd {
namespace kernels {
constinit decltype(eig) eig{"eig"};
}  // namespace kernels

namespace {

void eig_cpu(CArray a, MArray w, MArray v, MArray info) {
  visit(cpu::DecompositionTypes{}, a.dtype(), "eig", [&]<class T>() {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    using Work = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
    using Solver = std::conditional_t<std::is_same_v<T, double>, Eigen::EigenSolver<Work>, Eigen::ComplexEigenSolver<Work>>;
    using Result = Eigen::Matrix<complex128, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const int64_t n = a.shape()[1];
    const T* from = a.data<T>();
    complex128 *values = w.data<complex128>(), *vectors = v.data<complex128>();
    int64_t* status = info.data<int64_t>();
    cpu::for_each_matrix(a.shape()[0], 25 * double(n) * double(n) * double(n), [=](int64_t b) {
      if (n == 0) return void(status[b] = 0);
      const Solver solver(Work(Eigen::Map<const Matrix>(from + b * n * n, n, n)));
      status[b] = solver.info() == Eigen::Success ? 0 : 1;
      Eigen::Map<Eigen::VectorXcd>(values + b * n, n) = solver.eigenvalues();
      Eigen::Map<Result> columns(vectors + b * n * n, n, n);
      columns = solver.eigenvectors();
      for (int64_t j = 0; j < n; ++j) columns.col(j) /= columns.col(j).norm();
    });
  });
}

const Bind b0(kernels::eig, DeviceKind::CPU, eig_cpu);

}  // namespace
}  // namespace hippograd
