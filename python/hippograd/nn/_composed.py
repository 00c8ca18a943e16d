"""Functions of `nn.functional` written over other ops: readable, differentiable to any order, slower than a kernel.

Windows are strided views: `x.unfold(dim, size, step)` turns (..., n, ...) into (..., count, ..., size) without a copy.
"""

import itertools
import math

from .. import _C
from ..autograd.grad_mode import no_grad

Tensor = _C.Tensor


def single(v):
    """int or (int,) -> (int,)"""
    return tuple(v) if isinstance(v, (tuple, list)) else (v,)


def pair(v):
    """int, (a,) or (a, b) -> (a, b)"""
    if not isinstance(v, (tuple, list)):
        return (v, v)
    return (v[0], v[0]) if len(v) == 1 else tuple(v)


def triple(v):
    """int, (a,) or (a, b, c) -> (a, b, c)"""
    if not isinstance(v, (tuple, list)):
        return (v, v, v)
    return (v[0],) * 3 if len(v) == 1 else tuple(v)


SPREAD = {1: single, 2: pair, 3: triple}


# ---- activations ----------------------------------------------------------------------------------------------------

def leaky_relu(x, slope):
    return _C.where(x > 0, x, x * slope)


def _negative(x):
    """x where x <= 0, else 0: what stands under an exponential must not overflow in the branch not taken."""
    return x.masked_fill(x > 0, 0)


def elu(x, alpha):
    return _C.where(x > 0, x, alpha * _negative(x).expm1())


def celu(x, alpha):
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _C.where(x > 0, x, alpha * (_negative(x) / alpha).expm1())


def selu(x):
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return scale * elu(x, alpha)


def mish(x):
    return x * _C.softplus(x).tanh()


def hardtanh(x, low, high):
    """Gradient 1 strictly inside (low, high) only."""
    inside = (x > low) & (x < high)
    return _C.where(inside, x, x.detach().clamp(low, high))


# ---- embedding ------------------------------------------------------------------------------------------------------

def renormalise_rows_(weight, index, max_norm, norm_type):
    """In place: rows of `weight` that `index` names and that are longer than max_norm are scaled down to it."""
    with no_grad():
        used = index.reshape(-1).unique()
        rows = weight.detach()[used]
        length = rows.norm(norm_type, -1, keepdim=True)
        weight.detach()[used] = _C.where(length > max_norm, rows * (max_norm / (length + 1e-7)), rows)


# ---- normalisation --------------------------------------------------------------------------------------------------

def _per_channel(v, x):
    """(C) -> (1, C, 1, ...)"""
    return v.reshape([1, -1] + [1] * (x.dim() - 2))


def _affine(y, weight, bias):
    y = y if weight is None else y * _per_channel(weight, y)
    return y if bias is None else y + _per_channel(bias, y)


def group_norm(x, groups, weight, bias, eps):
    b, c = x.shape[:2]
    if c % groups:
        raise ValueError(f"Expected number of channels in input to be divisible by num_groups, but got input of shape "
                         f"{list(x.shape)} and num_groups={groups}")
    flat = x.reshape(b, groups, -1)
    if flat.shape[-1] == 0:
        return _affine(x, weight, bias)
    return _affine(_C.layer_norm(flat, [flat.shape[-1]], None, None, eps).reshape(x.shape), weight, bias)


def _track(running, value, momentum):
    running.copy_(running * (1 - momentum) + value.detach().to(running.dtype) * momentum)


def batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps):
    """Statistics over all dims but 1; the running variance is the unbiased one."""
    if not training:
        mean, var = running_mean, running_var
    else:
        dims = [0, *range(2, x.dim())]
        mean = x.mean(dims)                                                  # (C)
        centred = x - _per_channel(mean, x)
        var = (centred * centred).mean(dims)                                 # (C), biased
        if running_mean is not None:
            n = x.numel() // x.shape[1]
            with no_grad():
                _track(running_mean, mean, momentum)
                _track(running_var, var * (n / max(n - 1, 1)), momentum)
    scale = (var + eps).rsqrt()
    return _affine((x - _per_channel(mean, x)) * _per_channel(scale, x), weight, bias)


