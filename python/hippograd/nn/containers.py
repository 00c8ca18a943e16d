"""Modules that hold modules or parameters. Their children are attributes named "0", "1", ... or by key."""

import collections
import itertools
import operator

from .. import _C
from .module import Module
from .parameter import Parameter


class _Numbered(Module):
    """Common part of Sequential, ModuleList and ParameterList: items under the names "0", "1", ..."""

    def _items(self):
        return [(k, v) for k, v in self.__dict__.items() if isinstance(v, Module)]

    def _values(self):
        return [v for _, v in self._items()]

    def _name_at(self, i):
        names = [k for k, _ in self._items()]
        i = operator.index(i)
        if not -len(names) <= i < len(names):
            raise IndexError(f"index {i} is out of range")
        return names[i]

    def _renumber(self, values):
        for name, _ in self._items():
            object.__delattr__(self, name)
        for i, value in enumerate(values):
            setattr(self, str(i), value)

    def __len__(self):
        return len(self._items())

    def __iter__(self):
        return iter(self._values())

    def __getitem__(self, i):
        if isinstance(i, slice):
            return self._slice(i)
        return getattr(self, self._name_at(i))

    def __setitem__(self, i, value):
        setattr(self, self._name_at(i), value)

    def __delitem__(self, i):
        values = self._values()
        del values[i]
        self._renumber(values)

    def insert(self, index, module):
        values = self._values()
        if not -len(values) <= index <= len(values):
            raise IndexError(f"Index out of range: {index}")
        values.insert(index, module)
        self._renumber(values)
        return self

    def append(self, module):
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        if not isinstance(modules, collections.abc.Iterable):
            raise TypeError(f"{type(self).__name__}.extend should be called with an iterable, but got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def pop(self, key=-1):
        value = self[key]
        del self[key]
        return value


class Sequential(_Numbered):
    """Runs modules one after the other. Takes modules, or one OrderedDict of named modules."""

    def __init__(self, *args):
        if len(args) == 1 and isinstance(args[0], dict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def _slice(self, i):
        return type(self)(collections.OrderedDict(self._items()[i]))

    def __delitem__(self, i):
        for name in [k for k, _ in self._items()][i] if isinstance(i, slice) else [self._name_at(i)]:
            delattr(self, name)
        if all(k.isdigit() for k, _ in self._items()):
            self._renumber(self._values())

    def __add__(self, other):
        return Sequential(*self, *other)

    def __iadd__(self, other):
        return self.extend(other)

    def __mul__(self, times):
        return Sequential(*itertools.chain.from_iterable(itertools.repeat(list(self), times)))

    def forward(self, input):
        for module in self._values():
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules. (A plain list works as well and gives the same paths.)"""

    def __init__(self, modules=None):
        if modules is not None:
            self.extend(modules)

    def _slice(self, i):
        return type(self)(self._values()[i])

    def __add__(self, other):
        return ModuleList([*self, *other])

    def __iadd__(self, other):
        return self.extend(other)

    forward = Module.forward

    def __repr__(self):
        """Runs of equal entries are folded: (0-5): 6 x Linear(...)"""
        texts = [repr(m) for m in self]
        if not texts:
            return f"{self._get_name()}()"
        lines, start = [], 0
        for i in range(1, len(texts) + 1):
            if i == len(texts) or texts[i] != texts[start]:
                count = i - start
                head = f"({start})" if count == 1 else f"({start}-{i - 1})"
                times = "" if count == 1 else f"{count} x "
                lines.append(f"{head}: {times}" + texts[start].replace("\n", "\n  "))
                start = i
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class _Keyed(Module):
    """Common part of ModuleDict and ParameterDict. Keys may be names of methods ("items"), so items live in one dict."""

    def _fill(self, entries):
        self.__dict__["_entries"] = {}
        if entries is not None:
            self.update(entries)

    def _own(self):
        return ((k, v) for k, v in self._entries.items() if isinstance(v, (Module, Parameter)))

    def __getattr__(self, name):
        entries = self.__dict__.get("_entries", {})
        return entries[name] if name in entries else super().__getattr__(name)

    def __getitem__(self, key):
        return self._entries[key]

    def __delitem__(self, key):
        del self._entries[key]

    def __len__(self):
        return len(self._entries)

    def __iter__(self):
        return iter(self._entries)

    def __contains__(self, key):
        return key in self._entries

    def keys(self):
        return self._entries.keys()

    def values(self):
        return self._entries.values()

    def items(self):
        return self._entries.items()

    def get(self, key, default=None):
        return self._entries.get(key, default)

    def clear(self):
        self._entries.clear()

    def pop(self, key, *default):
        return self._entries.pop(key, *default)

    def update(self, entries):
        if not isinstance(entries, collections.abc.Iterable):
            raise TypeError(f"{type(self).__name__}.update should be called with an iterable of key/value pairs, but got "
                            f"{type(entries).__name__}")
        for key, value in entries.items() if hasattr(entries, "items") else entries:
            self[key] = value


class ModuleDict(_Keyed):
    """A dict of modules, in order of insertion."""

    def __init__(self, modules=None):
        self._fill(modules)

    def __setitem__(self, key, module):
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name("module", key)
        self._entries[key] = module

    add_module = __setitem__


def _as_parameter(value):
    """A plain tensor put into a parameter container becomes a Parameter; other objects stay."""
    return Parameter(value) if isinstance(value, _C.Tensor) and not isinstance(value, Parameter) else value


class ParameterDict(_Keyed):
    """A dict of parameters."""

    def __init__(self, parameters=None):
        self._fill(parameters)

    def __setitem__(self, key, value):
        self._entries[str(key)] = _as_parameter(value)

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self):
        return ParameterDict(self._entries)

    def extra_repr(self):
        return _parameter_lines(self.items())


class ParameterList(_Numbered):
    """A list of parameters."""

    def __init__(self, values=None):
        if values is not None:
            self.extend(values)

    def _items(self):
        return [(k, v) for k, v in self.__dict__.items() if k.isdigit()]

    def _slice(self, i):
        return type(self)(self._values()[i])

    def __setitem__(self, i, value):
        setattr(self, self._name_at(i), _as_parameter(value))

    def append(self, value):
        setattr(self, str(len(self)), _as_parameter(value))
        return self

    def __iadd__(self, other):
        return self.extend(other)

    def extra_repr(self):
        return _parameter_lines(self._items())


class DataParallel(Module):
    """The module itself, under `.module`: hippograd has one device per process, so there is nothing to spread."""

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        self.module = module

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def _parameter_lines(items):
    lines = [f"  ({k}): Parameter containing: [{str(v.dtype)} of size {'x'.join(map(str, v.shape))}]"
             if isinstance(v, Parameter) else f"  ({k}): {v!r}" for k, v in items]
    return "\n".join(lines)
