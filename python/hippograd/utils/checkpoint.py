"""Checkpointing: forward without keeping intermediates, recomputed when the gradient is wanted."""

from .. import _C
from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad

Tensor = _C.Tensor


class _Checkpoint(Function):
    """Saves the inputs only; backward runs the function again, with the same random numbers, and differentiates that."""

    @staticmethod
    def forward(ctx, run, rng, *args):
        ctx.run, ctx.rng = run, rng
        ctx.slots = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.others = [None if isinstance(a, Tensor) else a for a in args]
        ctx.save_for_backward(*(args[i] for i in ctx.slots))
        return run(*args)

    @staticmethod
    def backward(ctx, *grads):
        args, leaves = list(ctx.others), []
        for i, t in zip(ctx.slots, ctx.saved_tensors):
            args[i] = t.detach().requires_grad_(t.requires_grad)
            leaves.append(args[i])
        now = _C.get_rng_state()
        if ctx.rng is not None:
            _C.set_rng_state(ctx.rng)
        try:
            with enable_grad():
                result = ctx.run(*args)
        finally:
            _C.set_rng_state(now)
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        pairs = [(y, g) for y, g in zip(outputs, grads) if isinstance(y, Tensor) and y.requires_grad]
        # Parameters that the function captured are leaves of the recomputed graph: backward adds to their .grad.
        _C.backward([y for y, _ in pairs], [g for _, g in pairs], False, False)
        found = [None] * len(args)
        for i, leaf in zip(ctx.slots, leaves):
            found[i] = leaf.grad
        return (None, None, *found)


def checkpoint(function, *args, use_reentrant=None, context_fn=None, determinism_check="default", debug=False,
               early_stop=True, preserve_rng_state=True, **kwargs):
    """function(*args), whose intermediates are not kept but computed again during backward.

    Differs from PyTorch: `use_reentrant` makes no difference; `backward()` reaches captured parameters, `autograd.grad` for
    captured parameters does not.
    """
    run = (lambda *a: function(*a, **kwargs)) if kwargs else function
    if not _C.is_grad_enabled():
        return run(*args)
    rng = _C.get_rng_state() if preserve_rng_state else None
    if any(isinstance(a, Tensor) and a.requires_grad for a in args):
        return _Checkpoint.apply(run, rng, *args)
    # No input asks for a gradient, but captured parameters may: a dummy input keeps the node on the tape.
    dummy = _C.zeros(1).requires_grad_()
    return _Checkpoint.apply(lambda _, *a: run(*a), rng, dummy, *args)


def checkpoint_sequential(functions, segments, input, use_reentrant=None, **kwargs):
    """A Sequential in `segments` checkpointed pieces."""
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = max(len(functions) // segments, 1)

    def piece(layers):
        def run(x):
            for layer in layers:
                x = layer(x)
            return x
        return run

    starts = [i * size for i in range(segments) if i * size < len(functions)]
    for i, start in enumerate(starts):
        last = i == len(starts) - 1
        layers = functions[start:] if last else functions[start:start + size]
        input = piece(layers)(input) if last else checkpoint(piece(layers), input)
    return input
