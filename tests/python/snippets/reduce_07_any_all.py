# Boolean reductions.
import torch

b = torch.tensor([[True, False], [True, True]])
x = torch.tensor([1.0, 0.0, 2.0])
result = {
    "any": b.any(), "all": b.all(), "any0": b.any(dim=0), "all1": torch.all(b, dim=1),
    "keep": b.all(dim=1, keepdim=True), "float_any": x.any(), "float_all": torch.all(x), "sum": b.sum(dim=0),
    "mean": b.float().mean(),
    "accuracy": (torch.tensor([1, 2, 3]) == torch.tensor([1, 0, 3])).float().mean().item(),
    "none": not (x > 5).any(), "bool": bool((x >= 0).all()), "count": torch.count_nonzero(x).item(),
}
