"""Names that programs written for PyTorch mention around the numerics: settings without effect here, old constructors."""
import contextlib
import math
import types

from . import _build, _C, cuda

inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
MISSING_DTYPES = ("int8", "int16", "short", "uint16", "uint32", "uint64", "complex32", "chalf", "qint8", "quint8", "float8_e4m3fn",
                  "float8_e5m2")


class _TensorTypeMeta(type):
    def __instancecheck__(cls, value):
        return isinstance(value, _C.Tensor) and value.dtype is cls._dtype


def _tensor_type(name, dtype):
    """FloatTensor and its kin: a call makes a tensor of that dtype; isinstance looks at the dtype."""
    def new(cls, *args):
        if not args or isinstance(args[0], int):
            return _C.zeros(*(args or (0,)), dtype=dtype)
        data = args[0]
        return data.to(dtype) if isinstance(data, _C.Tensor) else _C.tensor(data, dtype=dtype)

    return _TensorTypeMeta(name, (), {"__new__": new, "_dtype": dtype, "__module__": "hippograd"})


FloatTensor, DoubleTensor = _tensor_type("FloatTensor", _C.float32), _tensor_type("DoubleTensor", _C.float64)
HalfTensor, LongTensor = _tensor_type("HalfTensor", _C.float16), _tensor_type("LongTensor", _C.int64)
IntTensor, ByteTensor = _tensor_type("IntTensor", _C.int32), _tensor_type("ByteTensor", _C.uint8)
BoolTensor = _tensor_type("BoolTensor", _C.bool)

version = types.SimpleNamespace(__version__=_build.version, cuda=None, hip=None, git_version="")


def typename(o):
    return f"{type(o).__module__}.{type(o).__qualname__}" if not isinstance(o, _C.Tensor) else o.type()


# ---- settings ----
_state = {"deterministic": False, "precision": "highest"}


def use_deterministic_algorithms(mode, *, warn_only=False):
    """All kernels are deterministic; the setting is only remembered."""
    _state["deterministic"] = bool(mode)


def are_deterministic_algorithms_enabled():
    return _state["deterministic"]


def set_float32_matmul_precision(precision):
    """'highest': products of float32 matrices in fp32; 'high', 'medium': on CUDA they may round their operands to tf32."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"set_float32_matmul_precision: expected 'highest', 'high' or 'medium', got {precision!r}")
    _state["precision"] = precision
    _C._allow_tf32(precision != "highest")


def get_float32_matmul_precision():
    if not _C._tf32_allowed():
        return "highest"
    return "medium" if _state["precision"] == "medium" else "high"


def set_flush_denormal(mode):
    return False


def is_warn_always_enabled():
    return False


def set_default_device(device):
    """Only the CPU can be the default device."""
    if device is not None and _C.device(device).type != "cpu":
        _C.zeros(1, device=device)   # raises and says why


def set_default_tensor_type(t):
    _C.set_default_dtype(t._dtype)


@contextlib.contextmanager
def reference_mode(mode=True):
    """Ops that have a readable reference run it instead of their kernels."""
    before = _C.is_reference_mode()
    _C._set_reference_mode(mode)
    try:
        yield
    finally:
        _C._set_reference_mode(before)


# ---- compilers, profilers, mixed precision: identity or off ----
def compile(model=None, *args, **kwargs):
    """Ops are compiled already: gives the function or module back as it is. Works as a decorator."""
    return model if model is not None else lambda f: f


def _identity(f=None, *args, **kwargs):
    return f if f is not None else lambda g: g


jit = types.SimpleNamespace(script=_identity, trace=_identity, ignore=_identity, unused=_identity, export=_identity, is_scripting=lambda: False,
                            is_tracing=lambda: False, ScriptModule=type(None))


class autocast(contextlib.ContextDecorator):
    """Mixed precision: inside the block matrix products, convolutions and attention compute in `dtype` (bfloat16 unless said
    otherwise), norms, softmax, losses, exp, log and pow in float32, everything else in the types that come (the list stands in
    docs/ops.md). Use it around forward and loss; gradients come back in each parameter's own dtype, and bfloat16 needs no
    GradScaler. PyTorch's default on CUDA is float16.
    """

    def __init__(self, device_type="cuda", dtype=None, enabled=True, cache_enabled=None):
        self._device = _C.device(device_type)
        self.device, self.enabled = self._device.type, enabled
        self.fast_dtype = _C.bfloat16 if dtype is None else dtype
        self._cache, self._open = True if cache_enabled is None else cache_enabled, []

    def __enter__(self):
        self._open.append(_C._autocast_region(self._device, self.enabled, self.fast_dtype, self._cache))
        return self

    def __exit__(self, *exc):
        self._open.pop()                         # the region ends with its last reference
        return False


def is_autocast_enabled(device_type="cuda"):
    return _C._is_autocast_enabled(_C.device(device_type))


def get_autocast_dtype(device_type="cuda"):
    return _C._autocast_dtype(_C.device(device_type))


class GradScaler:
    """bfloat16 has float32's range, so there is nothing to scale: steps pass through."""

    def __init__(self, device="cpu", *args, enabled=True, **kwargs):
        self._enabled = False

    def scale(self, outputs):
        return outputs

    def unscale_(self, optimizer):
        return None

    def step(self, optimizer, *args, **kwargs):
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        return None

    def get_scale(self):
        return 1.0

    def is_enabled(self):
        return self._enabled

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        return None


amp = types.SimpleNamespace(autocast=autocast, is_autocast_available=lambda device_type: device_type in ("cpu", "cuda"), GradScaler=GradScaler, custom_fwd=_identity, custom_bwd=_identity)
def _current_accelerator(check_available=False):
    return _C.device("cuda") if cuda.is_available() else None


accelerator = types.SimpleNamespace(is_available=cuda.is_available, device_count=cuda.device_count, current_accelerator=_current_accelerator,
                                    synchronize=lambda device=None: cuda.synchronize(device) if cuda.is_available() else None)
mps = types.SimpleNamespace(is_available=lambda: False, manual_seed=lambda seed: None, empty_cache=lambda: None, synchronize=lambda: None)


class _Profile(contextlib.ContextDecorator):
    def __init__(self, *args, **kwargs):
        raise NotImplementedError("profiler: not part of hippograd; HIPPOGRAD_VERBOSE and Python's profilers show where time goes")


profiler = types.SimpleNamespace(profile=_Profile, record_function=lambda name: contextlib.nullcontext(),
                                 ProfilerActivity=types.SimpleNamespace(CPU="cpu", CUDA="cuda"))


@contextlib.contextmanager
def _fork_rng(devices=None, enabled=True, **kwargs):
    state = _C.get_rng_state()
    try:
        yield
    finally:
        if enabled:
            _C.set_rng_state(state)


random = types.SimpleNamespace(manual_seed=_C.manual_seed, seed=_C.seed, initial_seed=_C.initial_seed, get_rng_state=_C.get_rng_state,
                               set_rng_state=_C.set_rng_state, fork_rng=_fork_rng)
