# Fourier transforms there and back.
import torch

x = torch.tensor([1.0, 2.0, 3.0, 4.0, 0.0, -1.0])
X = torch.fft.fft(x)
r = torch.fft.rfft(x)
result = {
    "X": X, "back": torch.fft.ifft(X).real, "r": r, "irfft": torch.fft.irfft(r, n=6),
    "freq": torch.fft.fftfreq(6, d=0.5), "rfreq": torch.fft.rfftfreq(6),
    "shift": torch.fft.fftshift(torch.arange(5)),
    "ishift": torch.fft.ifftshift(torch.fft.fftshift(torch.arange(5))),
    "ortho": torch.fft.fft(x, norm="ortho").abs(), "padded": torch.fft.rfft(x, n=8).shape,
    "dim": torch.fft.fft(torch.eye(3), dim=0), "power": r.abs() ** 2,
}
