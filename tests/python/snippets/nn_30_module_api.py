# The module methods that tutorials use: traversal, conversion, freezing, prefixes, hooks, repr of custom
# modules.
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, n, act=nn.ReLU):
        super().__init__()
        self.n = n
        self.layers = nn.Sequential(nn.Linear(n, n), act())
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.count += 1
        return x + self.scale * self.layers(x)

    def extra_repr(self):
        return f"n={self.n}"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Block(3), Block(3, nn.Tanh)
        self.out = nn.Linear(3, 1)

    def forward(self, x):
        return self.out(self.b(self.a(x)))


def init(m):
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.weight, 0.1)
        nn.init.zeros_(m.bias)


net = Net().apply(init)
x = torch.tensor([[1.0, -2.0, 3.0]])
y = net(x)
y.sum().backward()
norms = {n: p.grad.norm().item() for n, p in net.named_parameters()}
net.zero_grad()
none = [p.grad is None for p in net.parameters()]
net.a.requires_grad_(False)
double = net.double()(x.double())
net.float()
half = nn.Linear(2, 2).to(torch.bfloat16).weight.dtype
events = []
h1 = net.register_forward_pre_hook(lambda m, a: events.append("pre"))
h2 = net.a.register_forward_hook(lambda m, a, o: o * 0)
zeroed = net(x)
h1.remove(), h2.remove()
net.train(False)
result = {
    "y": y, "norms": norms, "none": none, "double": double, "half": str(half), "zeroed": zeroed,
    "events": events, "repr": repr(net), "training": [m.training for m in net.modules()],
    "names": [n for n, _ in net.named_modules()],
    "prefixed": [n for n, _ in net.a.named_parameters(prefix="enc")],
    "own": [n for n, _ in net.named_parameters(recurse=False)],
    "frozen": [p.requires_grad for p in net.parameters()], "state": list(net.state_dict(prefix="m.")),
    "count": net.a.count, "dir": "layers" in dir(net.a), "has": hasattr(net, "nope"),
    "buffers": [tuple(b.shape) for b in net.buffers()],
    "device": sorted({str(p.device) for p in net.parameters()}), "children": len(list(net.children())),
    "type": type(net.a.layers[0]).__name__,
}
