"""`nn.functional`: layers as functions. Names, arguments and defaults are PyTorch's.

Ops that `_C` implements are called directly; the rest is written here (or in `_composed.py`) over other ops, so its gradient
follows to any order.
"""

import functools
import math

from .. import _C
from . import _composed
from ._composed import SPREAD, pair, single, triple

Tensor = _C.Tensor


def _op(name):
    """The kernel of `_C` if it has one, else the composition over other ops."""
    return getattr(_C, name, None) or getattr(_composed, name)


def _reduce(loss, reduction):
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _legacy_reduction(size_average, reduce, reduction):
    """PyTorch's old pair of flags, if given, decides."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "mean" if size_average is None or size_average else "sum"


def _into(input, function, inplace):
    """function(input), written into input if `inplace`; what backward needs is then a copy."""
    if not inplace:
        return function(input)
    return input.copy_(function(input.clone() if _C.is_grad_enabled() and input.requires_grad else input))


# ---- linear ---------------------------------------------------------------------------------------------------------

def linear(input, weight, bias=None):
    """y = x W^T + b.   input: (..., in), weight: (out, in) -> (..., out)"""
    return _C.linear(input, weight, bias)


def bilinear(input1, input2, weight, bias=None):
    """y_k = x1^T W_k x2 + b_k.   input1: (..., I), input2: (..., J), weight: (K, I, J) -> (..., K)"""
    y = _C.einsum("bi,kij,bj->bk", input1.reshape(-1, weight.shape[1]), weight, input2.reshape(-1, weight.shape[2]))
    y = y.reshape(*input1.shape[:-1], weight.shape[0])
    return y if bias is None else y + bias


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` (V, D) by index.   input: (...) -> (..., D). Rows `padding_idx` get no gradient."""
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported")
    if padding_idx is not None:
        if not -weight.shape[0] <= padding_idx < weight.shape[0]:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= weight.shape[0]
    if max_norm is not None:
        _composed.renormalise_rows_(weight, input, max_norm, norm_type)
    rows = _C.embedding(weight, input, -1 if padding_idx is None else padding_idx)
    return _per_frequency(rows, input, weight.shape[0]) if scale_grad_by_freq and rows.requires_grad else rows


def _per_frequency(rows, index, count):
    """The same rows; their gradient divided by how often their index stands in the batch."""
    times = _C.bincount(index.reshape(-1).to(_C.int64), minlength=count)[index.to(_C.int64)].unsqueeze(-1)
    constant = rows.detach()
    return constant + (rows - constant) / times.to(rows.dtype)


