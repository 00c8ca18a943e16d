# Sliding windows and as_strided.
import torch

x = torch.arange(1.0, 8.0)
m = torch.arange(16).view(4, 4)
result = {
    "unfold": x.unfold(0, 2, 1), "unfold_step": x.unfold(0, 3, 2), "moving": x.unfold(0, 3, 1).mean(dim=-1),
    "unfold2": m.unfold(0, 2, 2).unfold(1, 2, 2), "strided": torch.as_strided(x, (2, 2), (1, 2)),
    "strided_off": torch.as_strided(x, (2,), (3,), 1),
    "patches": m.reshape(2, 2, 2, 2).permute(0, 2, 1, 3).reshape(4, 4), "diagonal": torch.diagonal(m),
    "narrow": torch.narrow(m, 1, 1, 2),
}
