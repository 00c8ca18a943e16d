# Clamping.
import torch

x = torch.tensor([-2.0, -0.5, 0.5, 2.0])
y = torch.tensor([-2.0, 0.0, 2.0], requires_grad=True)
y.clamp(-1, 1).sum().backward()
result = {
    "both": x.clamp(-1, 1), "min": x.clamp(min=0), "max": torch.clamp(x, max=0.0),
    "clip": torch.clip(x, -1, 1), "tensor": torch.clamp(x, min=torch.tensor([-1.0, 0.0, 1.0, 1.0])),
    "clamp_min": x.clamp_min(0), "clamp_max": x.clamp_max(1), "ints": torch.arange(5).clamp(1, 3),
    "grad": y.grad, "f_hard": torch.nn.functional.hardtanh(x), "mixed": torch.arange(4).clamp(min=1.5),
}
