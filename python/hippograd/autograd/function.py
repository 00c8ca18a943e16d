"""Ops written in Python: `class Cube(Function)` with static `forward` and `backward`, used by `Cube.apply(x)`.

Two ways to write `forward`, as in PyTorch: `forward(ctx, *args)`, or `forward(*args)` beside `setup_context(ctx, inputs, output)`.
`backward(ctx, *grads)` gets one gradient per output and returns one per argument of `forward` (None for what has none).

Second order: saved inputs and outputs come back attached to the graph, so differentiating `backward` is exact. A tensor
that is neither (an intermediate of `forward`) is a constant to the tape: a second derivative through it would be silently
wrong, so it raises, unless the class has a `reference(*args)` written in differentiable ops, which is then used instead.
"""

import functools

from .. import _C
from .grad_mode import enable_grad, no_grad

Tensor = _C.Tensor


class FunctionCtx:
    """What `forward` leaves for `backward`. Any attribute may be set on it."""

    def __init__(self, needs_input_grad):
        self.__dict__.update(needs_input_grad=needs_input_grad, _to_save=(), _saved=None, _dirty=(),
                             _non_differentiable=(), _materialize=True, _inputs=())

    def save_for_backward(self, *tensors):
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(f"save_for_backward can only save tensors, but argument is of type {type(t).__name__}")
        self._to_save = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self):
        return tuple(self._to_save) if self._saved is None else self._saved

    def mark_dirty(self, *tensors):
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors):
        self._non_differentiable = tensors

    def set_materialize_grads(self, value):
        self._materialize = bool(value)


class Function:
    """Base class of ops written in Python; see the module's text. `samples` (input shapes) are for `hippograd.check`."""

    @staticmethod
    def forward(*args, **kwargs):
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        raise NotImplementedError("You must implement either the backward or vjp method for your custom "
                                  "autograd.Function to use it with backward mode AD.")

    setup_context = None

    def __new__(cls, *args, **kwargs):
        raise RuntimeError(f"{cls.__name__} should not be instantiated. Methods on autograd functions are all static, "
                           f"so you should invoke them on the class itself: {cls.__name__}.apply(...)")

    @classmethod
    def apply(cls, *args):
        ctx = FunctionCtx(tuple(isinstance(a, Tensor) and a.requires_grad for a in args))
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        if not (_C.is_grad_enabled() and any(ctx.needs_input_grad)):
            return result
        single = not isinstance(result, (tuple, list))
        return _record(cls, ctx, args, [result] if single else list(result), single)


def _record(cls, ctx, args, outputs, single):
    """Hangs the tensors among `outputs` on one node whose inputs are the tensors among `args`."""
    inputs = [a for a in args if isinstance(a, Tensor)]
    tensors = [y for y in outputs if isinstance(y, Tensor)]
    saved = list(ctx._to_save)
    unattached = _has_intermediates(ctx, inputs, tensors)
    frozen = [_contains(ctx._non_differentiable, y) for y in tensors]
    if hasattr(cls, "reference"):
        ctx._inputs = args
    backward = functools.partial(_run_backward, cls, ctx, [isinstance(a, Tensor) for a in args], unattached)
    dirty = list(ctx._dirty)
    ctx._to_save = ctx._non_differentiable = ctx._dirty = ()  # the node owns them now: no reference cycle
    attached = iter(_C.apply_function(cls.__name__ + "Backward", inputs, tensors, saved, frozen, dirty, backward,
                                      ctx._materialize))
    outputs = [next(attached) if isinstance(y, Tensor) else y for y in outputs]
    return outputs[0] if single else tuple(outputs)


def _run_backward(cls, ctx, is_tensor, unattached, saved, grads):
    """Called by the engine. Returns one gradient (or None) per *tensor* argument."""
    if _C.is_grad_enabled() and hasattr(cls, "reference"):
        return _through_reference(cls, ctx._inputs, grads)
    ctx._saved = tuple(saved)
    try:
        result = cls.backward(ctx, *grads)
    finally:
        ctx._saved = ()
    result = list(result) if isinstance(result, (tuple, list)) else [result]
    while len(result) > len(is_tensor) and result[-1] is None:  # PyTorch allows extra trailing Nones
        result.pop()
    if len(result) != len(is_tensor):
        raise RuntimeError(f"function {cls.__name__}Backward returned an incorrect number of gradients "
                           f"(expected {len(is_tensor)}, got {len(result)})")
    if unattached and _C.is_grad_enabled():
        result = [_refuse_gradient(g, f"{cls.__name__}.backward used a tensor that is neither an input nor an output of "
                                      "forward; its second derivative would be wrong. Save inputs and outputs only, or "
                                      "give the class a `reference` in differentiable ops") for g in result]
    return [g for g, t in zip(result, is_tensor) if t]


def _through_reference(cls, args, grads):
    """Gradients of `reference(*args)` while recording: exact to any order."""
    wanted = [a for a in args if isinstance(a, Tensor) and a.requires_grad]
    with enable_grad():
        ys = cls.reference(*args)
    ys = list(ys) if isinstance(ys, (tuple, list)) else [ys]
    pairs = [(y, g) for y, g in zip(ys, grads) if g is not None and y.requires_grad]
    found = iter(_C.grad([y for y, _ in pairs], wanted, [g for _, g in pairs], True, True, True))
    return [next(found) if a.requires_grad else None for a in args if isinstance(a, Tensor)]


def _contains(tensors, t):
    return any(t is u for u in tensors)


def _has_intermediates(ctx, inputs, outputs):
    """Whether backward can see a real or complex tensor that the tape cannot trace to an input."""
    extra = [v for v in ctx.__dict__.values() if isinstance(v, Tensor)]
    known = (*inputs, *outputs)
    return any(t is not None and (t.is_floating_point() or t.is_complex()) and not _contains(known, t)
               and not _contains(ctx._non_differentiable, t) for t in (*ctx._to_save, *extra))


class _Refuse(Function):
    """Identity whose backward raises: marks results that must not be differentiated again."""

    @staticmethod
    def forward(ctx, x, message):
        ctx.message = message
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        raise RuntimeError(ctx.message)


def _refuse_gradient(g, message):
    if g is None or not isinstance(g, Tensor):
        return g
    return _Refuse.apply(g.detach().requires_grad_(), message)


def once_differentiable(backward):
    """Decorator for `backward`: it runs unrecorded, and a second derivative through it raises."""

    @functools.wraps(backward)
    def wrapped(ctx, *grads):
        recording = _C.is_grad_enabled()
        with no_grad():
            result = backward(ctx, *grads)
        if not recording:
            return result
        message = "trying to differentiate twice a function that was marked with @once_differentiable"
        if isinstance(result, tuple):
            return tuple(_refuse_gradient(g, message) for g in result)
        return _refuse_gradient(result, message)

    return wrapped
