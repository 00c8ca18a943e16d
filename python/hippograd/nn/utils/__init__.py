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


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """Weight and bias of a convolution that does what the convolution and the (evaluating) batch norm after it do."""
    from ..parameter import Parameter
    scale = (bn_rv + bn_eps).rsqrt() * (1 if bn_w is None else bn_w)
    shape = [1, -1] if transpose else [-1, 1]
    weight = conv_w * scale.reshape(shape + [1] * (conv_w.dim() - 2))
    bias = ((0 if conv_b is None else conv_b) - bn_rm) * scale + (0 if bn_b is None else bn_b)
    return Parameter(weight.detach(), conv_w.requires_grad), Parameter(bias.detach(), conv_w.requires_grad)


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """One convolution in place of two layers in eval mode."""
    from copy import deepcopy
    if conv.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight,
                                                    bn.bias, transpose)
    return fused


def __getattr__(name):
    if name in ("parametrize", "parametrizations", "prune"):  # they import layers, which import this package
        import importlib
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
