# Everyday linear algebra: solves, decompositions rebuilt, distances, projections, power iteration, Gram-
# Schmidt, stats.
import torch

A = torch.tensor([[4.0, 1.0, 2.0], [1.0, 3.0, 0.0], [2.0, 0.0, 5.0]], dtype=torch.float64)
B = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]], dtype=torch.float64)
U, S, Vh = torch.linalg.svd(B, full_matrices=False)
Q, R = torch.linalg.qr(B)
L = torch.linalg.cholesky(A)
w, V = torch.linalg.eigh(A)
P, LL, UU = torch.linalg.lu(A)
lu, piv = torch.linalg.lu_factor(A)
v = torch.ones(3, dtype=torch.float64)
for _ in range(50):
    v = A @ v
    v = v / v.norm()
X = torch.tensor([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0], [4.0, 4.0]])
result = {
    "svd": U @ torch.diag(S) @ Vh, "qr": Q @ R, "chol": L, "eig": w, "rebuilt": V @ w.diag() @ V.T,
    "lu": P @ LL @ UU, "lu_solve": torch.linalg.lu_solve(lu, piv, B), "solve": torch.linalg.solve(A, B),
    "inv": A.inverse(), "det": A.det(), "slogdet": torch.linalg.slogdet(A),
    "pinv": torch.linalg.pinv(B), "rank": torch.linalg.matrix_rank(B), "cond": torch.linalg.cond(A),
    "norm1": torch.linalg.norm(A, 1), "nuc": torch.linalg.norm(B, "nuc"), "fro": A.norm(),
    "inf": torch.linalg.norm(B, float("inf")), "power": v @ A @ v, "cov": torch.cov(X.T),
    "corr": torch.corrcoef(X.T), "cdist": torch.cdist(X, X[:2]), "l1": torch.cdist(X, X, p=1),
    "lstsq": torch.linalg.lstsq(B, v.unsqueeze(1)).solution.shape, "chol_solve": torch.cholesky_solve(B, L),
    "tri": torch.linalg.solve_triangular(L, B, upper=False), "trace": A.trace(),
    "outer": torch.outer(v, v).shape, "cross": torch.linalg.cross(A[0], A[1]),
    "kron": torch.kron(torch.eye(2), torch.tensor([[1.0, 2.0]])),
    "matexp": torch.linalg.matrix_exp(torch.zeros(2, 2)), "multi": torch.linalg.multi_dot([A, B, B.T]),
    "vecdot": torch.linalg.vecdot(A, A), "householder": torch.linalg.vector_norm(B, dim=0),
    "inner": torch.inner(A, A), "vander": torch.linalg.vander(torch.tensor([1.0, 2.0, 3.0])),
    "tensordot": torch.tensordot(A, B, dims=1),
    "baddbmm": torch.baddbmm(torch.ones(1, 3, 2, dtype=torch.float64), A[None], B[None], beta=0.5, alpha=2.0),
    "addmv": torch.addmv(v, A, v),
    "addr": torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2]), torch.tensor([3.0, 4])),
    "chol_inv": torch.cholesky_inverse(L), "ex": torch.linalg.inv_ex(A).info,
    "chol_ex": torch.linalg.cholesky_ex(A).L, "svdvals": torch.linalg.svdvals(A),
    "eigvalsh": torch.linalg.eigvalsh(A), "triu": A.triu(), "symmetric": torch.allclose(A, A.mT),
    "matrix_power": torch.linalg.matrix_power(A, -1), "geqrf": None,
}
