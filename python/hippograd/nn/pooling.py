"""Pooling over the last one or two dims, resampling, padding, patches, pixel shuffles."""

from . import functional as F
from .module import Module


class _MaxPool(Module):
    function = None

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input):
        return type(self).function(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
                                   self.return_indices)

    def extra_repr(self):
        return (f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
                f"ceil_mode={self.ceil_mode}")


class MaxPool1d(_MaxPool):
    """Largest entry of each window.   (B, C, L) -> (B, C, L')"""
    function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """Largest entry of each window.   (B, C, H, W) -> (B, C, H', W')"""
    function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """Largest entry of each window.   (B, C, D, H, W) -> (B, C, D', H', W')"""
    function = staticmethod(F.max_pool3d)


class _MaxUnpool(Module):
    function = None

    def __init__(self, kernel_size, stride=None, padding=0):
        spread = type(self).spread
        self.kernel_size, self.padding = spread(kernel_size), spread(padding)
        self.stride = spread(kernel_size if stride is None else stride)

    def forward(self, input, indices, output_size=None):
        return type(self).function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Undoes MaxPool1d by its indices; other entries are 0."""
    function, spread = staticmethod(F.max_unpool1d), staticmethod(F.single)


class MaxUnpool2d(_MaxUnpool):
    """Undoes MaxPool2d by its indices; other entries are 0."""
    function, spread = staticmethod(F.max_unpool2d), staticmethod(F.pair)


class MaxUnpool3d(_MaxUnpool):
    """Undoes MaxPool3d by its indices; other entries are 0."""
    function, spread = staticmethod(F.max_unpool3d), staticmethod(F.triple)


class AvgPool1d(Module):
    """Mean of each window.   (B, C, L) -> (B, C, L')"""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input):
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self):
        one = lambda v: (v,) if isinstance(v, int) else tuple(v)
        return f"kernel_size={one(self.kernel_size)}, stride={one(self.stride)}, padding={one(self.padding)}"


class AvgPool2d(Module):
    """Mean of each window.   (B, C, H, W) -> (B, C, H', W')"""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input):
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """Mean of each window.   (B, C, D, H, W) -> (B, C, D', H', W')"""

    def forward(self, input):
        return F.avg_pool3d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
                            self.divisor_override)


class _Adaptive(Module):
    function = None

    def __init__(self, output_size):
        self.output_size = output_size

    def forward(self, input):
        return type(self).function(input, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_Adaptive):
    """(B, C, L) -> (B, C, output_size)"""
    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_Adaptive):
    """(B, C, H, W) -> (B, C, *output_size)"""
    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_Adaptive):
    """(B, C, D, H, W) -> (B, C, *output_size)"""
    function = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size, return_indices=False):
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input):
        return type(self).function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """(B, C, L) -> (B, C, output_size)"""
    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMax):
    """(B, C, H, W) -> (B, C, *output_size)"""
    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMax):
    """(B, C, D, H, W) -> (B, C, *output_size)"""
    function = staticmethod(F.adaptive_max_pool3d)


class _LPPool(Module):
    function = None

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input):
        return type(self).function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self):
        return (f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
                f"ceil_mode={self.ceil_mode}")


class LPPool1d(_LPPool):
    """(sum of x^p over each window)^(1/p)"""
    function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """(sum of x^p over each window)^(1/p)"""
    function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """(sum of x^p over each window)^(1/p)"""
    function = staticmethod(F.lp_pool3d)


class Upsample(Module):
    """Resamples to `size` or by `scale_factor`.   (B, C, ...) -> (B, C, ...)"""

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
        floats = lambda v: tuple(float(f) for f in v) if isinstance(v, (tuple, list)) else float(v) if v else None
        self.size, self.scale_factor, self.mode = size, floats(scale_factor), mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input):
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners,
                             self.recompute_scale_factor)

    def extra_repr(self):
        what = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """(B, C r^2, H, W) -> (B, C, H r, W r)"""

    def __init__(self, upscale_factor):
        self.upscale_factor = upscale_factor

    def forward(self, input):
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self):
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """(B, C, H r, W r) -> (B, C r^2, H, W)"""

    def __init__(self, downscale_factor):
        self.downscale_factor = downscale_factor

    def forward(self, input):
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self):
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """Interleaves the channels of `groups` groups"""

    def __init__(self, groups):
        self.groups = groups

    def forward(self, input):
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        return f"groups={self.groups}"


class Unfold(Module):
    """Columns of patches.   (B, C, H, W) -> (B, C KH KW, patches)"""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input):
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
                f"stride={self.stride}")


class Fold(Module):
    """Sum of patches into a picture.   (B, C KH KW, patches) -> (B, C, H, W)"""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input):
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
                f"padding={self.padding}, stride={self.stride}")


class _Pad(Module):
    """`padding`: one number for all sides, or (left, right[, top, bottom[, front, back]])."""

    n, mode = 1, "constant"

    def __init__(self, padding):
        self.padding = (padding,) * (2 * self.n) if isinstance(padding, int) else tuple(padding)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class _ZeroPad(_ConstantPad):
    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


def _pads(base, mode, name):
    """The 1d, 2d and 3d classes of one kind of padding."""
    for n in (1, 2, 3):
        doc = f"Pads the last {n} dim{'s' if n > 1 else ''}: {name}."
        yield type(f"{name}{n}d", (base,), {"n": n, "mode": mode, "__doc__": doc, "__module__": __name__})


ConstantPad1d, ConstantPad2d, ConstantPad3d = _pads(_ConstantPad, "constant", "ConstantPad")
ZeroPad1d, ZeroPad2d, ZeroPad3d = _pads(_ZeroPad, "constant", "ZeroPad")
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = _pads(_Pad, "reflect", "ReflectionPad")
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = _pads(_Pad, "replicate", "ReplicationPad")
CircularPad1d, CircularPad2d, CircularPad3d = _pads(_Pad, "circular", "CircularPad")
