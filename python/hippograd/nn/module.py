"""Module: a tree of parameters, found by walking attributes.

Nothing is registered. A Module's own Parameters, its child Modules, and those inside its lists, tuples and dicts are found when
asked for, in order of assignment, each with a dotted path ("blocks.0.gate.weight"). So a subclass needs no
`super().__init__()`, a plain list of blocks is not forgotten, and `layer.weight = Parameter(...)` just works. Objects are visited
once (by identity): cycles end, a tied weight is listed once in `parameters()` and under each of its paths in `state_dict()`.

Buffers are the one exception: a tensor becomes one by `register_buffer(name, tensor, persistent=True)`. Other tensor attributes
are left alone by `state_dict` and `.to`.
"""

import collections
import functools
import itertools

from .. import _C
from ..autograd.function import Function
from ..autograd.grad_mode import no_grad
from .parameter import Parameter

Tensor = _C.Tensor
_hook_ids = itertools.count()


class RemovableHandle:
    """Returned by `register_*_hook`; `remove()` takes the hook away. Also a context manager."""

    def __init__(self, hooks, key):
        self._hooks, self.id = hooks, key

    def remove(self):
        self._hooks.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


class IncompatibleKeys(collections.namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict(strict=False)` could not place."""

    def __repr__(self):
        return "<All keys matched successfully>" if not (self[0] or self[1]) else super().__repr__()

    __str__ = __repr__


class _Members(collections.abc.MutableMapping):
    """Live dict view of one kind of a module's attributes: `module._parameters`, `._buffers`, `._modules`."""

    def __init__(self, module, keep):
        self._module, self._keep = module, keep

    def _find(self):
        return {k: v for k, v in self._module.__dict__.items() if self._keep(self._module, k, v)}

    def __getitem__(self, key):
        return self._find()[key]

    def __setitem__(self, key, value):
        setattr(self._module, key, value)

    def __delitem__(self, key):
        delattr(self._module, key)

    def __iter__(self):
        return iter(self._find())

    def __len__(self):
        return len(self._find())

    def __repr__(self):
        return repr(self._find())


def _walk(prefix, container, open_ones):
    """(path, object) of Parameters and Modules in a dict, list or tuple and those nested in it; a list that holds itself ends."""
    if id(container) in open_ones:
        return
    open_ones.add(id(container))
    for key, value in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(value, Module) or (isinstance(value, Tensor) and value.is_parameter):
            yield f"{prefix}{key}", value
        elif isinstance(value, (list, tuple, dict)):
            yield from _walk(f"{prefix}{key}.", value, open_ones)
    open_ones.discard(id(container))


class Module:
    """Base class of all layers: subclass it, assign Parameters and Modules in `__init__`, write `forward`."""

    training = True

    def __init__(self, *args, **kwargs):
        if args or kwargs:
            raise TypeError(f"{type(self).__name__}.__init__() takes no arguments, got {len(args) + len(kwargs)}")

    def forward(self, *input):
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # ---- the walk ---------------------------------------------------------------------------------------------------

    def _own(self):
        """(path, object) of the Parameters and Modules of this module itself, lists and dicts opened, in order."""
        return _walk("", {k: v for k, v in self.__dict__.items() if k not in _INTERNAL}, set())

    def named_children(self):
        seen = set()
        for name, child in self._own():
            if isinstance(child, Module) and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self):
        for _, child in self.named_children():
            yield child

    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """(path, module) of this module and all below it, parents first."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        memo.add(id(self))
        yield prefix, self
        for name, child in self._own():
            if isinstance(child, Module):
                yield from child.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)
        if not remove_duplicate:
            memo.discard(id(self))

    def modules(self):
        for _, module in self.named_modules():
            yield module

    def _named_members(self, members, prefix, recurse, remove_duplicate):
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in members(module):
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        own = lambda module: [(n, p) for n, p in module._own() if not isinstance(p, Module)]
        return self._named_members(own, prefix, recurse, remove_duplicate)

    def parameters(self, recurse=True):
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        return self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse=True):
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    _parameters = property(lambda self: _Members(self, lambda m, k, v: isinstance(v, Parameter)
                                                 or (v is None and k in m.__dict__.get("_optional", ()))))
    _modules = property(lambda self: _Members(self, lambda m, k, v: isinstance(v, Module)))
    _buffers = property(lambda self: _Members(self, lambda m, k, v: k in m.__dict__.get("_buffer_names", ())))

    # ---- attributes -------------------------------------------------------------------------------------------------

    def __setattr__(self, name, value):
        old = self.__dict__.get(name)
        if isinstance(old, Tensor) and not isinstance(value, Parameter):
            if old.is_parameter and value is not None:
                raise TypeError(f"cannot assign '{_type_name(value)}' as parameter '{name}' "
                                "(hippograd.nn.Parameter or None expected)")
        buffers = self.__dict__.get("_buffer_names", {})
        if name in buffers:
            if isinstance(value, Parameter):
                del buffers[name]
            elif value is not None and not isinstance(value, Tensor):
                raise TypeError(f"cannot assign '{_type_name(value)}' object to buffer '{name}' "
                                "(hippograd.Tensor or None expected)")
        elif isinstance(old, Module) and value is not None and not isinstance(value, Module):
            raise TypeError(f"cannot assign '{_type_name(value)}' as child module '{name}' "
                            "(hippograd.nn.Module or None expected)")
        elif isinstance(value, Tensor) and hasattr(value, "buffer_persistent"):
            return self.register_buffer(name, value, value.buffer_persistent)
        object.__setattr__(self, name, value)

    def __delattr__(self, name):
        self.__dict__.get("_buffer_names", {}).pop(name, None)
        object.__delattr__(self, name)

    def __getattr__(self, name):
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def _check_name(self, what, name):
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_type_name(name)}")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')

    def register_buffer(self, name, tensor, persistent=True):
        """A tensor (or None) that moves with `.to` and, if persistent, is part of `state_dict`."""
        self._check_name("buffer", name)
        if hasattr(self, name) and name not in self._buffers:
            raise KeyError(f"attribute '{name}' already exists")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{_type_name(tensor)}' object to buffer '{name}' "
                            "(hippograd Tensor or None required)")
        self.__dict__.setdefault("_buffer_names", {})[name] = persistent
        object.__setattr__(self, name, tensor)

    def register_parameter(self, name, param):
        """Same as `self.name = param`, with checks; `param` may be None."""
        self._check_name("parameter", name)
        if hasattr(self, name) and name not in self._parameters:
            raise KeyError(f"attribute '{name}' already exists")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign '{_type_name(param)}' object to parameter '{name}' "
                            "(hippograd.nn.Parameter or None required)")
        self.__dict__.setdefault("_optional", set()).add(name)
        object.__setattr__(self, name, param)

    def add_module(self, name, module):
        """Same as `setattr(self, name, module)`, with checks."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_type_name(module)} is not a Module subclass")
        self._check_name("module", name)
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        object.__setattr__(self, name, module)

    register_module = add_module

    def get_submodule(self, target):
        """The module at a dotted path; "" is the module itself."""
        if target == "":
            return self
        for path, module in self.named_modules(remove_duplicate=False):
            if path == target:
                return module
        raise AttributeError(f"{type(self).__name__} has no submodule `{target}`")

    def set_submodule(self, target, module, strict=False):
        """Puts a module at a dotted path."""
        parent, _, name = target.rpartition(".")
        parent = self.get_submodule(parent)
        if strict and not isinstance(getattr(parent, name, None), Module):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        parent._modules[name] = module

    def get_parameter(self, target):
        return self._get_tensor(target, "parameter", self.named_parameters(remove_duplicate=False))

    def get_buffer(self, target):
        return self._get_tensor(target, "buffer", self.named_buffers(remove_duplicate=False))

    def _get_tensor(self, target, what, found):
        for path, tensor in found:
            if path == target:
                return tensor
        raise AttributeError(f"{type(self).__name__} has no {what} `{target}`")

    # ---- calling and hooks ------------------------------------------------------------------------------------------

    def __call__(self, *args, **kwargs):
        try:
            if "_hooks" in self.__dict__ or _global_hooks:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except (_C.ShapeError, _C.DtypeError, _C.DeviceError) as error:
            _prefix_path(error, self)
            raise

    def _hooks_of(self, kind):
        own = self.__dict__.get("_hooks", {}).get(kind, {})
        return [*_global_hooks.get(kind, {}).values(), *own.values()]

    def _call_with_hooks(self, args, kwargs):
        for hook, with_kwargs, _ in self._hooks_of("forward_pre"):
            if with_kwargs:
                result = hook(self, args, kwargs)
                if result is not None:
                    args, kwargs = result
            else:
                result = hook(self, args)
                if result is not None:
                    args = result if isinstance(result, tuple) else (result,)
        backward, pre = self._hooks_of("full_backward"), self._hooks_of("full_backward_pre")
        watch = _BackwardWatch(self, backward, pre) if backward or pre else None
        if watch and backward:
            args = watch.wrap_inputs(args)
        result = self._forward_and_hooks(args, kwargs)
        return watch.wrap_outputs(result) if watch else result

    def _forward_and_hooks(self, args, kwargs):
        try:
            result = self.forward(*args, **kwargs)
        except Exception:
            for hook, with_kwargs, always in self._hooks_of("forward"):
                if always:
                    hook(self, args, kwargs, None) if with_kwargs else hook(self, args, None)
            raise
        for hook, with_kwargs, _ in self._hooks_of("forward"):
            new = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            result = result if new is None else new
        return result

    def _add_hook(self, kind, hook, prepend=False, with_kwargs=False, always=False):
        hooks = self.__dict__.setdefault("_hooks", {}).setdefault(kind, collections.OrderedDict())
        return _insert_hook(hooks, (hook, with_kwargs, always), prepend)

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """`hook(module, args)` before forward; may return new args."""
        return self._add_hook("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """`hook(module, args, output)` after forward; may return a new output."""
        return self._add_hook("forward", hook, prepend, with_kwargs, always_call)

    def register_full_backward_hook(self, hook, prepend=False):
        """`hook(module, grad_input, grad_output)` once the gradients of the inputs are known; may replace grad_input."""
        return self._add_hook("full_backward", hook, prepend)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """`hook(module, grad_output)` before the module's backward; may replace grad_output."""
        return self._add_hook("full_backward_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook):
        """`hook(module, state_dict, prefix, local_metadata)` after this module wrote its part of a state_dict."""
        return self._add_hook("state_dict", hook)

    def register_load_state_dict_post_hook(self, hook):
        """`hook(module, incompatible_keys)` after `load_state_dict`."""
        return self._add_hook("load_state_dict", hook)

    def register_load_state_dict_pre_hook(self, hook):
        """`hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)` before this module's part is
        loaded; may change state_dict (a copy of the caller's)."""
        return self._add_hook("load_state_dict_pre", hook)

    _register_load_state_dict_pre_hook = register_load_state_dict_pre_hook

    def register_state_dict_pre_hook(self, hook):
        """`hook(module, prefix, keep_vars)` before `state_dict` is collected."""
        return self._add_hook("state_dict_pre", hook)

    # ---- state ------------------------------------------------------------------------------------------------------

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """{path: tensor} of parameters and persistent buffers, own ones before the children's. Shares memory."""
        if args:
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        state = collections.OrderedDict() if destination is None else destination
        for path, module in self.named_modules(remove_duplicate=False):
            module._save(state, prefix + (path + "." if path else ""), keep_vars)
        for path, module in self.named_modules(remove_duplicate=False):
            for hook, _, _ in module._hooks_of("state_dict"):
                hook(module, state, prefix + (path + "." if path else ""), {})
        return state

    def _save(self, state, prefix, keep_vars):
        for hook, _, _ in self._hooks_of("state_dict_pre"):
            hook(self, prefix, keep_vars)
        for name, tensor in self._own_state():
            state[prefix + name] = tensor if keep_vars else tensor.detach()

    def _own_state(self):
        """(name, tensor) of own parameters, then persistent buffers."""
        for name, value in self._own():
            if not isinstance(value, Module):
                yield name, value
        for name, persistent in self.__dict__.get("_buffer_names", {}).items():
            if persistent and getattr(self, name) is not None:
                yield name, getattr(self, name)

    def get_extra_state(self):
        raise RuntimeError("get_extra_state: not supported; keep such state in a buffer")

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copies values in (or, with `assign`, takes the tensors themselves). Names every key that does not fit in one
        error and changes nothing then; `strict=False` allows missing and unexpected keys and returns them."""
        if not isinstance(state_dict, collections.abc.Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        state_dict = dict(state_dict)
        for path, module in self.named_modules(remove_duplicate=False):
            for hook, _, _ in module._hooks_of("load_state_dict_pre"):
                hook(module, state_dict, path + "." if path else "", {}, strict, [], [], [])
        own = collections.OrderedDict(
            ((f"{path}.{name}" if path else name), (module, name, tensor))
            for path, module in self.named_modules(remove_duplicate=False) for name, tensor in module._own_state())
        missing = [k for k in own if k not in state_dict and not k.endswith("num_batches_tracked")]   # older files lack these
        unexpected = [k for k in state_dict if k not in own]
        misfits = [m for k, (_, _, t) in own.items() if k in state_dict for m in _misfit(k, state_dict[k], t)]
        problems = list(misfits)
        if strict and unexpected:
            problems.insert(0, "Unexpected key(s) in state_dict: " + ", ".join(f'"{k}"' for k in unexpected) + ". ")
        if strict and missing:
            problems.insert(0, "Missing key(s) in state_dict: " + ", ".join(f'"{k}"' for k in missing) + ". ")
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(problems))
        with no_grad():
            for key, (module, name, tensor) in own.items():
                if key in state_dict:
                    _load_one(module, name, tensor, state_dict[key], assign)
        result = IncompatibleKeys(missing, unexpected)
        for hook, _, _ in self._hooks_of("load_state_dict"):
            hook(self, result)
        return result

    # ---- changing all tensors ---------------------------------------------------------------------------------------

    def apply(self, fn):
        """Calls `fn` on every submodule, children first, then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def _apply(self, fn):
        """Replaces the data of every parameter and buffer by `fn(data)`; parameters stay the same objects."""
        with no_grad():
            for parameter in self.parameters():
                gradient = parameter.grad
                parameter.data = fn(parameter.data)
                if gradient is not None:
                    parameter.grad = fn(gradient)
            moved = {}
            for module in self.modules():
                for name, buffer in list(module._buffers.items()):
                    if buffer is not None:
                        moved.setdefault(id(buffer), fn(buffer))
                        object.__setattr__(module, name, moved[id(buffer)])
        return self

    def to(self, *args, **kwargs):
        """`to(device)`, `to(dtype)`, `to(device, dtype)`, `to(tensor)`: in place; a dtype reaches floating tensors only."""
        device, dtype = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")

        def convert(t):
            if dtype is not None and (t.is_floating_point() or t.is_complex()):
                t = t.to(dtype)
            return t if device is None else t.to(device)

        return self._apply(convert)

    def type(self, dst_type):
        return self._apply(lambda t: t.to(dst_type))

    def _to_float(self, dtype):
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def float(self):
        return self._to_float(_C.float32)

    def double(self):
        return self._to_float(_C.float64)

    def half(self):
        return self._to_float(_C.float16)

    def bfloat16(self):
        return self._to_float(_C.bfloat16)

    def cpu(self):
        return self.to("cpu")

    def cuda(self, device=None):
        return self.to("cuda" if device is None else device)

    def train(self, mode=True):
        """Sets `training` on this and all submodules."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            object.__setattr__(module, "training", mode)
        return self

    def eval(self):
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Freezes (False) or thaws every parameter."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                with no_grad():
                    parameter.grad.detach().zero_()

    def to_empty(self, *, device, recurse=True):
        """New, unset memory for all parameters and buffers."""
        return self._apply(lambda t: _C.empty_like(t).to(device))

    def share_memory(self):
        return self

    def compile(self, *args, **kwargs):
        """Accepted and ignored: hippograd is eager."""

    # ---- printing ---------------------------------------------------------------------------------------------------

    def extra_repr(self):
        """What stands between the parentheses of `repr`."""
        return ""

    def _get_name(self):
        return type(self).__name__

    def __repr__(self):
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._repr_children()]
        if not children:
            body = extra[0] if len(extra) == 1 else "\n  " + "\n  ".join(extra) + "\n" if extra else ""
            return f"{self._get_name()}({body})"
        return f"{self._get_name()}(\n  " + "\n  ".join(extra + children) + "\n)"

    def _repr_children(self):
        return [(name, child) for name, child in self._own() if isinstance(child, Module)]

    def summary(self):
        """Table of path, shape and count of every parameter, with the total; `print(model.summary())`."""
        rows = [(path, str(tuple(p.shape)), f"{p.numel():,}" + ("" if p.requires_grad else " (frozen)"))
                for path, p in self.named_parameters()]
        total = sum(p.numel() for p in self.parameters())
        table = [("path", "shape", "count"), *rows, ("total", "", f"{total:,}")]
        widths = [max(len(row[i]) for row in table) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}".rstrip() for a, b, c in table]
        rule = "-" * (sum(widths) + 4)
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __dir__(self):
        return sorted(set(object.__dir__(self)))


_INTERNAL = frozenset({"_hooks", "_buffer_names", "_optional", "training"})
_global_hooks = {}


def _insert_hook(hooks, entry, prepend):
    key = next(_hook_ids)
    hooks[key] = entry
    if prepend:
        hooks.move_to_end(key, last=False)
    return RemovableHandle(hooks, key)


def _register_global(kind, hook):
    return _insert_hook(_global_hooks.setdefault(kind, collections.OrderedDict()), (hook, False, False), False)


register_module_forward_hook = functools.partial(_register_global, "forward")
register_module_forward_pre_hook = functools.partial(_register_global, "forward_pre")
register_module_full_backward_hook = functools.partial(_register_global, "full_backward")


def _type_name(value):
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _prefix_path(error, module):
    """Puts "in layers.3.mixer: " before the library's message while the error climbs out of nested modules."""
    inner, path, text = getattr(error, "_module_path", (None, "", str(error)))
    if inner is not None and inner is not module:
        name = next((n for n, m in module.named_modules() if m is inner), "")
        path = f"{name}.{path}" if name and path else name or path
        error.args = (f"in {path}: {text}" if path else text, *error.args[1:])
    error._module_path = (module, path, text)


def _misfit(key, value, tensor):
    """Problems of one entry, as a list of zero or one sentences."""
    if not isinstance(value, Tensor):
        return [f'While copying the parameter named "{key}", expected hippograd.Tensor or Tensor-like object from '
                f"checkpoint but received {type(value)}"]
    if tuple(value.shape) != tuple(tensor.shape):
        return [f"size mismatch for {key}: copying a param with shape {_shape(value)} from checkpoint, the shape in "
                f"current model is {_shape(tensor)}."]
    return []


def _shape(t):
    return f"hippograd.Size({list(t.shape)})"


def _load_one(module, name, tensor, value, assign):
    if not assign:
        tensor.copy_(value)
    elif "." in name:  # inside a list or dict: the parameter object stays, its data is replaced
        tensor.data = value.detach()
    elif tensor.is_parameter:
        object.__setattr__(module, name, value if isinstance(value, Parameter)
                           else Parameter(value, requires_grad=tensor.requires_grad))
    else:
        object.__setattr__(module, name, value)


def _parse_to(*args, **kwargs):
    device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
    for unused in ("non_blocking", "copy", "memory_format"):
        kwargs.pop(unused, None)
    if kwargs:
        raise TypeError(f"to() received an invalid keyword argument: {next(iter(kwargs))}")
    for value in args:
        if isinstance(value, Tensor):
            device, dtype = value.device, value.dtype
        elif isinstance(value, _C.dtype):
            dtype = value
        elif not isinstance(value, bool) and value is not None:
            device = value
    return device, dtype


class _Watch(Function):
    """Identity on several tensors; its backward hands the gradients to `ctx.seen`, which may replace them."""

    @staticmethod
    def forward(ctx, seen, *tensors):
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return tuple(t.view_as(t) for t in tensors)

    @staticmethod
    def backward(ctx, *grads):
        return (None, *ctx.seen(grads))


class _BackwardWatch:
    """Runs a module's backward hooks: identities around forward see the gradients leave and arrive."""

    def __init__(self, module, hooks, pre_hooks):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_output, self.watches_inputs = None, False

    def wrap_inputs(self, args):
        where = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.watches_inputs = _C.is_grad_enabled() and any(args[i].requires_grad for i in where)
        if not self.watches_inputs:
            return args

        def seen(grads):
            full = [None] * len(args)
            for i, g in zip(where, grads):
                full[i] = g
            new = self._run_hooks(tuple(full))
            return [new[i] for i in where]

        wrapped = list(args)
        for i, t in zip(where, _Watch.apply(seen, *(args[i] for i in where))):
            wrapped[i] = t
        return tuple(wrapped)

    def wrap_outputs(self, result):
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, (tuple, list)):
            return result
        outputs = [result] if single else list(result)
        where = [i for i, y in enumerate(outputs) if isinstance(y, Tensor)]

        def seen(grads):
            full = [None] * len(outputs)
            for i, g in zip(where, grads):
                full[i] = g
            for hook, _, _ in self.pre_hooks:
                new = hook(self.module, tuple(full))
                if new is not None:
                    full = list(new) if isinstance(new, (tuple, list)) else [new]
            self.grad_output = tuple(full)
            if not self.watches_inputs:
                self._run_hooks((None,))
            return [full[i] for i in where]

        for i, t in zip(where, _Watch.apply(seen, *(outputs[i] for i in where))):
            outputs[i] = t
        return outputs[0] if single else type(result)(outputs) if isinstance(result, list) else tuple(outputs)

    def _run_hooks(self, grad_input):
        for hook, _, _ in self.hooks:
            new = hook(self.module, grad_input, self.grad_output)
            if new is not None:
                grad_input = tuple(new) if isinstance(new, (tuple, list)) else (new,)
        return grad_input
