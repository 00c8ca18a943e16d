"""`check(f, inputs)`: is this layer, function or Function right? In float64, by central differences."""

from . import _C
from .autograd.function import Function
from .autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from .nn.module import Module

Tensor = _C.Tensor


class Report:
    """What a passed check found; true."""

    def __init__(self, lines):
        self.lines = lines

    def __bool__(self):
        return True

    def __repr__(self):
        return "\n".join(self.lines)


def _float64(value, ask=True):
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.detach().to(_C.float64).requires_grad_(ask)
    return value


def _tensors_of(out):
    if isinstance(out, Tensor):
        return [out]
    if isinstance(out, dict):
        out = list(out.values())
    return [t for o in out for t in _tensors_of(o)] if isinstance(out, (tuple, list)) else []


def check(target, *inputs, second_order=None, atol=1e-6, rtol=1e-4):
    """Checks gradients in float64 and returns a printable report; raises at the first fault, saying what is wrong.

    check(module, x, ...)   inputs and every parameter; then names parameters that get no gradient and leaves that the module uses
                            but does not own. The module is left as it was.
    check(function, x, ...) a function of tensors
    check(F)                a Function with `samples` (shapes of its inputs): first and second order at each
    check("softmax")        an op of the library: every check of the op table, at its own samples
    """
    if isinstance(target, str):
        return _check_op(target)
    if isinstance(target, type) and issubclass(target, Function):
        return _check_function_class(target, inputs, atol, rtol)
    if isinstance(target, Module):
        return _check_module(target, inputs, atol, rtol)
    if not callable(target):
        raise TypeError(f"check: expected a Module, a Function, a callable or an op's name, got {type(target).__name__}")
    xs = [_float64(x) for x in inputs]
    gradcheck(target, xs, atol=atol, rtol=rtol)
    lines = [f"{getattr(target, '__name__', 'function')}: gradients agree with central differences"]
    if second_order:
        gradgradcheck(target, xs, atol=atol, rtol=rtol)
        lines.append("second derivatives agree")
    return Report(lines)


def _check_op(name):
    found = _C._check_op(name)
    faults = [f"{name}: {check}: {why}" for check, why in found if why]
    if faults:
        raise GradcheckError("\n".join(faults))
    return Report([f"{name}: {len(found)} checks passed: {', '.join(check for check, _ in found)}"])


def _check_function_class(cls, inputs, atol, rtol):
    samples = [inputs] if inputs else getattr(cls, "samples", None)
    if not samples:
        raise ValueError(f"check: {cls.__name__} has no samples; write e.g. samples = [((2, 3),), ((0, 4),)], "
                         "one tuple of input shapes per sample")
    largest, lines = 0.0, []
    for sample in samples:
        xs = [_float64(s) if isinstance(s, Tensor) else _C.randn(*s, dtype=_C.float64).requires_grad_()
              if isinstance(s, (tuple, list)) else s for s in sample]
        gradcheck(cls.apply, xs, atol=atol, rtol=rtol)
        gradgradcheck(cls.apply, xs, atol=atol, rtol=rtol)
        largest = max(largest, _largest_gradient(cls.apply, xs))
        shapes = ", ".join(str(tuple(x.shape)) for x in xs if isinstance(x, Tensor))
        lines.append(f"{cls.__name__}: {shapes}: first and second derivatives agree with central differences")
    if largest <= 1e-3:
        raise GradcheckError(f"check: no sample of {cls.__name__} has a gradient above 1e-3: the check would be vacuous")
    return Report(lines)


def _largest_gradient(f, xs):
    wanted = [x for x in xs if isinstance(x, Tensor) and x.requires_grad]
    ys = [y for y in _tensors_of(f(*xs)) if y.requires_grad]
    found = _C.grad(ys, wanted, [_C.randn_like(y.detach()) for y in ys], False, False, True)
    return max((g.abs().max().item() for g in found if g is not None and g.numel()), default=0.0)


def _check_module(module, inputs, atol, rtol):
    import copy
    twin = copy.deepcopy(module).to(_C.float64)
    xs = [_float64(x) for x in inputs]
    named = [(n, p) for n, p in twin.named_parameters() if p.requires_grad]
    rng, state = _C.get_rng_state(), {k: v.clone() for k, v in twin.named_buffers()}

    def run(*args):
        _C.set_rng_state(rng)                     # the same dropout masks every time
        for k, b in twin.named_buffers():
            b.copy_(state[k])
        for (_, p), value in zip(named, args[len(xs):]):
            if p is not value:                    # a perturbed copy: put its numbers in
                p.data = value.detach()
        return tuple(_tensors_of(twin(*args[:len(xs)])))

    parameters = [p for _, p in named]
    saved = [p.detach().clone() for p in parameters]

    def run_and_restore(*args):
        result = run(*args)
        if not _C.is_grad_enabled():
            for p, s in zip(parameters, saved):
                p.data = s
        return result

    lines = _unused_and_hidden(twin, run, [*xs, *parameters], named)
    gradcheck(run_and_restore, [*xs, *parameters], atol=atol, rtol=rtol)
    lines.insert(0, f"{type(module).__name__}: gradients of {sum(isinstance(x, Tensor) and x.requires_grad for x in xs)} "
                    f"input(s) and {len(named)} parameter(s) agree with central differences")
    _C.set_rng_state(rng)
    return Report(lines)


def _unused_and_hidden(module, run, args, named):
    ys = [y for y in run(*args) if y.requires_grad]
    parameters = [p for _, p in named]
    found = _C.grad(ys, parameters, [_C.ones_like(y) for y in ys], True, False, True) if ys and parameters else []
    lines = [f"parameter {name} gets no gradient" for (name, _), g in zip(named, found) if g is None]
    known = {id(t) for t in (*module.parameters(), *(a for a in args if isinstance(a, Tensor)))}
    hidden = [leaf for leaf in _leaves(ys) if id(leaf) not in known]
    lines += [f"leaf of shape {tuple(leaf.shape)} requires a gradient but is no parameter of the module" for leaf in hidden]
    return lines


def _leaves(ys):
    """Leaves that the graph behind ys would fill."""
    seen, stack, leaves = set(), [y.grad_fn for y in ys], []
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            leaves.append(variable)
        stack += [n for n, _ in node.next_functions]
    return leaves