def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
                  sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None):
    """Sum, mean or max of the embeddings of each bag.   input: (B, L), or (L) with `offsets` (B) -> (B, D)"""
    if input.dim() == 2 and offsets is not None:
        raise ValueError("if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                         "sequences.")
    if input.dim() == 1 and offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError("embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
                                  f"for mode='sum' (got mode='{mode}').")
    if input.dim() == 2:
        bags, weights = list(input), None if per_sample_weights is None else list(per_sample_weights)
    else:
        ends = [int(o) for o in offsets] + ([] if include_last_offset else [input.shape[0]])
        spans = list(zip(ends[:-1], ends[1:]))
        bags = [input[a:b] for a, b in spans]
        weights = None if per_sample_weights is None else [per_sample_weights[a:b] for a, b in spans]
    times = _C.bincount(input.reshape(-1), minlength=weight.shape[0]) if scale_grad_by_freq else None
    rows = []
    for i, bag in enumerate(bags):
        scale = None if weights is None else weights[i]
        if padding_idx is not None:
            keep = bag != padding_idx % weight.shape[0]
            bag, scale = bag[keep], None if scale is None else scale[keep]
        e = embedding(bag, weight, None, max_norm, norm_type)                # (L_i, D)
        if times is not None:
            e = e.detach() + (e - e.detach()) / times[bag].unsqueeze(-1).to(e.dtype)
        if scale is not None:
            e = e * scale.unsqueeze(-1)
        rows.append(weight.new_zeros(weight.shape[1]) if bag.numel() == 0 else
                    e.sum(0) if mode == "sum" else e.mean(0) if mode == "mean" else e.max(0)[0])
    return _C.stack(rows)


def one_hot(tensor, num_classes=-1):
    """(...) of integers -> (..., C) of 0 and 1."""
    if tensor.dtype != _C.int64:
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, got {tensor.dtype}")
    if tensor.numel() and int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    classes = (int(tensor.max()) + 1 if tensor.numel() else 0) if num_classes == -1 else num_classes
    if tensor.numel() and int(tensor.max()) >= classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    zeros = _C.zeros(*tensor.shape, classes, dtype=_C.int64, device=tensor.device)
    return zeros.scatter_(-1, tensor.unsqueeze(-1), 1)


# ---- activations ----------------------------------------------------------------------------------------------------

def relu(input, inplace=False):
    return _C.relu_(input) if inplace else _C.relu(input)


def relu_(input):
    return _C.relu_(input)


def sigmoid(input):
    return _C.sigmoid(input)


def tanh(input):
    return _C.tanh(input)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x if x > 0 else slope x"""
    return _into(input, lambda input: _op("leaky_relu")(input, negative_slope), inplace)


def elu(input, alpha=1.0, inplace=False):
    """x if x > 0 else alpha (e^x - 1)"""
    return _into(input, lambda input: _op("elu")(input, alpha), inplace)


def celu(input, alpha=1.0, inplace=False):
    """x if x > 0 else alpha (e^(x / alpha) - 1)"""
    return _into(input, lambda input: _op("celu")(input, alpha), inplace)


def selu(input, inplace=False):
    """scale * elu(x, alpha), with the two constants of Klambauer et al. 2017"""
    return _into(input, lambda input: _op("selu")(input), inplace)


def gelu(input, approximate="none"):
    """x Phi(x); "tanh" uses 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))"""
    return _C.gelu(input, approximate=approximate)


def silu(input, inplace=False):
    """x sigmoid(x)"""
    return _into(input, lambda input: _C.silu(input), inplace)


def mish(input, inplace=False):
    """x tanh(softplus(x))"""
    return _into(input, lambda input: _op("mish")(input), inplace)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta. Differs from PyTorch: with the default threshold no cut is made (the exact function differs
    from it by less than 3e-9); any other threshold is applied, beta x > threshold giving x."""
    y = _C.softplus(input) if beta == 1 else _C.softplus(input * beta) / beta
    return y if threshold == 20 else _C.where(input * beta > threshold, input, y)


def softsign(input):
    """x / (1 + |x|)"""
    return input / (1 + input.abs())


def tanhshrink(input):
    return input - input.tanh()


def hardshrink(input, lambd=0.5):
    return input.masked_fill(input.abs() <= lambd, 0)


def softshrink(input, lambd=0.5):
    return (input - lambd * input.sign()).masked_fill(input.abs() <= lambd, 0)


def threshold(input, threshold, value, inplace=False):
    """x if x > threshold else value"""
    return _into(input, lambda input: input.masked_fill(input <= threshold, value), inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    return _into(input, lambda input: _op("hardtanh")(input, min_val, max_val), inplace)


def relu6(input, inplace=False):
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input, inplace=False):
    """relu6(x + 3) / 6"""
    return _into(input, _op("hardsigmoid"), inplace)


def hardswish(input, inplace=False):
    """x relu6(x + 3) / 6"""
    return _into(input, _op("hardswish"), inplace)


def logsigmoid(input):
    """-softplus(-x)"""
    return -_C.softplus(-input)


