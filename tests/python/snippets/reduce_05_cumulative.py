# Cumulative operations.
import torch

x = torch.tensor([[1.0, 3.0, 2.0], [4.0, 0.5, 6.0]])
cm = torch.cummax(x, dim=1)
cn = x.cummin(dim=1)
result = {
    "cumsum": x.cumsum(0), "cumsum1": torch.cumsum(x, dim=1), "cumprod": x.cumprod(dim=1),
    "cummax": cm.values, "cummax_i": cm.indices, "cummin": cn[0], "cummin_i": cn[1],
    "logcumsumexp": torch.logcumsumexp(x, dim=1), "int": torch.arange(1, 5).cumsum(0),
    "bool": torch.tensor([True, True, False]).cumsum(0), "diff": torch.diff(x), "diff0": torch.diff(x, dim=0),
    "diff2": torch.diff(torch.tensor([1, 4, 9, 16]), n=2),
    "trapezoid": torch.trapezoid(torch.tensor([1.0, 2.0, 3.0])),
    "trapezoid_dx": torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]), dx=0.5),
    "trapz_x": torch.trapz(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 3.0])),
}
