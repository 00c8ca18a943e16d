# Maxima and minima in all their forms.
import torch

x = torch.tensor([[4.0, 9.0, 2.0], [7.0, 1.0, 8.0]])
values, indices = torch.max(x, dim=1)
m = x.min(dim=0)
result = {
    "max": x.max(), "min": torch.min(x), "values": values, "indices": indices, "min_values": m.values,
    "min_indices": m.indices, "keep": x.max(1, keepdim=True)[0], "argmax": x.argmax(),
    "argmax1": x.argmax(dim=1), "argmin": torch.argmin(x, 0), "argmax_keep": x.argmax(dim=1, keepdim=True),
    "elementwise": torch.max(x, torch.full_like(x, 5)), "maximum": torch.maximum(x, torch.tensor(5.0)),
    "min_other": torch.min(x, x.flip(1)), "amax": x.amax(dim=(0, 1)), "amin": torch.amin(x, 1),
    "aminmax": [t.item() for t in torch.aminmax(x)], "item": x.max().item(),
    "ints": torch.tensor([3, 9, 4]).max(),
    "fmin": torch.fmin(torch.tensor([float("nan"), 2.0]), torch.tensor([1.0, 3.0])),
}
