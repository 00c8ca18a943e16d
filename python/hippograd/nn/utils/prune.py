"""Pruning: a parameter `name` becomes `name_orig` (trained) times `name_mask` (a buffer), computed before every forward.

    prune.l1_unstructured(layer, "weight", amount=0.3)     # the 30 % smallest entries become 0
    prune.remove(layer, "weight")                          # the product becomes the parameter again
"""

from ... import _C
from ..parameter import Parameter


class BasePruningMethod:
    """How to choose a mask. Subclasses define PRUNING_TYPE ("unstructured", "structured", "global") and compute_mask."""

    PRUNING_TYPE = "unstructured"
    _tensor_name = None

    def compute_mask(self, t, default_mask):
        raise NotImplementedError(f"{type(self).__name__}.compute_mask(t, default_mask) must return the new mask")

    def __call__(self, module, inputs):
        setattr(module, self._tensor_name, self.apply_mask(module))

    def apply_mask(self, module):
        mask, original = getattr(module, self._tensor_name + "_mask"), getattr(module, self._tensor_name + "_orig")
        return mask.to(original.dtype) * original

    def prune(self, t, default_mask=None, importance_scores=None):
        """The pruned copy of a tensor."""
        mask = _C.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(t if importance_scores is None else importance_scores, mask)

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prunes `module.name`; entries that an earlier pruning took stay 0."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        earlier = _method_of(module, name)
        if earlier is None:
            parameter = getattr(module, name)
            delattr(module, name)
            module.register_parameter(name + "_orig", parameter)
            default = _C.ones_like(parameter.detach())
        else:
            default = getattr(module, name + "_mask").detach().clone()
            earlier[1].remove()
        original = getattr(module, name + "_orig")
        scores = getattr(module, name, original) if importance_scores is None else importance_scores
        if tuple(scores.shape) != tuple(original.shape):
            raise AssertionError(f"importance_scores should have the same shape as parameter {name} of {module}")
        mask = method.compute_mask(scores.detach() * default if importance_scores is None else scores, default)
        module.register_buffer(name + "_mask", mask.to(original.dtype))
        setattr(module, name, method.apply_mask(module))
        method._handle = module.register_forward_pre_hook(method)
        _methods(module)[name] = (method, method._handle)
        return method

    def remove(self, module):
        name = self._tensor_name
        value, original = self.apply_mask(module).detach(), getattr(module, name + "_orig")
        for attribute in (name, name + "_orig", name + "_mask"):
            delattr(module, attribute)
        original.data = value
        module.register_parameter(name, original)
        _methods(module).pop(name)[1].remove()


def _methods(module):
    return module.__dict__.setdefault("_pruning_methods", {})


def _method_of(module, name):
    return _methods(module).get(name)


def _count(amount, size):
    """A fraction of `size`, or a number of entries."""
    if isinstance(amount, bool) or not isinstance(amount, (int, float)):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if amount < 0 or (isinstance(amount, float) and amount > 1):
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
    count = round(amount * size) if isinstance(amount, float) else amount
    if count > size:
        raise ValueError(f"amount={amount} should be smaller than the number of parameters to prune={size}")
    return count


class Identity(BasePruningMethod):
    """Prunes nothing."""

    def compute_mask(self, t, default_mask):
        return default_mask


class RandomUnstructured(BasePruningMethod):
    """Entries by chance."""

    def __init__(self, amount):
        self.amount = amount
        _count(amount, 1 << 62)

    def compute_mask(self, t, default_mask):
        return _drop(default_mask, _C.rand(t.numel()), _count(self.amount, t.numel()))


class L1Unstructured(BasePruningMethod):
    """The entries of smallest size."""

    def __init__(self, amount):
        self.amount = amount
        _count(amount, 1 << 62)

    def compute_mask(self, t, default_mask):
        return _drop(default_mask, t.detach().abs().reshape(-1), _count(self.amount, t.numel()))


class CustomFromMask(BasePruningMethod):
    """By a mask of one's own."""
    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        return default_mask * self.mask.to(default_mask.dtype)


def _drop(mask, scores, count):
    """The mask with 0 at the `count` smallest scores."""
    flat = mask.clone().reshape(-1)
    if count:
        flat[_C.topk(scores, count, largest=False)[1]] = 0
    return flat.reshape(mask.shape)


class _Structured(BasePruningMethod):
    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        self.amount, self.dim = amount, dim

    def compute_mask(self, t, default_mask):
        """Whole slices along `dim` by their scores."""
        if t.dim() < 2:
            raise ValueError(f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {tuple(t.shape)}")
        n = t.shape[self.dim]
        keep = _drop(_C.ones(n, dtype=default_mask.dtype), self.scores(t.detach()), _count(self.amount, n))
        return default_mask * keep.reshape([-1 if d == self.dim % t.dim() else 1 for d in range(t.dim())])


class RandomStructured(_Structured):
    def scores(self, t):
        return _C.rand(t.shape[self.dim])


class LnStructured(_Structured):
    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def scores(self, t):
        return t.movedim(self.dim, 0).flatten(1).norm(self.n, 1)


def identity(module, name):
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module, name, mask):
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """One budget for several (module, name) pairs together."""
    parameters, scores = list(parameters), importance_scores or {}
    values = [scores.get((m, n), getattr(m, n)) for m, n in parameters]
    flat = _C.cat([v.detach().reshape(-1) for v in values])
    masks = [getattr(m, n + "_mask", _C.ones_like(getattr(m, n).detach())) for m, n in parameters]
    final = pruning_method(**kwargs).compute_mask(flat, _C.cat([m.detach().reshape(-1) for m in masks]))
    for (module, name), part, value in zip(parameters, final.split([v.numel() for v in values]), values):
        custom_from_mask(module, name, part.reshape(value.shape))


def remove(module, name):
    """Makes the pruning permanent."""
    method = _method_of(module, name)
    if method is None:
        raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")
    method[0].remove(module)
    return module


def is_pruned(module):
    return any(_methods(m) for m in module.modules())
