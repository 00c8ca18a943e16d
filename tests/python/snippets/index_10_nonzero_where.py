# Finding positions.
import torch

x = torch.tensor([[0.0, 3.0], [2.0, 0.0]])
r, c = torch.nonzero(x, as_tuple=True)
result = {
    "nonzero": torch.nonzero(x), "method": torch.tensor([0, 1, 1]).nonzero(), "r": r, "c": c,
    "argwhere": torch.argwhere(x), "where_one": [t.tolist() for t in torch.where(x > 0)],
    "where": torch.where(x > 1, x, -x), "where_scalar": torch.where(x > 0, 1.0, 0.0),
    "where_mixed": torch.where(x > 0, x, 0.5),
    "flat": (torch.tensor([5, 6, 7]) == 6).nonzero(as_tuple=True)[0],
    "squeeze": torch.nonzero(torch.tensor([1, 0, 1])).squeeze(), "count": torch.count_nonzero(x),
    "count_dim": torch.count_nonzero(x, dim=0), "first": (x > 0).int().argmax(dim=1),
}
