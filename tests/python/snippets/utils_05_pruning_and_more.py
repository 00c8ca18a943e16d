# nn.utils: vector conversions, clip_grad_value, parametrize, weight norm, skip_init, pruning; torch.utils
# odds and ends.
import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, parametrize, prune, vector_to_parameters
from torch.nn.utils.parametrizations import orthogonal, weight_norm

lin = nn.Linear(3, 2)
with torch.no_grad():
    lin.weight.copy_(torch.tensor([[1.0, -2.0, 3.0], [-0.1, 0.2, -0.3]]))
    lin.bias.zero_()
v = parameters_to_vector(lin.parameters())
vector_to_parameters(v * 2, lin.parameters())
lin(torch.ones(1, 3)).sum().backward()
clip_grad_value_(lin.parameters(), 0.5)
clipped = lin.weight.grad.clone()
total = clip_grad_norm_(lin.parameters(), 1.0, norm_type=float("inf"))


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)


sym = nn.Linear(3, 3)
with torch.no_grad():
    sym.weight.copy_(torch.arange(9.0).view(3, 3))
parametrize.register_parametrization(sym, "weight", Symmetric())
orth = orthogonal(nn.Linear(3, 3))
q = orth.weight
pruned = nn.Linear(3, 2)
with torch.no_grad():
    pruned.weight.copy_(torch.tensor([[1.0, -2.0, 3.0], [-0.1, 0.2, -0.3]]))
prune.l1_unstructured(pruned, name="weight", amount=0.5)
mask = pruned.weight_mask.clone()
names = sorted(n for n, _ in pruned.named_parameters()), sorted(n for n, _ in pruned.named_buffers())
w = pruned.weight.clone()
prune.remove(pruned, "weight")
wn = weight_norm(nn.Linear(2, 2))
result = {
    "v": v, "clipped": clipped, "total": total, "sym": sym.weight, "is": parametrize.is_parametrized(sym),
    "orth": torch.allclose(q @ q.T, torch.eye(3), atol=1e-5), "mask": mask, "names": list(names), "w": w,
    "after": sorted(n for n, _ in pruned.named_parameters()),
    "wn": sorted(n for n, _ in wn.named_parameters())
}
