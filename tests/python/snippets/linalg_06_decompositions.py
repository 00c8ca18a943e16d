# Cholesky, QR, SVD and eigenvalues, tested by reconstruction.
import torch

A = torch.tensor([[4.0, 2.0, 0.6], [2.0, 5.0, 1.0], [0.6, 1.0, 3.0]])
M = torch.arange(6.0).view(3, 2) + torch.eye(3, 2)
L = torch.linalg.cholesky(A)
Q, R = torch.linalg.qr(M)
U, S, Vh = torch.linalg.svd(M, full_matrices=False)
w, V = torch.linalg.eigh(A)
ev = torch.linalg.eigvals(torch.tensor([[0.0, 1.0], [-1.0, 0.0]]))
lam, vec = torch.linalg.eig(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
result = {
    "L": L, "LLt": L @ L.T, "qr": Q @ R, "qtq": Q.T @ Q, "S": S, "svd": U @ torch.diag(S) @ Vh, "w": w,
    "eig_rec": V @ torch.diag(w) @ V.T, "eigvalsh": torch.linalg.eigvalsh(A),
    "svdvals": torch.linalg.svdvals(M), "imag": ev.imag.sort().values, "lam": lam.real.sort().values,
    "lam_dtype": str(lam.dtype), "old_svd": torch.svd(M)[1], "full_shape": torch.linalg.svd(M)[0].shape,
    "chol_solve": torch.cholesky_solve(torch.ones(3, 1), L),
}
