# view, reshape and flatten.
import torch

x = torch.arange(12)
y = x.view(3, 4)
y[0, 0] = 100
z = x.reshape(2, -1)
t = y.t()
try:
    t.view(12)
    error = None
except RuntimeError:
    error = "RuntimeError"
result = {
    "y": y, "shared": x[0].item(), "z": z, "t": t.reshape(12), "error": error,
    "flatten": torch.zeros(2, 3, 4).flatten(start_dim=1).shape, "flatten_all": y.flatten().shape,
    "unflatten": torch.arange(6).unflatten(0, (2, 3)), "view_as": x.view_as(torch.zeros(4, 3)).shape,
    "ravel": torch.ravel(y).shape,
    "minus1": x.view(-1, 6).shape, "size": x.view(torch.Size([6, 2])).shape,
    "dtype_view": torch.tensor([1.0]).view(torch.int32), "func": torch.reshape(x, (4, 3)).shape,
}
