# Every way to multiply.
import torch

a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
b = torch.tensor([[0.0, 1.0], [1.0, -1.0]])
v = torch.tensor([1.0, 2.0])
batch = torch.arange(12.0).view(3, 2, 2)
result = {
    "at": a @ b, "matmul": torch.matmul(a, v), "vm": v @ a, "vv": v @ v, "mm": torch.mm(a, b),
    "mv": torch.mv(a, v), "dot": torch.dot(v, v), "bmm": torch.bmm(batch, batch), "batch_mat": batch @ a,
    "mat_batch": torch.matmul(a, batch), "batch_vec": batch @ v, "outer": torch.outer(v, v),
    "inner": torch.inner(a, v), "methods": a.mm(b).matmul(v), "elementwise": a * b, "T": a.T @ a,
    "broadcast": (torch.ones(2, 1, 2, 3) @ torch.ones(4, 3, 2)).shape,
    "int": torch.tensor([[1, 2], [3, 4]]) @ torch.tensor([1, 1]), "vdot": torch.vdot(v, v),
}
