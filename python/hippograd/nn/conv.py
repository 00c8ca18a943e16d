"""Convolutions and their transposes. Weights and biases start uniform in +- 1 / sqrt(fan_in)."""

import math

from . import functional as F
from . import init
from ._composed import SPREAD
from .linear import _empty
from .module import Module


def _tuple(n, v):
    return SPREAD[n](v)


class _Conv(Module):
    """Common part; `n` is the number of dims after (B, C)."""

    n, transposed = 1, False
    padding_modes = ("zeros", "reflect", "replicate", "circular")

    def _setup(self, in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
               padding_mode, device, dtype):
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of ('same', 'valid')")
        if padding == "same" and any(s != 1 for s in _tuple(self.n, stride)):
            raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in self.padding_modes:
            raise ValueError(f"padding_mode must be one of {self.padding_modes}, but got padding_mode='{padding_mode}'")
        self.in_channels, self.out_channels, self.groups, self.padding_mode = in_channels, out_channels, groups, padding_mode
        self.kernel_size, self.stride = _tuple(self.n, kernel_size), _tuple(self.n, stride)
        self.padding = padding if isinstance(padding, str) else _tuple(self.n, padding)
        self.dilation, self.output_padding = _tuple(self.n, dilation), _tuple(self.n, output_padding)
        channels = (in_channels, out_channels // groups) if self.transposed else (out_channels, in_channels // groups)
        self.weight = _empty(*channels, *self.kernel_size, device=device, dtype=dtype)
        self.register_parameter("bias", _empty(out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self):
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = math.prod(self.weight.shape[1:])
        if self.bias is not None and fan_in > 0:
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def _padded(self, input):
        """(input, padding): other modes than zeros pad the input beforehand."""
        if self.padding_mode == "zeros":
            return input, self.padding
        if self.padding == "valid":
            return input, 0
        if self.padding == "same":
            sides = [v for d, k in zip(reversed(self.dilation), reversed(self.kernel_size))
                     for v in (d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2)]
        else:
            sides = [p for p in reversed(self.padding) for _ in (0, 1)]
        return F.pad(input, sides, self.padding_mode), 0

    def extra_repr(self):
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if isinstance(self.padding, str) or any(self.padding):
            s += f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            s += f", dilation={self.dilation}"
        if any(self.output_padding):
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        return s if self.padding_mode == "zeros" else s + f", padding_mode={self.padding_mode}"


class Conv1d(_Conv):
    """(B, C, L) -> (B, O, floor((L + 2 padding - dilation (K - 1) - 1) / stride + 1)); weight (O, C / groups, K)"""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
                 padding_mode="zeros", device=None, dtype=None):
        self._setup(in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode, device,
                    dtype)

    def forward(self, input):
        x, padding = self._padded(input)
        return F.conv1d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """(B, C, H, W) -> (B, O, H', W'), sizes as Conv1d; weight (O, C / groups, KH, KW)"""

    n = 2
    __init__ = Conv1d.__init__

    def forward(self, input):
        x, padding = self._padded(input)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_Conv):
    """(B, C, D, H, W) -> (B, O, D', H', W'), sizes as Conv1d; weight (O, C / groups, KD, KH, KW)"""

    n = 3
    __init__ = Conv1d.__init__

    def forward(self, input):
        x, padding = self._padded(input)
        return F.conv3d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose1d(_Conv):
    """(B, C, L) -> (B, O, (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1); weight (C, O / groups, K)"""

    transposed = True
    function = staticmethod(F.conv_transpose1d)

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
                 dilation=1, padding_mode="zeros", device=None, dtype=None):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self._setup(in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
                    padding_mode, device, dtype)

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else self._output_padding(input, list(output_size))
        return type(self).function(input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
                                   self.dilation)

    def _output_padding(self, input, output_size):
        """What to add so that the result has `output_size`."""
        extra = []
        for i, wanted in enumerate(output_size[-self.n:]):
            least = ((input.shape[i - self.n] - 1) * self.stride[i] - 2 * self.padding[i]
                     + self.dilation[i] * (self.kernel_size[i] - 1) + 1)
            if not least <= wanted < least + self.stride[i]:
                raise ValueError(f"requested an output size of {output_size}, but valid sizes range from {least} to "
                                 f"{least + self.stride[i] - 1} (for an input of {tuple(input.shape[2:])})")
            extra.append(wanted - least)
        return extra


class ConvTranspose2d(ConvTranspose1d):
    """(B, C, H, W) -> (B, O, H', W'), sizes as ConvTranspose1d; weight (C, O / groups, KH, KW)"""

    n = 2
    function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(ConvTranspose1d):
    """(B, C, D, H, W) -> (B, O, D', H', W'), sizes as ConvTranspose1d; weight (C, O / groups, KD, KH, KW)"""

    n = 3
    function = staticmethod(F.conv_transpose3d)
