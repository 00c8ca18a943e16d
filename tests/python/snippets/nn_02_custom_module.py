# Subclassing Module: parameters, buffers, submodules.
import torch
import torch.nn as nn


class MyLayer(nn.Module):
    def __init__(self, n):
        super(MyLayer, self).__init__()
        self.scale = nn.Parameter(torch.ones(n) * 2)
        self.register_buffer("offset", torch.arange(n, dtype=torch.float32))
        self.register_parameter("unused", None)
        self.inner = nn.Linear(n, n, bias=False)
        nn.init.eye_(self.inner.weight)

    def forward(self, x):
        return self.inner(x * self.scale + self.offset)


m = MyLayer(3)
y = m(torch.ones(2, 3))
y.sum().backward()
result = {
    "y": y.detach(), "grad": m.scale.grad, "names": [n for n, _ in m.named_parameters()],
    "shapes": [list(p.shape) for p in m.parameters()], "buffers": [n for n, _ in m.named_buffers()],
    "state": list(m.state_dict().keys()), "children": [n for n, _ in m.named_children()],
    "modules": [type(k).__name__ for k in m.modules()], "named_modules": [n for n, _ in m.named_modules()],
    "count": sum(p.numel() for p in m.parameters() if p.requires_grad), "training": m.training,
    "isparam": isinstance(m.scale, nn.Parameter),
}
