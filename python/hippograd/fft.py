"""Discrete Fourier transforms with PyTorch's names: torch.fft."""
from . import _C


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft", "fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn", "fftshift",
              "ifftshift"):
    globals()[_name] = getattr(_C, "fft_" + _name)


def fftfreq(n, d=1.0, *, dtype=None, device=None, requires_grad=False):
    """The frequencies of the bins: 0, 1, ..., -2, -1 over n d."""
    half = (n - 1) // 2 + 1
    bins = _C.cat([_C.arange(half), _C.arange(-(n // 2), 0)])
    return (bins.to(dtype or _C.get_default_dtype()) / (n * d)).requires_grad_(requires_grad)


def rfftfreq(n, d=1.0, *, dtype=None, device=None, requires_grad=False):
    return (_C.arange(n // 2 + 1).to(dtype or _C.get_default_dtype()) / (n * d)).requires_grad_(requires_grad)


def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
         onesided=None, return_complex=None):
    """Spectra of overlapping windows: (..., frequencies, frames)."""
    if return_complex is None and not input.is_complex() and (window is None or not window.is_complex()):
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further require that "
                           "return_complex=True in a future PyTorch release.")
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    window = _padded_window(window, width, n_fft, input.abs().dtype)
    x = input.reshape(1, -1) if input.dim() == 1 else input
    if center:
        x = _C.pad(x.unsqueeze(1), (n_fft // 2, n_fft // 2), pad_mode).squeeze(1)
    frames = x.unfold(-1, n_fft, hop) * window                     # (B, frames, n_fft)
    real = not input.is_complex() and onesided is not False
    out = (_C.fft_rfft if real else _C.fft_fft)(frames, None, -1, "ortho" if normalized else None).transpose(-1, -2)
    out = out[0] if input.dim() == 1 else out
    return _C.view_as_real(out) if return_complex is False else out


def _padded_window(window, width, n_fft, dtype):
    window = _C.ones(width, dtype=dtype) if window is None else window
    left = (n_fft - width) // 2
    return _C.pad(window, (left, n_fft - width - left)) if width < n_fft else window


def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None, length=None,
          return_complex=False):
    """The inverse of stft by weighted overlap-add."""
    hop, width = hop_length or n_fft // 4, win_length or n_fft
    x = input.unsqueeze(0) if input.dim() == 2 else input
    real = onesided is not False and x.shape[1] == n_fft // 2 + 1
    frames = x.transpose(1, 2)
    norm = "ortho" if normalized else None
    frames = _C.fft_irfft(frames, n_fft, -1, norm) if real else _C.fft_ifft(frames, None, -1, norm)
    window = _padded_window(window, width, n_fft, frames.abs().dtype)
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    place = (_C.arange(count).unsqueeze(1) * hop + _C.arange(n_fft)).reshape(-1)
    signal = frames.new_zeros(x.shape[0], total).index_add(1, place, (frames * window).reshape(x.shape[0], -1))
    weight = window.new_zeros(total).index_add(0, place, (window * window).repeat(count))
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - (n_fft // 2 if center else 0)
    out = signal[:, start:stop] / weight[start:stop]
    out = out.real if out.is_complex() and not return_complex else out
    if length is not None and out.shape[1] < length:
        out = _C.pad(out, (0, length - out.shape[1]))
    return out[0] if input.dim() == 2 else out


_C.stft, _C.istft = stft, istft
_C.Tensor.stft, _C.Tensor.istft = stft, istft
