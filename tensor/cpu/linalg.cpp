// Direct factorizations: LU, Cholesky, triangular solution, QR. Row-major, one matrix per task.
#include "tensor/cpu/linalg.h"

#include <cmath>
#include <vector>

#include "tensor/kernels/linalg.h"

namespace hippograd {
namespace kernels {
constinit decltype(lu_factor) lu_factor{"lu_factor"};
constinit decltype(lu_solve) lu_solve{"lu_solve"};
constinit decltype(cholesky) cholesky{"cholesky"};
constinit decltype(solve_triangular) solve_triangular{"solve_triangular"};
constinit decltype(qr) qr{"qr"};
}  // namespace kernels

namespace {
using cpu::conj_of, cpu::real_part, cpu::for_each_matrix;

double cube(int64_t n) { return double(n) * double(n) * double(n); }

// Gauss' elimination, row by row below the pivot of largest modulus.
template <class T> int64_t eliminate(T* a, int64_t m, int64_t n, int64_t* perm) {
  int64_t info = 0;
  for (int64_t i = 0; i < m; ++i) perm[i] = i;
  for (int64_t j = 0; j < std::min(m, n); ++j) {
    int64_t best = j;
    for (int64_t i = j + 1; i < m; ++i)
      if (std::abs(a[i * n + j]) > std::abs(a[best * n + j])) best = i;
    if (best != j) {
      std::swap_ranges(a + j * n, a + (j + 1) * n, a + best * n);
      std::swap(perm[j], perm[best]);
    }
    if (a[j * n + j] == T(0)) {
      if (info == 0) info = j + 1;
      continue;
    }
    for (int64_t i = j + 1; i < m; ++i) {
      const T factor = a[i * n + j] / a[j * n + j];
      a[i * n + j] = factor;
      for (int64_t c = j + 1; c < n; ++c) a[i * n + c] -= factor * a[j * n + c];
    }
  }
  return info;
}
void lu_factor_cpu(CArray a, MArray lu, MArray perm, MArray info) {
  visit(cpu::DecompositionTypes{}, a.dtype(), "lu_factor", [&]<class T>() {
    const int64_t m = a.shape()[1], n = a.shape()[2];
    std::copy_n(a.data<T>(), a.numel(), lu.data<T>());
    T* p = lu.data<T>();
    int64_t *rows = perm.data<int64_t>(), *status = info.data<int64_t>();
    for_each_matrix(a.shape()[0], cube(std::max(m, n)), [=](int64_t b) { status[b] = eliminate(p + b * m * n, m, n, rows + b * m); });
  });
}

//   l_jj = sqrt(a_jj - sum_p |l_jp|^2)     l_ij = (a_ij - sum_p l_ip conj(l_jp)) / l_jj     p < j < i
template <class T> int64_t factor_cholesky(const T* a, T* l, int64_t n) {
  std::fill_n(l, n * n, T(0));
  for (int64_t j = 0; j < n; ++j) {
    double d = real_part(a[j * n + j]);
    for (int64_t p = 0; p < j; ++p) d -= std::norm(l[j * n + p]);
    if (!(d > 0)) return j + 1;
    d = std::sqrt(d);
    l[j * n + j] = d;
    for (int64_t i = j + 1; i < n; ++i) {
      T sum = a[i * n + j];
      for (int64_t p = 0; p < j; ++p) sum -= l[i * n + p] * conj_of(l[j * n + p]);
      l[i * n + j] = sum / d;
    }
  }
  return 0;
}
void cholesky_cpu(CArray a, MArray l, MArray info) {
  visit(cpu::DecompositionTypes{}, a.dtype(), "cholesky", [&]<class T>() {
    const int64_t n = a.shape()[1];
    const T* from = a.data<T>();
    T* to = l.data<T>();
    int64_t* status = info.data<int64_t>();
    for_each_matrix(a.shape()[0], cube(n), [=](int64_t b) { status[b] = factor_cholesky(from + b * n * n, to + b * n * n, n); });
  });
}

// y (n, c) <- T^-1 y, row by row: row i needs the rows that are solved already.
template <class T> void substitute(const T* a, int64_t n, int64_t c, bool upper, bool unit, T* y) {
  for (int64_t step = 0; step < n; ++step) {
    const int64_t i = upper ? n - 1 - step : step;
    for (int64_t p = upper ? i + 1 : 0; p < (upper ? n : i); ++p)
      for (int64_t q = 0; q < c; ++q) y[i * c + q] -= a[i * n + p] * y[p * c + q];
    if (!unit)
      for (int64_t q = 0; q < c; ++q) y[i * c + q] /= a[i * n + i];
  }
}
void solve_triangular_cpu(CArray t, CArray b, bool upper, bool unit, MArray x) {
  visit(cpu::DecompositionTypes{}, t.dtype(), "solve_triangular", [&]<class T>() {
    const int64_t n = b.shape()[1], c = b.shape()[2];
    std::copy_n(b.data<T>(), b.numel(), x.data<T>());
    const T* matrices = t.data<T>();
    T* right = x.data<T>();
    for_each_matrix(b.shape()[0], double(n) * double(n) * double(c),
                    [=](int64_t s) { substitute(matrices + s * n * n, n, c, upper, unit, right + s * n * c); });
  });
}
void lu_solve_cpu(CArray lu, CArray perm, CArray b, MArray x) {
  visit(cpu::DecompositionTypes{}, lu.dtype(), "lu_solve", [&]<class T>() {
    const int64_t n = b.shape()[1], c = b.shape()[2];
    const T *factors = lu.data<T>(), *from = b.data<T>();
    const int64_t* rows = perm.data<int64_t>();
    T* to = x.data<T>();
    for_each_matrix(b.shape()[0], 2 * double(n) * double(n) * double(c), [=](int64_t s) {
      T* y = to + s * n * c;
      for (int64_t i = 0; i < n; ++i) std::copy_n(from + (s * n + rows[s * n + i]) * c, c, y + i * c);
      substitute(factors + s * n * n, n, c, false, true, y);
      substitute(factors + s * n * n, n, c, true, false, y);
    });
  });
}

// M <- (I - tau v v^H) M for rows [j, m) and columns [c0, n), v_j = 1.
template <class T> void reflect(T* M, int64_t m, int64_t n, int64_t j, int64_t c0, const std::vector<T>& v, T tau) {
  for (int64_t c = c0; c < n; ++c) {
    T dot = M[j * n + c];
    for (int64_t i = j + 1; i < m; ++i) dot += conj_of(v[size_t(i)]) * M[i * n + c];
    dot *= tau;
    M[j * n + c] -= dot;
    for (int64_t i = j + 1; i < m; ++i) M[i * n + c] -= dot * v[size_t(i)];
  }
}
// LAPACK's conventions: H_j = I - tau v v^H with v_j = 1, beta = -sign(Re alpha) |x| real, R_jj = beta, and Q = H_0 H_1 ...
template <class T> void householder(const T* a, int64_t m, int64_t n, T* q, int64_t q_cols, T* r) {
  const int64_t k = std::min(m, n);
  std::vector<T> work(a, a + m * n), taus(static_cast<size_t>(k));
  std::vector<std::vector<T>> vectors(static_cast<size_t>(k), std::vector<T>(static_cast<size_t>(m)));
  for (int64_t j = 0; j < k; ++j) {
    double below = 0;
    for (int64_t i = j + 1; i < m; ++i) below += std::norm(work[size_t(i * n + j)]);
    const T alpha = work[size_t(j * n + j)];
    if (below == 0 && alpha == T(real_part(alpha))) continue;   // H_j = I
    const double beta = -std::copysign(std::sqrt(std::norm(alpha) + below), real_part(alpha));
    const T tau = (T(beta) - alpha) / beta;
    std::vector<T>& v = vectors[size_t(j)];
    for (int64_t i = j + 1; i < m; ++i) v[size_t(i)] = work[size_t(i * n + j)] / (alpha - T(beta));
    taus[size_t(j)] = tau;
    work[size_t(j * n + j)] = beta;
    for (int64_t i = j + 1; i < m; ++i) work[size_t(i * n + j)] = T(0);
    reflect(work.data(), m, n, j, j + 1, v, conj_of(tau));
  }
  for (int64_t i = 0; i < q_cols; ++i)
    for (int64_t c = 0; c < n; ++c) r[i * n + c] = c >= i ? work[size_t(i * n + c)] : T(0);
  std::fill_n(q, m * q_cols, T(0));
  for (int64_t i = 0; i < q_cols; ++i) q[i * q_cols + i] = T(1);
  for (int64_t j = k; j-- > 0;) reflect(q, m, q_cols, j, 0, vectors[size_t(j)], taus[size_t(j)]);
}
void qr_cpu(CArray a, MArray q, MArray r) {
  visit(cpu::DecompositionTypes{}, a.dtype(), "qr", [&]<class T>() {
    const int64_t m = a.shape()[1], n = a.shape()[2], cols = q.shape()[2];
    const T* from = a.data<T>();
    T *to_q = q.data<T>(), *to_r = r.data<T>();
    for_each_matrix(a.shape()[0], 2 * cube(std::max(m, n)),
                    [=](int64_t b) { householder(from + b * m * n, m, n, to_q + b * m * cols, cols, to_r + b * cols * n); });
  });
}

const Bind b0(kernels::lu_factor, DeviceKind::CPU, lu_factor_cpu);
const Bind b4(kernels::lu_solve, DeviceKind::CPU, lu_solve_cpu);
const Bind b1(kernels::cholesky, DeviceKind::CPU, cholesky_cpu);
const Bind b2(kernels::solve_triangular, DeviceKind::CPU, solve_triangular_cpu);
const Bind b3(kernels::qr, DeviceKind::CPU, qr_cpu);

}  // namespace
}  // namespace hippograd
