"""weight_norm, spectral_norm and orthogonal as parametrizations.

    weight_norm    w = g v / |v|                    g: norm along every dim but `dim`
    spectral_norm  w = W / sigma, sigma = u^T W v   u, v: left and right singular vectors, by power iteration
    orthogonal     w = Q_0 exp(A - A^T) or Q_0 (I + S / 2) (I - S / 2)^-1, S = A - A^T; columns (or rows) orthonormal
"""

from ... import _C
from ...autograd.grad_mode import no_grad
from .. import functional as F
from ..module import Module
from .parametrize import register_parametrization


def _norm_except(v, dim):
    if dim is None:
        return (v * v).sum().sqrt()
    dims = [d for d in range(v.dim()) if d != dim % v.dim()]
    return (v * v).sum(dims, keepdim=True).sqrt()


class _WeightNorm(Module):
    def __init__(self, dim=0):
        self.dim = None if dim in (None, -1) else dim

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / _norm_except(weight_v, self.dim))

    def right_inverse(self, weight):
        return _norm_except(weight, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Free parameters: parametrizations.<name>.original0 (g) and original1 (v)."""
    return register_parametrization(module, name, _WeightNorm(dim))


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.dim = dim if dim >= 0 else dim + weight.dim()
        self.n_power_iterations, self.eps = n_power_iterations, eps
        if weight.dim() > 1:
            matrix = self._matrix(weight.detach())
            rows, columns = matrix.shape
            unit = lambda n: F.normalize(_C.empty(n, dtype=weight.dtype).normal_(0, 1), dim=0, eps=eps)
            self.register_buffer("_u", unit(rows))
            self.register_buffer("_v", unit(columns))
            self._iterate(matrix, 15)

    def _matrix(self, weight):
        return weight.movedim(self.dim, 0).flatten(1)

    @no_grad()
    def _iterate(self, matrix, times):
        for _ in range(times):
            self._u.copy_(F.normalize(matrix @ self._v, dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.t() @ self._u, dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.dim() == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._matrix(weight)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u * (matrix @ v)).sum()

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divides the weight by its largest singular value (estimated better with every training forward)."""
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    return register_parametrization(module, name, _SpectralNorm(getattr(module, name), n_power_iterations, dim, eps))


class _Orthogonal(Module):
    """Tall matrices (wide ones are transposed first): the first k columns of an n x n orthogonal matrix."""

    def __init__(self, weight, orthogonal_map):
        self.map = orthogonal_map
        tall = weight if weight.shape[-2] >= weight.shape[-1] else weight.mT
        q, r = _C.linalg_qr(tall.detach().double(), "complete")
        k = tall.shape[-1]
        q[..., :k] = q[..., :k] * r.diagonal(0, -2, -1).sign().unsqueeze(-2)     # the given weight itself, if it is orthogonal
        self.register_buffer("base", q.to(weight.dtype))

    def forward(self, x):
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        n, k = x.shape[-2:]
        a = x.tril(-1)
        a = a if n == k else _C.pad(a, (0, n - k))
        skew = a - a.mT                                                           # (..., n, n)
        if self.map == "matrix_exp":
            turn = _C.matrix_exp(skew)
        else:
            eye = _C.eye(n, dtype=x.dtype)
            turn = _C.linalg_solve(eye - skew / 2, eye + skew / 2)
        q = (self.base @ turn)[..., :k]
        return q.mT if wide else q

    def right_inverse(self, value):
        return value * 0


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """The weight stays orthogonal whatever the optimizer does: it is Q_0 times the exponential of a skew matrix."""
    weight = getattr(module, name)
    if weight.dim() < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.dim()} dimensions.")
    orthogonal_map = orthogonal_map or "matrix_exp"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    if orthogonal_map == "householder":
        raise NotImplementedError("orthogonal: orthogonal_map='householder' is not supported; use 'matrix_exp' or 'cayley'")
    return register_parametrization(module, name, _Orthogonal(weight, orthogonal_map))
