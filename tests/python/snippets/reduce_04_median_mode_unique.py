# Order statistics and unique values.
import torch

x = torch.tensor([[1.0, 5.0, 3.0, 2.0], [4.0, 4.0, 6.0, 0.0]])
i = torch.tensor([3, 1, 2, 1, 3, 3])
med = x.median(dim=1)
mode = torch.mode(torch.tensor([[1, 2, 2], [3, 3, 1]]))
u, inv, counts = torch.unique(i, return_inverse=True, return_counts=True)
result = {
    "median": x.median(), "med_v": med.values, "med_i": med.indices, "mode": mode.values,
    "unique": torch.unique(i), "u": u, "inv": inv, "counts": counts,
    "consecutive": torch.unique_consecutive(torch.tensor([1, 1, 2, 2, 1])),
    "unique_dim": torch.unique(torch.tensor([[1, 2], [1, 2], [0, 1]]), dim=0),
    "quantile": torch.quantile(x, 0.5), "quantiles": torch.quantile(x, torch.tensor([0.25, 0.75]), dim=1),
    "nanmedian": torch.nanmedian(torch.tensor([1.0, float("nan"), 3.0])),
    "quant_keep": x.quantile(0.1, dim=0, keepdim=True),
}
