# Reparametrised weights.
import torch
import torch.nn as nn
from torch.nn.utils.parametrizations import weight_norm
import torch.nn.utils.parametrize as parametrize


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)


layer = nn.Linear(3, 3, bias=False)
with torch.no_grad():
    layer.weight.copy_(torch.arange(9.0).view(3, 3))
parametrize.register_parametrization(layer, "weight", Symmetric())
w = layer.weight.detach().clone()
layer(torch.eye(3)).sum().backward()
wn = nn.Linear(2, 2, bias=False)
with torch.no_grad():
    wn.weight.copy_(torch.tensor([[3.0, 4.0], [1.0, 0.0]]))
wn = weight_norm(wn)
result = {
    "w": w, "sym": torch.equal(w, w.T), "grad": layer.parametrizations.weight.original.grad,
    "is": parametrize.is_parametrized(layer), "wn": wn(torch.eye(2)).detach(),
    "g": wn.parametrizations.weight.original0.detach(),
}
