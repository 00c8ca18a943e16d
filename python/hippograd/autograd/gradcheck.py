"""Analytic gradients against central differences.

    numeric  J[i, j] = (f_i(x + eps e_j) - f_i(x - eps e_j)) / (2 eps)      |analytic - numeric| <= atol + rtol |numeric|

A complex input is perturbed along both its real and imaginary part; its gradient is dL/dRe + i dL/dIm. Every output entry gets
its own cotangent (a full Jacobian), so no error can cancel in a sum.
"""

from .. import _C
from .grad_mode import enable_grad, no_grad

Tensor = _C.Tensor


class GradcheckError(RuntimeError):
    """Gradients disagree."""


def _outputs(func, inputs):
    out = func(*inputs)
    out = [out] if isinstance(out, Tensor) else list(out)
    return [y for y in out if isinstance(y, Tensor) and (y.is_floating_point() or y.is_complex())]


def _real(t):
    """Flat real view of the numbers of t: (n,) for real, (2n,) for complex tensors."""
    return _C.view_as_real(t.resolve_conj()).reshape(-1) if t.is_complex() else t.reshape(-1)


def _numeric(func, inputs, k, eps):
    """Per output a list of columns: derivative of all its real entries by each real entry of input k."""
    with no_grad():
        base = inputs[k].detach().clone().contiguous()
        flat = _C.view_as_real(base).view(-1) if base.is_complex() else base.view(-1)
        args = [base if i == k else x for i, x in enumerate(inputs)]
        columns = []
        for j in range(flat.numel()):
            old = flat[j].item()
            flat[j] = old + eps
            plus = [_real(y).clone() for y in _outputs(func, args)]
            flat[j] = old - eps
            minus = [_real(y).clone() for y in _outputs(func, args)]
            flat[j] = old
            columns.append([(p - m) / (2 * eps) for p, m in zip(plus, minus)])
    return columns


def _unit_cotangents(y):
    """One cotangent per real entry of y: e_i, and i * e_i for the imaginary parts, in `_real`'s order."""
    for i in range(y.numel()):
        for unit in ((1.0, 1.0j) if y.is_complex() else (1.0,)):
            v = _C.zeros_like(y)
            v.view(-1)[i] = unit
            yield v


def _analytic(y, x):
    """List over real entries of y of the (flat real) gradient by x."""
    rows = []
    for v in _unit_cotangents(y):
        g, = _C.grad([y], [x], [v], True, False, True) if y.requires_grad else [None]
        rows.append(_real(_C.zeros_like(x) if g is None else g).detach())
    return rows


def _fail(message, raise_exception):
    if raise_exception:
        raise GradcheckError(message)
    return False


def gradcheck(func, inputs, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, nondet_tol=0.0,
              check_undefined_grad=True, check_grad_dtypes=False, check_batched_grad=False,
              check_batched_forward_grad=False, check_forward_ad=False, check_backward_ad=True, fast_mode=False,
              masked=None):
    """True if every gradient of `func(*inputs)` agrees with central differences; use float64 inputs."""
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    wanted = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them have "
                         "requires_grad=True.")
    with enable_grad():
        outputs = _outputs(func, inputs)
        if not any(y.requires_grad for y in outputs):
            return _fail("gradcheck: no output of the function requires a gradient", raise_exception)
        for k in wanted:
            columns = _numeric(func, inputs, k, eps)
            for o, y in enumerate(outputs):
                message = _compare(y, o, inputs[k], k, columns, atol, rtol, nondet_tol)
                if message:
                    return _fail(message, raise_exception)
    return True


def _compare(y, o, x, k, columns, atol, rtol, nondet_tol):
    """Empty if the Jacobian of output o by input k is right, else what is wrong."""
    rows = _analytic(y, x)
    if not rows or not columns:
        return ""
    analytic = _C.stack(rows)                                # (real entries of y, real entries of x)
    numeric = _C.stack([c[o] for c in columns]).movedim(0, 1)
    again = _C.stack(_analytic(y, x))
    if not bool(((again - analytic).abs() <= nondet_tol).all()):
        return f"Backward is not reentrant: two runs for output {o} and input {k} differ"
    bad = ~((analytic - numeric).abs() <= atol + rtol * numeric.abs())  # NaN counts as bad
    if not bool(bad.any()):
        return ""
    return (f"Jacobian mismatch for output {o} with respect to input {k},\nnumerical:{numeric}\nanalytical:{analytic}\n"
            + _worst_entry(y, o, x, k, analytic, numeric, bad))


def _worst_entry(y, o, x, k, analytic, numeric, bad):
    """Names the entry of the Jacobian that is most wrong, by its indices in the output and in the input."""
    error = _C.where(bad, (analytic - numeric).abs().nan_to_num(nan=_C.finfo(_C.float64).max), 0.0)
    row, column = divmod(error.argmax().item(), error.shape[1])
    return (f"{int(bad.sum())} of {bad.numel()} entries are wrong; the worst is d output {o}{_index(y, row)} / d input {k}{_index(x, column)}:\n"
            f"numerical {numeric[row, column].item():.6g}, analytical {analytic[row, column].item():.6g}")


def _index(t, entry):
    """Entry number `entry` of `_real(t)` as an index: 7 -> [1, 3]; of a complex tensor with its part."""
    part = ""
    if t.is_complex():
        entry, imaginary = divmod(entry, 2)
        part = ".imag" if imaginary else ".real"
    index = []
    for n in reversed(t.shape):
        entry, i = divmod(entry, n)
        index.insert(0, i)
    return str(index) + part if index else part


def gradgradcheck(func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, gen_non_contig_grad_outputs=False,
                  raise_exception=True, nondet_tol=0.0, check_undefined_grad=True, check_grad_dtypes=False,
                  check_batched_grad=False, check_fwd_over_rev=False, check_rev_over_rev=True, fast_mode=False,
                  masked=False):
    """gradcheck of the backward, as a function of the inputs and of (random) cotangents."""
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    outputs = [y for y in _outputs(func, inputs) if y.requires_grad]
    if grad_outputs is None:
        cotangents = [_C.randn_like(y.detach()).requires_grad_() for y in outputs]
    else:
        cotangents = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    n = len(inputs)

    def backward(*args):
        return _first_gradients(func, args[:n], args[n:], inputs)

    return gradcheck(backward, [*inputs, *cotangents], eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol,
                     raise_exception=raise_exception)


def _first_gradients(func, xs, cotangents, originals):
    """Gradients of <cotangents, func(xs)> by the inputs that ask for one, recorded."""
    asks = [isinstance(o, Tensor) and o.requires_grad for o in originals]
    with enable_grad():
        # A numerically perturbed input arrives as a plain tensor: give it a place on the tape.
        xs = [x.detach().requires_grad_() if a and not x.requires_grad else x for x, a in zip(xs, asks)]
        wanted = [x for x, a in zip(xs, asks) if a]
        ys = [y for y in _outputs(func, xs) if y.requires_grad]
        found = _C.grad(ys, wanted, list(cotangents), True, True, True)
    return tuple(_C.zeros_like(x) if g is None else g for g, x in zip(found, wanted))
