# Spectrogram by stft and back, windows, power spectrum, frequency of a tone, low-pass filter,
# autocorrelation.
import math

import torch

rate = 64
t = torch.arange(256) / rate
signal = torch.sin(2 * math.pi * 8 * t) + 0.5 * torch.sin(2 * math.pi * 20 * t)
window = torch.hann_window(32)
S = torch.stft(signal, n_fft=32, hop_length=8, window=window, return_complex=True)
back = torch.istft(S, n_fft=32, hop_length=8, window=window, length=256)
power = S.abs() ** 2
spectrum = torch.fft.rfft(signal)
freqs = torch.fft.rfftfreq(256, 1 / rate)
low = torch.where(freqs < 15, spectrum, torch.zeros_like(spectrum))
filtered = torch.fft.irfft(low, n=256)
auto = torch.fft.irfft(spectrum * spectrum.conj())[:8]
x = torch.arange(6.0, requires_grad=True)
y = torch.fft.fft(x).abs().pow(2).sum()
y.backward()
result = {
    "shape": tuple(S.shape), "power": power[:, 5], "error": (back - signal).abs().max() < 1e-5,
    "peak": freqs[spectrum.abs().argmax()], "filtered": filtered[:10], "auto": auto, "grad": x.grad,
    "shift": torch.fft.fftshift(torch.fft.fftfreq(6)),
          "fft2": torch.fft.fft2(torch.eye(3)), "ortho": torch.fft.fft(torch.ones(4), norm="ortho"), "angle": torch.angle(spectrum[32]), "hamming": torch.hamming_window(5), "kaiser": torch.kaiser_window(5), "real": torch.stft(signal[:64], 16, window=torch.ones(16), return_complex=True).real[:, 2]}
