# Pooling layers.
import torch
import torch.nn as nn
import torch.nn.functional as F

x = (torch.arange(16.0).view(1, 1, 4, 4) * 7) % 11
x.requires_grad_()
y = nn.MaxPool2d(2)(x)
y.sum().backward()
grad = x.grad
x = x.detach()
out, idx = F.max_pool2d(x, 2, return_indices=True)
result = {
    "max": y.detach(), "gmax": grad, "avg": nn.AvgPool2d(2)(x), "stride": F.max_pool2d(x, 3, stride=1),
    "pad": F.max_pool2d(x, kernel_size=2, stride=2, padding=1),
    "avg_pad": F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False),
    "adaptive": nn.AdaptiveAvgPool2d((1, 1))(x), "adaptive3": F.adaptive_avg_pool2d(x, 3),
    "amax": nn.AdaptiveMaxPool2d(2)(x), "idx": idx, "unpool": nn.MaxUnpool2d(2)(out, idx),
    "pool1d": F.max_pool1d(torch.arange(6.0).view(1, 1, 6), 2),
    "avg1d": nn.AvgPool1d(3, stride=1)(torch.arange(6.0).view(1, 1, 6)),
    "ceil": F.max_pool2d(x, 3, ceil_mode=True).shape, "gap": x.mean(dim=[2, 3]),
}
