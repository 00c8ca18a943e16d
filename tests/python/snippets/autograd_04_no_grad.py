# Switching recording off.
import torch

x = torch.ones(3, requires_grad=True)
with torch.no_grad():
    y = x * 2
with torch.enable_grad():
    z = x * 2


@torch.no_grad()
def evaluate(v):
    return v * 3


@torch.inference_mode()
def infer(v):
    return v + 1


with torch.set_grad_enabled(False):
    s = x + 1
torch.set_grad_enabled(False)
off = torch.is_grad_enabled()
torch.set_grad_enabled(True)
with torch.no_grad():
    with torch.enable_grad():
        inner = (x * x).requires_grad
d = z.detach()
d[0] = 100.0
result = {
    "y": y.requires_grad, "z": z.requires_grad, "eval": evaluate(x).requires_grad,
    "infer": infer(x).requires_grad, "s": s.requires_grad, "off": off, "on": torch.is_grad_enabled(),
    "inner": inner, "shared": z[0].item(), "d": d.requires_grad, "data": x.data.requires_grad,
}
