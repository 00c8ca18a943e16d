"""Comparison of results: `assert_close`, with PyTorch's tolerances by dtype."""

from . import _C

Tensor = _C.Tensor
_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7),
               "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}


def _tolerances(*tensors):
    found = [_TOLERANCES.get(str(t.dtype).split(".")[-1], (0.0, 0.0)) for t in tensors]
    return max(r for r, _ in found), max(a for _, a in found)


def assert_close(actual, expected, *, allow_subclasses=True, rtol=None, atol=None, equal_nan=False, check_device=True,
                 check_dtype=True, check_layout=True, check_stride=False, msg=None):
    """Raises AssertionError unless |actual - expected| <= atol + rtol |expected| everywhere, shapes and dtypes being equal."""
    if (rtol is None) != (atol is None):
        raise ValueError("rtol and atol must both be specified or both be unspecified")
    options = dict(rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, msg=msg)
    if isinstance(actual, dict) and isinstance(expected, dict):
        if set(actual) != set(expected):
            raise AssertionError(f"The keys of the mappings do not match: {sorted(map(str, set(actual) ^ set(expected)))}")
        for key in actual:
            assert_close(actual[key], expected[key], **options)
        return
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
        for a, b in zip(actual, expected):
            assert_close(a, b, **options)
        return
    if not isinstance(actual, Tensor) and not isinstance(expected, Tensor):
        options["check_dtype"] = False
    a, b = _C.as_tensor(actual).detach(), _C.as_tensor(expected).detach()
    problem = _difference(a, b, **{k: v for k, v in options.items() if k != "msg"})
    if problem:
        raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)


def _difference(a, b, rtol, atol, equal_nan, check_dtype):
    """What is wrong, or an empty text."""
    if tuple(a.shape) != tuple(b.shape):
        return f"The values for attribute 'shape' do not match: {tuple(a.shape)} != {tuple(b.shape)}."
    if check_dtype and a.dtype != b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}."
    r, t = _tolerances(a, b) if rtol is None else (rtol, atol)
    wide = _C.complex128 if a.is_complex() or b.is_complex() else _C.float64
    a, b = a.to(wide), b.to(wide)
    error = (a - b).abs()
    good = (a == b) | (error <= t + r * b.abs())
    if equal_nan:
        good = good | ((a != a) & (b != b))
    if bool(good.all()):
        return ""
    bad = int((~good).sum())
    largest = error.masked_fill(good, 0).max().item()
    return (f"Tensor-likes are not close!\n\nMismatched elements: {bad} / {a.numel()} ({100 * bad / a.numel():.1f}%)\n"
            f"Greatest absolute difference: {largest} (up to {t} allowed; up to {r} relative allowed)")
