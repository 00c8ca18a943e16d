"""Gradients: `grad`, `backward`, ops in Python (`Function`), grad modes, `gradcheck`, `functional` (jacobian, hessian ...)."""

from .. import _C
from . import functional, graph
from .function import Function, FunctionCtx, once_differentiable
from .grad_mode import detect_anomaly, enable_grad, inference_mode, no_grad, set_detect_anomaly, set_grad_enabled
from .gradcheck import GradcheckError, gradcheck, gradgradcheck

Variable = _C.Tensor


def _as_list(x):
    return [x] if isinstance(x, _C.Tensor) else list(x)


def _cotangents(tensors, grads):
    return [None] * len(tensors) if grads is None else [grads] if isinstance(grads, _C.Tensor) else list(grads)


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True,
         allow_unused=None, is_grads_batched=False, materialize_grads=False):
    """Sum over outputs of d(outputs)/d(inputs), one gradient per input, as a tuple."""
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched=True is not supported; loop over the rows of grad_outputs")
    outputs, inputs = _as_list(outputs), _as_list(inputs)
    if allow_unused is None:
        allow_unused = materialize_grads
    retain = create_graph if retain_graph is None else retain_graph
    found = _C.grad(outputs, inputs, _cotangents(outputs, grad_outputs), retain, create_graph, allow_unused)
    if materialize_grads:
        found = [_C.zeros_like(x) if g is None else g for g, x in zip(found, inputs)]
    return tuple(found)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None):
    """Adds the gradients of the sum of `tensors` to `.grad` of the leaves (or of `inputs` only)."""
    tensors = _as_list(tensors)
    retain = create_graph if retain_graph is None else retain_graph
    wanted = None if inputs is None else _as_list(inputs)
    _C.backward(tensors, _cotangents(tensors, grad_tensors), retain, create_graph, wanted)
