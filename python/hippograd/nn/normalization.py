"""Normalisation layers. Weights start at 1, biases at 0."""

from .. import _C
from . import functional as F
from . import init
from .module import Module
from .parameter import Parameter


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dims.   (..., *normalized_shape) -> same"""

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True, device=None, dtype=None):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        make = lambda f: Parameter(f(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", make(_C.ones) if elementwise_affine else None)
        self.register_parameter("bias", make(_C.zeros) if elementwise_affine and bias else None)

    def reset_parameters(self):
        for tensor, fill in ((self.weight, 1.0), (self.bias, 0.0)):
            if tensor is not None:
                init.constant_(tensor, fill)

    def forward(self, input):
        return _C.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
                f"bias={self.bias is not None}")


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last dims.   (..., *normalized_shape) -> same; eps None: the dtype's"""

    def __init__(self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None):
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", Parameter(_C.ones(self.normalized_shape, device=device, dtype=dtype))
                                if elementwise_affine else None)

    def reset_parameters(self):
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input):
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Normalises each of num_groups groups of channels.   (B, num_channels, ...) -> same"""

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None, *, bias=True):
        if num_channels % num_groups != 0:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        make = lambda f: Parameter(f(num_channels, device=device, dtype=dtype))
        self.register_parameter("weight", make(_C.ones) if affine else None)
        self.register_parameter("bias", make(_C.zeros) if affine and bias else None)

    reset_parameters = LayerNorm.reset_parameters

    def forward(self, input):
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
                f"bias={self.bias is not None}")


class _RunningNorm(Module):
    """Common part of BatchNorm and InstanceNorm: affine parameters, running mean and (unbiased) variance.

    running = (1 - momentum) running + momentum batch; momentum None: the plain average over all batches.
    """

    dims = ()

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None,
                 *, bias=True):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        make = lambda f: f(num_features, device=device, dtype=dtype)
        self.register_parameter("weight", Parameter(make(_C.ones)) if affine else None)
        self.register_parameter("bias", Parameter(make(_C.zeros)) if affine and bias else None)
        self.register_buffer("running_mean", make(_C.zeros) if track_running_stats else None)
        self.register_buffer("running_var", make(_C.ones) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", _C.tensor(0, dtype=_C.int64) if track_running_stats else None)

    def reset_running_stats(self):
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        self.reset_running_stats()
        LayerNorm.reset_parameters(self)

    def _check(self, input):
        if input.dim() not in self.dims:
            raise ValueError(f"expected {' or '.join(f'{d}D' for d in self.dims)} input (got {input.dim()}D input)")
        return input

    def _next_momentum(self):
        if not (self.training and self.track_running_stats):
            return 0.0 if self.momentum is None else self.momentum
        self.num_batches_tracked.add_(1)
        return 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}")


class _BatchNorm(_RunningNorm):
    def forward(self, input):
        self._check(input)
        momentum = self._next_momentum()
        by_batch = self.training or self.running_mean is None
        update = self.training and self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if update or not by_batch else (None, None)
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch (and length).   (B, C) or (B, C, L) -> same"""
    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel over batch and picture.   (B, C, H, W) -> same"""
    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """(B, C, D, H, W) -> same"""
    dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """BatchNorm over any picture or volume; one process, so there is nothing to synchronise."""
    dims = (2, 3, 4, 5)

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """The module itself: its batch norms already see the whole batch."""
        return module


class _InstanceNorm(_RunningNorm):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=False, track_running_stats=False, device=None,
                 dtype=None, *, bias=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input):
        self._check(input)
        batched = input.dim() == max(self.dims)
        x = input if batched else input.unsqueeze(0)
        use_input = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        y = F.instance_norm(x, self.running_mean, self.running_var, self.weight, self.bias, use_input, momentum, self.eps)
        return y if batched else y.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample over its length.   (B, C, L) or (C, L) -> same"""
    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample over its picture.   (B, C, H, W) or (C, H, W) -> same"""
    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """(B, C, D, H, W) or (C, D, H, W) -> same"""
    dims = (4, 5)


class LocalResponseNorm(Module):
    """x / (k + alpha * mean of x^2 over `size` channels) ^ beta.   (B, C, ...) -> same"""

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input):
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
