# tensordot, kron, cross, cdist.
import torch

a = torch.arange(24.0).reshape(2, 3, 4)
b = torch.arange(12.0).reshape(4, 3)
u = torch.tensor([1.0, 0.0, 0.0])
v = torch.tensor([0.0, 1.0, 0.0])
p = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
q = torch.tensor([[0.0, 0.0], [1.0, 1.0], [6.0, 8.0]])
result = {
    "dims_list": torch.tensordot(a, b, dims=([2, 1], [0, 1])),
    "dims_int": torch.tensordot(a, b, dims=1).shape,
    "kron": torch.kron(torch.eye(2), torch.tensor([[1.0, 2.0]])), "cross": torch.cross(u, v, dim=0),
    "lcross": torch.linalg.cross(u, v), "cdist": torch.cdist(p, q), "cdist1": torch.cdist(p, q, p=1.0),
    "pdist": torch.nn.functional.pdist(q), "pairwise": torch.nn.functional.pairwise_distance(p, p + 1),
    "cosine": torch.nn.functional.cosine_similarity(p[1:], q[1:2]),
}
