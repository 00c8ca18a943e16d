"""Jacobians and products with them, for functions of one tensor or of a tuple of tensors.

    jacobian  J[i, j] = d y_i / d x_j        vjp  v^T J        jvp  J u        hessian  d^2 y / dx dx        vhp, hvp  v^T H, H v

`jvp` differentiates the (linear) map v -> v^T J a second time, so it needs no forward mode.
"""

from .. import _C
from .grad_mode import enable_grad

Tensor = _C.Tensor


def _tuple(x):
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _like(x, was_tensor):
    return x[0] if was_tensor else tuple(x)


def _fresh(inputs, create_graph):
    """Own copies of the inputs, so that nobody else's graph is walked."""
    if create_graph:
        return [x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs]
    return [x.detach().requires_grad_() for x in inputs]


def _grad(y, xs, v, create_graph, retain=True, strict=False):
    if not y.requires_grad:
        if strict:
            raise RuntimeError("The output of the user-provided function is independent of the inputs. "
                               "This is not allowed in strict mode.")
        return [_C.zeros_like(x) for x in xs]
    found = _C.grad([y], xs, [v], retain, create_graph, True)
    if strict and any(g is None for g in found):
        raise RuntimeError("The output of the user-provided function is independent of an input. "
                           "This is not allowed in strict mode.")
    return [_C.zeros_like(x) if g is None else g for g, x in zip(found, xs)]


def _finish(ts, create_graph):
    return [t if create_graph else t.detach() for t in ts]


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), v^T J): v has the shape of the output, the product that of the inputs."""
    single = isinstance(inputs, Tensor)
    with enable_grad():
        xs = _fresh(_tuple(inputs), create_graph)
        out = func(*xs)
        ys = _tuple(out)
        vs = [_C.ones_like(y) for y in ys] if v is None else list(_tuple(v))
        if v is None and (len(ys) != 1 or ys[0].numel() != 1):
            raise RuntimeError("The vector v can only be None if the user-provided function returns a single Tensor "
                               "with a single element.")
        parts = [_grad(y, xs, w, create_graph, True, strict) for y, w in zip(ys, vs)]
        total = [sum(column[1:], column[0]) for column in zip(*parts)]
    return _like(_finish(ys, create_graph), isinstance(out, Tensor)), _like(_finish(total, create_graph), single)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), J v): v has the shape of the inputs, the product that of the output."""
    with enable_grad():
        xs = _fresh(_tuple(inputs), create_graph)
        if v is None and (len(xs) != 1 or xs[0].numel() != 1):
            raise RuntimeError("The vector v can only be None if the input to the user-provided function is a single "
                               "Tensor with a single element.")
        us = [_C.ones_like(x) for x in xs] if v is None else list(_tuple(v))
        out = func(*xs)
        ys = _tuple(out)
        products = []
        for y in ys:
            w = _C.zeros_like(y).requires_grad_()
            pulled = _grad(y, xs, w, True, True, strict)                     # v^T J, linear in w
            inner = sum(((p * u).sum() for p, u in zip(pulled, us)), _C.zeros_like(us[0]).sum())
            products.append(_grad(inner, [w], None, create_graph)[0])
    single = isinstance(out, Tensor)
    return _like(_finish(ys, create_graph), single), _like(_finish(products, create_graph), single)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """One tensor of shape (*output, *input) per pair; nested tuples where func takes or returns tuples."""
    single_in = isinstance(inputs, Tensor)
    with enable_grad():
        xs = _fresh(_tuple(inputs), create_graph)
        out = func(*xs)
        rows = []
        for y in _tuple(out):
            flat = y.reshape(-1)
            entries = [_grad(flat[i], xs, None, create_graph, True, strict) for i in range(flat.numel())]
            blocks = [_C.stack([e[j] for e in entries]).reshape(tuple(y.shape) + tuple(x.shape)) if entries
                      else x.new_zeros(tuple(y.shape) + tuple(x.shape)) for j, x in enumerate(xs)]
            rows.append(_like(_finish(blocks, create_graph), single_in))
    return _like(rows, isinstance(out, Tensor))


def hessian(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"):
    """Second derivatives of a scalar function; shape (*x_i, *x_j) per pair of inputs."""
    single = isinstance(inputs, Tensor)

    def gradient(*xs):
        y = func(*xs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise RuntimeError("The output of the user-provided function should be a single Tensor with a single "
                               "element.")
        return _like(_grad(y.reshape(()), list(xs), None, True, True, strict), single)

    return jacobian(gradient, inputs, create_graph=create_graph, strict=strict)


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), v^T H)."""
    single = isinstance(inputs, Tensor)
    with enable_grad():
        xs = _fresh(_tuple(inputs), create_graph)
        us = [_C.ones_like(x) for x in xs] if v is None else list(_tuple(v))
        y = func(*xs)
        first = _grad(y.reshape(()), xs, None, True, True, strict)
        inner = sum(((g * u).sum() for g, u in zip(first[1:], us[1:])), (first[0] * us[0]).sum())
        second = _grad(inner, xs, None, create_graph)
    return _finish([y], create_graph)[0], _like(_finish(second, create_graph), single)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), H v); H is symmetric, so this is `vhp`."""
    return vhp(func, inputs, v, create_graph, strict)
