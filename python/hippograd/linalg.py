"""Linear algebra with PyTorch's names: torch.linalg."""
import math

from . import _C
from ._functions import _dims, cross as _cross, vector_norm as _vector_norm

LinAlgError = _C.LinAlgError


def __getattr__(name):
    """What is compiled under linalg_NAME, or stands at the top level under the same name."""
    for candidate in ("linalg_" + name, name):
        if not name.startswith("_") and hasattr(_C, candidate):
            return getattr(_C, candidate)
    raise AttributeError(f"module 'hippograd.linalg' has no attribute '{name}'")


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The p-norm of all elements, or along dimensions."""
    return _vector_norm(x if dtype is None else x.to(dtype), ord, dim, keepdim)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """'fro', 'nuc', inf, -inf, 1, -1 (row and column sums), 2, -2 (singular values)."""
    A = A if dtype is None else A.to(dtype)
    a, b = _dims(dim, A.dim())
    if ord == "fro":
        return _vector_norm(A, 2, (a, b), keepdim)
    if ord in ("nuc", 2, -2):
        s = svdvals(A.movedim((a, b), (-2, -1)))
        out = s.sum(-1) if ord == "nuc" else s.amax(-1) if ord == 2 else s.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        add, pick = (a, b) if abs(ord) == 1 else (b, a)
        sums = A.abs().sum(add, keepdim=True)
        out = sums.amax(pick, True) if ord > 0 else sums.amin(pick, True)
        return out if keepdim else out.squeeze((a, b))
    else:
        raise _C.ValueError(f"linalg.matrix_norm: Order {ord} not supported.")
    return out.unsqueeze(min(a, b)).unsqueeze(max(a, b)) if keepdim else out


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector norm, or a matrix norm where `ord` and two dimensions ask for it."""
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is not None and (pair or (dim is None and A.dim() == 2)):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise _C.ValueError(f"linalg.norm: order {ord!r} needs a matrix, got {A.dim()} dimensions")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def multi_dot(tensors):
    return _C._multi_dot(list(tensors))


def cross(input, other, *, dim=-1):
    return _cross(input, other, dim)


def vecdot(x, y, *, dim=-1):
    return ((x.conj() if x.is_complex() else x) * y).sum(dim)


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    return _C.diagonal(A, offset, dim1, dim2)


def vander(x, N=None):
    return _C.vander(x, N, increasing=True)


def matmul(input, other):
    return _C.matmul(input, other)


def svdvals(A):
    return __getattr__("svd")(A, False)[1]


def cond(A, p=None):
    """The ratio of the largest to the smallest singular value, or ||A|| ||A^-1|| in another norm."""
    if p in (None, 2, -2):
        s = svdvals(A)
        return s.amin(-1) / s.amax(-1) if p == -2 else s.amax(-1) / s.amin(-1)
    return matrix_norm(A, p) * matrix_norm(__getattr__("inv")(A), p)


def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    s = svdvals(A)
    top = s.amax(-1, keepdim=True)
    if tol is None and atol is None and rtol is None:
        rtol = max(A.shape[-2:]) * _C.finfo(s.dtype).eps
    limit = tol if tol is not None else max(float(atol or 0), 0.0) if rtol is None else top * rtol
    return (s > limit).sum(-1)


def eigvals(A):
    return __getattr__("eig")(A)[0]


def eigvalsh(A, UPLO="L"):
    return __getattr__("eigh")(A, UPLO)[0]


def tensorsolve(A, B, dims=None):
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.dim() - len(dims), A.dim())))
    shape = tuple(A.shape[B.dim():])
    return __getattr__("solve")(A.reshape(B.numel(), -1), B.reshape(-1)).reshape(shape)


def tensorinv(A, ind=2):
    shape = tuple(A.shape[ind:]) + tuple(A.shape[:ind])
    return __getattr__("inv")(A.reshape(math.prod(A.shape[:ind]), -1)).reshape(shape)