def instance_norm(x, running_mean, running_var, weight, bias, use_input_stats, momentum, eps):
    """batch_norm of (1, B C, ...): every sample's channels have their own statistics."""
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    b, c = x.shape[:2]
    n = x.numel() // (b * c)
    if n == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {x.shape}")
    flat = x.reshape(b, c, n)
    if running_mean is not None:
        with no_grad():
            _track(running_mean, flat.mean(-1).mean(0), momentum)
            _track(running_var, flat.var(-1, unbiased=True).mean(0), momentum)
    return _affine(_C.layer_norm(flat, [n], None, None, eps).reshape(x.shape), weight, bias)


# ---- convolution ----------------------------------------------------------------------------------------------------

def convolution(op, n, x, weight, bias, stride, padding, dilation, groups):
    """What `conv{n}d` accepts beyond the kernel: a missing batch dim, padding "same" or "valid"."""
    expand = SPREAD[n]
    stride, dilation = expand(stride), expand(dilation)
    if x.dim() not in (n + 1, n + 2):
        wanted = {1: "(B, C, L) or (C, L)", 2: "(B, C, H, W) or (C, H, W)", 3: "(B, C, D, H, W) or (C, D, H, W)"}[n]
        raise _C.ShapeError(f"conv{n}d: input must be {wanted}, got {tuple(x.shape)}")
    batched = x.dim() == n + 2
    x = x if batched else x.unsqueeze(0)
    if padding == "valid":
        padding = [0] * n
    elif padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
        if any(t % 2 for t in total):
            x = _C.pad(x, [v for t in reversed(total) for v in (t // 2, t - t // 2)], "constant", 0.0)
            padding = [0] * n
        else:
            padding = [t // 2 for t in total]
    elif isinstance(padding, str):
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    y = op(x, weight, bias, list(stride), list(expand(padding)), list(dilation), groups)
    return y if batched else y.squeeze(0)


def conv3d(x, weight, bias, stride, padding, dilation, groups):
    """One conv2d per depth of the kernel, over all output depths at once as batch, and their sum."""
    x = _C.pad(x, [p for q in reversed(padding) for p in (q, q)], "constant", 0.0)
    b, depth = x.shape[0], _out_size(x.shape[2], weight.shape[2], stride[0], 0, dilation[0], False)
    if depth <= 0:
        raise _C.ShapeError(f"conv3d: the kernel {tuple(weight.shape[2:])} does not fit into the padded input "
                            f"{tuple(x.shape)}")
    y = 0
    for k in range(weight.shape[2]):
        start = k * dilation[0]
        slices = x[:, :, start:start + (depth - 1) * stride[0] + 1:stride[0]].transpose(1, 2).flatten(0, 1)  # (B D, C, H, W)
        y = y + _C.conv2d(slices, weight[:, :, k], bias if k == 0 else None, list(stride[1:]), [0, 0], list(dilation[1:]),
                          groups)
    return y.unflatten(0, [b, depth]).transpose(1, 2)


def _zero_stuff(x, dim, stride):
    """Puts stride - 1 zeros between neighbours along `dim`: n -> (n - 1) stride + 1."""
    if stride == 1:
        return x
    n = x.shape[dim]
    spread = _C.pad(x.unsqueeze(-1), [0, stride - 1], "constant", 0.0)       # (..., n, ..., stride)
    spread = spread.movedim(-1, dim + 1 if dim >= 0 else dim).flatten(dim, dim + 1)
    return spread.narrow(dim, 0, (n - 1) * stride + 1)


def _conv_transpose(op, n, x, weight, bias, stride, padding, output_padding, groups, dilation):
    """A convolution of the zero-stuffed input with the flipped kernel, input and output channels exchanged."""
    batched = x.dim() == n + 2
    x = x if batched else x.unsqueeze(0)
    c, o = weight.shape[:2]
    if x.shape[1] != c:
        raise _C.ShapeError(f"conv_transpose{n}d: input must have {c} channels for weight {tuple(weight.shape)}, got "
                            f"{tuple(x.shape)}")
    if any(a >= max(s, d) for a, s, d in zip(output_padding, stride, dilation)):
        raise RuntimeError("output padding must be smaller than either stride or dilation, but got output_padding="
                           f"{tuple(output_padding)}, stride={tuple(stride)}, dilation={tuple(dilation)}")
    for i in range(n):
        x = _zero_stuff(x, 2 + i, stride[i])
    w = weight.reshape(groups, c // groups, o, *weight.shape[2:]).transpose(1, 2)
    w = w.reshape(groups * o, c // groups, *weight.shape[2:]).flip(list(range(2, 2 + n)))
    sides = []
    for i in reversed(range(n)):
        edge = dilation[i] * (weight.shape[2 + i] - 1) - padding[i]
        sides += [edge, edge + output_padding[i]]
    y = op(_C.pad(x, sides, "constant", 0.0), w, bias, [1] * n, [0] * n, list(dilation), groups)
    return y if batched else y.squeeze(0)


def conv_transpose1d(x, weight, bias, stride, padding, output_padding, groups, dilation):
    return _conv_transpose(_C.conv1d, 1, x, weight, bias, single(stride), single(padding), single(output_padding), groups,
                           single(dilation))


def conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation):
    return _conv_transpose(_C.conv2d, 2, x, weight, bias, pair(stride), pair(padding), pair(output_padding), groups,
                           pair(dilation))


def conv_transpose3d(x, weight, bias, stride, padding, output_padding, groups, dilation):
    return _conv_transpose(conv3d, 3, x, weight, bias, triple(stride), triple(padding), triple(output_padding), groups,
                           triple(dilation))


# ---- windows --------------------------------------------------------------------------------------------------------

def _windows(x, size, stride, dilation):
    """Windows over the last n dims.   (..., s1 .. sn) -> (..., o1 .. on, k1 .. kn)"""
    n = len(size)
    first = x.dim() - n                              # window sizes gather behind, so the next dim is always first + i
    for i in range(n):
        x = x.unfold(first + i, dilation[i] * (size[i] - 1) + 1, stride[i])
        x = x[..., ::dilation[i]] if dilation[i] > 1 else x
    return x


def _out_size(n, k, s, p, d, ceil_mode):
    """Windows along one dim; with ceil_mode the last may hang over, but must start inside input or left padding."""
    room = n + 2 * p - d * (k - 1) - 1
    out = (-(-room // s) if ceil_mode else room // s) + 1
    return out - 1 if ceil_mode and (out - 1) * s >= n + p else out


def _pool_windows(x, k, s, p, d, ceil_mode, fill):
    """Padded input cut into windows.   (..., s1 .. sn) -> (..., o1 .. on, k1 ... kn)"""
    n = len(k)
    outs = [_out_size(x.shape[i - n], k[i], s[i], p[i], d[i], ceil_mode) for i in range(n)]
    if any(o <= 0 for o in outs):
        raise RuntimeError(f"pooling: output size {tuple(outs)} is too small for input {tuple(x.shape)} and kernel {tuple(k)}")
    sides = []
    for i in reversed(range(n)):
        needed = (outs[i] - 1) * s[i] + d[i] * (k[i] - 1) + 1
        sides += [p[i], needed - x.shape[i - n] - p[i]]
    return _windows(_C.pad(x, sides, "constant", fill) if any(sides) else x, k, s, d)


def _lowest(x):
    return float("-inf") if x.is_floating_point() else _C.iinfo(x.dtype).min


def max_pool(x, k, s, p, d, ceil_mode):
    """(values, flat indices into the input's last n dims); the first of equal entries wins, NaN wins over numbers."""
    n = len(k)
    windows = _pool_windows(x, k, s, p, d, ceil_mode, _lowest(x))
    values, inside = windows.flatten(-n).max(-1)                             # (..., o1 .. on)
    index = _C.zeros_like(inside)
    for i in range(n):
        per = math.prod(k[i + 1:])
        offset = (inside // per) % k[i] if n > 1 else inside
        start = _C.arange(values.shape[i - n]) * s[i] - p[i]
        position = offset * d[i] + start.reshape([-1] + [1] * (n - 1 - i))
        index = index * x.shape[i - n] + position
    return values, index


def avg_pool(x, k, s, p, ceil_mode, count_include_pad, divisor):
    n, ones = len(k), (1,) * len(k)
    windows = _pool_windows(x, k, s, p, ones, ceil_mode, 0.0)
    total = windows.flatten(-n).sum(-1)
    if divisor is not None:
        return total / divisor
    if count_include_pad and not ceil_mode:
        return total / math.prod(k)
    counts = _C.ones(x.shape[-n:], dtype=x.dtype)
    if count_include_pad:  # padding counts, what hangs over it (ceil_mode) does not
        counts = _C.pad(counts, [v for q in reversed(p) for v in (q, q)], "constant", 1.0)
        counts = _pool_windows(counts, k, s, (0,) * n, ones, ceil_mode, 0.0)
    else:
        counts = _pool_windows(counts, k, s, p, ones, ceil_mode, 0.0)
    return total / counts.flatten(-n).sum(-1)[tuple(slice(0, o) for o in total.shape[-n:])]


def _adaptive_spans(n, out):
    """[floor(i n / out), ceil((i + 1) n / out)) for each i."""
    return [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


def adaptive_avg_pool(x, sizes):
    """One product with a (n, out) matrix of means per dim."""
    for i, out in enumerate(sizes):
        dim = i - len(sizes)
        n = x.shape[dim]
        if out is None or out == n:
            continue
        if n % out == 0:                                                     # equal windows
            x = x.unflatten(dim, [out, n // out]).mean(dim)                  # the window's own dim took this place
            continue
        means = _C.zeros(n, out, dtype=x.dtype)
        for j, (a, b) in enumerate(_adaptive_spans(n, out)):
            means[a:b, j] = 1.0 / (b - a)
        x = (x.movedim(dim, -1) @ means).movedim(-1, dim)
    return x


def adaptive_max_pool(x, sizes):
    """Values and flat indices, window by window, over the last len(sizes) dims."""
    n = len(sizes)
    whole = list(x.shape[-n:])
    sizes = [m if o is None else o for m, o in zip(whole, sizes)]
    values, indices = [], []
    for window in itertools.product(*(_adaptive_spans(m, o) for m, o in zip(whole, sizes))):
        part = x[(..., *(slice(a, b) for a, b in window))]
        v, inside = part.flatten(-n).max(-1) if n > 1 else part.max(-1)
        index, stride = _C.zeros_like(inside), 1
        for (a, b), m in zip(reversed(window), reversed(whole)):
            index = index + (inside % (b - a) + a) * stride
            inside, stride = inside // (b - a), stride * m
        values.append(v)
        indices.append(index)
    return _C.stack(values, -1).unflatten(-1, sizes), _C.stack(indices, -1).unflatten(-1, sizes)


def unfold(x, k, d, p, s):
    batched = x.dim() == 4
    x = x if batched else x.unsqueeze(0)
    windows = _windows(_C.pad(x, [p[1], p[1], p[0], p[0]], "constant", 0.0), k, s, d)    # (B, C, OH, OW, KH, KW)
    y = windows.permute(0, 1, 4, 5, 2, 3).flatten(1, 3).flatten(2)
    return y if batched else y.squeeze(0)


def fold(x, size, k, d, p, s):
    """Adds column q of x at the picture positions from which `unfold` took it: one index_add over flat positions."""
    batched = x.dim() == 3
    x = x if batched else x.unsqueeze(0)
    b, rows, patches = x.shape
    if rows % math.prod(k):
        raise RuntimeError("Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
                           f"input.size(1)={rows} and kernel_size={k}.")
    h, w = size[0] + 2 * p[0], size[1] + 2 * p[1]
    numbers = _C.arange(h * w).reshape(1, 1, h, w)
    where = _windows(numbers, k, s, d).permute(0, 1, 4, 5, 2, 3).reshape(-1)            # (KH KW OH OW)
    if where.numel() != math.prod(k) * patches:
        raise RuntimeError(f"fold: expected {where.numel() // math.prod(k)} patches for output {size}, got {patches}")
    c = rows // math.prod(k)
    values = x.reshape(b * c, -1)
    flat = _C.zeros(b * c, h * w, dtype=x.dtype).index_add(1, where, values)
    y = flat.reshape(b, c, h, w)[:, :, p[0]:h - p[0], p[1]:w - p[1]]
    return y if batched else y.squeeze(0)


# ---- padding and resampling -----------------------------------------------------------------------------------------

def pad_by_index(x, sides, mode):
    """reflect, replicate or circular padding: one index_select per padded dim."""
    if len(sides) % 2 or len(sides) // 2 not in (x.dim() - 1, x.dim() - 2):
        raise NotImplementedError(f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now; got "
                                  f"input {tuple(x.shape)} and pad {tuple(sides)}")
    for i in range(len(sides) // 2):
        left, right, n, dim = sides[2 * i], sides[2 * i + 1], x.shape[-1 - i], x.dim() - 1 - i
        if left == right == 0:
            continue
        limit = {"reflect": n - 1, "circular": n, "replicate": None}[mode]
        if n == 0 or (limit is not None and max(left, right) > limit):
            raise RuntimeError(f"Padding size should be less than the corresponding input dimension, but got: padding "
                               f"({left}, {right}) at dimension {dim} of input {list(x.shape)}")
        index = range(-left, n + right)
        if mode == "reflect":
            index = [abs(j) if j < n else 2 * (n - 1) - j for j in index]
        elif mode == "circular":
            index = [j % n for j in index]
        else:
            index = [min(max(j, 0), n - 1) for j in index]
        x = x.index_select(dim, _C.tensor(index, dtype=_C.int64))
    return x


def interpolate(x, size, scale, mode, align_corners, recompute):
    n = x.dim() - 2
    modes = {"nearest": None, "nearest-exact": None, "area": None, "linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
    if mode not in modes:
        raise NotImplementedError(f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {x.dim()}D) for the modes: "
                                  f"nearest | linear | bilinear | bicubic | area | nearest-exact (got {mode})")
    if modes[mode] not in (None, n):
        raise NotImplementedError(f"Got {x.dim()}D input, but {mode} mode needs {modes[mode] + 2}D input")
    if modes[mode] is None and align_corners is not None:
        raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | "
                         "trilinear")
    if (size is None) == (scale is None):
        raise ValueError("only one of size or scale_factor should be defined" if size is not None else
                         "either size or scale_factor should be defined")
    spread = lambda v: list(v) if isinstance(v, (tuple, list)) else [v] * n
    scales = [None] * n if scale is None else spread(scale)
    sizes = spread(size) if scale is None else [math.floor(x.shape[2 + i] * f) for i, f in enumerate(scales)]
    if recompute:
        scales = [None] * n
    if mode == "area":
        return adaptive_avg_pool(x, sizes)
    for i in range(n):
        x = _resample(x, 2 + i, sizes[i], scales[i], mode, bool(align_corners))
    return x


def _resample(x, dim, out, scale, mode, align_corners):
    """Resamples one dim: y[o] = sum_k w_k(o) x[i_k(o)]."""
    n = x.shape[dim]
    ratio = n / out if scale is None else 1.0 / scale
    if mode == "nearest":
        index = [min(math.floor(o * ratio), n - 1) for o in range(out)]
        return x.index_select(dim, _C.tensor(index, dtype=_C.int64))
    if mode == "nearest-exact":
        index = [min(math.floor((o + 0.5) * ratio), n - 1) for o in range(out)]
        return x.index_select(dim, _C.tensor(index, dtype=_C.int64))
    if align_corners:
        where = [o * (n - 1) / (out - 1) if out > 1 else 0.0 for o in range(out)]
    else:
        where = [(o + 0.5) * ratio - 0.5 for o in range(out)]
    y = 0
    for index, weights in (_cubic_taps if mode == "bicubic" else _linear_taps)(where, n):
        w = _C.tensor(weights, dtype=x.dtype).reshape([-1] + [1] * (x.dim() - 1 - dim))
        y = y + x.index_select(dim, _C.tensor(index, dtype=_C.int64)) * w
    return y


def _linear_taps(where, n):
    where = [min(max(p, 0.0), n - 1.0) for p in where]
    low = [min(math.floor(p), n - 1) for p in where]
    part = [p - i for p, i in zip(where, low)]
    return [(low, [1 - t for t in part]), ([min(i + 1, n - 1) for i in low], part)]


def _cubic_taps(where, n, a=-0.75):
    """Keys' cubic convolution kernel on the four neighbours, indices cut at the borders."""
    near = lambda t: ((a + 2) * t - (a + 3)) * t * t + 1
    far = lambda t: ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    low = [math.floor(p) for p in where]
    part = [p - i for p, i in zip(where, low)]
    taps = ((-1, lambda t: far(t + 1)), (0, near), (1, lambda t: near(1 - t)), (2, lambda t: far(2 - t)))
    return [([min(max(i + shift, 0), n - 1) for i in low], [f(t) for t in part]) for shift, f in taps]


def affine_grid(theta, size, align_corners):
    """Sampling positions (x, y) in [-1, 1] of an affine map.   theta: (B, 2, 3), size (B, C, H, W) -> (B, H, W, 2)"""
    h, w = size[-2:]

    def ticks(n):
        edge = 1.0 if align_corners else 1.0 - 1.0 / n
        return _C.linspace(-edge, edge, n, dtype=theta.dtype) if n > 1 else _C.zeros(1, dtype=theta.dtype)

    x, y = ticks(w).expand(h, w), ticks(h).unsqueeze(-1).expand(h, w)
    base = _C.stack([x, y, _C.ones_like(x)], -1)                                        # (H, W, 3)
    return (base.reshape(1, h * w, 3) @ theta.transpose(1, 2)).reshape(theta.shape[0], h, w, 2)


def grid_sample(x, grid, mode, padding_mode, align_corners):
    """x: (B, C, H, W), grid: (B, OH, OW, 2) of (x, y) in [-1, 1] -> (B, C, OH, OW)"""
    h, w = x.shape[-2:]
    place = [_unnormalise(grid[..., i], n, align_corners) for i, n in ((0, w), (1, h))]
    if mode == "bicubic":
        pass                                                 # its 16 neighbours are padded one by one
    elif padding_mode == "border":
        place = [p.clamp(0, n - 1) for p, n in zip(place, (w, h))]
    elif padding_mode == "reflection":
        place = [_reflect(p, n, align_corners) for p, n in zip(place, (w, h))]
    if mode == "nearest":
        return _pick(x, place[0].round(), place[1].round())
    low = [p.detach().floor() for p in place]
    part = [p - q for p, q in zip(place, low)]
    if mode == "bicubic":
        return _grid_bicubic(x, low, part, padding_mode, align_corners)
    y = 0
    for dx in (0, 1):
        for dy in (0, 1):
            weight = (part[0] if dx else 1 - part[0]) * (part[1] if dy else 1 - part[1])
            y = y + _pick(x, low[0] + dx, low[1] + dy) * weight.unsqueeze(1)
    return y


def _cubic_weights(t):
    """Keys' kernel with a = -0.75 at distances 1 + t, t, 1 - t, 2 - t."""
    a = -0.75
    near = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1
    far = lambda d: ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return far(1 + t), near(t), near(1 - t), far(2 - t)


def _grid_bicubic(x, low, part, padding_mode, align_corners):
    """4 x 4 neighbours; what lies outside is 0, clamped or reflected."""
    def inside(p, n):
        if padding_mode == "border":
            return p.clamp(0, n - 1)
        return _reflect(p, n, align_corners) if padding_mode == "reflection" else p

    h, w = x.shape[-2:]
    columns, rows = (_cubic_weights(t) for t in part)
    y = 0
    for i, down in enumerate(rows):
        for j, across in enumerate(columns):
            pixel = _pick(x, inside(low[0] + (j - 1), w), inside(low[1] + (i - 1), h))
            y = y + pixel * (across * down).unsqueeze(1)
    return y


def _unnormalise(p, n, align_corners):
    return (p + 1) / 2 * (n - 1) if align_corners else ((p + 1) * n - 1) / 2


def _reflect(p, n, align_corners):
    """Folds positions back at the borders: pixel centres, or pixel edges unless align_corners."""
    low, span = (0.0, n - 1.0) if align_corners else (-0.5, float(n))
    if span == 0:
        return p * 0
    p = (p - low).abs()
    turns = (p.detach() / span).floor()
    inside = p - turns * span
    folded = _C.where(turns % 2 == 0, inside, span - inside) + low
    return folded.clamp(0, n - 1)


def _pick(x, px, py):
    """Pixels of x at whole positions; 0 outside.   px, py: (B, OH, OW) -> (B, C, OH, OW)"""
    b, c, h, w = x.shape
    px, py = px.detach(), py.detach()
    inside = (px >= 0) & (px < w) & (py >= 0) & (py < h)
    index = (py.clamp(0, h - 1) * w + px.clamp(0, w - 1)).to(_C.int64).reshape(b, 1, -1).expand(b, c, -1)
    values = x.reshape(b, c, h * w).gather(2, index).reshape(b, c, *px.shape[1:])
    return values * inside.unsqueeze(1).to(x.dtype)


# ---- attention ------------------------------------------------------------------------------------------------------

def _additive(mask, dtype):
    """Boolean masks (True = hidden) as 0 / -inf numbers."""
    if mask is None or mask.is_floating_point():
        return mask
    return _C.zeros(mask.shape, dtype=dtype).masked_fill(mask, float("-inf"))


def _in_projection(query, key, value, weight, bias, separate):
    """The three projections; `weight` is (3 D, D), or `separate` holds three matrices."""
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    weights = weight.chunk(3) if separate is None else separate
    if separate is None and query is key and key is value:
        return _C.linear(query, weight, bias).chunk(3, -1)
    return tuple(_C.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def multi_head_attention(query, key, value, heads, in_weight, in_bias, bias_k, bias_v, add_zero_attn, dropout_p,
                         out_weight, out_bias, training, key_padding_mask, need_weights, attn_mask, separate,
                         average_weights):
    """query: (L, B, D), key, value: (M, B, D) -> (L, B, D) and weights (B, L, M) or (B, H, L, M); B may be missing."""
    batched = query.dim() == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    q, k, v = _in_projection(query, key, value, in_weight, in_bias, separate)
    mask = _additive(attn_mask, q.dtype)
    padding = _additive(key_padding_mask, q.dtype)
    if bias_k is not None:
        k, v = _C.cat([k, bias_k.expand(1, batch, width)]), _C.cat([v, bias_v.expand(1, batch, width)])
        mask, padding = _one_more_key(mask), _one_more_key(padding)
    if add_zero_attn:
        zero = k.new_zeros(1, batch, width)
        k, v = _C.cat([k, zero]), _C.cat([v, zero])
        mask, padding = _one_more_key(mask), _one_more_key(padding)
    split = lambda t: t.reshape(t.shape[0], batch, heads, width // heads).permute(1, 2, 0, 3)    # (B, H, L, P)
    q, k, v = split(q), split(k), split(v)
    mask = _merge_masks(mask, padding, batch, heads, length, k.shape[2])
    p = dropout_p if training else 0.0
    if need_weights:
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // heads)
        weights = (scores if mask is None else scores + mask).softmax(-1)                        # (B, H, L, M)
        weights = _C.dropout(weights, p, True) if p > 0 else weights
        y = weights @ v
    else:
        y, weights = _C.scaled_dot_product_attention(q, k, v, mask, p, False), None
    y = _C.linear(y.permute(2, 0, 1, 3).reshape(length, batch, width), out_weight, out_bias)
    if weights is not None and average_weights:
        weights = weights.mean(1)
    if batched:
        return y, weights
    return y.squeeze(1), None if weights is None else weights.squeeze(0)


def _one_more_key(mask):
    return None if mask is None else _C.pad(mask, [0, 1], "constant", 0.0)


def _merge_masks(mask, padding, batch, heads, length, keys):
    """Attention mask (L, M) or (B H, L, M) plus key padding (B, M), broadcastable to (B, H, L, M)."""
    if mask is not None:
        if tuple(mask.shape) not in ((length, keys), (batch * heads, length, keys)):
            raise RuntimeError(f"The shape of the attn_mask is {tuple(mask.shape)}, but should be {(length, keys)} or "
                               f"{(batch * heads, length, keys)}.")
        mask = mask if mask.dim() == 2 else mask.reshape(batch, heads, length, keys)
    if padding is not None:
        if tuple(padding.shape) != (batch, keys):
            raise AssertionError(f"expecting key_padding_mask shape of {(batch, keys)}, but got {tuple(padding.shape)}")
        padding = padding.reshape(batch, 1, 1, keys)
    if mask is None or padding is None:
        return padding if mask is None else mask
    return mask + padding


# ---- connectionist temporal classification --------------------------------------------------------------------------

def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    """alpha_t(s) = logsumexp(alpha_{t-1}(s), alpha_{t-1}(s-1), [skip] alpha_{t-1}(s-2)) + log p_t(l'_s), l' = targets with blanks."""
    batched = log_probs.dim() == 3
    if not batched:
        log_probs, targets = log_probs.unsqueeze(1), targets.unsqueeze(0)
    lengths_in = [int(v) for v in _C.as_tensor(input_lengths).reshape(-1)]
    lengths_out = [int(v) for v in _C.as_tensor(target_lengths).reshape(-1)]
    losses, start = [], 0
    for b, (t_len, s_len) in enumerate(zip(lengths_in, lengths_out)):
        labels = targets[b, :s_len] if targets.dim() == 2 else targets[start:start + s_len]
        start += s_len
        losses.append(_ctc_one(log_probs[:t_len, b], [int(v) for v in labels], blank))
    loss = _C.stack(losses)
    if zero_infinity:
        loss = loss.masked_fill(loss == float("inf"), 0)
    if reduction == "mean":
        return (loss / _C.tensor([max(n, 1) for n in lengths_out], dtype=loss.dtype)).mean()
    if reduction == "sum":
        return loss.sum()
    return loss if batched else loss.squeeze(0)


def _ctc_one(log_probs, labels, blank):
    """Loss of one sequence.   log_probs: (T, C)"""
    extended = [blank]
    for label in labels:
        extended += [label, blank]
    n = len(extended)
    skip = _C.tensor([s > 1 and extended[s] != blank and extended[s] != extended[s - 2] for s in range(n)])
    emitted = log_probs[:, _C.tensor(extended, dtype=_C.int64)]                     # (T, S)
    low = -1e30                                                                    # finite: -inf - -inf has no gradient
    first = _C.tensor([s < 2 for s in range(n)])
    alpha = _C.where(first, emitted[0], _C.full_like(emitted[0], low))
    for t in range(1, emitted.shape[0]):
        one = _C.pad(alpha, [1, 0], "constant", low)[:n]
        two = _C.pad(alpha, [2, 0], "constant", low)[:n].masked_fill(~skip, low)
        alpha = _C.logsumexp(_C.stack([alpha, one, two]), 0) + emitted[t]
    total = _C.logsumexp(alpha[-2:], 0)
    return (-total).masked_fill(total < low / 2, float("inf"))
