# Helpers of nn.functional.
import torch
import torch.nn.functional as F

x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
result = {
    "normalize": F.normalize(x, p=2, dim=1), "normalize1": F.normalize(x, p=1, dim=0),
    "pad_left": F.pad(torch.tensor([1, 2, 3]), (2, 0)),
    "pad_2d": F.pad(torch.ones(1, 2), (1, 1, 1, 0), "constant", 7.0),
    "neg_pad": F.pad(torch.arange(5), (-1, -1)),
    "reflect": F.pad(torch.arange(4.0).view(1, 1, 4), (2, 1), mode="reflect"),
    "linear": F.linear(x, torch.eye(2), torch.ones(2)), "bilinear": F.bilinear(x, x, torch.ones(1, 2, 2)),
    "gelu": F.gelu(x), "leaky": F.leaky_relu(-x, negative_slope=0.2), "threshold": F.threshold(x, 3.5, -1.0),
    "elu": F.elu(-x, alpha=0.5), "one_hot": F.one_hot(torch.arange(3) % 2, 3), "softplus": F.softplus(x),
    "prelu": F.prelu(-x, torch.tensor([0.3])), "glu": F.glu(x), "logsigmoid": F.logsigmoid(x),
}
