// Singular values, by Eigen: two-sided Jacobi rotations (accurate for tiny singular values too).
#include <Eigen/SVD>

#include "tensor/cpu/linalg.h"
#include "tensor/kernels/linalg.h"

namespace hippograd {
namespace kernels {
constinit decltype(svd) svd{"svd"};
}  // namespace kernels

namespace {

void svd_cpu(CArray a, MArray u, MArray s, MArray vh, MArray info) {
  visit(cpu::DecompositionTypes{}, a.dtype(), "svd", [&]<class T>() {
    using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const int64_t m = a.shape()[1], n = a.shape()[2], k = std::min(m, n), left = u.shape()[2], right = vh.shape()[1];
    const bool full = left != k || right != k;
    const T* from = a.data<T>();
    T *to_u = u.data<T>(), *to_vh = vh.data<T>();
    double* values = s.data<double>();
    int64_t* status = info.data<int64_t>();
    cpu::for_each_matrix(a.shape()[0], 20 * double(m) * double(n) * double(k), [=](int64_t b) {
      Eigen::Map<Matrix> U(to_u + b * m * left, m, left), Vh(to_vh + b * right * n, right, n);
      if (k == 0) {
        U.setIdentity();
        Vh.setIdentity();
        return void(status[b] = 0);
      }
      const Eigen::Map<const Matrix> A(from + b * m * n, m, n);
      if (!A.allFinite()) return void(status[b] = 1);
      const Eigen::JacobiSVD<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>> svd(
          A, full ? Eigen::ComputeFullU | Eigen::ComputeFullV : Eigen::ComputeThinU | Eigen::ComputeThinV);
      status[b] = svd.info() == Eigen::Success ? 0 : 1;
      U = svd.matrixU();
      Vh = svd.matrixV().adjoint();
      Eigen::Map<Eigen::VectorXd>(values + b * k, k) = svd.singularValues();
    });
  });
}

const Bind b0(kernels::svd, DeviceKind::CPU, svd_cpu);

}  // namespace
}  // namespace hippograd
