# Norms, powers and exponentials of matrices.
import torch

A = torch.tensor([[1.0, 2.0], [0.0, 3.0]])
result = {
    "fro": torch.linalg.norm(A), "one": torch.linalg.norm(A, ord=1),
    "inf": torch.linalg.norm(A, ord=float("inf")), "two": torch.linalg.norm(A, 2),
    "nuc": torch.linalg.matrix_norm(A, ord="nuc"), "vec": torch.linalg.vector_norm(A),
    "vec1": torch.linalg.vector_norm(A, ord=1, dim=0), "power": torch.linalg.matrix_power(A, 3),
    "power0": torch.matrix_power(A, 0), "exp": torch.linalg.matrix_exp(A),
    "texp": torch.matrix_exp(torch.zeros(2, 2)), "cond": torch.linalg.cond(A), "trace": A.trace(),
    "dim_norm": torch.linalg.norm(A, dim=1), "vecdot": torch.linalg.vecdot(A, A),
}
