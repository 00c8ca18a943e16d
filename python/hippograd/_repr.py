"""How tensors are printed: PyTorch's layout, so that outputs can be compared by eye.

One width for all numbers; 4 digits after the point; scientific form when the numbers span more than three orders of
magnitude; large tensors show 3 items at each end.
"""
import math

from . import _C


class _Options:
    precision = 4
    threshold = 1000   # more elements than this are summarised
    edgeitems = 3
    linewidth = 80
    sci_mode = None    # None: chosen by the values


_PROFILES = {
    "default": dict(precision=4, threshold=1000, edgeitems=3, linewidth=80),
    "short": dict(precision=2, threshold=1000, edgeitems=2, linewidth=80),
    "full": dict(precision=4, threshold=math.inf, edgeitems=3, linewidth=80),
}
_options = _Options()


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None):
    """How numbers are shown: digits after the point, elements before summarising, items at each end, line width."""
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {sorted(_PROFILES)}, got {profile!r}")
        for name, value in _PROFILES[profile].items():
            setattr(_options, name, value)
    given = dict(precision=precision, threshold=threshold, edgeitems=edgeitems, linewidth=linewidth)
    for name, value in given.items():
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions():
    return {name: getattr(_options, name) for name in ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")}


class _Numbers:
    """Formats the values of one tensor with a common width."""

    def __init__(self, values, floating):
        self.floating, self.whole, self.scientific, self.width = floating, True, False, 1
        if not floating:
            self.width = max((len(str(v)) for v in values), default=1)
            return
        values = [v for v in values if v != 0 and math.isfinite(v)]
        if values:
            sizes = [abs(v) for v in values]
            low, high = min(sizes), max(sizes)
            self.whole = all(v == math.ceil(v) for v in values)
            self.scientific = high / low > 1000 or high > 1e8 or (not self.whole and low < 1e-4)
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        self.width = max([1] + [len(self.plain(v)) for v in values])

    def plain(self, value):
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{_options.precision}f}"

    def __call__(self, value):
        return self.plain(value).rjust(self.width)


class _ComplexNumbers:
    def __init__(self, values):
        self.real = _Numbers([v.real for v in values], True)
        self.imag = _Numbers([v.imag for v in values], True)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value):
        imag = (self.imag(value.imag) + "j").lstrip()
        return self.real(value.real) + ("" if imag[0] in "+-" else "+") + imag


def _edges(t):
    """The part of a large tensor that is shown."""
    n = _options.edgeitems
    for d in range(t.dim()):
        if t.shape[d] > 2 * n:
            t = _C.cat([t.narrow(d, 0, n), t.narrow(d, t.shape[d] - n, n)], d)
    return t


def _flat(values, depth):
    for _ in range(depth):
        values = [x for row in values for x in row]
    return values


def _line(values, size, indent, number, summarise):
    per_line = max(1, (_options.linewidth - indent) // (number.width + 2))
    items = [number(v) for v in values]
    if summarise and size > 2 * _options.edgeitems:
        items.insert(_options.edgeitems, " ...")
    rows = [", ".join(items[i:i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(rows) + "]"


def _nested(values, shape, indent, number, summarise):
    if not shape:
        return number(values)
    if len(shape) == 1:
        return _line(values, shape[0], indent, number, summarise)
    parts = [_nested(v, shape[1:], indent + 1, number, summarise) for v in values]
    if summarise and shape[0] > 2 * _options.edgeitems:
        parts.insert(_options.edgeitems, "...")
    return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"


def values_text(t, indent):
    if t.numel() == 0:
        return "[" * max(1, t.dim() and 1) + "]"
    summarise = t.numel() > _options.threshold
    shown = _edges(t) if summarise else t
    values = shown.tolist()
    flat = _flat(values, t.dim() - 1) if t.dim() else [values]
    number = _ComplexNumbers(flat) if t.is_complex() else _Numbers(flat, t.is_floating_point())
    return _nested(values, tuple(t.shape), indent, number, summarise)


def _suffixes(self, t):
    if t.device.type != "cpu":
        yield f"device='{t.device}'"
    default = _C.get_default_dtype()
    usual = {default, _C.bool} | ({_C.int64, default.to_complex()} if t.numel() else set())
    if t.numel() == 0 and t.dim() != 1:
        yield f"size={tuple(t.shape)}"
    if t.dtype not in (usual if t.numel() else {default}):
        yield f"dtype={t.dtype}"
    node = self.grad_fn
    if node is not None:
        yield f"grad_fn=<{node.name()}>"
    elif self.requires_grad:
        yield "requires_grad=True"


def text(self):
    t = self.detach()
    prefix = "tensor("
    parts = [prefix + values_text(t, len(prefix))]
    width = len(parts[0]) - parts[0].rfind("\n") + 1
    for suffix in _suffixes(self, t):
        if width + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * len(prefix) + suffix)
            width = len(prefix) + len(suffix)
        else:
            parts.append(", " + suffix)
            width += len(suffix) + 2
    return ("Parameter containing:\n" if self.is_parameter else "") + "".join(parts) + ")"
