# Sums and means with dim and keepdim.
import torch

x = torch.arange(12.0).reshape(3, 4)
i = torch.tensor([[1, 2], [3, 4]])
result = {
    "sum": x.sum(), "sum0": x.sum(0), "sum1": torch.sum(x, dim=1), "keep": x.sum(dim=1, keepdim=True),
    "both": x.sum((0, 1)), "neg": x.sum(-1), "mean": x.mean(), "mean0": x.mean(dim=0),
    "mean_keep": torch.mean(x, 1, True), "axis": x.sum(axis=0), "int": i.sum(),
    "int_dtype": i.sum(dtype=torch.float32), "prod": x[1].prod(),
    "prod_dim": i.prod(dim=0), "int_mean": i.float().mean(0), "empty": torch.tensor([]).sum(),
    "nansum": torch.nansum(torch.tensor([1.0, float("nan")])),
    "nanmean": torch.nanmean(torch.tensor([1.0, float("nan"), 3.0])),
    "3d": torch.ones(2, 3, 4).sum(dim=(0, 2)), "trace": torch.trace(x[:, :3]),
}
