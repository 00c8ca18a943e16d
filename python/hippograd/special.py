"""Special functions under PyTorch's names: torch.special."""
import math

from . import _C
from ._functions import _bessel

_NAMES = {"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma"}


def __getattr__(name):
    """Another name for the function at the top level, or for what is compiled as special_NAME."""
    for candidate in ("special_" + name, _NAMES.get(name, name)):
        if not name.startswith("_") and hasattr(_C, candidate):
            return getattr(_C, candidate)
    raise AttributeError(f"module 'hippograd.special' has no attribute '{name}'")


def xlog1py(input, other):
    return _C.xlogy(input, other + 1)


def entr(input):
    """-x log x, 0 at 0, -inf below."""
    return _C.where(input < 0, -math.inf, -_C.xlogy(input, input))


def i0e(input):
    """i0(x) exp(-|x|)"""
    return _bessel(input, 0)


def i1(input):
    return _bessel(input, 1) * input.abs().exp()


def i1e(input):
    return _bessel(input, 1)


def ndtr(input):
    """The normal distribution function."""
    return _C.erfc(input * -math.sqrt(0.5)) * 0.5


def ndtri(input):
    return math.sqrt(2) * _C.erfinv(2 * input - 1)


def log_ndtr(input):
    """log ndtr(x); below -5 by the asymptotic series, where ndtr underflows."""
    low = input.clamp(max=-5)
    square = low * low
    terms = [math.prod(range(1, 2 * k, 2)) * (-1) ** k for k in range(1, 12)]          # -1, 3, -15, 105 ...
    tail = -square / 2 - _C.log(-low) - 0.5 * math.log(2 * math.pi) + _C.log1p(sum(c / square ** k for k, c in enumerate(terms, 1)))
    return _C.where(input < -5, tail, _C.log(ndtr(input.clamp(min=-5))))


def softmax(input, dim, *, dtype=None):
    return _C.softmax(input, dim, dtype=dtype)


def log_softmax(input, dim, *, dtype=None):
    return _C.log_softmax(input, dim, dtype=dtype)
