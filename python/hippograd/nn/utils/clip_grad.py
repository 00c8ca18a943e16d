"""Gradients kept within bounds, in place."""

import math

from ... import _C
from ...autograd.grad_mode import no_grad


def _gradients(parameters):
    parameters = [parameters] if isinstance(parameters, _C.Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


@no_grad()
def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all tensors laid end to end."""
    tensors, p = [tensors] if isinstance(tensors, _C.Tensor) else list(tensors), float(norm_type)
    if not tensors:
        return _C.tensor(0.0)
    if p == math.inf:
        total = _C.stack([t.detach().abs().max() for t in tensors]).max()
    elif p == 2.0:
        total = _C.stack([(t.detach() * t.detach()).sum() for t in tensors]).sum().sqrt()
    elif p == 0.0:
        total = _C.stack([(t.detach() != 0).any().to(t.dtype) for t in tensors]).sum()
    else:
        total = _C.stack([(t.detach().abs() ** p).sum() for t in tensors]).sum() ** (1.0 / p)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(f"The total norm of order {p} for gradients from `parameters` is non-finite, so it cannot be "
                           "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
                           "`error_if_nonfinite=False`")
    return total


@no_grad()
def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scales gradients by min(1, max_norm / (total_norm + 1e-6))."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for g in _gradients(parameters):
        g.detach().mul_(scale.to(g.dtype))


@no_grad()
def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scales all gradients together so that their common norm is at most max_norm; returns the norm before."""
    parameters = [parameters] if isinstance(parameters, _C.Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


clip_grad_norm = clip_grad_norm_


@no_grad()
def clip_grad_value_(parameters, clip_value, foreach=None):
    """Cuts every entry of every gradient to [-clip_value, clip_value]."""
    for g in _gradients(parameters):
        g.detach().clamp_(-float(clip_value), float(clip_value))
