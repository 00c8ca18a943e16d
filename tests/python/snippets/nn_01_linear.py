# A linear layer with weights set by hand.
import torch
from torch import nn

layer = nn.Linear(3, 2)
with torch.no_grad():
    layer.weight.copy_(torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]]))
    layer.bias.fill_(0.25)
x = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
y = layer(x)
y.sum().backward()
nobias = nn.Linear(2, 1, bias=False)
nobias.weight.data = torch.tensor([[2.0, 3.0]])
bil = nn.Bilinear(2, 2, 1)
nn.init.ones_(bil.weight)
nn.init.zeros_(bil.bias)
result = {
    "y": y.detach(), "gw": layer.weight.grad, "gb": layer.bias.grad,
    "features": [layer.in_features, layer.out_features], "nobias": nobias(torch.ones(4, 2)).detach(),
    "bias_none": nobias.bias, "three_d": layer(torch.ones(2, 4, 3)).shape,
    "bil": bil(torch.ones(1, 2), torch.tensor([[2.0, 3.0]])).detach(), "ident": nn.Identity()(x),
}
