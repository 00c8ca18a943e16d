# Layer, group, instance and RMS normalisation.
import torch
import torch.nn as nn
import torch.nn.functional as F

x = ((torch.arange(24.0) * 5) % 7).view(2, 4, 3).requires_grad_()
ln = nn.LayerNorm(3)
with torch.no_grad():
    ln.weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
    ln.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
y = ln(x)
(y ** 2).sum().backward()
result = {
    "y": y.detach(), "gx": x.grad, "gw": ln.weight.grad, "multi": nn.LayerNorm([4, 3])(x).detach(),
    "f": F.layer_norm(x, (3,)).detach(), "group": nn.GroupNorm(2, 4)(x).detach(),
    "inst": nn.InstanceNorm1d(4)(x).detach(), "rms": nn.RMSNorm(3, eps=1e-6)(x).detach(),
    "noaff": nn.LayerNorm(3, elementwise_affine=False)(x).detach()[0, 0],
    "normalize": F.normalize(x, dim=-1).detach()[0],
}
