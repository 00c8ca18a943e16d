"""CUDA devices: `torch.cuda`'s names, and `capture`, which turns a training or generation step into one launch.

Nothing here touches CUDA at import. The backend is opened by the first call that needs it; where there is none, `is_available()` is
False and everything else says why.
"""
import contextlib
import functools

from . import _C
from .autograd.grad_mode import no_grad

_cuda = _C._cuda
_current = 0


# ---- devices ----

def is_available():
    return device_count() > 0


def device_count():
    return _cuda.device_count()


def current_device():
    _require()
    return _current


def set_device(device):
    global _current
    _current = _index(device)


@contextlib.contextmanager
def device(device):
    """What `hippograd.cuda`'s functions mean by default inside the block; tensors name their device themselves ("cuda" is cuda:0)."""
    before = _current
    set_device(device)
    try:
        yield
    finally:
        set_device(before)


def get_device_name(device=None):
    return _cuda.name(_index(device))


def get_device_capability(device=None):
    return _cuda.capability(_index(device))


def synchronize(device=None):
    """Waits for all work of the device; errors that it found late are raised here."""
    _cuda.synchronize(_index(device))


def is_bf16_supported(including_emulation=True):
    return is_available()


def manual_seed(seed):
    """CPU and CUDA draw from one generator, with the same numbers: this is `hippograd.manual_seed`."""
    _C.manual_seed(seed)


manual_seed_all = manual_seed


def _require():
    if not is_available():
        raise _C.DeviceError(f"cuda is not available: {_cuda.why_unavailable()}")


def _index(device):
    _require()
    if device is None:
        return _current
    if isinstance(device, int):
        index = device
    else:
        d = _C.device(device)
        if d.type != "cuda":
            raise ValueError(f"Expected a cuda device, but got: {d}")
        index = d.index
    if not 0 <= index < device_count():
        raise _C.DeviceError(f"cuda:{index} does not exist: {device_count()} such device(s) here")
    return index


# ---- memory ----

def memory_stats(device=None):
    """Bytes in tensors (`allocated`) and taken from the device (`reserved`), now and at their peak; counts of allocations."""
    return _cuda.memory_stats(_index(device))


def memory_allocated(device=None):
    return memory_stats(device)["allocated_bytes.all.current"] if is_available() else 0


def max_memory_allocated(device=None):
    return memory_stats(device)["allocated_bytes.all.peak"] if is_available() else 0


def memory_reserved(device=None):
    return memory_stats(device)["reserved_bytes.all.current"] if is_available() else 0


def max_memory_reserved(device=None):
    return memory_stats(device)["reserved_bytes.all.peak"] if is_available() else 0


def reset_peak_memory_stats(device=None):
    _cuda.reset_peak(_index(device))


def empty_cache():
    """Gives cached blocks back to the device."""
    if is_available():
        _cuda.empty_cache()


def mem_get_info(device=None):
    """(free, total) bytes of the device."""
    return _cuda.memory_info(_index(device))


# ---- streams and events ----

