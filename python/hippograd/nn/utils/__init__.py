"""Helpers for parameters and gradients."""

from ... import _C
from . import rnn
from .clip_grad import clip_grad_norm, clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm


def parameters_to_vector(parameters):
    """All entries end to end, one vector."""
    return _C.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """The inverse of `parameters_to_vector`: slices of vec become the parameters' data."""
    if not isinstance(vec, _C.Tensor):
        raise TypeError(f"expected hippograd.Tensor, but got: {type(vec).__name__}")
    start = 0
    for p in parameters:
        p.data = vec[start:start + p.numel()].view(p.shape).detach()
        start += p.numel()


def weight_norm(module, name="weight", dim=0):
    """w = g v / |v|; see `parametrizations.weight_norm`, whose parameter names it uses."""
    from .parametrizations import weight_norm as parametrization
    return parametrization(module, name, dim)


def remove_weight_norm(module, name="weight"):
    from .parametrize import remove_parametrizations
    return remove_parametrizations(module, name)


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """w / (largest singular value); see `parametrizations.spectral_norm`, whose parameter names it uses."""
    from .parametrizations import spectral_norm as parametrization
    return parametrization(module, name, n_power_iterations, eps, dim)


remove_spectral_norm = remove_weight_norm


def skip_init(module_cls, *args, **kwargs):
    return module_cls(*args, **kwargs)


def __getattr__(name):
    if name in ("parametrize", "parametrizations"):  # they import layers, which import this package
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
