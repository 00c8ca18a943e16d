"""CUDA devices. This build computes on the CPU: `is_available()` is False, and asking for a device says why."""

from . import _C


def is_available():
    return device_count() > 0


def device_count():
    count = getattr(_C, "_cuda_device_count", None)
    return 0 if count is None else count()


def manual_seed(seed):
    """The generator of the CUDA devices; without one there is nothing to seed."""


manual_seed_all = manual_seed


def synchronize(device=None):
    _require()


def empty_cache():
    """Nothing is cached without a device."""


def current_device():
    _require()


def get_device_name(device=None):
    _require()


def _require():
    if not is_available():
        raise _C.DeviceError("cuda: no CUDA device (hippograd was built without CUDA, or none is present)")
