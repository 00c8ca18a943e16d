"""Initialisation of tensors in place, outside the tape. Names and distributions are PyTorch's.

    fan_in = weight.shape[1] * kernel size, fan_out = weight.shape[0] * kernel size
    xavier:  var = gain^2 * 2 / (fan_in + fan_out)      kaiming: var = gain^2 / fan      uniform bound = sqrt(3 var)
"""

import math

from .. import _C
from ..autograd.grad_mode import no_grad


def calculate_gain(nonlinearity, param=None):
    """Recommended gain of a nonlinearity."""
    fixed = {"linear": 1, "conv1d": 1, "conv2d": 1, "conv3d": 1, "conv_transpose1d": 1, "conv_transpose2d": 1,
             "conv_transpose3d": 1, "sigmoid": 1, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if nonlinearity in fixed:
        return fixed[nonlinearity]
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope ** 2))
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _calculate_fan_in_and_fan_out(tensor):
    if tensor.dim() < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor, mode):
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return _calculate_fan_in_and_fan_out(tensor)[mode.lower() == "fan_out"]


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal numbers redrawn into [a, b], by the inverse of the distribution function:
    x = mean + std sqrt(2) erfinv(2 u - 1),   u uniform in [Phi((a - mean) / std), Phi((b - mean) / std)]"""
    phi = lambda x: (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0
    with no_grad():
        low, high = phi((a - mean) / std), phi((b - mean) / std)
        tensor.uniform_(2 * low - 1, 2 * high - 1, generator=generator)
        return tensor.erfinv_().mul_(std * math.sqrt(2.0)).add_(mean).clamp_(a, b)


def constant_(tensor, val):
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    return constant_(tensor, 1.0)


def zeros_(tensor):
    return constant_(tensor, 0.0)


def eye_(tensor):
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        return tensor.copy_(_C.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor, groups=1):
    """A convolution that passes its input channels through."""
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per = tensor.shape[0] // groups
    with no_grad():
        tensor.zero_()
        for g in range(groups):
            for d in range(min(per, tensor.shape[1])):
                tensor[(g * per + d, d, *(n // 2 for n in tensor.shape[2:]))] = 1
    return tensor


def xavier_uniform_(tensor, gain=1.0, generator=None):
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    std = gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_variance(tensor, a, mode, nonlinearity, times):
    """times * gain^2 / fan, rounded as the C++ initialisers round it: layers of both start with the same bits."""
    fan = _calculate_correct_fan(tensor, mode)
    if nonlinearity == "leaky_relu":
        calculate_gain(nonlinearity, a)                                     # refuses a slope that is no number
        return times * 2.0 / ((1.0 + a * a) * fan)
    return times * 2.0 / fan if nonlinearity == "relu" else times * calculate_gain(nonlinearity, a) ** 2 / fan


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(_kaiming_variance(tensor, a, mode, nonlinearity, 3))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, math.sqrt(_kaiming_variance(tensor, a, mode, nonlinearity, 1)), generator)


def orthogonal_(tensor, gain=1, generator=None):
    """Q of the QR decomposition of a normal matrix, signs fixed by R's diagonal, so Q is uniform."""
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    flat = _C.empty(rows, columns, dtype=tensor.dtype).normal_(0, 1, generator=generator)
    flat = flat.t().contiguous() if rows < columns else flat
    q = _orthonormal_columns(flat)
    with no_grad():
        return tensor.copy_((q.t() if rows < columns else q).reshape(tensor.shape)).mul_(gain)


def _orthonormal_columns(a):
    linalg = getattr(_C, "linalg", None)
    if linalg is not None and hasattr(linalg, "qr"):
        q, r = linalg.qr(a)
        return q * r.diagonal().sign()
    columns = []                                     # modified Gram-Schmidt, twice for accuracy; R's diagonal is positive
    for j in range(a.shape[1]):
        v = a[:, j]
        for _ in range(2):
            for u in columns:
                v = v - (u * v).sum() * u
        columns.append(v / (v * v).sum().sqrt())
    return _C.stack(columns, 1)


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal numbers with the same share of zeros in every column."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for c in range(columns):
            tensor[_C.randperm(rows, generator=generator)[:math.ceil(sparsity * rows)], c] = 0
    return tensor


def _deprecated(function):
    def old(*args, **kwargs):
        return function(*args, **kwargs)
    old.__name__ = function.__name__[:-1]
    return old


uniform, normal, constant, eye, dirac, xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal, orthogonal, sparse = map(
    _deprecated, (uniform_, normal_, constant_, eye_, dirac_, xavier_uniform_, xavier_normal_, kaiming_uniform_,
                  kaiming_normal_, orthogonal_, sparse_))
