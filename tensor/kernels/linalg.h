#pragma once
// Decompositions of batches of matrices (B, m, n), f64 or c128 (other precisions are computed in these), contiguous. `info`
// (B,) i64 is 0 where all went well; no kernel throws for what the numbers are. k = min(m, n).
#include "tensor/kernel.h"

namespace hippograd::kernels {

// P A = L U, partial pivoting:  lu (B, m, n) holds U, and L below the diagonal;  (P A)_i = A_perm_i.  info: 1-based zero pivot.
extern constinit Kernel<void(CArray a, MArray lu, MArray perm, MArray info)> lu_factor;
// A X = B from the factors of A:  lu (B, n, n) perm (B, n) b, x (B, n, c)
extern constinit Kernel<void(CArray lu, CArray perm, CArray b, MArray x)> lu_solve;
// A = L L^H from the lower triangle.  info: order of the first leading minor that is not positive.
extern constinit Kernel<void(CArray a, MArray l, MArray info)> cholesky;
// T X = B with T upper or lower triangular (the other triangle is not read; nor is a unit diagonal).  b, x (B, n, c)
extern constinit Kernel<void(CArray t, CArray b, bool upper, bool unit, MArray x)> solve_triangular;
// A = Q R by Householder's reflections:  q (B, m, k) r (B, k, n), or q (B, m, m) r (B, m, n).
extern constinit Kernel<void(CArray a, MArray q, MArray r)> qr;
// A = V diag(w) V^H from the lower triangle: w (B, n) f64 ascending, v (B, n, n) with eigenvectors as columns.
extern constinit Kernel<void(CArray a, MArray w, MArray v, MArray info)> eigh;
// A V = V diag(w): w (B, n) c128, v (B, n, n) c128 with columns of length 1.
extern constinit Kernel<void(CArray a, MArray w, MArray v, MArray info)> eig;
// A = U diag(s) V^H: s (B, k) f64 descending; u (B, m, k) vh (B, k, n), or u (B, m, m) vh (B, n, n).
extern constinit Kernel<void(CArray a, MArray u, MArray s, MArray vh, MArray info)> svd;

}  // namespace hippograd::kernels
