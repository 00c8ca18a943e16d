# Accumulating gradients over micro-batches equals one large batch.
import torch
import torch.nn as nn
import torch.nn.functional as F

X = torch.sin(torch.arange(48.0)).view(12, 4)
y = torch.arange(12) % 3


def make():
    m = nn.Linear(4, 3)
    with torch.no_grad():
        m.weight.copy_(torch.linspace(-1, 1, 12).view(3, 4))
        m.bias.zero_()
    return m


full, micro = make(), make()
F.cross_entropy(full(X), y).backward()
steps = 3
for xb, yb in zip(X.chunk(steps), y.chunk(steps)):
    (F.cross_entropy(micro(xb), yb) / steps).backward()
scaler_off = torch.optim.SGD(micro.parameters(), lr=0.1)
scaler_off.step()
scaler_off.zero_grad()
result = {
    "full": full.weight.grad, "after": micro.weight.detach(), "cleared": micro.weight.grad,
    "bias": micro.bias.detach(),
}
