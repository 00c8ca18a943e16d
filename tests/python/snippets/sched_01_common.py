# Learning-rate schedules as series.
import torch
from torch.optim import lr_scheduler as S


def series(make, n=8, lr=0.1):
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    s = make(opt)
    out = []
    for _ in range(n):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        s.step()
    return out


result = {
    "step": series(lambda o: S.StepLR(o, step_size=3, gamma=0.1)),
    "multi": series(lambda o: S.MultiStepLR(o, milestones=[2, 5], gamma=0.5)),
    "exp": series(lambda o: S.ExponentialLR(o, gamma=0.9)),
    "const": series(lambda o: S.ConstantLR(o, factor=0.5, total_iters=3)),
    "linear": series(lambda o: S.LinearLR(o, start_factor=0.25, total_iters=4)),
    "poly": series(lambda o: S.PolynomialLR(o, total_iters=6, power=2)),
    "cos": series(lambda o: S.CosineAnnealingLR(o, T_max=5, eta_min=0.01), 12),
    "warm": series(lambda o: S.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2), 12),
    "lambda": series(lambda o: S.LambdaLR(o, lr_lambda=lambda e: 0.95 ** e)),
    "mult": series(lambda o: S.MultiplicativeLR(o, lr_lambda=lambda e: 0.8)),
}
