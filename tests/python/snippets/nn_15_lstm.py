# LSTM: layers, directions and states.
import torch
import torch.nn as nn


def fill(module):
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * (i + 1)).view_as(p) * 0.4)
    return module


lstm = fill(nn.LSTM(3, 4))
x = torch.cos(torch.arange(18.0)).view(3, 2, 3)
out, (h, c) = lstm(x)
out.sum().backward()
deep = fill(nn.LSTM(3, 2, num_layers=2, bidirectional=True, batch_first=True))
o2, (h2, c2) = deep(x.transpose(0, 1))
h0, c0 = torch.ones(1, 2, 4), torch.zeros(1, 2, 4)
o3, _ = lstm(x, (h0, c0))
cell = fill(nn.LSTMCell(3, 2))
hx, cx = cell(x[0], (torch.zeros(2, 2), torch.zeros(2, 2)))
result = {
    "out": out.detach(), "h": h.detach(), "c": c.detach(), "g": lstm.weight_ih_l0.grad.sum(1),
    "o2": o2.detach(), "h2": h2.detach(), "c2": c2.detach(), "o3": o3.detach(), "hx": hx.detach(),
    "cx": cx.detach(), "names": [n for n, _ in deep.named_parameters()][:8],
    "unbatched": lstm(x[:, 0])[0].shape,
}
