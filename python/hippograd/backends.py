"""Switches of PyTorch's backends, for programs that set them. `cuda.matmul.allow_tf32` acts: products of float32 matrices on
CUDA may then round their operands to tf32. The others change nothing here (results are always deterministic)."""

from . import _C


class _Switches:
    def __init__(self, **values):
        self.__dict__.update(values)

    def is_available(self):
        return False


class _Matmul:
    @property
    def allow_tf32(self):
        return _C._tf32_allowed()

    @allow_tf32.setter
    def allow_tf32(self, allowed):
        _C._allow_tf32(bool(allowed))


cudnn = _Switches(enabled=False, deterministic=True, benchmark=False, allow_tf32=False)
mps = _Switches()
cuda = _Switches(matmul=_Matmul())
mkldnn = _Switches(enabled=False)
