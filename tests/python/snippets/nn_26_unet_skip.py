# An encoder and decoder with skip connections, transposed convolutions and dice loss.
import torch
import torch.nn as nn


def conv_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = conv_block(1, 4), conv_block(4, 8)
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ConvTranspose2d(8, 4, kernel_size=2, stride=2)
        self.dec = conv_block(8, 4)
        self.out = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(self.pool(a))
        c = self.up(b)
        return self.out(self.dec(torch.cat([a, c], dim=1)))


def dice_loss(logits, target, eps=1.0):
    p = torch.sigmoid(logits).flatten(1)
    t = target.flatten(1)
    return (1 - (2 * (p * t).sum(1) + eps) / (p.sum(1) + t.sum(1) + eps)).mean()


net = UNet()
for i, (name, p) in enumerate(net.named_parameters()):
    p.data = torch.linspace(-0.5, 0.5, p.numel()).reshape(p.shape) + 0.01 * i
x = torch.linspace(-1, 1, 2 * 64).reshape(2, 1, 8, 8)
target = (x > 0.2).float()
out = net(x)
loss = dice_loss(out, target) + nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))(out, target)
loss.backward()
net.eval()
with torch.inference_mode():
    mask = (net(x).sigmoid() > 0.5).long()
result = {
    "loss": loss,
    "grad": net.down1[0].weight.grad,
    "up": net.up.weight.grad.sum((2, 3)),
    "running": net.down2[1].running_mean,
    "batches": net.down2[1].num_batches_tracked,
    "mask": mask.sum(),
    "keys": list(net.state_dict().keys()),
}
