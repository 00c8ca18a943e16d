# Trading compute for memory with the same gradients.
import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

layer = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
with torch.no_grad():
    for p in layer.parameters():
        p.copy_(torch.linspace(-1, 1, p.numel()).view_as(p))
x = torch.linspace(-1, 1, 6).view(2, 3).requires_grad_()
layer(x).pow(2).sum().backward()
plain = [p.grad.clone() for p in layer.parameters()] + [x.grad.clone()]
layer.zero_grad()
x.grad = None
out = checkpoint(layer, x, use_reentrant=False)
out.pow(2).sum().backward()
ck = [p.grad.clone() for p in layer.parameters()] + [x.grad.clone()]
seq = checkpoint_sequential(layer, 2, x, use_reentrant=False)
result = {
    "plain": plain, "same": all(torch.allclose(a, b) for a, b in zip(plain, ck)), "out": out.detach(),
    "seq": torch.allclose(seq, out),
}
