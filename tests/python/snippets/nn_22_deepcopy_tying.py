# deepcopy makes independent copies; tied weights stay tied.
import copy
import torch
import torch.nn as nn


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.out = nn.Linear(3, 5, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids):
        return self.out(self.embed(ids))


m = Tied()
with torch.no_grad():
    m.embed.weight.copy_(torch.arange(15.0).view(5, 3) / 10)
twin = copy.deepcopy(m)
with torch.no_grad():
    m.embed.weight.add_(1)
y = twin(torch.tensor([1, 4]))
y.sum().backward()
t = torch.ones(2, requires_grad=True)
tc = copy.deepcopy(t)
result = {
    "count": len(list(m.parameters())), "keys": list(m.state_dict()), "tied": m.out.weight is m.embed.weight,
    "twin_tied": twin.out.weight is twin.embed.weight, "independent": twin.embed.weight[0, 0].item(),
    "y": y.detach(), "grad": twin.embed.weight.grad, "tc": [tc.requires_grad, tc.is_leaf, tc is t],
}
