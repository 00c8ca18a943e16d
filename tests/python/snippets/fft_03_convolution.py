# Convolution by the FFT equals direct convolution, and so do its gradients.
import torch
import torch.nn.functional as F

x = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
k = torch.tensor([0.5, -1.0, 0.25], requires_grad=True)
n = x.numel() + k.numel() - 1
y = torch.fft.irfft(torch.fft.rfft(x, n=n) * torch.fft.rfft(k, n=n), n=n)
direct = F.conv1d(x.view(1, 1, -1), k.flip(0).view(1, 1, -1), padding=2).flatten()
(y * torch.arange(6.0)).sum().backward()
result = {"y": y.detach(), "direct": direct.detach(), "gx": x.grad, "gk": k.grad}
