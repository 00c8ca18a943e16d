# Einstein summation.
import torch

a = torch.arange(6.0).view(2, 3)
b = torch.arange(12.0).view(3, 4)
q = torch.arange(12.0).view(1, 2, 3, 2) / 10
k = torch.arange(8.0).view(1, 2, 2, 2) / 10
result = {
    "mm": torch.einsum("ij,jk->ik", a, b), "sum": torch.einsum("ij->", a), "row": torch.einsum("ij->i", a),
    "t": torch.einsum("ij->ji", a), "outer": torch.einsum("i,j->ij", a[0], b[0]),
    "diag": torch.einsum("ii->i", torch.eye(3) * 2), "trace": torch.einsum("ii", torch.eye(3)),
    "batch": torch.einsum("bij,bjk->bik", a[None], b[None]), "attn": torch.einsum("bhqd,bhkd->bhqk", q, k),
    "ellipsis": torch.einsum("...ij,...kj->...ik", q, k).shape,
    "bilinear": torch.einsum("bn,anm,bm->ba", a[:, :2], torch.ones(3, 2, 2), a[:, 1:]),
    "list": torch.einsum("ij,ij->i", [a, a]), "implicit": torch.einsum("ij,jk", a, b).shape,
    "hadamard": torch.einsum("ij,ij->ij", a, a),
}
