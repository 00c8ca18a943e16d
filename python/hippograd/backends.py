"""Switches of PyTorch's backends, for programs that set them; they change nothing here (results are always deterministic)."""


class _Switches:
    def __init__(self, **values):
        self.__dict__.update(values)

    def is_available(self):
        return False


cudnn = _Switches(enabled=False, deterministic=True, benchmark=False, allow_tf32=False)
mps = _Switches()
cuda = _Switches(matmul=_Switches(allow_tf32=False))
mkldnn = _Switches(enabled=False)
