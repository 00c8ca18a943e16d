# Finding the frequency of a sine wave.
import math
import torch

fs = 32
t = torch.arange(0, 1, 1 / fs)
signal = torch.sin(2 * math.pi * 5 * t) + 0.5 * torch.cos(2 * math.pi * 9 * t)
spectrum = torch.fft.rfft(signal)
freqs = torch.fft.rfftfreq(len(t), d=1 / fs)
peak = freqs[spectrum.abs().argmax()]
filtered = spectrum.clone()
filtered[freqs > 7] = 0
clean = torch.fft.irfft(filtered, n=len(t))
window = torch.hann_window(8)
result = {
    "peak": peak.item(), "top": spectrum.abs().topk(2).indices.tolist(),
    "err": (clean - torch.sin(2 * math.pi * 5 * t)).abs().max().item() < 1e-4, "window": window,
}
