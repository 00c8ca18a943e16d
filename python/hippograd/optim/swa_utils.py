"""Averages of a model's weights over training."""

import math
from copy import deepcopy

from .. import _C
from ..autograd.grad_mode import no_grad
from ..nn.module import Module
from .lr_scheduler import LRScheduler


def get_ema_avg_fn(decay=0.999):
    """avg <- decay avg + (1 - decay) p"""
    return lambda averaged, current, count: decay * averaged + (1 - decay) * current


def get_swa_avg_fn():
    """avg <- avg + (p - avg) / (count + 1)"""
    return lambda averaged, current, count: averaged + (current - averaged) / (count + 1)


def get_ema_multi_avg_fn(decay=0.999):
    """The same as `get_ema_avg_fn` on lists of tensors, in place."""
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")

    @no_grad()
    def update(averaged, current, count):
        for mine, theirs in zip(averaged, current):
            mine.copy_(decay * mine + (1 - decay) * theirs)

    return update


def get_swa_multi_avg_fn():
    """The same as `get_swa_avg_fn` on lists of tensors, in place."""
    @no_grad()
    def update(averaged, current, count):
        for mine, theirs in zip(averaged, current):
            mine.copy_(mine + (theirs - mine) / (count + 1))

    return update


class AveragedModel(Module):
    """A copy of `model` (as `.module`) whose parameters are the running average of those passed to `update_parameters`."""

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        self.module = deepcopy(model)
        self.register_buffer("n_averaged", _C.tensor(0, dtype=_C.int64))
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn or get_swa_avg_fn(), multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        count = int(self.n_averaged)
        for mine, theirs in zip(self.module.parameters(), model.parameters()):
            self._update(mine.detach(), theirs.detach(), count)
        for mine, theirs in zip(self.module.buffers(), model.buffers()):
            averaged = self.use_buffers and mine.is_floating_point()
            self._update(mine, theirs, count if averaged else 0)
        self.n_averaged.add_(1)

    def _update(self, mine, theirs, count):
        if count == 0:
            mine.copy_(theirs)
        elif self.multi_avg_fn is not None:
            self.multi_avg_fn([mine], [theirs], count)
        else:
            mine.copy_(self.avg_fn(mine, theirs, count))


class SWALR(LRScheduler):
    """From the current rate to swa_lr in anneal_epochs epochs (along a cosine or a line), then constant."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        n = len(optimizer.param_groups)
        for group, rate in zip(optimizer.param_groups, swa_lr if isinstance(swa_lr, (list, tuple)) else [swa_lr] * n):
            group["swa_lr"] = rate
        self.anneal_epochs, self._cosine = anneal_epochs, anneal_strategy == "cos"
        super().__init__(optimizer, last_epoch)

    def _part(self, t):
        return (1 - math.cos(math.pi * t)) / 2 if self._cosine else t

    def get_lr(self):
        step, n = self._step_count - 1, max(1, self.anneal_epochs)
        before = self._part(max(0.0, min(1.0, (step - 1) / n)))
        now = self._part(max(0.0, min(1.0, step / n)))
        rates = []
        for group in self.optimizer.param_groups:
            start = group["swa_lr"] if before == 1 else (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates


@no_grad()
def update_bn(loader, model, device=None):
    """Running statistics of all batch norms over one pass through `loader`."""
    norms = {m: m.momentum for m in model.modules() if hasattr(m, "reset_running_stats") and m.track_running_stats}
    if not norms:
        return
    was_training = model.training
    model.train()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in norms.items():
        m.momentum = momentum
    model.train(was_training)
