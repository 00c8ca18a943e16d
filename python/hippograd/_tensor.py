"""What Tensor gets from Python: printing, copying, pickling, NumPy's protocol."""
import copy

from . import _C, _repr

Tensor = _C.Tensor


def _format(self, spec):
    """f"{t:.3f}" formats the number of a 0-dim tensor."""
    if self.dim() == 0 and not self.is_parameter:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


def _array(self, dtype=None, copy=None):
    array = self.numpy()
    return array if dtype is None else array.astype(dtype, copy=False)


def _cuda_array_interface(self):
    """Pointer, shape, strides and dtype for CuPy, Numba and others; tensors on cuda only."""
    return _C._cuda_array_interface(self)


def _array_wrap(self, array, context=None, return_scalar=False):
    """NumPy's functions of tensors give tensors where the dtype exists here."""
    try:
        return _C.from_numpy(array) if array.ndim else _C.tensor(array)
    except TypeError:
        return array


def _rebuild(cls, data, shape, dtype, requires_grad, is_parameter, attributes):
    """The inverse of __reduce_ex__: `data` are the raw bytes of the elements in order."""
    words = _C.tensor([], dtype=dtype) if not data else _from_bytes(data, dtype)
    t = words.reshape(shape)
    if cls is not Tensor and not is_parameter:
        t = Tensor._make_subclass(cls, t)
    t.is_parameter = is_parameter
    if requires_grad:
        t.requires_grad_()
    for name, value in attributes.items():
        setattr(t, name, value)
    return t


def _from_bytes(data, dtype):
    import numpy

    if dtype is _C.bfloat16:
        raw = numpy.frombuffer(data, dtype=numpy.uint16).astype(numpy.uint32) << 16
        return _C.from_numpy(raw.view(numpy.float32)).to(dtype)
    return _C.from_numpy(numpy.frombuffer(data, dtype=str(dtype).rsplit(".", 1)[-1]).copy())


def _to_bytes(t):
    import numpy

    if t.dtype is _C.bfloat16:
        return (t.float().numpy().view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
    return t.contiguous().numpy().tobytes()


def _reduce_ex(self, protocol):
    if not self.is_leaf:
        raise RuntimeError("pickle: only leaf tensors can be stored; call .detach() first")
    cls = type(self)
    return _rebuild, (cls, _to_bytes(self.detach().cpu().contiguous()), tuple(self.shape), self.dtype, self.requires_grad,
                      self.is_parameter, dict(self.__dict__))


def _deepcopy(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
                           "Use .detach().clone() for a copy without history")
    new = self.detach().clone()
    if type(self) is not Tensor:
        new = Tensor._make_subclass(type(self), new)
    new.is_parameter = self.is_parameter
    if self.requires_grad:
        new.requires_grad_()
    memo[id(self)] = new
    if self.grad is not None:
        new.grad = self.grad.detach().clone()
    for name, value in self.__dict__.items():
        setattr(new, name, copy.deepcopy(value, memo))
    return new


def _round(self, ndigits=0):
    return self.round(decimals=ndigits) if ndigits else self.round()


class UntypedStorage:
    """The memory under a tensor; enough of it to see who shares with whom."""

    def __init__(self, tensor):
        self._tensor = tensor

    def data_ptr(self):
        return self._tensor._storage_ptr()

    def nbytes(self):
        return self._tensor._storage_bytes()

    def __len__(self):
        return self.nbytes()

    size = nbytes


def install():
    """Puts the methods onto Tensor."""
    Tensor.__repr__ = _repr.text
    Tensor.__str__ = _repr.text
    Tensor.__format__ = _format
    Tensor.__array__ = _array
    Tensor.__cuda_array_interface__ = property(_cuda_array_interface)
    Tensor.__array_priority__ = 1000   # ndarray + tensor asks the tensor
    Tensor.__array_wrap__ = _array_wrap
    Tensor.__reduce_ex__ = _reduce_ex
    Tensor.__deepcopy__ = _deepcopy
    Tensor.__complex__ = lambda self: complex(self.item())
    Tensor.__round__ = _round
    Tensor.__ceil__ = lambda self: self.ceil()
    Tensor.__floor__ = lambda self: self.floor()
    Tensor.__trunc__ = lambda self: self.trunc()
    Tensor.__dir__ = lambda self: sorted(set(dir(type(self))) | set(self.__dict__))
    Tensor.untyped_storage = UntypedStorage
    Tensor.storage = UntypedStorage
    Tensor.layout = "hippograd.strided"
    for name, value in {"is_sparse": False, "is_quantized": False, "is_meta": False, "is_mps": False, "names": None}.items():
        setattr(Tensor, name, value)
