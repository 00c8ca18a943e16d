# Solving linear systems.
import torch

A = torch.tensor([[3.0, 1.0], [1.0, 2.0]])
b = torch.tensor([9.0, 8.0])
x = torch.linalg.solve(A, b)
try:
    torch.linalg.inv(torch.zeros(2, 2))
    error = None
except RuntimeError:
    error = "RuntimeError"
result = {
    "x": x, "check": torch.allclose(A @ x, b), "inv": torch.linalg.inv(A), "inverse": torch.inverse(A),
    "method": A.inverse() @ A, "det": torch.linalg.det(A), "tdet": torch.det(A), "logdet": torch.logdet(A),
    "slogdet": [t.item() for t in torch.linalg.slogdet(-A)],
    "matrix_rhs": torch.linalg.solve(A, torch.eye(2)),
    "pinv": torch.linalg.pinv(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])),
    "batch": torch.linalg.inv(torch.stack([A, 2 * A])), "error": error,
    "rank": torch.linalg.matrix_rank(torch.ones(2, 2)),
    "triangular": torch.linalg.solve_triangular(
        torch.tensor([[2.0, 1.0], [0.0, 4.0]]), torch.tensor([[3.0], [4.0]]), upper=True),
}
