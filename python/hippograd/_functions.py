"""The long tail of PyTorch's functions, composed of the compiled ones, with PyTorch's argument names and defaults.

`install()` adds each to the module and, where the first parameter is `input`, to Tensor; what is compiled takes precedence.
"""
import builtins
import inspect
import itertools
import math
import operator

from . import _C

Tensor = _C.Tensor
_METHODS, _FUNCTIONS = {}, {}


def _public(function):
    """Registers a function; a method too if it takes `input` first."""
    name = function.__name__
    _FUNCTIONS[name] = function
    if next(iter(inspect.signature(function).parameters), "") == "input":
        _METHODS[name] = function
    return function


def _only_method(function):
    _METHODS[function.__name__] = function
    return function


def _only_function(function):
    _FUNCTIONS[function.__name__] = function
    return function


def _ints(x):
    """A size or dimension list given as int, tuple or varargs."""
    if len(x) == 1 and not isinstance(x[0], (int, Tensor)):
        return tuple(x[0])
    return tuple(operator.index(i) for i in x)


def _float_dtype(t):
    return t.dtype if t.is_floating_point() or t.is_complex() else _C.get_default_dtype()


def _as_float(t):
    return t.to(_float_dtype(t))


def _dim(d, rank):
    rank = max(rank, 1)
    if not -rank <= d < rank:
        raise _C.IndexError(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {d})")
    return d % rank


def _dims(dim, rank):
    if dim is None:
        return tuple(builtins.range(rank))
    return tuple(_dim(d, rank) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))


# ---- made by rule ----
@_only_function
def range(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False):
    """Both ends included (PyTorch's old form; use arange)."""
    start, end = (0, start) if end is None else (start, end)
    return _C.arange(start, end + step * 0.5, step, dtype=dtype or _C.get_default_dtype(), requires_grad=requires_grad)


@_only_function
def tril_indices(row, col, offset=0, *, dtype=None, device=None):
    """(2, count) coordinates of the lower triangle of a (row, col) matrix."""
    where = [(i, j) for i in builtins.range(row) for j in builtins.range(builtins.max(0, builtins.min(col, i + offset + 1)))]
    return _C.tensor(where, dtype=_C.int64).reshape(-1, 2).t().contiguous().to(dtype or _C.int64)


@_only_function
def triu_indices(row, col, offset=0, *, dtype=None, device=None):
    """(2, count) coordinates of the upper triangle of a (row, col) matrix."""
    where = [(i, j) for i in builtins.range(row) for j in builtins.range(builtins.max(0, i + offset), col)]
    return _C.tensor(where, dtype=_C.int64).reshape(-1, 2).t().contiguous().to(dtype or _C.int64)


@_public
def diag(input, diagonal=0):
    """A vector to a diagonal matrix, a matrix to its diagonal (a copy)."""
    if input.dim() == 1:
        return _C.diag_embed(input, diagonal)
    if input.dim() != 2:
        raise _C.ShapeError(f"diag(): Supports 1D or 2D tensors. Got {input.dim()}D")
    return input.diagonal(diagonal).clone()


@_public
def diagflat(input, offset=0):
    return _C.diag_embed(input.reshape(-1), offset)


@_only_function
def vander(x, N=None, increasing=False):
    """Rows 1, x, x^2, ... (or the reverse)."""
    n = x.shape[-1] if N is None else N
    powers = _C.arange(n) if increasing else _C.arange(n - 1, -1, -1)
    return x.unsqueeze(-1) ** powers


@_only_function
def empty_strided(size, stride, *, dtype=None, device=None, requires_grad=False):
    reach = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
    return _C.empty(reach, dtype=dtype).as_strided(size, stride).requires_grad_(requires_grad)


@_only_function
def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    import numpy

    name = str(dtype).rsplit(".", 1)[-1]
    return _C.from_numpy(numpy.frombuffer(buffer, dtype=name, count=count, offset=offset)).requires_grad_(requires_grad)


@_public
def randint_like(input, low=0, high=None, *, dtype=None, device=None, requires_grad=False):
    low, high = (0, low) if high is None else (low, high)
    return _C.randint(low, high, tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad)


def _window(cosines, length, periodic, dtype, requires_grad):
    """A sum of cosines a_0 - a_1 cos(2 pi n / N) + a_2 cos(4 pi n / N)."""
    if length == 1:
        return _C.ones(1, dtype=dtype, requires_grad=requires_grad)
    angle = _C.arange(length, dtype=_C.float64) * (2 * math.pi / (length if periodic else length - 1))
    w = sum(a * (-1) ** k * (angle * k).cos() for k, a in enumerate(cosines))
    return w.to(dtype or _C.get_default_dtype()).requires_grad_(requires_grad)


@_only_function
def hann_window(window_length, periodic=True, *, dtype=None, device=None, requires_grad=False):
    return _window((0.5, 0.5), window_length, periodic, dtype, requires_grad)


@_only_function
def hamming_window(window_length, periodic=True, alpha=0.54, beta=0.46, *, dtype=None, device=None, requires_grad=False):
    return _window((alpha, beta), window_length, periodic, dtype, requires_grad)


