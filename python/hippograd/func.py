"""Functions of functions: grad, vjp, jvp, jacrev, hessian, vmap, functional_call.

Differs from PyTorch: `vmap` runs the function once per entry and stacks the results (same values, no speed gained).
"""

import functools

from . import _C
from .autograd import functional
from .autograd.grad_mode import enable_grad

Tensor = _C.Tensor


def _chosen(argnums, args):
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    return [n % len(args) for n in numbers]


def _map(f, tree):
    """f on every tensor of nested dicts, lists, tuples."""
    if isinstance(tree, Tensor):
        return f(tree)
    if isinstance(tree, dict):
        return {k: _map(f, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_map(f, v) for v in tree)
    return tree


def _leaves(tree):
    found = []
    _map(lambda t: found.append(t) or t, tree)
    return found


def grad_and_value(func, argnums=0, has_aux=False):
    """(gradient, value) of a scalar function by its argument(s) argnums, which may be trees of tensors."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        with enable_grad():
            args = list(args)
            for n in _chosen(argnums, args):
                args[n] = _map(lambda t: t.view_as(t) if t.requires_grad else t.detach().requires_grad_(), args[n])
            out = func(*args, **kwargs)
            value, aux = out if has_aux else (out, None)
            if not isinstance(value, Tensor) or value.dim() != 0:
                raise RuntimeError("grad: Expected f(*args) to return a scalar tensor, got "
                                   f"{value.dim()} dims" if isinstance(value, Tensor) else
                                   f"grad: Expected f(*args) to return a scalar tensor, got {type(value).__name__}")
            trees = [args[n] for n in _chosen(argnums, args)]
            wanted = _leaves(trees)
            outer = any(t.requires_grad and not t.is_leaf for t in wanted)
            found = _C.grad([value], wanted, [None], True, True, True) if value.requires_grad else [None] * len(wanted)
            found = iter(_C.zeros_like(t) if g is None else g if outer else g.detach() for g, t in zip(found, wanted))
        grads = [_map(lambda t: next(found), tree) for tree in trees]
        gradient = grads[0] if isinstance(argnums, int) else tuple(grads)
        value = value if outer else value.detach()
        return (gradient, (value, aux)) if has_aux else (gradient, value)

    return wrapped


def grad(func, argnums=0, has_aux=False):
    """The gradient of a scalar function, as a function. Nests: grad(grad(f)) is the second derivative."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def vjp(func, *primals, has_aux=False):
    """(func(*primals), function v -> v^T J)."""
    with enable_grad():
        xs = [t.view_as(t) if t.requires_grad else t.detach().requires_grad_() for t in primals]
        out = func(*xs)
        y, aux = out if has_aux else (out, None)

    def pull(v):
        ys, vs = ([y], [v]) if isinstance(y, Tensor) else (list(y), list(v))
        found = _C.grad(ys, xs, vs, True, _C.is_grad_enabled() and any(p.requires_grad for p in primals), True)
        return tuple(_C.zeros_like(x) if g is None else g for g, x in zip(found, xs))

    value = _map(lambda t: t if any(p.requires_grad for p in primals) else t.detach(), y)
    return (value, pull, aux) if has_aux else (value, pull)


def jvp(func, primals, tangents):
    """(func(*primals), J tangents)."""
    return functional.jvp(func, tuple(primals), tuple(tangents))


def jacrev(func, argnums=0, has_aux=False):
    """The Jacobian by argument(s) argnums, shape (*output, *input)."""

    def wrapped(*args):
        numbers = _chosen(argnums, args)

        def of_chosen(*xs):
            full = list(args)
            for n, x in zip(numbers, xs):
                full[n] = x
            return func(*full)

        xs = tuple(args[n] for n in numbers)
        outer = any(x.requires_grad for x in xs)
        return functional.jacobian(of_chosen, xs[0] if isinstance(argnums, int) else xs, create_graph=outer)

    return wrapped


jacfwd = jacrev


def hessian(func, argnums=0):
    """Second derivatives of a scalar function by one argument."""

    def wrapped(*args):
        n = _chosen(argnums, args)[0]
        return functional.hessian(lambda x: func(*args[:n], x, *args[n + 1:]), args[n])

    return wrapped


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    """func over the entries of dim in_dims (None: same for all), results stacked along out_dims."""

    @functools.wraps(func)
    def wrapped(*args, **kwargs):
        dims = tuple(in_dims) if isinstance(in_dims, (tuple, list)) else (in_dims,) * len(args)
        sizes = {t.shape[d] for a, d in zip(args, dims) if d is not None for t in _leaves(a)}
        if not sizes:
            raise ValueError("vmap: at least one input must have a dim to map over")
        if len(sizes) > 1:
            raise ValueError(f"vmap: Expected all tensors to have the same size in the mapped dimension, got sizes {sizes}")
        pick = lambda a, d, i: a if d is None else _map(lambda t: t.select(d, i), a)
        results = [func(*(pick(a, d, i) for a, d in zip(args, dims)), **kwargs) for i in range(sizes.pop())]
        return _stack(results, out_dims)

    return wrapped


def _stack(results, out_dims):
    first = results[0]
    if isinstance(first, Tensor):
        return _C.stack(results, out_dims)
    if isinstance(first, dict):
        return {k: _stack([r[k] for r in results], out_dims) for k in first}
    dims = out_dims if isinstance(out_dims, (tuple, list)) else [out_dims] * len(first)
    return type(first)(_stack([r[i] for r in results], d) for i, d in enumerate(dims))


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    """module(*args) with these tensors (by path) in place of its own parameters and buffers."""
    given = parameter_and_buffer_dicts
    tensors = dict(given) if isinstance(given, dict) else {k: v for d in given for k, v in d.items()}
    modules = dict(module.named_modules(remove_duplicate=False))
    known = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers(remove_duplicate=False))}
    unexpected = [k for k in tensors if k not in known]
    if unexpected:
        raise RuntimeError(f"Unexpected key(s): {', '.join(unexpected)}.")
    if strict and set(known) - set(tensors):
        raise RuntimeError(f"Missing key(s): {', '.join(sorted(set(known) - set(tensors)))}.")
    if tie_weights:
        tied = {id(known[k]): v for k, v in tensors.items()}
        tensors = {k: tensors.get(k, tied.get(id(t))) for k, t in known.items() if k in tensors or id(t) in tied}
    places = [(modules[path], name, tensors[key]) for key in tensors for path, _, name in [key.rpartition(".")]]
    before = [(m, name, m.__dict__[name]) for m, name, _ in places]
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    try:
        for m, name, value in places:
            m.__dict__[name] = value
        return module(*args, **(kwargs or {}))
    finally:
        for m, name, value in before:
            m.__dict__[name] = value


def stack_module_state(models):
    """(parameters, buffers) of equal models, each stacked along a new first dim."""
    models = list(models)
    stacked = lambda get: {k: _C.stack([dict(get(m))[k].detach() for m in models]) for k in dict(get(models[0]))}
    parameters = {k: v.requires_grad_() for k, v in stacked(lambda m: m.named_parameters()).items()}
    return parameters, stacked(lambda m: m.named_buffers())
