# Batch normalisation in training and evaluation.
import torch
import torch.nn as nn

bn = nn.BatchNorm1d(3)
x = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 9.0], [6.0, 0.0, 0.0]], requires_grad=True)
y = bn(x)
(y * torch.arange(9.0).view(3, 3)).sum().backward()
mean, var, n = bn.running_mean.clone(), bn.running_var.clone(), bn.num_batches_tracked.item()
bn.eval()
z = bn(x.detach())
bn2 = nn.BatchNorm2d(2, momentum=0.5)
img = torch.arange(16.0).view(2, 2, 2, 2)
i = bn2(img)
result = {
    "y": y.detach(), "gx": x.grad, "gw": bn.weight.grad, "gb": bn.bias.grad, "mean": mean, "var": var, "n": n,
    "z": z.detach(), "i": i.detach(), "rm2": bn2.running_mean, "rv2": bn2.running_var,
    "keys": list(bn.state_dict()), "noaffine": nn.BatchNorm1d(2, affine=False).weight,
}
