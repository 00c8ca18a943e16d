# ParameterList, ParameterDict, buffers that are not saved, extra state, named children and replacing layers.
import torch
from torch import nn


class Mixture(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.full((2,), float(i))) for i in range(n)])
        self.scales = nn.ParameterDict({"left": nn.Parameter(torch.ones(2)), "right": nn.Parameter(torch.zeros(2))})
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("cache", torch.zeros(3), persistent=False)
        self.register_parameter("bias", None)

    def forward(self, x, side="left"):
        self.steps += 1
        for w in self.weights:
            x = x + w * self.scales[side]
        return x


m = Mixture(3)
y = m(torch.tensor([1.0, 2.0]))
y.sum().backward()
m.weights.append(nn.Parameter(torch.tensor([9.0, 9.0])))
m.scales["mid"] = nn.Parameter(torch.tensor([0.5, 0.5]))
m.weights.extend([nn.Parameter(torch.zeros(1))])
seq = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
seq[1] = nn.Tanh()
seq.append(nn.Sigmoid())
del seq[0]
seq.insert(0, nn.Flatten())
seq.add_module("last", nn.Identity())
setattr(m, "extra", nn.Linear(2, 2, bias=False))
result = {
    "y": y,
    "state": sorted(m.state_dict()),
    "params": [n for n, _ in m.named_parameters()],
    "buffers": [n for n, _ in m.named_buffers()],
    "steps": m.steps,
    "children": [n for n, _ in m.named_children()],
    "modules": [type(x).__name__ for x in m.modules()],
    "keys": list(m.scales.keys()),
    "has": ["left" in m.scales, "nope" in m.scales, len(m.weights)],
    "slice": len(m.weights[1:3]),
    "grad": m.scales["left"].grad,
    "seq": repr(seq),
    "submodule": type(seq.get_submodule("last")).__name__,
    "parameter": tuple(m.get_parameter("extra.weight").shape),
}
