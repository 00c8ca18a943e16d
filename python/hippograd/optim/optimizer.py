"""Optimizer: parameter groups, per-parameter state, `step`, `zero_grad`, `state_dict`.

An optimizer of its own writes `_update(p, g, state, group)`: parameter, gradient, its dict of state, options of its group.
`_step_group(group)` loops over the parameters; an optimizer with a fused kernel overrides that.
"""

import itertools
from collections import OrderedDict, defaultdict
from copy import deepcopy

from .. import _C
from ..autograd.grad_mode import enable_grad, no_grad
from ..nn.module import _insert_hook

required = object()


class Optimizer:
    """Base class. `params`: tensors, (name, tensor) pairs, or dicts {"params": ..., option: value} for groups."""

    def __init__(self, params, defaults):
        if isinstance(params, _C.Tensor):
            raise TypeError(f"params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                            f"{type(params).__name__}")
        self.defaults, self.state, self.param_groups = defaults, defaultdict(dict), []
        self._pre_hooks, self._post_hooks = OrderedDict(), OrderedDict()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Adds a group, e.g. `{"params": model.head.parameters(), "lr": 1e-4}`; options not named get the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        group = dict(param_group)
        params = group["params"]
        if isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but the ordering of tensors in "
                            "sets will change between runs. Please use a list instead.")
        params = [params] if isinstance(params, _C.Tensor) else list(params)
        if params and isinstance(params[0], tuple):
            group["param_names"], params = [n for n, _ in params], [p for _, p in params]
        for p in params:
            if not isinstance(p, _C.Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        taken = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in taken for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        group["params"] = params
        for name, default in self.defaults.items():
            if default is required and name not in group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            group.setdefault(name, default)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none=True):
        """Forgets all gradients, or (False) fills them with zeros."""
        with no_grad():
            for p in self._all():
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach().zero_()

    def step(self, closure=None):
        """One update; `closure`, if given, recomputes and returns the loss first."""
        for hook, _, _ in list(self._pre_hooks.values()):
            hook(self, (), {})
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self._step_group(group)
        for hook, _, _ in list(self._post_hooks.values()):
            hook(self, (), {})
        return loss

    def _step_group(self, group):
        if _C._cuda.capturing():
            raise _C.DeviceError(f"{type(self).__name__}.step: the numbers of this update are computed on the host and cannot be captured; "
                                 f"SGD, Adam and AdamW (contiguous real parameters, not maximize or amsgrad) can")
        for p in group["params"]:
            if p.grad is None:
                continue
            self._update(p, -p.grad if group.get("maximize") else p.grad, self.state[p], group)

    def _update(self, p, g, state, group):
        raise NotImplementedError

    def _all(self):
        return itertools.chain.from_iterable(g["params"] for g in self.param_groups)

    def register_step_pre_hook(self, hook):
        """`hook(optimizer, args, kwargs)` before every step."""
        return _insert_hook(self._pre_hooks, (hook, False, False), False)

    def register_step_post_hook(self, hook):
        """`hook(optimizer, args, kwargs)` after every step."""
        return _insert_hook(self._post_hooks, (hook, False, False), False)

    def _register(self, kind, hook, prepend):
        hooks = self.__dict__.setdefault("_state_hooks", {}).setdefault(kind, OrderedDict())
        return _insert_hook(hooks, (hook, False, False), prepend)

    def _run_state_hooks(self, kind, *args):
        """Hooks may return what takes the place of the last argument."""
        for hook, _, _ in list(self.__dict__.get("_state_hooks", {}).get(kind, {}).values()):
            new = hook(self, *args)
            args = args if new is None else (new,)
        return args[0] if args else None

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """`hook(optimizer)` before `state_dict`."""
        return self._register("save_pre", hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """`hook(optimizer, state_dict)` after; may return another."""
        return self._register("save_post", hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """`hook(optimizer, state_dict)` before loading; may return another."""
        return self._register("load_pre", hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """`hook(optimizer)` after loading."""
        return self._register("load_post", hook, prepend)

    def state_dict(self):
        """{"state": {number of the parameter: ...}, "param_groups": [options with numbers for "params"]}"""
        self._run_state_hooks("save_pre")
        number = {id(p): i for i, p in enumerate(self._all())}
        groups = [{**{k: v for k, v in g.items() if k != "params"}, "params": [number[id(p)] for p in g["params"]]}
                  for g in self.param_groups]
        state = {number[id(p)] if isinstance(p, _C.Tensor) else p: s for p, s in self.state.items() if s}
        return self._run_state_hooks("save_post", {"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict):
        """Takes copies of options and state, in the order of the parameters."""
        state_dict = self._run_state_hooks("load_pre", dict(state_dict))
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(saved, self.param_groups)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        numbers = itertools.chain.from_iterable(g["params"] for g in saved)
        parameter = dict(zip(numbers, self._all()))
        self.state = defaultdict(dict)
        for key, values in state_dict["state"].items():
            key = int(key) if isinstance(key, str) and key.isdigit() else key
            p = parameter.get(key)
            self.state[key if p is None else p] = deepcopy(values) if p is None else {
                name: self._cast(name, value, p) for name, value in values.items()}
        for group, new in zip(self.param_groups, saved):
            params = group["params"]
            group.clear()
            group.update({k: v for k, v in new.items() if k != "params"})
            group["params"] = params
        self._run_state_hooks("load_post")

    @staticmethod
    def _cast(name, value, p):
        if not isinstance(value, _C.Tensor):
            return deepcopy(value)
        value = value.detach().clone()
        return value if name == "step" or not p.is_floating_point() else value.to(dtype=p.dtype, device=p.device)

    def __repr__(self):
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            text += "".join(f"    {k}: {group[k]}\n" for k in sorted(group) if k not in ("params", "param_names"))
        return text + ")"

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups,
                "_pre_hooks": OrderedDict(), "_post_hooks": OrderedDict()}


def check_range(name, value, low=0.0, high=None):
    """Options have PyTorch's error texts."""
    if not (low <= value if high is None else low <= value < high):
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas):
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
