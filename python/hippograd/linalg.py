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


def _results(name, **parts):
    from ._functions import _result

    return _result(name, **parts)


def _permutation(pivots, n, dtype):
    """P with P L U = A, from rows exchanged one after the other (counted from 1)."""
    flat = pivots.reshape(-1, pivots.shape[-1]).tolist()
    matrices = []
    for row in flat:
        order = list(range(n))
        for i, j in enumerate(row):
            order[i], order[j - 1] = order[j - 1], order[i]
        matrices.append(_C.eye(n, dtype=dtype)[_C.tensor(order, dtype=_C.int64)].t())
    return _C.stack(matrices).reshape(*pivots.shape[:-1], n, n) if matrices else _C.zeros(*pivots.shape[:-1], n, n, dtype=dtype)


def lu_factor(A, *, pivot=True):
    """L (unit diagonal not stored) and U in one matrix, and the row exchanges (counted from 1)."""
    P, L, U = __getattr__("lu")(A) if pivot else __getattr__("lu")(A, pivot=False)
    m, n = A.shape[-2:]
    k = min(m, n)
    packed = (_C.pad(L.tril(-1), (0, n - k)) if n > k else L.tril(-1)) + (_C.pad(U, (0, 0, 0, m - k)) if m > k else U)
    rows = P.detach().mT.real.argmax(-1).reshape(-1, m).tolist()                     # row i of P^T A is row rows[i] of A
    exchanges = []
    for order in rows:
        now, swaps = list(range(m)), []
        for i in range(k):
            j = now.index(order[i])
            now[i], now[j] = now[j], now[i]
            swaps.append(j + 1)
        exchanges.append(swaps)
    pivots = _C.tensor(exchanges, dtype=_C.int32).reshape(*A.shape[:-2], k)
    return _results("linalg_lu_factor", LU=packed, pivots=pivots)


def lu_factor_ex(A, *, pivot=True, check_errors=False):
    LU, pivots = lu_factor(A, pivot=pivot)
    return _results("linalg_lu_factor_ex", LU=LU, pivots=pivots, info=_C.zeros(tuple(A.shape[:-2]), dtype=_C.int32))


def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A X = B (A^H X = B if adjoint, X A = B if not left), from lu_factor(A)."""
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    n = LU.shape[-1]
    P = _permutation(pivots, n, LU.dtype)
    L, U = LU.tril(-1) + _C.eye(n, dtype=LU.dtype), LU.triu()
    solve_triangular = __getattr__("solve_triangular")
    if adjoint:
        return P @ solve_triangular(L.mH, solve_triangular(U.mH, B, upper=False), upper=True, unitriangular=True)
    return solve_triangular(U, solve_triangular(L, P.mT @ B, upper=False, unitriangular=True), upper=True)


def cholesky_ex(A, *, upper=False, check_errors=False):
    return _with_info("linalg_cholesky_ex", "L", lambda: __getattr__("cholesky")(A, upper=upper), A, A, check_errors)


def inv_ex(A, *, check_errors=False):
    return _with_info("linalg_inv_ex", "inverse", lambda: __getattr__("inv")(A), A, A, check_errors)


def solve_ex(A, B, *, left=True, check_errors=False):
    return _with_info("linalg_solve_ex", "result", lambda: __getattr__("solve")(A, B, left=left), A, B, check_errors)


def _with_info(name, field, f, A, like, check_errors):
    """The result and info = 0; where the matrix has none, NaN and info = 1 (or the error, if it is wanted)."""
    try:
        value, info = f(), 0
    except LinAlgError:
        if check_errors:
            raise
        value, info = _C.full_like(like, math.nan), 1
    return _results(name, **{field: value, "info": _C.full(tuple(A.shape[:-2]), info, dtype=_C.int32)})


def householder_product(A, tau):
    """The first columns of H_1 H_2 ... H_k, H_i = I - tau_i v_i v_i^H, v_i below the diagonal of column i (1 on it)."""
    m, n = A.shape[-2:]
    Q = _C.eye(m, n, dtype=A.dtype).expand(*A.shape[:-2], m, n)
    for i in reversed(range(tau.shape[-1])):
        v = _C.cat([_C.zeros(*A.shape[:-2], i, dtype=A.dtype), _C.ones(*A.shape[:-2], 1, dtype=A.dtype), A[..., i + 1:, i]], -1)
        Q = Q - tau[..., i, None, None] * v.unsqueeze(-1) * (v.conj().unsqueeze(-2) @ Q)
    return Q


def tensorsolve(A, B, dims=None):
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.dim() - len(dims), A.dim())))
    shape = tuple(A.shape[B.dim():])
    return __getattr__("solve")(A.reshape(B.numel(), -1), B.reshape(-1)).reshape(shape)


def tensorinv(A, ind=2):
    shape = tuple(A.shape[ind:]) + tuple(A.shape[:ind])
    return __getattr__("inv")(A.reshape(math.prod(A.shape[:ind]), -1)).reshape(shape)
