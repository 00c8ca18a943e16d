// Linear algebra: torch.linalg, under linalg_NAME; python/hippograd/linalg.py gives them their names.
#include <limits>

#include "autograd/ops.h"
#include "bindings/ops.h"
#include "bindings/python.h"

namespace hippograd::python {

void bind_linalg() {
  def_function("linalg_solve(A, B, *, left=True)", linalg::solve);
  def_function("linalg_inv(A)", linalg::inv);
  def_function("linalg_det(A)", linalg::det);
  def_function("linalg_slogdet(A) -> (sign, logabsdet)", linalg::slogdet);
  def_function("linalg_cholesky(A, *, upper=False)", linalg::cholesky);
  def_function("linalg_solve_triangular(A, B, *, upper, left=True, unitriangular=False)", linalg::solve_triangular);
  def_function("linalg_lu(A, *, pivot=True) -> (P, L, U)", [](const Tensor& a, bool) { return linalg::lu(a); });
  def_function("linalg_qr(A, mode='reduced') -> (Q, R)", linalg::qr);
  def_function("linalg_eigh(A, UPLO='L') -> (eigenvalues, eigenvectors)", linalg::eigh);
  def_function("linalg_eigvalsh(A, UPLO='L')", linalg::eigvalsh);
  def_function("linalg_eig(A) -> (eigenvalues, eigenvectors)", linalg::eig);
  def_function("linalg_eigvals(A)", linalg::eigvals);
  def_function("linalg_svd(A, full_matrices=True, *, driver=None) -> (U, S, Vh)",
               [](const Tensor& a, bool full, std::optional<std::string>) { return linalg::svd(a, full); });
  def_function("linalg_svdvals(A)", linalg::svdvals);
  def_function("linalg_pinv(A, *, atol=None, rtol=None, hermitian=False)", linalg::pinv);
  def_function("linalg_lstsq(A, B, rcond=None, *, driver=None) -> (solution, residuals, rank, singular_values)",
               [](const Tensor& a, const Tensor& b, std::optional<double> rcond, std::optional<std::string>) { return linalg::lstsq(a, b, rcond); });
  def_function("linalg_matrix_exp(A)", linalg::matrix_exp);
  def("inverse(input)", linalg::inv);
  def("det(input)", linalg::det);
  def("logdet(input)", [](const Tensor& a) {
    const Tensors parts = linalg::slogdet(a);
    return where(lt(parts[0], Tensor::number(0.0)), Tensor::number(std::numeric_limits<double>::quiet_NaN()), parts[1]);
  });
  def("slogdet(input) -> (sign, logabsdet)", linalg::slogdet);
  def("cholesky(input, upper=False)", linalg::cholesky);
  def("cholesky_solve(input, L, upper=False)", linalg::cholesky_solve);
  def("qr(input, some=True) -> (Q, R)", [](const Tensor& a, bool some) { return linalg::qr(a, some ? "reduced" : "complete"); });
  def("svd(input, some=True, compute_uv=True) -> (U, S, V)", [](const Tensor& a, bool some, bool) {
    Tensors parts = linalg::svd(a, !some);
    parts[2] = mH(parts[2]);
    return parts;
  });
  def("triangular_solve(input, A, upper=True, transpose=False, unitriangular=False) -> (solution, cloned_coefficient)",
      [](const Tensor& b, const Tensor& a, bool upper, bool transposed, bool unitriangular) {
        return Tensors{linalg::solve_triangular(transposed ? mT(a) : a, b, upper != transposed, true, unitriangular), clone(a)};
      });
  def("pinverse(input, rcond=1e-15)", [](const Tensor& a, double rcond) { return linalg::pinv(a, std::nullopt, rcond); });
  def("matrix_power(input, n)", linalg::matrix_power);
  def("matrix_exp(input)", linalg::matrix_exp);
}

}  // namespace hippograd::python