@_only_function
def blackman_window(window_length, periodic=True, *, dtype=None, device=None, requires_grad=False):
    return _window((0.42, 0.5, 0.08), window_length, periodic, dtype, requires_grad)


@_only_function
def bartlett_window(window_length, periodic=True, *, dtype=None, device=None, requires_grad=False):
    n = window_length if periodic else window_length - 1
    if window_length == 1:
        return _C.ones(1, dtype=dtype)
    x = _C.arange(window_length, dtype=_C.float64) * (2 / n)
    return _C.where(x <= 1, x, 2 - x).to(dtype or _C.get_default_dtype()).requires_grad_(requires_grad)


@_only_function
def meshgrid(*tensors, indexing="ij"):
    """Coordinate grids of the given axes."""
    tensors = list(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else list(tensors)
    if indexing not in ("ij", "xy"):
        raise _C.ValueError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors[:2] = tensors[1::-1]
    shape = [t.numel() for t in tensors]
    grids = [t.reshape([-1 if i == k else 1 for i in builtins.range(len(shape))]).expand(shape) for k, t in enumerate(tensors)]
    if swap:
        grids[:2] = grids[1::-1]
    return tuple(grids)


@_only_function
def cartesian_prod(*tensors):
    grids = meshgrid(*tensors)
    return tensors[0] if len(tensors) == 1 else _C.stack([g.reshape(-1) for g in grids], 1)


@_public
def combinations(input, r=2, with_replacement=False):
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    index = list(choose(builtins.range(input.numel()), r))
    return input[_C.tensor(index, dtype=_C.int64).reshape(-1, r)]


@_only_function
def block_diag(*tensors):
    blocks = [t.reshape(1, -1) if t.dim() < 2 else t for t in (x if isinstance(x, Tensor) else _C.tensor(x) for x in tensors)]
    cols = sum(b.shape[1] for b in blocks)
    rows, before = [], 0
    for b in blocks:
        rows.append(_C.pad(b, (before, cols - before - b.shape[1])))
        before += b.shape[1]
    return _C.cat(rows, 0)


# ---- shapes ----
@_public
def atleast_1d(input, *more):
    if more or isinstance(input, (tuple, list)):
        return tuple(map(atleast_1d, (input, *more) if more else input))
    return input.reshape(1) if input.dim() == 0 else input


@_public
def atleast_2d(input, *more):
    if more or isinstance(input, (tuple, list)):
        return tuple(map(atleast_2d, (input, *more) if more else input))
    return input.reshape(1, -1) if input.dim() < 2 else input


@_public
def atleast_3d(input, *more):
    if more or isinstance(input, (tuple, list)):
        return tuple(map(atleast_3d, (input, *more) if more else input))
    input = input.reshape(1, -1) if input.dim() < 2 else input
    return input.unsqueeze(-1) if input.dim() == 2 else input


@_only_function
def hstack(tensors):
    tensors = [atleast_1d(t) for t in tensors]
    return _C.cat(tensors, 0 if tensors[0].dim() == 1 else 1)


@_only_function
def vstack(tensors):
    return _C.cat([atleast_2d(t) for t in tensors], 0)


@_only_function
def dstack(tensors):
    return _C.cat([atleast_3d(t) for t in tensors], 2)


@_only_function
def column_stack(tensors):
    return _C.cat([t.reshape(-1, 1) if t.dim() < 2 else t for t in tensors], 1)


_FUNCTIONS["row_stack"] = vstack


@_public
def hsplit(input, indices_or_sections):
    return _C.tensor_split(input, indices_or_sections, 0 if input.dim() == 1 else 1)


@_public
def vsplit(input, indices_or_sections):
    return _C.tensor_split(input, indices_or_sections, 0)


@_public
def dsplit(input, indices_or_sections):
    return _C.tensor_split(input, indices_or_sections, 2)


@_public
def fliplr(input):
    return input.flip(1)


@_public
def flipud(input):
    return input.flip(0)


@_public
def roll(input, shifts, dims=None):
    """Moves the elements along dimensions; what leaves at one end enters at the other."""
    if dims is None:
        return roll(input.reshape(-1), shifts, 0).reshape(input.shape)
    shifts, dims = ((x,) if isinstance(x, int) else tuple(x) for x in (shifts, dims))
    if len(shifts) != len(dims):
        raise _C.ShapeError(f"roll: shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    for shift, d in zip(shifts, dims):
        n = input.shape[d]
        if n and shift % n:
            cut = n - shift % n
            input = _C.cat([input.narrow(d, cut, n - cut), input.narrow(d, 0, cut)], d)
    return input.clone() if not shifts else input


@_public
def rot90(input, k=1, dims=(0, 1)):
    a, b = dims
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return input.flip(a, b)
    return input.flip(b).transpose(a, b) if k == 1 else input.transpose(a, b).flip(b)


@_public
def tile(input, *dims):
    dims = _ints(dims)
    return input.repeat((1,) * (input.dim() - len(dims)) + tuple(dims))


@_public
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Each element `repeats` times in a row; alone, `input` holds the repetitions of 0, 1, 2 ..."""
    if repeats is None:
        input, repeats = _C.arange(input.numel()), input
    if dim is None:
        input, dim = input.reshape(-1), 0
    n = input.shape[dim]
    if isinstance(repeats, Tensor):
        repeats = repeats.reshape(-1).tolist()
        repeats = repeats * n if len(repeats) == 1 else repeats
    elif isinstance(repeats, int):
        repeats = [repeats] * n
    if len(repeats) != n:
        raise _C.ShapeError(f"repeat_interleave: repeats must have the same size as input along dim, got {len(repeats)} and {n}")
    index = [i for i, r in enumerate(repeats) for _ in builtins.range(r)]
    return input.index_select(dim, _C.tensor(index, dtype=_C.int64))


@_only_function
def broadcast_shapes(*shapes):
    rank = builtins.max((len(s) if isinstance(s, (tuple, list)) else 1 for s in shapes), default=0)
    out = [1] * rank
    for s in shapes:
        s = (s,) if isinstance(s, int) else tuple(s)
        for i, n in enumerate(s, rank - len(s)):
            if n != 1 and out[i] not in (1, n):
                raise _C.ShapeError(f"Shape mismatch: objects cannot be broadcast to a single shape: {', '.join(map(str, shapes))}")
            out[i] = n if n != 1 else out[i]
    return _C.Size(out)


@_only_function
def broadcast_tensors(*tensors):
    tensors = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    shape = broadcast_shapes(*(tuple(t.shape) for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


@_public
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    out = input.clone()
    out.diagonal(offset, dim1, dim2).copy_(src)
    return out


@_public
def select_scatter(input, src, dim, index):
    out = input.clone()
    out.select(dim, index).copy_(src)
    return out


@_public
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    out = input.clone()
    out[(slice(None),) * _dim(dim, input.dim()) + (slice(start, end, step),)] = src
    return out


@_only_method
def T_(input):
    return input.T


# ---- in place, on shapes ----
def _reseat(self, view, name):
    """The tensor itself takes on the geometry (and the history) of a view of it."""
    return _C._become(self, view, name)


for _name in ("t", "transpose", "squeeze", "unsqueeze", "swapaxes", "swapdims"):
    def _in_place(input, *args, _f=_name, **kwargs):
        return _reseat(input, getattr(input, _f)(*args, **kwargs), _f + "_")

    _in_place.__name__ = _name + "_"
    _METHODS[_name + "_"] = _in_place
del _METHODS["T_"], T_


@_only_method
def resize_(input, *sizes):
    sizes = _ints(sizes)
    n = math.prod(sizes)
    flat = input.detach().reshape(-1)
    if n > flat.numel():
        flat = _C.cat([flat, flat.new_zeros(n - flat.numel())])
    input.data = flat[:n].reshape(sizes)
    return input


@_only_method
def set_(input, source=None):
    input.data = source if source is not None else input.new_empty(0)
    return input


# ---- elementwise ----
@_only_function
def positive(input):
    return input


@_public
def float_power(input, exponent):
    wide = _C.complex128 if any(isinstance(x, Tensor) and x.is_complex() for x in (input, exponent)) else _C.float64
    cast = lambda x: x.to(wide) if isinstance(x, Tensor) else _C.tensor(x, dtype=wide)
    return _C.pow(cast(input), cast(exponent))


@_public
def ldexp(input, other):
    return input * _C.pow(2.0, other)


@_public
def frexp(input):
    """mantissa in [0.5, 1) and exponent with input = mantissa * 2^exponent."""
    exponent = _C.where(input == 0, _C.zeros_like(input), _C.floor(_C.log2(input.abs())) + 1)
    mantissa = input / _C.pow(2.0, exponent)
    low = (mantissa.abs() >= 1).to(input.dtype)
    return _result("frexp", mantissa=mantissa / (1 + low), exponent=(exponent + low).to(_C.int32))


@_public
def gcd(input, other):
    a, b = broadcast_tensors(input, other)
    dtype = _C.promote_types(a.dtype, b.dtype)
    values = [math.gcd(x, y) for x, y in zip(a.reshape(-1).tolist(), b.reshape(-1).tolist())]
    return _C.tensor(values, dtype=dtype).reshape(a.shape)


@_public
def lcm(input, other):
    a, b = broadcast_tensors(input, other)
    dtype = _C.promote_types(a.dtype, b.dtype)
    values = [math.lcm(x, y) for x, y in zip(a.reshape(-1).tolist(), b.reshape(-1).tolist())]
    return _C.tensor(values, dtype=dtype).reshape(a.shape)


@_public
def conj_physical(input):
    return _C.conj(input)


@_public
def resolve_conj(input):
    return input


@_public
def resolve_neg(input):
    return input


@_public
def is_conj(input):
    return False


@_public
def is_neg(input):
    return False


@_public
def mvlgamma(input, p):
    j = _C.arange(p, dtype=_float_dtype(input))
    return p * (p - 1) / 4 * math.log(math.pi) + _C.lgamma(input.unsqueeze(-1) - j / 2).sum(-1)


@_public
def clamp_min(input, min):
    return input.clamp(min=min)


@_public
def clamp_max(input, max):
    return input.clamp(max=max)


@_public
def rsub(input, other, *, alpha=1):
    return other - alpha * input


def _bessel(x, order):
    """I_n(x) exp(-|x|), n = 0 or 1: the power series up to 15, the asymptotic series beyond (Abramowitz & Stegun 9.6.10, 9.7.1)."""
    wide = _as_float(x).to(_C.float64)
    size = wide.abs()
    small, large = size.clamp(max=15), size.clamp(min=15)
    quarter = small * small / 4
    term = _C.ones_like(small) if order == 0 else small / 2
    series = term
    for k in builtins.range(1, 60):
        term = term * quarter / (k * (k + order))
        series = series + term
    tail = term = _C.ones_like(large)
    for k in builtins.range(1, 14):
        term = term * -(4 * order ** 2 - (2 * k - 1) ** 2) / (8 * k * large)
        tail = tail + term
    out = _C.where(size <= 15, series * (-small).exp(), tail / (2 * math.pi * large).sqrt())
    return (out if order == 0 else out * wide.sign()).to(_float_dtype(x))


@_public
def i0(input):
    """The modified Bessel function of the first kind of order 0."""
    return _bessel(input, 0) * input.abs().exp()


@_public
def constant_pad_nd(input, pad, value=0):
    return _C.pad(input, list(pad), "constant", float(value))


@_public
def narrow_copy(input, dim, start, length):
    return input.narrow(dim, start, length).clone()


@_public
def unsafe_chunk(input, chunks, dim=0):
    return input.chunk(chunks, dim)


@_public
def unsafe_split(input, split_size, dim=0):
    return input.split(split_size, dim)


@_only_method
def sum_to_size(input, *size):
    """The sum over the dimensions that broadcasting from `size` would stretch."""
    size = _ints(size)
    if broadcast_shapes(size, tuple(input.shape)) != input.shape:
        raise _C.ShapeError(f"size {list(size)} is not expandable to size {list(input.shape)}.")
    extra = input.dim() - len(size)
    dims = [*builtins.range(extra), *(extra + i for i, n in enumerate(size) if n == 1 and input.shape[extra + i] != 1)]
    return (input.sum(dims, keepdim=True) if dims else input).reshape(size)


@_only_function
def unravel_index(indices, shape):
    """Coordinates of flat indices, one tensor per dimension."""
    shape, coordinates = ((shape,) if isinstance(shape, int) else tuple(shape)), []
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < math.prod(shape):
        raise _C.ValueError(f"unravel_index: indices must be in [0, {math.prod(shape)}) for shape {shape}")
    for n in reversed(shape):
        coordinates.append(indices % n)
        indices = indices // n
    return tuple(reversed(coordinates))


@_public
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """Slices of `source` reduced ("prod", "mean", "amax", "amin") into the slices of `input` that `index` names."""
    place = index.reshape([-1 if d == _dim(dim, input.dim()) else 1 for d in builtins.range(input.dim())]).expand_as(source)
    return input.scatter_reduce(dim, place, source, reduce, include_self=include_self)


@_public
def put(input, index, source, accumulate=False):
    return input.clone().put_(index, source, accumulate)


@_public
def as_strided_scatter(input, src, size, stride, storage_offset=0):
    out = input.clone()
    out.as_strided(size, stride, storage_offset).copy_(src)
    return out


@_only_method
def resize_as_(input, the_template):
    return input.resize_(*the_template.shape)


@_only_function
def fill(input, value):
    return _C.full_like(input, value) if not isinstance(value, Tensor) else input.clone().fill_(value)


@_only_function
def kaiser_window(window_length, periodic=True, beta=12.0, *, dtype=None, device=None, requires_grad=False):
    """I_0(beta sqrt(1 - t^2)) / I_0(beta), t in [-1, 1]"""
    if window_length == 1:
        return _C.ones(1, dtype=dtype, requires_grad=requires_grad)
    n = window_length if periodic else window_length - 1
    t = _C.arange(window_length, dtype=_C.float64) * (2 / n) - 1
    w = i0(beta * (1 - t * t).clamp(min=0).sqrt()) / i0(_C.tensor(float(beta), dtype=_C.float64))
    return w.to(dtype or _C.get_default_dtype()).requires_grad_(requires_grad)


# ---- matrices ----
@_public
def cholesky_inverse(input, upper=False):
    """(L L^T)^-1 of a Cholesky factor."""
    unit = _C.eye(input.shape[-1], dtype=input.dtype).expand(input.shape)
    return _C.cholesky_solve(unit, input, upper)


@_public
def lu(input, pivot=True, get_infos=False):
    """The packed factors and the rows that were exchanged (counted from 1)."""
    found = _linalg().lu_factor(input, pivot=pivot)
    return (*found, _C.zeros(tuple(input.shape[:-2]), dtype=_C.int32)) if get_infos else tuple(found)


@_only_function
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """P, L, U of packed factors."""
    m, n = LU_data.shape[-2:]
    k = builtins.min(m, n)
    lower = LU_data[..., :k].tril(-1) + _C.eye(m, k, dtype=LU_data.dtype)
    return _result("lu_unpack", P=_linalg()._permutation(LU_pivots, m, LU_data.dtype), L=lower, U=LU_data[..., :k, :].triu())


@_only_function
def lu_solve(b, LU_data, LU_pivots):
    return _linalg().lu_solve(LU_data, LU_pivots, b)


_METHODS["lu_solve"] = lambda input, LU_data, LU_pivots: lu_solve(input, LU_data, LU_pivots)


# ---- copies of views ----
def _copy_of(name):
    def copy(input, *args, **kwargs):
        out = getattr(input, name)(*args, **kwargs)
        return tuple(part.clone() for part in out) if isinstance(out, (tuple, list)) else out.clone()

    copy.__name__ = copy.__qualname__ = name + "_copy"
    copy.__doc__ = f"A copy of what {name} gives."
    return copy


for _name in ("as_strided", "detach", "diagonal", "expand", "permute", "select", "slice", "split", "split_with_sizes", "squeeze", "t",
              "transpose", "unbind", "unfold", "unsqueeze", "view", "view_as_real", "view_as_complex"):
    _FUNCTIONS[_name + "_copy"] = _copy_of(_name)


# ---- tests of elements ----
@_public
def isreal(input):
    return input.imag == 0 if input.is_complex() else _C.ones_like(input, dtype=_C.bool)


@_public
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    return bool(_C.isclose(input, other, rtol, atol, equal_nan).all())


@_public
def equal(input, other):
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


@_only_function
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    elements, test_elements = (x if isinstance(x, Tensor) else _C.tensor(x) for x in (elements, test_elements))
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    return ~found if invert else found


@_public
def is_nonzero(input):
    if input.numel() != 1:
        raise _C.ShapeError("Boolean value of Tensor with more than one value is ambiguous" if input.numel()
                            else "Boolean value of Tensor with no values is ambiguous")
    return bool(input)


@_public
def is_same_size(input, other):
    return input.shape == other.shape


@_only_function
def is_tensor(obj):
    return isinstance(obj, Tensor)


@_only_function
def is_storage(obj):
    return False


# ---- dtypes ----
@_only_function
def result_type(tensor1, tensor2):
    parts = [x if isinstance(x, Tensor) else _C.tensor(x) for x in (tensor1, tensor2)]
    if all(isinstance(x, Tensor) for x in (tensor1, tensor2)):
        return (_C.zeros_like(tensor1.reshape(-1)[:1].reshape((1,) * tensor1.dim()) if tensor1.numel() else tensor1) +
                _C.zeros_like(tensor2.reshape(-1)[:1].reshape((1,) * tensor2.dim()) if tensor2.numel() else tensor2)).dtype
    a, b = (tensor1, tensor2) if isinstance(tensor1, Tensor) else (tensor2, tensor1)
    if isinstance(a, Tensor):
        return (_C.zeros((1,) * a.dim(), dtype=a.dtype) + b).dtype
    return _C.promote_types(parts[0].dtype, parts[1].dtype)


def _rank(dtype):
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 0 if dtype is _C.bool else 1


@_only_function
def can_cast(from_, to):
    return _rank(from_) <= _rank(to)


@_only_method
def type_as(input, other):
    return input.to(other.dtype)


# ---- reductions ----
def _result(name, **parts):
    return _named_tuple(name, tuple(parts))(tuple(parts.values()))


_NAMED = {}


def _named_tuple(name, fields):
    """A tuple whose parts have names and which prints as PyTorch's return types do."""
    if name not in _NAMED:
        def show(self):
            return f"hippograd.return_types.{name}(\n" + ",\n".join(f"{f}={v!r}" for f, v in zip(fields, self)) + ")"

        members = {f: property(operator.itemgetter(i)) for i, f in enumerate(fields)}
        _NAMED[name] = type(name, (tuple,), {**members, "__repr__": show, "__slots__": (), "_fields": fields})
    return _NAMED[name]


@_public
def histogram(input, bins, *, range=None, weight=None, density=False):
    """Counts per bin and the bins' edges; the last bin includes its right edge."""
    flat = input.reshape(-1)
    if isinstance(bins, Tensor):
        edges = bins
    else:
        low, high = range if range is not None else (float(flat.min()), float(flat.max()))
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges = _C.linspace(low, high, bins + 1, dtype=input.dtype)
    n = edges.numel() - 1
    place = _C.bucketize(flat, edges, right=True) - 1
    place = _C.where(flat == edges[-1], n - 1, place)
    inside = (place >= 0) & (place < n)
    amount = _C.ones_like(flat) if weight is None else weight.reshape(-1)
    hist = _C.zeros(n, dtype=input.dtype).index_add(0, place[inside], amount[inside])
    if density:
        hist = hist / (hist.sum() * (edges[1:] - edges[:-1]))
    return _result("histogram", hist=hist, bin_edges=edges)


@_public
def trace(input):
    if input.dim() != 2:
        raise _C.ShapeError(f"trace: expected a matrix, but got tensor with dim {input.dim()}")
    return input.diagonal().sum()


@_public
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Central differences along each dimension, one-sided at the ends (second order there if edge_order is 2)."""
    dims = _dims(dim, input.dim())
    spacing = 1 if spacing is None else spacing
    steps = [spacing] * len(dims) if isinstance(spacing, (int, float)) else list(spacing)
    return tuple(_differences(input, h, d, edge_order) for h, d in zip(steps, dims))


def _differences(x, h, d, edge_order):
    n = x.shape[d]
    at = lambda start, size: x.narrow(d, start, size)
    if isinstance(h, Tensor):   # coordinates
        h = h.reshape([-1 if i == d else 1 for i in builtins.range(x.dim())])
        a, b = h.narrow(d, 1, n - 2) - h.narrow(d, 0, n - 2), h.narrow(d, 2, n - 2) - h.narrow(d, 1, n - 2)
        inner = (a * a * at(2, n - 2) + (b * b - a * a) * at(1, n - 2) - b * b * at(0, n - 2)) / (a * b * (a + b))
        first, last = (at(1, 1) - at(0, 1)) / h.narrow(d, 1, 1).sub(h.narrow(d, 0, 1)), (at(n - 1, 1) - at(n - 2, 1)) / h.narrow(d, n - 1, 1).sub(h.narrow(d, n - 2, 1))
        return _C.cat([first, inner, last], d)
    inner = (at(2, n - 2) - at(0, n - 2)) / (2 * h)
    if edge_order == 2:
        first = (-3 * at(0, 1) + 4 * at(1, 1) - at(2, 1)) / (2 * h)
        last = (3 * at(n - 1, 1) - 4 * at(n - 2, 1) + at(n - 3, 1)) / (2 * h)
    else:
        first, last = (at(1, 1) - at(0, 1)) / h, (at(n - 1, 1) - at(n - 2, 1)) / h
    return _C.cat([first, inner, last], d)


def _trapezoids(y, x, dx, dim):
    n = y.shape[dim]
    means = (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)) / 2
    if x is None:
        return means * dx
    steps = _C.diff(x, dim=-1 if x.dim() == 1 else dim)
    if x.dim() == 1:
        steps = steps.reshape([-1 if i == _dim(dim, y.dim()) else 1 for i in builtins.range(y.dim())])
    return means * steps


@_only_function
def cumulative_trapezoid(y, x=None, *, dx=1, dim=-1):
    return _trapezoids(y, x, dx, dim).cumsum(dim)


@_public
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariance of the rows (variables); columns are observations."""
    x = input.reshape(1, -1) if input.dim() < 2 else input
    x = _as_float(x)
    w = None if fweights is None else fweights.to(x.dtype)
    if aweights is not None:
        w = aweights.to(x.dtype) if w is None else w * aweights
    total = x.shape[1] if w is None else w.sum()
    mean = x.mean(1, keepdim=True) if w is None else (x * w).sum(1, keepdim=True) / total
    norm = total - correction if aweights is None else total - correction * (w * aweights).sum() / total
    d = x - mean
    out = (d if w is None else d * w) @ d.mH / norm
    return out.reshape(()) if x.shape[0] == 1 else out


@_public
def corrcoef(input):
    c = cov(input)
    if c.dim() == 0:
        return c / c
    s = c.diagonal().sqrt()
    return (c / s.unsqueeze(1) / s.unsqueeze(0)).clamp(-1, 1)


@_public
def renorm(input, p, dim, maxnorm):
    """Slices along `dim` whose p-norm exceeds maxnorm are scaled down to it."""
    others = [d for d in builtins.range(input.dim()) if d != _dim(dim, input.dim())]
    norms = vector_norm(input, p, others, True)
    return input * _C.where(norms > maxnorm, maxnorm / (norms + 1e-7), _C.ones_like(norms))


@_public
def dist(input, other, p=2):
    return norm(input - other, p)


@_public
def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm of the elements (or along dimensions); 'nuc' for the nuclear norm of matrices."""
    if not (input.is_floating_point() or input.is_complex()) and dtype is None:
        raise _C.DtypeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {input.dtype}")
    x = input if dtype is None else input.to(dtype)
    if p == "nuc":
        s = _linalg().svdvals(x).sum(-1)
        return s.reshape((1,) * x.dim()) if keepdim else s
    return vector_norm(x, 2 if p in ("fro", None) else p, dim, keepdim)


def _linalg():
    from . import linalg

    return linalg


def vector_norm(x, ord=2, dim=None, keepdim=False):
    return _C._vector_norm(x, float(ord), dim, keepdim)


# ---- products ----
@_only_function
def einsum(equation, *operands):
    """Sums over the letters that the output does not name."""
    if not isinstance(equation, str):   # einsum(a, [0, 1], b, [1, 2], [0, 2])
        terms, lists = [equation, *operands], []
        tensors = [t for t in terms[::2] if isinstance(t, Tensor)]
        lists = terms[1:2 * len(tensors):2]
        letter = lambda l: "".join("..." if i is Ellipsis else chr((97 if i < 26 else 39) + i) for i in l)
        equation = ",".join(map(letter, lists)) + ("->" + letter(terms[-1]) if len(terms) % 2 else "")
        operands = tensors
    if len(operands) == 1 and not isinstance(operands[0], Tensor):
        operands = tuple(operands[0])
    return _C._einsum(equation, operands)


@_only_function
def chain_matmul(*matrices):
    return _C._multi_dot(matrices[0] if len(matrices) == 1 and not isinstance(matrices[0], Tensor) else matrices)


@_public
def cross(input, other, dim=None):
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise _C.ShapeError(f"linalg.cross: no dimension of size 3 in input of shape {tuple(input.shape)}")
    a, b = broadcast_tensors(input, other)
    if a.shape[dim] != 3:
        raise _C.ShapeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and {other.shape[dim]}")
    ax, ay, az = a.unbind(dim)
    bx, by, bz = b.unbind(dim)
    return _C.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim)


@_only_function
def cdist(x1, x2, p=2.0, compute_mode=None):
    """Distances between the rows of two batches."""
    d = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    return vector_norm(d, p, -1)


# ---- by chance ----
@_only_function
def normal(mean, std=1.0, size=None, *, generator=None, dtype=None, device=None, requires_grad=False):
    """Normal numbers; mean and std are numbers (with size) or tensors."""
    if size is not None:
        out = _C.randn(size, generator=generator, dtype=dtype) * std + mean
    else:
        shape = broadcast_shapes(*(tuple(x.shape) for x in (mean, std) if isinstance(x, Tensor)))
        base = mean if isinstance(mean, Tensor) else std
        out = _C.randn(shape, generator=generator, dtype=base.dtype) * std + mean
    return out.requires_grad_(requires_grad)


@_public
def bernoulli(input, p=None, *, generator=None):
    probability = input if p is None else _C.full_like(input, p)
    return (_C.rand(input.shape, generator=generator, dtype=_float_dtype(probability)) < probability).to(input.dtype)


@_public
def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Indices drawn in proportion to the (unnormalised) weights in each row."""
    rows = input.reshape(1, -1) if input.dim() == 1 else input
    weights = rows.detach().to(_C.float64)
    if bool(((weights < 0) | ~(weights < math.inf)).any()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if bool((weights.sum(-1) <= 0).any()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and num_samples > rows.shape[1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    if replacement:
        total = weights.cumsum(-1)
        u = _C.rand((rows.shape[0], num_samples), generator=generator, dtype=_C.float64) * total[:, -1:]
        out = (u.unsqueeze(-1) >= total.unsqueeze(-2)).sum(-1).clamp(max=rows.shape[1] - 1)
    else:   # the largest of w^(1/u) is a draw without replacement (Efraimidis and Spirakis 2006)
        u = _C.rand(tuple(rows.shape), generator=generator, dtype=_C.float64).clamp(min=1e-300)
        keys = _C.where(weights > 0, u.log() / weights.clamp(min=1e-300), -math.inf)
        out = keys.sort(-1, descending=True)[1][:, :num_samples]
    return out[0] if input.dim() == 1 else out


@_public
def poisson(input, generator=None):
    """Poisson numbers by counting exponential waiting times (small rates) or rounding a normal (large ones)."""
    rate = input.detach().to(_C.float64)
    high = float(rate.max()) if rate.numel() else 0.0
    if high > 500:
        normal_draw = (_C.randn(tuple(rate.shape), generator=generator, dtype=_C.float64) * rate.sqrt() + rate).round().clamp(min=0)
        return normal_draw.to(input.dtype)
    count, log_product = _C.zeros_like(rate), _C.zeros_like(rate)
    while True:
        log_product = log_product + _C.rand(tuple(rate.shape), generator=generator, dtype=_C.float64).clamp(min=1e-300).log()
        alive = log_product > -rate
        if not bool(alive.any()):
            return count.to(input.dtype)
        count = count + alive.to(_C.float64)


@_only_method
def uniform_(input, a=0.0, b=1.0, *, generator=None, **named):
    a, b = named.get("from", a), named.get("to", b)
    dtype = input.dtype if input.dtype in (_C.float32, _C.float64) else _C.float32
    return _fill(input, _C.rand(tuple(input.shape), generator=generator, dtype=dtype) * (b - a) + a)


@_only_method
def normal_(input, mean=0.0, std=1.0, *, generator=None):
    dtype = input.dtype if input.dtype in (_C.float32, _C.float64) else _C.float32
    return _fill(input, _C.randn(tuple(input.shape), generator=generator, dtype=dtype) * std + mean)


def _fill(input, values):
    return input.copy_(values)


@_only_method
def bernoulli_(input, p=0.5, *, generator=None):
    return _fill(input, _C.rand(tuple(input.shape), generator=generator) < p)


@_only_method
def random_(input, low=None, high=None, *, generator=None, **named):
    low = named.get("from", low)
    high = named.get("to", high)
    low, high = (0, low) if high is None else (low, high)
    if high is None:
        high = 2 ** 24 if input.is_floating_point() else 2 if input.dtype is _C.bool else _C.iinfo(input.dtype).max
    return _fill(input, _C.randint(low, high, tuple(input.shape), generator=generator))


@_only_method
def exponential_(input, lambd=1.0, *, generator=None):
    return _fill(input, -_C.log1p(-_C.rand(tuple(input.shape), generator=generator, dtype=_C.float64)) / lambd)


@_only_method
def geometric_(input, p, *, generator=None):
    u = _C.rand(tuple(input.shape), generator=generator, dtype=_C.float64)
    return _fill(input, (_C.log1p(-u) / math.log1p(-p)).floor() + 1)


@_only_method
def log_normal_(input, mean=1.0, std=2.0, *, generator=None):
    return _fill(input, (_C.randn(tuple(input.shape), generator=generator) * std + mean).exp())


@_only_method
def cauchy_(input, median=0.0, sigma=1.0, *, generator=None):
    u = _C.rand(tuple(input.shape), generator=generator, dtype=_C.float64)
    return _fill(input, median + sigma * ((u - 0.5) * math.pi).tan())


# ---- writing in place ----
@_only_method
def fill_diagonal_(input, fill_value, wrap=False):
    n = builtins.min(input.shape)
    index = _C.arange(n)
    input[(index,) * input.dim()] = fill_value
    return input


@_only_method
def index_put_(input, indices, values, accumulate=False):
    return input.copy_(_C.index_put(input, list(indices), values, accumulate))


@_only_method
def put_(input, index, source, accumulate=False):
    flat = input.reshape(-1)
    flat = flat.index_add(0, index.reshape(-1), source.reshape(-1)) if accumulate else flat.index_copy(0, index.reshape(-1), source.reshape(-1))
    return input.copy_(flat.reshape(input.shape))


@_only_method
def map_(input, other, callable):
    values = [callable(a, b) for a, b in zip(input.reshape(-1).tolist(), other.expand_as(input).reshape(-1).tolist())]
    return input.copy_(_C.tensor(values, dtype=input.dtype).reshape(input.shape))


@_only_method
def apply_(input, callable):
    values = [callable(v) for v in input.reshape(-1).tolist()]
    return input.copy_(_C.tensor(values, dtype=input.dtype).reshape(input.shape))


# ---- names that change nothing here ----
@_only_method
def share_memory_(input):
    return input


@_only_method
def is_shared(input):
    return False


@_public
def is_inference(input):
    return False


@_public
def get_device(input):
    """The index of a CUDA tensor's device, -1 for the CPU."""
    return input.device.index if input.device.type == "cuda" else -1


@_only_method
def record_stream(input, stream):
    return None


@_only_method
def is_coalesced(input):
    return True


def _no_sparse(name):
    def refuse(*args, **kwargs):
        raise NotImplementedError(f"{name}: sparse tensors are not part of hippograd")

    refuse.__name__ = name
    return refuse


for _name in ("sparse_coo_tensor", "sparse_csr_tensor"):
    _FUNCTIONS[_name] = _no_sparse(_name)
for _name in ("to_sparse", "to_dense", "coalesce"):
    _METHODS[_name] = _no_sparse(_name)

# Functions here that also write in place: y_ = copy of the result into the first argument.
_TWINS = ("float_power", "gcd", "lcm", "conj_physical", "clamp_min", "clamp_max", "renorm", "ldexp", "mvlgamma")


def _twin(name):
    def in_place(input, *args, **kwargs):
        source = input.clone() if _C.is_grad_enabled() and input.requires_grad else input   # saved for backward
        return input.copy_(getattr(source, name)(*args, **kwargs))

    in_place.__name__ = in_place.__qualname__ = name + "_"
    in_place.__doc__ = f"In-place form of {name}."
    return in_place


def _with_out(function):
    """Adds `out=`, NumPy's argument names and PyTorch's ignored ones."""
    rename = {"axis": "dim", "keepdims": "keepdim"}
    accepted = inspect.signature(function).parameters

    def call(*args, out=None, **kwargs):
        for numpy_name, name in rename.items():
            if numpy_name in kwargs and numpy_name not in accepted:
                kwargs[name] = kwargs.pop(numpy_name)
        result = function(*args, **kwargs)
        if out is None:
            return result
        if tuple(out.shape) != tuple(result.shape):
            out.resize_(*result.shape)
        return out.copy_(result)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__, call.__module__, call.__wrapped__ = function.__doc__, "hippograd", function
    return call


def install():
    """Puts the functions into the compiled module and onto Tensor, wherever a name is not there yet."""
    for name, function in _FUNCTIONS.items():
        if not hasattr(_C, name):
            setattr(_C, name, _with_out(function))
    for name, function in _METHODS.items():
        if name not in Tensor.__dict__:
            setattr(Tensor, name, function)
    for name in _TWINS:
        if name + "_" not in Tensor.__dict__:
            setattr(Tensor, name + "_", _twin(name))
