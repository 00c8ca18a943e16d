# Smooth curves: polynomial evaluation and finite differences.
import math
import torch

x = torch.linspace(-math.pi, math.pi, 9)
powers = torch.tensor([1, 2, 3])
xx = x.unsqueeze(-1).pow(powers)
coef = torch.tensor([1.0, 0.0, -1.0 / 6.0])
taylor = (xx * coef).sum(-1)
derivative = torch.gradient(torch.tensor([1.0, 4.0, 9.0, 16.0]))[0]
result = {
    "xx": xx, "taylor": taylor, "error": (taylor - x.sin()).abs().max().item(), "derivative": derivative,
    "deg": torch.deg2rad(torch.tensor([180.0, 90.0])),
}
