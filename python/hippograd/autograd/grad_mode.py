"""Switches of the tape: each works as a `with` block and as a decorator, and nests."""

import functools
import inspect

from .. import _C


class _GradMode:
    """Sets recording to `mode` inside the block and puts the previous state back."""

    mode = False

    def __enter__(self):
        self._previous = getattr(self, "_previous", [])
        self._previous.append(_C.is_grad_enabled())
        _C._set_grad_enabled(self.mode)
        return self

    def __exit__(self, *exc):
        _C._set_grad_enabled(self._previous.pop())
        return False

    def clone(self):
        return type(self)()

    def __call__(self, function):
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return wrapped

    def _wrap_generator(self, function):
        """The caller's mode holds between two `yield`s, ours while the generator runs."""

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            generator, value = function(*args, **kwargs), None
            while True:
                try:
                    with self.clone():
                        item = generator.send(value)
                except StopIteration as stop:
                    return stop.value
                value = yield item

        return wrapped


class no_grad(_GradMode):
    """`with no_grad():` or `@no_grad()` (or `@no_grad`): nothing is recorded."""

    def __new__(cls, function=None):
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __init__(self, function=None):
        pass


class enable_grad(no_grad):
    """Records again inside a `no_grad` block."""

    mode = True


class set_grad_enabled(_GradMode):
    """`set_grad_enabled(flag)` acts at once; as a block it restores the former state at its end."""

    def __init__(self, mode):
        self._before = _C.is_grad_enabled()
        self.mode = bool(mode)
        _C._set_grad_enabled(self.mode)

    def __enter__(self):
        _C._set_grad_enabled(self.mode)
        return self

    def __exit__(self, *exc):
        _C._set_grad_enabled(self._before)
        return False

    def clone(self):
        return type(self)(self.mode)

    def __call__(self, function):
        _C._set_grad_enabled(self._before)  # used as a decorator: only the function's body is meant
        return super().__call__(function)

    def __repr__(self):
        return f"set_grad_enabled(mode={self.mode})"


class inference_mode(_GradMode):
    """Same as `no_grad`. Differs from PyTorch: tensors made inside are ordinary tensors."""

    def __new__(cls, mode=True):
        self = super().__new__(cls)
        return self if isinstance(mode, bool) else no_grad()(mode)

    def __init__(self, mode=True):
        self.active = mode

    def __enter__(self):
        self.mode = False if self.active else _C.is_grad_enabled()
        return super().__enter__()

    def clone(self):
        return type(self)(self.active)


class set_detect_anomaly:
    """Anomaly mode on or off: backward then names the forward op (and shapes) where the first NaN arose."""

    def __init__(self, mode=True, check_nan=True):
        self._before = _C.is_anomaly_enabled()
        _C.set_anomaly_enabled(bool(mode))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        _C.set_anomaly_enabled(self._before)
        return False


class detect_anomaly(set_detect_anomaly):
    """`with detect_anomaly():` around forward and backward."""

    def __init__(self, check_nan=True):
        super().__init__(True, check_nan)