class Stream:
    """A queue of device work. `with hippograd.cuda.stream(s):` sends the kernels of the block to it."""

    def __init__(self, device=None, priority=0, *, _handle=None):
        self.device_index = _index(device)
        self._own = _handle is None
        self.cuda_stream = _cuda.stream_create(self.device_index) if self._own else _handle

    def __del__(self):
        if getattr(self, "_own", False):
            _cuda.stream_destroy(self.cuda_stream)

    @property
    def device(self):
        return _C.device("cuda", self.device_index)

    def synchronize(self):
        _cuda.stream_synchronize(self.device_index, self.cuda_stream)

    def query(self):
        """True if all its work is done."""
        return _cuda.stream_query(self.device_index, self.cuda_stream)

    def record_event(self, event=None):
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        """What is submitted from now on waits for the event."""
        _cuda.stream_wait(self.device_index, self.cuda_stream, event._made(self.device_index))

    def wait_stream(self, stream):
        self.wait_event(stream.record_event())

    def __eq__(self, other):
        return isinstance(other, Stream) and (self.device_index, self.cuda_stream) == (other.device_index, other.cuda_stream)

    def __hash__(self):
        return hash((self.device_index, self.cuda_stream))

    def __repr__(self):
        return f"<hippograd.cuda.Stream device=cuda:{self.device_index} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """A mark in a stream; with `enable_timing`, two of them measure milliseconds."""

    def __init__(self, enable_timing=False, blocking=False, interprocess=False):
        self._timing, self._handle = enable_timing, None

    def _made(self, index):
        if self._handle is None:
            self._handle = _cuda.event_create(index, self._timing)
        return self._handle

    def __del__(self):
        if self._handle is not None:
            _cuda.event_destroy(self._handle)

    def record(self, stream=None):
        stream = current_stream() if stream is None else stream
        _cuda.event_record(stream.device_index, self._made(stream.device_index), stream.cuda_stream)

    def wait(self, stream=None):
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self):
        return self._handle is None or _cuda.event_query(self._handle)

    def synchronize(self):
        if self._handle is not None:
            _cuda.event_synchronize(self._handle)

    def elapsed_time(self, end_event):
        """Milliseconds from this event to `end_event`; both recorded and done."""
        if self._handle is None or end_event._handle is None:
            raise RuntimeError("Event.elapsed_time: both events must be recorded first")
        if not (self._timing and end_event._timing):
            raise RuntimeError("Event.elapsed_time: both events need enable_timing=True")
        return _cuda.event_elapsed(self._handle, end_event._handle)


def current_stream(device=None):
    index = _index(device)
    return Stream(index, _handle=_cuda.current_stream(index))


def default_stream(device=None):
    return Stream(_index(device), _handle=0)


@contextlib.contextmanager
def stream(stream):
    """Work of the block goes to `stream` (None: no change). Tensors of other streams need `wait_stream` first, as in PyTorch."""
    if stream is None:
        yield
        return
    before = _cuda.current_stream(stream.device_index)
    _cuda.set_stream(stream.device_index, stream.cuda_stream)
    try:
        yield
    finally:
        _cuda.set_stream(stream.device_index, before)


# ---- captured steps ----

def _tensors_in(tree):
    if isinstance(tree, _C.Tensor):
        return [tree]
    if isinstance(tree, (list, tuple)):
        return [t for part in tree for t in _tensors_in(part)]
    if isinstance(tree, dict):
        return [t for part in tree.values() for t in _tensors_in(part)]
    return []


def _rebuilt(tree, tensors):
    """`tree` with its tensors taken from the iterator."""
    if isinstance(tree, _C.Tensor):
        return next(tensors)
    if isinstance(tree, (list, tuple)):
        parts = [_rebuilt(part, tensors) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {name: _rebuilt(part, tensors) for name, part in tree.items()}
    return tree


def _rest(tree):
    """What is not a tensor, for comparison between calls."""
    if isinstance(tree, _C.Tensor):
        return (tuple(tree.shape), tree.dtype, tree.device)
    if isinstance(tree, (list, tuple)):
        return [_rest(part) for part in tree]
    if isinstance(tree, dict):
        return {name: _rest(part) for name, part in tree.items()}
    return tree


class _Recording:
    """One graph: its input tensors, its results."""

    def __init__(self, step, tree, given):
        self.inputs = [t.detach().clone().requires_grad_(t.requires_grad) for t in given]
        args, kwargs = _rebuilt(tree, iter(self.inputs))
        graph = _cuda.Capture(given[0].device.index if given else current_device())
        try:
            self.result = step(*args, **kwargs)
            graph.end()
        except BaseException:
            del graph                            # abandons it: the stream is usable again
            raise
        self.graph = graph

    def replay(self, given):
        with no_grad():
            for static, t in zip(self.inputs, given):
                if static is not t:
                    static.copy_(t)
        self.graph.replay()
        return self.result


class CapturedStep:
    """Made by `capture`. Attributes: `captured` (is there a graph yet?), `replays`."""

    def __init__(self, step, warmup, shapes):
        functools.update_wrapper(self, step)
        self._step, self._eager_calls, self._shapes, self._recordings, self.replays = step, warmup, shapes, {}, 0

    @property
    def captured(self):
        return bool(self._recordings)

    def __call__(self, *args, **kwargs):
        if self._eager_calls > 0:
            self._eager_calls -= 1
            return self._step(*args, **kwargs)
        tree = (args, kwargs)
        given = _tensors_in(tree)
        for t in given:
            if t.device.type != "cuda":
                raise _C.DeviceError(f"capture: a tensor argument of shape {tuple(t.shape)} is on {t.device}; a captured step takes tensors on "
                                     f"cuda: move the batch before the call")
        form = repr(_rest(tree))
        if form not in self._recordings:
            if len(self._recordings) == self._shapes:
                raise ValueError(f"capture: the step was captured for {self._shapes} form(s) of its arguments, {', '.join(self._recordings)}, and "
                                 f"now got {form}; shapes, dtypes and other values are fixed in a recording: pad the batch, or allow more "
                                 f"with capture(step, shapes=...)")
            self._recordings[form] = _Recording(self._step, tree, given)
        self.replays += 1
        return self._recordings[form].replay(given)


def capture(step, warmup=1, shapes=1):
    """`step`, recorded as a CUDA graph: its first `warmup` calls run as they are, the next one is recorded, and from then on each call
    copies its tensor arguments in and replays the recording, with one launch for all kernels.

    Fixed in a recording: shapes, dtypes, control flow and every Python number. Fresh at each replay: tensor arguments, parameters,
    random numbers, and learning rate and step count of `optim.SGD`, `Adam`, `AdamW` and `train.AdamW`, `SGD` (set the rate between
    calls). The tensors returned are overwritten by the next call. A step that reads a value on the host (`.item()`, printing,
    `nonzero`) raises a DeviceError that names the reason. `shapes`: how many forms of the arguments (batches of several lengths, say)
    may each have a recording; another one is a ValueError. Without CUDA the step is returned as it is.
    """
    if not callable(step):
        raise TypeError(f"capture: step must be callable, got {type(step).__name__}")
    return CapturedStep(step, warmup, shapes) if is_available() else step


def __getattr__(name):
    if name == "amp":                        # torch.cuda.amp, the older place of autocast and GradScaler
        from . import _compat
        return _compat.amp
    raise AttributeError(f"module 'hippograd.cuda' has no attribute {name!r}")


def is_current_stream_capturing():
    return _cuda.capturing()
