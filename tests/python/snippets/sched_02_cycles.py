# One-cycle, cyclic, sequential and chained schedules.
import torch
from torch.optim.lr_scheduler import (
    OneCycleLR, CyclicLR, SequentialLR, LinearLR, ExponentialLR,
    ChainedScheduler, ConstantLR, CosineAnnealingLR,
)


def series(make, n=10):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    s = make(opt)
    lrs, moms = [], []
    for _ in range(n):
        lrs.append(s.get_last_lr()[0])
        moms.append(opt.param_groups[0]["momentum"])
        opt.step()
        s.step()
    return lrs, moms


result = {
    "one": series(lambda o: OneCycleLR(o, max_lr=1.0, total_steps=12)),
    "one_lin": series(lambda o: OneCycleLR(
        o, max_lr=0.5, epochs=3, steps_per_epoch=4, pct_start=0.5, anneal_strategy="linear"))[0],
    "cyclic": series(lambda o: CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=3))[0],
    "tri2": series(lambda o: CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=2, mode="triangular2"))[0],
    "seq": series(lambda o: SequentialLR(
        o, [LinearLR(o, 0.1, total_iters=3), CosineAnnealingLR(o, T_max=6)], milestones=[3]))[0],
    "chain": series(lambda o: ChainedScheduler(
        [ConstantLR(o, factor=0.1, total_iters=2), ExponentialLR(o, gamma=0.9)]))[0],
}
