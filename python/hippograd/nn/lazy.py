"""Layers that learn their input size from the first input, and are the plain layer from then on.

Until then the parameters are there (an optimizer may take them) but empty.
"""

from .. import _C
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .normalization import BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d


class _Lazy:
    """Mixed into a layer class `base` whose first argument is the input size (found at dim `size_dim`)."""

    base, size_dim = None, 1

    def __init__(self, *args, **kwargs):
        # The smallest layer gives all options their attributes; groups must divide the channels.
        self.base.__init__(self, kwargs.get("groups", args[5] if len(args) > 5 and "Conv" in self.base.__name__ else 1), *args,
                           **kwargs)
        self._arguments = (args, kwargs)
        for parameter in self.parameters():
            parameter.data = _C.empty(0, dtype=parameter.dtype)

    def has_uninitialized_params(self):
        return True

    def forward(self, input):
        args, kwargs = self._arguments
        full = self.base(input.shape[self.size_dim], *args, **kwargs)
        for name, parameter in full.named_parameters():
            getattr(self, name).data = parameter.data.to(getattr(self, name).dtype)
        del self._arguments
        for name, value in full.__dict__.items():
            if name not in full._parameters and name != "training":
                object.__setattr__(self, name, value)
        self.__class__ = self.base
        return self.forward(input)


def _lazy(base, dim=1):
    doc = f"{base.__name__} that takes its input size from dim {dim} of the first input."
    return type("Lazy" + base.__name__, (_Lazy, base), {"base": base, "size_dim": dim, "__doc__": doc, "__module__": __name__})


LazyLinear = _lazy(Linear, -1)
LazyConv1d, LazyConv2d, LazyConv3d = map(_lazy, (Conv1d, Conv2d, Conv3d))
LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d = map(_lazy, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d))
LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d = map(_lazy, (BatchNorm1d, BatchNorm2d, BatchNorm3d))
LazyInstanceNorm1d, LazyInstanceNorm2d, LazyInstanceNorm3d = map(_lazy, (InstanceNorm1d, InstanceNorm2d, InstanceNorm3d))