def prelu(input, weight):
    """x if x > 0 else w x; weight: (1) or one per channel, dim 1."""
    if weight.numel() != 1:
        if input.dim() == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.dim() > 1 else 1
        if channels != weight.numel():
            raise RuntimeError("Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                               f"{weight.numel()} and channel size = {channels}.")
        weight = weight.reshape([1, -1] + [1] * (input.dim() - 2))
    return _C.where(input > 0, input, weight * input)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu whose slope is drawn uniformly per element in training, else the middle of the range."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = _C.empty_like(input.detach()).uniform_(lower, upper)
    return _into(input, lambda input: _C.where(input > 0, input, input * slope), inplace)


def glu(input, dim=-1):
    """a sigmoid(b), where (a, b) are the halves of the input along `dim`"""
    if input.dim() == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    if input.shape[dim] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim % input.dim()} is size {input.shape[dim]}")
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def _softmax_dim(dim, ndim):
    return dim if dim is not None else (0 if ndim in (0, 1, 3) else 1)


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) / sum(exp(x)) along `dim`"""
    input = input if dtype is None else input.to(dtype)
    return _C.softmax(input, _softmax_dim(dim, input.dim()))


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    return softmax(-input, dim, dtype=dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """x - log(sum(exp(x))) along `dim`"""
    input = input if dtype is None else input.to(dtype)
    return _C.log_softmax(input, _softmax_dim(dim, input.dim()))


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """softmax((logits + g) / tau), g from Gumbel(0, 1); `hard` returns one-hot values with the soft gradient."""
    u = _C.rand_like(logits.detach()).clamp(min=1e-38)
    soft = ((logits - (-u.log()).clamp(min=1e-38).log()) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    return _C.zeros_like(logits.detach()).scatter_(dim, index, 1.0) - soft.detach() + soft


# ---- dropout --------------------------------------------------------------------------------------------------------

def _check_probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes entries with probability p and scales the others by 1 / (1 - p); the identity if not training."""
    _check_probability(p)
    return _into(input, lambda input: _C.dropout(input, p, training), inplace and training)


def _channel_dropout(input, p, training, inplace, batch_dims):
    """Zeroes whole channels: one draw per entry of the first `batch_dims` dims."""
    _check_probability(p)
    if not training or p == 0:
        return input
    mask = _C.dropout(_C.ones(*input.shape[:batch_dims], *[1] * (input.dim() - batch_dims), dtype=input.dtype,
                              device=input.device), p, True)
    return _into(input, lambda input: input * mask, inplace)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Whole channels of (B, C, L) or (C, L)."""
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input.")
    return _channel_dropout(input, p, training, inplace, input.dim() - 1)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Whole channels of (B, C, H, W); (B, C, ...) in general."""
    return _channel_dropout(input, p, training, inplace, 2)


def dropout3d(input, p=0.5, training=True, inplace=False):
    return _channel_dropout(input, p, training, inplace, input.dim() - 3)


def feature_dropout(input, p=0.5, training=True):
    return _channel_dropout(input, p, training, False, 2)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout that keeps mean 0 and variance 1 of SELU networks: dropped entries become -scale * alpha, then a x + b."""
    _check_probability(p)
    if not training or p == 0:
        return input
    low = -1.7580993408473766
    keep = _C.empty_like(input.detach()).bernoulli_(1 - p)
    a = ((1 - p) * (1 + p * low ** 2)) ** -0.5 if p < 1 else 0.0
    return _into(input, lambda input: a * (input * keep + low * (1 - keep)) - a * low * p, inplace)


# ---- normalisation --------------------------------------------------------------------------------------------------

def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last dims."""
    return _C.layer_norm(input, list(normalized_shape), weight, bias, eps)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x / sqrt(mean(x^2) + eps) * weight over the last dims; eps None: the dtype's."""
    eps = _C.finfo(input.dtype).eps if eps is None else eps
    return _C.rms_norm(input, list(normalized_shape), weight, eps)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalises each group of channels.   input: (B, C, ...)"""
    return _op("group_norm")(input, num_groups, weight, bias, eps)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalises each channel (dim 1) over the batch, or by running statistics when not training."""
    if training and input.numel() == input.shape[1]:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    return _composed.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1,
                  eps=1e-5):
    """Normalises each channel of each sample over its positions.   input: (B, C, ...)"""
    return _composed.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels) ^ beta"""
    squares = pad((input * input).movedim(1, -1), (size // 2, (size - 1) // 2)).unfold(-1, size, 1).mean(-1)
    return input / (k + alpha * squares.movedim(-1, 1)) ** beta


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(|x|_p, eps) along `dim`"""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps).expand_as(input)


# ---- convolution ----------------------------------------------------------------------------------------------------

