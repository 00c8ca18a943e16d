"""Parametrizations: `layer.weight` computed from other parameters each time it is read.

`register_parametrization(layer, "weight", f)` keeps the free parameter under `parametrizations.weight.original` and makes
`layer.weight` equal to f(original). If f has `right_inverse`, original starts there, so the weight keeps its value (or, where it
returns several tensors, `original0`, `original1`, ...).
"""

import copy
from contextlib import contextmanager

from ... import _C
from ...autograd.grad_mode import no_grad
from ..containers import ModuleDict, ModuleList
from ..parameter import Parameter

_cache = {"depth": 0, "values": {}}


@contextmanager
def cached():
    """Inside, every parametrized tensor is computed once."""
    _cache["depth"] += 1
    try:
        yield
    finally:
        _cache["depth"] -= 1
        if _cache["depth"] == 0:
            _cache["values"].clear()


class ParametrizationList(ModuleList):
    """The functions of one tensor and its free parameters."""

    def __init__(self, modules, original, unsafe=False):
        super().__init__(modules)
        start = original.detach()
        for module in reversed(list(modules)):
            if hasattr(module, "right_inverse"):
                start = module.right_inverse(start)
        self.is_tensor = isinstance(start, _C.Tensor)
        kind = Parameter if isinstance(original, Parameter) else (lambda t: t)
        if self.is_tensor:
            self.original = kind(start.detach())
        else:
            for i, t in enumerate(start):
                setattr(self, f"original{i}", kind(t.detach()))
            self.ntensors = len(list(start))

    def right_inverse(self, value):
        """Assigns to the free parameters what gives `value`."""
        for module in reversed(list(self)):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
            value = module.right_inverse(value)
        with no_grad():
            for free, v in zip(self._free(), [value] if self.is_tensor else value):
                free.copy_(v)

    def _free(self):
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def forward(self):
        first, *rest = list(self)
        value = first(*self._free())
        for module in rest:
            value = module(value)
        return value


def _property(name):
    def get(self):
        parametrization = self.parametrizations[name]
        if not _cache["depth"]:
            return parametrization()
        key = (id(self), name)
        if key not in _cache["values"]:
            _cache["values"][key] = parametrization()
        return _cache["values"][key]

    def put(self, value):
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


def _own_class(module):
    """Gives the module a class of its own, so that a property on it touches nobody else."""
    base = type(module)

    def setattr_(self, name, value):
        if isinstance(getattr(type(self), name, None), property):
            return object.__setattr__(self, name, value)
        base.__setattr__(self, name, value)

    module.__class__ = type("Parametrized" + base.__name__, (base,), {
        "__setattr__": setattr_, "__module__": base.__module__, "_parametrized_base": base,
        "__deepcopy__": _deepcopy, "__reduce__": _no_pickle})


def _deepcopy(self, memo):
    new = self._parametrized_base.__new__(self._parametrized_base)
    memo[id(self)] = new
    new.__dict__.update(copy.deepcopy(self.__dict__, memo))
    _own_class(new)
    for name in new.parametrizations.keys():
        setattr(type(new), name, _property(name))
    return new


def _no_pickle(self):
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")


def is_parametrized(module, tensor_name=None):
    parametrizations = module.__dict__.get("parametrizations")
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Makes `module.tensor_name` the value of `parametrization` (a Module). Returns the module."""
    if is_parametrized(module, tensor_name):
        module.parametrizations[tensor_name].append(parametrization)
        return module
    original = module.__dict__.get(tensor_name)
    if not isinstance(original, _C.Tensor):
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
                         f"'{tensor_name}'")
    if not is_parametrized(module):
        _own_class(module)
        module.parametrizations = ModuleDict()
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = ParametrizationList([parametrization], original)
    setattr(type(module), tensor_name, _property(tensor_name))
    return module


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Back to a plain parameter: with the computed value, or (leave_parametrized=False) the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module '{module}' does not have a parametrization on {tensor_name}")
    parametrization = module.parametrizations[tensor_name]
    if not leave_parametrized and not parametrization.is_tensor:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms "
                         "of a sequence of tensors.")
    value = (parametrization() if leave_parametrized else parametrization.original).detach()
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if len(module.parametrizations) == 0:
        delattr(module, "parametrizations")
        module.__class__ = module._parametrized_base
    setattr(module, tensor_name, Parameter(value) if isinstance(parametrization._free()[0], Parameter) else value)
    return module
