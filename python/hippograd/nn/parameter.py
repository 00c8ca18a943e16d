"""Parameter: a tensor that a Module owns. Being one is a flag of the tensor, so views of it are ordinary tensors."""

from .. import _C


class _ParameterType(type(_C.Tensor)):
    def __instancecheck__(cls, instance):
        return isinstance(instance, _C.Tensor) and instance.is_parameter


class Parameter(_C.Tensor, metaclass=_ParameterType):
    """`Parameter(data, requires_grad=True)`: shares memory with `data`, is a leaf, starts without history."""

    __slots__ = ()

    def __new__(cls, data=None, requires_grad=True):
        data = _C.empty(0) if data is None else data
        if not isinstance(data, _C.Tensor):
            raise TypeError(f"Parameter: data must be a Tensor, got {type(data).__name__}")
        parameter = data.detach()
        parameter.is_parameter = True
        parameter.__class__ = cls
        return parameter.requires_grad_(requires_grad)

    def __init__(self, data=None, requires_grad=True):
        pass

    def __deepcopy__(self, memo):
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.detach().clone(), self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol):
        return type(self), (self.detach(), self.requires_grad)


class Buffer(_C.Tensor):
    """`self.name = Buffer(t, persistent=True)` in a Module is `self.register_buffer("name", t, persistent)`."""

    __slots__ = ()

    def __new__(cls, data=None, *, persistent=True):
        buffer = (_C.empty(0) if data is None else data).detach()
        buffer.buffer_persistent = persistent
        return buffer

    def __init__(self, data=None, *, persistent=True):
        pass
