# A residual block and a small ResNet head, with gradients.
import torch
from torch import nn
import torch.nn.functional as F


class ResidualBlock(nn.Module):
    expansion = 1

    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut = nn.Sequential()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout),
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


block = ResidualBlock(2, 4, stride=2)
with torch.no_grad():
    for i, p in enumerate(block.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) + i).view_as(p) * 0.5 + 0.1)
x = torch.cos(torch.arange(64.0)).view(2, 2, 4, 4)
y = block(x)
y.mean().backward()
result = {
    "y": y.detach(), "shape": y.shape, "keys": list(block.state_dict()),
    "g1": block.conv1.weight.grad.abs().sum(), "gbn": block.bn2.weight.grad,
    "params": sum(p.numel() for p in block.parameters()),
}
