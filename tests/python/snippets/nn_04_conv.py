# Convolutions with fixed weights.
import torch
import torch.nn as nn
import torch.nn.functional as F

x = torch.arange(16.0).view(1, 1, 4, 4)
conv = nn.Conv2d(1, 2, kernel_size=3, padding=1, stride=1)
with torch.no_grad():
    conv.weight.copy_(torch.linspace(-1, 1, 18).view(2, 1, 3, 3))
    conv.bias.copy_(torch.tensor([0.5, -0.5]))
y = conv(x)
y.pow(2).sum().backward()
edge = F.conv2d(x, torch.tensor([[[[1.0, 0.0, -1.0]] * 3]]))
c1 = F.conv1d(torch.arange(6.0).view(1, 2, 3), torch.ones(2, 1, 2), groups=2)
dil = F.conv2d(x, torch.ones(1, 1, 2, 2), dilation=2, stride=(1, 2))
same = F.conv2d(x, torch.ones(1, 1, 3, 3), padding="same")
t = F.conv_transpose2d(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.ones(1, 1, 2, 2), stride=2)
tc = nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)
result = {
    "y": y.detach(), "gw": conv.weight.grad, "gb": conv.bias.grad, "edge": edge, "c1": c1, "dil": dil,
    "same": same, "t": t, "tc": tc(torch.zeros(1, 2, 4, 4)).shape, "unbatched": conv(x[0]).shape,
    "wshape": nn.Conv2d(4, 6, 3, groups=2).weight.shape,
    "conv3d": nn.Conv3d(1, 2, 2)(torch.zeros(1, 1, 3, 3, 3)).shape,
    "conv1d": nn.Conv1d(3, 5, 3, padding=1)(torch.zeros(2, 3, 7)).shape,
}
