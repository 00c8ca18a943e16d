// Eigenvalues of Hermitian matrices, by Eigen: reduction to tridiagonal form, then QR steps.
#include <Eigen/Eigenvalues>

#include "tensor/cpu/linalg.h"
#include "tensor/kernels/linalg.h"

namespace hippograd {
namespace kernels {
constinit decltype(eigh) eigh{"eigh"};
}  // namespace kernels

namespace {

void eigh_cpu(CArray a, MArray w, MArray v, MArray info) {
  visit(cpu::DecompositionTypes{}, a.dtype(), "eigh", [&]<class T>() {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const int64_t n = a.shape()[1];
    const T* from = a.data<T>();
    double* values = w.data<double>();
    T* vectors = v.data<T>();
    int64_t* status = info.data<int64_t>();
    cpu::for_each_matrix(a.shape()[0], 10 * double(n) * double(n) * double(n), [=](int64_t b) {
      if (n == 0) return void(status[b] = 0);
      const Eigen::SelfAdjointEigenSolver<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>> solver(
          Eigen::Map<const Matrix>(from + b * n * n, n, n));
      status[b] = solver.info() == Eigen::Success ? 0 : 1;
      Eigen::Map<Eigen::VectorXd>(values + b * n, n) = solver.eigenvalues();
      Eigen::Map<Matrix>(vectors + b * n * n, n, n) = solver.eigenvectors();
    });
  });
}

const Bind b0(kernels::eigh, DeviceKind::CPU, eigh_cpu);

}  // namespace
}  // namespace hippograd
