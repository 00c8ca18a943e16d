# Convolution as a matrix product.
import torch
import torch.nn.functional as F

x = torch.arange(32.0).view(1, 2, 4, 4) / 10
w = torch.sin(torch.arange(36.0)).view(2, 2, 3, 3)
cols = F.unfold(x, kernel_size=3, padding=1)
y = (w.view(2, -1) @ cols).view(1, 2, 4, 4)
ref = F.conv2d(x, w, padding=1)
depthwise = F.conv2d(x, w[:, :1], groups=2, padding=1)
pointwise = F.conv2d(x, torch.tensor([[[[2.0]], [[-1.0]]]]))
lapl = F.conv2d(x[:, :1], torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]).view(1, 1, 3, 3))
result = {
    "cols": cols.shape, "match": torch.allclose(y, ref, atol=1e-5), "ref": ref, "depthwise": depthwise,
    "pointwise": pointwise, "laplace": lapl,
}
