# Broadcasting rules.
import torch

a = torch.arange(3).view(3, 1)
b = torch.arange(4).view(1, 4)
x = torch.arange(6.0).view(2, 3)
try:
    torch.ones(2, 3) + torch.ones(2, 4)
    error = None
except RuntimeError:
    error = "RuntimeError"
dist = ((x[:, None, :] - x[None, :, :]) ** 2).sum(-1).sqrt()
result = {
    "table": a * b, "sum": (a + b).shape, "row": x - x.mean(0), "col": x / x.sum(1, keepdim=True),
    "batch": (torch.ones(5, 1, 4) * torch.ones(3, 1)).shape, "error": error, "dist": dist,
    "scalar": x + torch.tensor(1.0), "empty": (torch.zeros(0, 3) + torch.ones(3)).shape,
}
