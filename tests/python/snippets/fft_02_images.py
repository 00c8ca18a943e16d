# Two-dimensional transforms.
import torch

img = torch.arange(12.0).view(3, 4)
F2 = torch.fft.fft2(img)
result = {
    "F2": F2, "back": torch.fft.ifft2(F2).real, "r2": torch.fft.rfft2(img),
    "ir2": torch.fft.irfft2(torch.fft.rfft2(img), s=img.shape), "n": torch.fft.fftn(torch.ones(2, 2, 2)).real,
    "parseval": [(img ** 2).sum().item(), (F2.abs() ** 2).sum().item() / 12],
}