def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """input: (B, C, L) or (C, L), weight: (O, C / groups, K) -> (B, O, L')"""
    return _composed.convolution(_C.conv1d, 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """input: (B, C, H, W) or (C, H, W), weight: (O, C / groups, KH, KW) -> (B, O, H', W')"""
    return _composed.convolution(_C.conv2d, 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """input: (B, C, D, H, W) or (C, D, H, W), weight: (O, C / groups, KD, KH, KW)"""
    return _composed.convolution(_op("conv3d"), 3, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv1d.   input: (B, C, L), weight: (C, O / groups, K) -> (B, O, (L-1) s - 2 p + d (K-1) + op + 1)"""
    return _op("conv_transpose1d")(input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv2d.   input: (B, C, H, W), weight: (C, O / groups, KH, KW)"""
    return _op("conv_transpose2d")(input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The transpose of conv3d.   input: (B, C, D, H, W), weight: (C, O / groups, KD, KH, KW)"""
    return _op("conv_transpose3d")(input, weight, bias, stride, padding, output_padding, groups, dilation)


def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """Columns of patches.   input: (B, C, H, W) -> (B, C KH KW, number of patches)"""
    return _composed.unfold(input, pair(kernel_size), pair(dilation), pair(padding), pair(stride))


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Sums patches into a picture: the transpose of `unfold`.   input: (B, C KH KW, P) -> (B, C, H, W)"""
    return _composed.fold(input, pair(output_size), pair(kernel_size), pair(dilation), pair(padding), pair(stride))


# ---- pooling --------------------------------------------------------------------------------------------------------

def _pool_args(kernel_size, stride, padding, dilation, n):
    expand = SPREAD[n]
    k, p = expand(kernel_size), expand(padding)
    if any(2 * b > a for a, b in zip(k, p)):
        raise RuntimeError(f"pad should be at most half of effective kernel size, but got pad={p[0]}, kernel_size={k[0]} "
                           f"and dilation={expand(dilation)[0]}")
    return k, k if stride is None or stride == [] else expand(stride), p, expand(dilation)


def _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    k, s, p, d = _pool_args(kernel_size, stride, padding, dilation, n)
    native = getattr(_C, f"max_pool{n}d", None)
    if native is not None and not return_indices and input.dim() == n + 2:
        return native(input, k, s, p, d, ceil_mode)
    values, indices = _composed.max_pool(input, k, s, p, d, ceil_mode)
    return (values, indices) if return_indices else values


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest entry of each window.   (B, C, L) or (C, L) -> (..., L')"""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest entry of each window.   (B, C, H, W) or (C, H, W) -> (..., H', W')"""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """Largest entry of each window.   (B, C, D, H, W) or (C, D, H, W)"""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    """Over the last n dims: each value back where `max_pool(return_indices=True)` found it; zero elsewhere."""
    k, s, p, _ = _pool_args(kernel_size, stride, padding, 1, n)
    size = [(m - 1) * s[i] - 2 * p[i] + k[i] for i, m in enumerate(input.shape[-n:])]
    size = size if output_size is None else list(output_size)[-n:]
    flat = _C.zeros(*input.shape[:-n], math.prod(size), dtype=input.dtype, device=input.device)
    if indices.numel() and int(indices.max()) >= flat.shape[-1]:
        raise RuntimeError(f"max_unpool{n}d: found an invalid max index: {int(indices.max())} (output volumes are of size {size})")
    return flat.scatter(-1, indices.flatten(-n), input.flatten(-n)).unflatten(-1, size)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Mean of each window.   (B, C, L) or (C, L) -> (..., L')"""
    k, s, p, _ = _pool_args(kernel_size, stride, padding, 1, 1)
    native = getattr(_C, "avg_pool1d", None)
    if native is not None and input.dim() == 3:
        return native(input, k, s, p, ceil_mode, count_include_pad)
    return _composed.avg_pool(input, k, s, p, ceil_mode, count_include_pad, None)


def avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
               divisor_override=None):
    """Mean of each window.   (B, C, H, W) or (C, H, W) -> (..., H', W')"""
    k, s, p, _ = _pool_args(kernel_size, stride, padding, 1, 2)
    native = getattr(_C, "avg_pool2d", None)
    if native is not None and input.dim() == 4 and divisor_override is None:
        return native(input, k, s, p, ceil_mode, count_include_pad)
    return _composed.avg_pool(input, k, s, p, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
               divisor_override=None):
    """Mean of each window.   (B, C, D, H, W) or (C, D, H, W)"""
    k, s, p, _ = _pool_args(kernel_size, stride, padding, 1, 3)
    return _composed.avg_pool(input, k, s, p, ceil_mode, count_include_pad, divisor_override)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(sum of x^p over each window) ^ (1 / p)"""
    k = single(kernel_size)[0]
    y = avg_pool1d(input ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (y.sign() * y.abs().relu() * k) ** (1.0 / norm_type)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    kh, kw = pair(kernel_size)
    y = avg_pool2d(input ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (y.sign() * y.abs().relu() * (kh * kw)) ** (1.0 / norm_type)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    y = avg_pool3d(input ** norm_type, kernel_size, stride, 0, ceil_mode)
    return (y.sign() * y.abs().relu() * math.prod(triple(kernel_size))) ** (1.0 / norm_type)


def adaptive_avg_pool1d(input, output_size):
    """Mean over L' nearly equal windows: window i is [floor(i L / L'), ceil((i + 1) L / L')).   (..., L) -> (..., L')"""
    return _composed.adaptive_avg_pool(input, single(output_size))


def adaptive_avg_pool2d(input, output_size):
    """(..., H, W) -> (..., H', W'); None keeps a size."""
    return _composed.adaptive_avg_pool(input, pair(output_size))


def adaptive_avg_pool3d(input, output_size):
    return _composed.adaptive_avg_pool(input, triple(output_size))


def adaptive_max_pool1d(input, output_size, return_indices=False):
    values, indices = _composed.adaptive_max_pool(input, single(output_size))
    return (values, indices) if return_indices else values


def adaptive_max_pool2d(input, output_size, return_indices=False):
    values, indices = _composed.adaptive_max_pool(input, pair(output_size))
    return (values, indices) if return_indices else values


def adaptive_max_pool3d(input, output_size, return_indices=False):
    values, indices = _composed.adaptive_max_pool(input, triple(output_size))
    return (values, indices) if return_indices else values


# ---- padding, resampling, rearranging -------------------------------------------------------------------------------

def pad(input, pad, mode="constant", value=None):
    """`pad` = (left, right, top, bottom, ...) from the last dim backwards; negative numbers crop."""
    if mode == "constant":
        return _C.pad(input, list(pad), mode, 0.0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    return _composed.pad_by_index(input, list(pad), mode)


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None,
                antialias=False):
    """Resamples the dims after (B, C): nearest, nearest-exact, linear (3-D), bilinear, bicubic (4-D), area."""
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not supported")
    return _composed.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def affine_grid(theta, size, align_corners=None):
    """Sampling positions of an affine map.   theta: (B, 2, 3), size (B, C, H, W) -> (B, H, W, 2)"""
    return _composed.affine_grid(theta, size, align_corners)


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Values of pictures at positions in [-1, 1].   (B, C, H, W), (B, OH, OW, 2) -> (B, C, OH, OW)"""
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but "
                         f"got: '{padding_mode}'")
    return _composed.grid_sample(input, grid, mode, padding_mode, align_corners)


def pixel_shuffle(input, upscale_factor):
    """(..., C r^2, H, W) -> (..., C, H r, W r)"""
    r = upscale_factor
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
                           f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}")
    x = input.reshape(-1, c // (r * r), r, r, h, w).permute(0, 1, 4, 2, 5, 3)  # (B, C, H, r, W, r)
    return x.reshape(*batch, c // (r * r), h * r, w * r)


def pixel_unshuffle(input, downscale_factor):
    """(..., C, H r, W r) -> (..., C r^2, H, W)"""
    r = downscale_factor
    *batch, c, h, w = input.shape
    if h % r or w % r:
        raise RuntimeError(f"pixel_unshuffle expects height and width to be divisible by downscale_factor {r}, got {h} x {w}")
    x = input.reshape(-1, c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4)   # (B, C, r, r, H, W)
    return x.reshape(*batch, c * r * r, h // r, w // r)


def channel_shuffle(input, groups):
    """(B, g C, ...) -> the channels of the g groups interleaved."""
    b, c, *rest = input.shape
    return input.reshape(b, groups, c // groups, *rest).transpose(1, 2).reshape(b, c, *rest)


# ---- attention ------------------------------------------------------------------------------------------------------

def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                                 enable_gqa=False):
    """softmax(q k^T / sqrt(P) + mask) v.   query: (..., H, L, P), key, value: (..., H, M, P). Boolean masks: True = visible.

    A row that sees no key gives 0, where PyTorch may give NaN.
    """
    return _C.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p, is_causal, scale=scale,
                                           enable_gqa=enable_gqa)


# ---- distances ------------------------------------------------------------------------------------------------------

def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`"""
    x1, x2 = _C.broadcast_tensors(x1, x2)
    x1, x2 = (x if x.is_floating_point() or x.is_complex() else x.to(_C.get_default_dtype()) for x in (x1, x2))
    n1 = x1.norm(2, dim, keepdim=True).clamp(min=eps)
    n2 = x2.norm(2, dim, keepdim=True).clamp(min=eps)
    return ((x1 / n1) * (x2 / n2)).sum(dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """|x1 - x2 + eps|_p over the last dim"""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


def pdist(input, p=2.0):
    """Distances of all pairs of rows i < j.   (N, D) -> (N (N - 1) / 2)"""
    i, j = _C.triu_indices(input.shape[0], input.shape[0], 1)
    return (input[i] - input[j]).norm(p, -1)


# ---- losses ---------------------------------------------------------------------------------------------------------

def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(x - y)^2"""
    return _weighted((input - target) ** 2, weight, _legacy_reduction(size_average, reduce, reduction))


def _weighted(loss, weight, reduction):
    if weight is None:
        return _reduce(loss, reduction)
    loss = loss * weight
    return loss.sum() / weight.expand_as(loss).sum() if reduction == "mean" else _reduce(loss, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|x - y|"""
    return _weighted((input - target).abs(), weight, _legacy_reduction(size_average, reduce, reduction))


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """d^2 / (2 beta) if |d| < beta else |d| - beta / 2,   d = x - y"""
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, size_average, reduce, reduction)
    d = (input - target).abs()
    loss = _C.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)
    return _reduce(loss, _legacy_reduction(size_average, reduce, reduction))


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d^2 / 2 if |d| <= delta else delta (|d| - delta / 2)"""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    d = (input - target).abs()
    return _weighted(_C.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)), weight, reduction)


def cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
                  label_smoothing=0.0):
    """-log softmax(x)[y].   input: (C), (B, C) or (B, C, ...); target: class indices, or probabilities of input's shape."""
    reduction = _legacy_reduction(size_average, reduce, reduction)
    if target.is_floating_point():
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    return _C.cross_entropy(input, target, weight=weight, ignore_index=ignore_index, reduction=reduction,
                            label_smoothing=label_smoothing)


def _soft_cross_entropy(input, target, weight, reduction, label_smoothing):
    """Target is a distribution over the classes (dim 1, or dim 0 of a single sample)."""
    dim = 0 if input.dim() == 1 else 1
    classes = input.shape[dim]
    if label_smoothing > 0:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = input.log_softmax(dim) * target
    if weight is not None:
        terms = terms * weight.reshape([-1] + [1] * (input.dim() - dim - 1))
    loss = -terms.sum(dim)
    return loss.sum() / (input.numel() // classes) if reduction == "mean" else _reduce(loss, reduction)


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """-x[y].   input: log-probabilities (C), (B, C) or (B, C, ...); target: (), (B) or (B, ...)"""
    reduction = _legacy_reduction(size_average, reduce, reduction)
    dim = 0 if input.dim() == 1 else 1
    expected = tuple(input.shape[:dim]) + tuple(input.shape[dim + 1:])
    if tuple(target.shape) != expected:
        raise ValueError(f"nll_loss: target must be {expected} for input {tuple(input.shape)}, got {tuple(target.shape)}")
    kept = target != ignore_index
    index = target.masked_fill(~kept, 0)
    if index.numel() and (int(index.min()) < 0 or int(index.max()) >= input.shape[dim]):
        bad = int(index.min()) if int(index.min()) < 0 else int(index.max())
        raise IndexError(f"Target {bad} is out of bounds.")
    w = kept.to(input.dtype) if weight is None else weight[index] * kept
    loss = -input.gather(dim, index.unsqueeze(dim)).squeeze(dim)
    loss = loss.masked_fill(~kept, 0) * w
    return loss.sum() / w.sum() if reduction == "mean" else _reduce(loss, reduction)


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(y log x + (1 - y) log(1 - x)), logarithms cut at -100"""
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
                         "deprecated. Please ensure they have the same size.")
    if input.numel() and not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("all elements of input should be between 0 and 1")
    loss = -(target * _cut_log(input) + (1 - target) * _cut_log(1 - input))
    return _reduce(loss if weight is None else loss * weight, _legacy_reduction(size_average, reduce, reduction))


def _cut_log(p):
    """max(log p, -100), without an infinite gradient at p = 0."""
    zero = p <= 0
    return p.masked_fill(zero, 1).log().masked_fill(zero, -100.0).clamp(min=-100)


def binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None, reduction="mean",
                                     pos_weight=None):
    """Binary cross-entropy of sigmoid(x): softplus(-x) (1 + (pos_weight - 1) y) + (1 - y) x"""
    if tuple(target.shape) != tuple(input.shape):
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    scale = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    loss = (1 - target) * input + scale * _C.softplus(-input)
    return _reduce(loss if weight is None else loss * weight, _legacy_reduction(size_average, reduce, reduction))


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """t (log t - x), input x being log-probabilities; "batchmean" divides the sum by B"""
    if log_target:
        loss = target.exp() * (target - input)
    else:
        safe = target.masked_fill(target <= 0, 1)           # t log t is 0 at t = 0
        loss = target * safe.log() - target * input
    reduction = _legacy_reduction(size_average, reduce, reduction)
    return loss.sum() / input.shape[0] if reduction == "batchmean" else _reduce(loss, reduction)


def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None,
                     reduction="mean"):
    """e^x - y x, or x - y log(x + eps); `full` adds Stirling's y log y - y + log(2 pi y) / 2 where y > 1"""
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        y = target.masked_fill(target <= 1, 1)
        loss = loss + (y * y.log() - y + 0.5 * (2 * math.pi * y).log()).masked_fill(target <= 1, 0)
    return _reduce(loss, _legacy_reduction(size_average, reduce, reduction))


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log v + (x - y)^2 / v) / 2, v = max(var, eps); `full` adds log(2 pi) / 2"""
    if not isinstance(var, Tensor):
        var = _C.full_like(input.detach(), var)
    if tuple(var.shape) != tuple(input.shape) and tuple(var.shape) == tuple(input.shape[:-1]):
        var = var.unsqueeze(-1)
    if bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    v = var + (var.clamp(min=eps) - var).detach()           # the cut is invisible to the gradient
    loss = 0.5 * (v.log() + (input - target) ** 2 / v)
    return _reduce(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """x if y = 1, max(0, margin - x) if y = -1"""
    zero = _C.zeros_like(input.detach())
    loss = _C.where(target != 1, (margin - input).clamp(min=0), zero) + _C.where(target != -1, input, zero)
    return _reduce(loss, _legacy_reduction(size_average, reduce, reduction))


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos if y = 1, max(0, cos - margin) if y = -1.   input: (B, D) or (D)"""
    cos = cosine_similarity(input1, input2, dim=-1)
    loss = _C.where(target == 1, 1 - cos, (cos - margin).clamp(min=0))
    return _reduce(loss, _legacy_reduction(size_average, reduce, reduction))


def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -y (x1 - x2) + margin)"""
    loss = (-target * (input1 - input2) + margin).clamp(min=0)
    return _reduce(loss, _legacy_reduction(size_average, reduce, reduction))


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-y x))"""
    return _reduce(_C.softplus(-target * input), _legacy_reduction(size_average, reduce, reduction))


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """sum over i != y of max(0, margin - x_y + x_i)^p, divided by C.   input: (B, C) or (C)"""
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    x = input if input.dim() == 2 else input.unsqueeze(0)
    y = target.reshape(-1, 1)
    z = (margin - x.gather(1, y) + x).clamp(min=0) ** p
    z = z if weight is None else z * weight[y]
    loss = z.scatter(1, y, 0.0).sum(1) / x.shape[1]
    return _reduce(loss if input.dim() == 2 else loss.squeeze(0), _legacy_reduction(size_average, reduce, reduction))


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Mean over classes of -(y log s(x) + (1 - y) log s(-x))"""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    loss = loss if weight is None else loss * weight
    return _reduce(loss.mean(-1), _legacy_reduction(size_average, reduce, reduction))


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """sum over labels y and other classes i of max(0, 1 - (x_y - x_i)) / C; labels of a row end at the first -1."""
    x, y = (input, target) if input.dim() == 2 else (input.unsqueeze(0), target.unsqueeze(0))
    valid = (y < 0).to(_C.int64).cumsum(1) == 0                                           # (B, C) before the first -1
    index = y.masked_fill(~valid, 0)
    marked = _C.zeros_like(y).scatter_add(1, index, valid.to(y.dtype)) > 0
    margins = (1 - x.gather(1, index).unsqueeze(2) + x.unsqueeze(1)).clamp(min=0)         # (B, label, class)
    used = valid.unsqueeze(2) & ~marked.unsqueeze(1)
    loss = (margins * used).sum((1, 2)) / x.shape[1]
    return _reduce(loss if input.dim() == 2 else loss.squeeze(0), _legacy_reduction(size_average, reduce, reduction))


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None,
                        reduction="mean"):
    """max(0, d(a, p) - d(a, n) + margin)"""
    distance = lambda a, b: pairwise_distance(a, b, p, eps)
    loss = triplet_margin_with_distance_loss(anchor, positive, negative, distance_function=distance, margin=margin,
                                             swap=swap, reduction="none")
    return _reduce(loss, _legacy_reduction(size_average, reduce, reduction))


def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False,
                                      reduction="mean"):
    """`swap` uses the nearer of d(a, n) and d(p, n)."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    far = distance(anchor, negative)
    if swap:
        far = _C.minimum(far, distance(positive, negative))
    return _reduce((distance(anchor, positive) - far + margin).clamp(min=0), reduction)


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Connectionist temporal classification (Graves et al. 2006), in log space.   log_probs: (T, B, C) or (T, C)"""
    return _composed.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


# ---- attention with projections (used by nn.MultiheadAttention) -----------------------------------------------------

def multi_head_attention_forward(query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k,
                                 bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True,
                                 key_padding_mask=None, need_weights=True, attn_mask=None,
                                 use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None,
                                 v_proj_weight=None, static_k=None, static_v=None, average_attn_weights=True,
                                 is_causal=False):
    """Multi-head attention, sequence first.   query: (L, B, D), key, value: (M, B, D) -> (L, B, D), weights (B, L, M)"""
    return _composed.multi_head_attention(
        query, key, value, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn, dropout_p,
        out_proj_weight, out_proj_bias, training, key_padding_mask, need_weights, attn_mask,
        (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None, average_attn_weights)


elu_ = lambda input, alpha=1.0: elu(input, alpha, True)
leaky_relu_ = lambda input, negative_slope=0.01: leaky_relu(input, negative_slope, True)
selu_ = lambda input: selu(input, True)
celu_ = lambda input, alpha=1.0: celu(input, alpha, True)
threshold_ = lambda input, *args, **kwargs: threshold(input, *args, inplace=True, **kwargs)
rrelu_ = lambda input, lower=1.0 / 8, upper=1.0 / 3, training=False: rrelu(input, lower, upper, training, True)
hardtanh_ = lambda input, min_val=-1.0, max_val=1.0: hardtanh(input, min_val, max_val, True)


def _shown(function):
    """The grad_fn of its results has the function's name, whatever ops stand behind it."""
    @functools.wraps(function)
    def call(*args, **kwargs):
        y = function(*args, **kwargs)
        return _C._called(y, function.__name__) if y.requires_grad else y

    return call


for _name in ("mse_loss", "nll_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits", "smooth_l1_loss", "huber_loss"):
    globals()[_name] = _shown(globals()[_name])
