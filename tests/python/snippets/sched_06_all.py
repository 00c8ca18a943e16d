# The learning rates of every common scheduler over ten steps.
import torch
from torch.optim import lr_scheduler as S


def rates(make, steps=10, lr=0.1):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    sched = make(opt)
    out = []
    for _ in range(steps):
        out.append(opt.param_groups[0]["lr"])
        opt.step()
        sched.step()
    return out + sched.get_last_lr()


result = {
    "step": rates(lambda o: S.StepLR(o, 3, 0.5)),
    "multistep": rates(lambda o: S.MultiStepLR(o, [2, 5, 5], 0.1)),
    "constant": rates(lambda o: S.ConstantLR(o, 0.25, 4)),
    "linear": rates(lambda o: S.LinearLR(o, 0.1, 1.0, 5)),
    "exp": rates(lambda o: S.ExponentialLR(o, 0.9)),
    "cosine": rates(lambda o: S.CosineAnnealingLR(o, 4, 0.01)),
    "restarts": rates(lambda o: S.CosineAnnealingWarmRestarts(o, 2, 2, 0.001)),
    "poly": rates(lambda o: S.PolynomialLR(o, 6, 2.0)),
    "lambda": rates(lambda o: S.LambdaLR(o, lambda e: 0.95 ** e)),
    "multiplicative": rates(lambda o: S.MultiplicativeLR(o, lambda e: 0.9)),
    "onecycle": rates(lambda o: S.OneCycleLR(o, max_lr=1.0, total_steps=12)),
    "onecycle_linear": rates(lambda o: S.OneCycleLR(o, max_lr=1.0, epochs=2, steps_per_epoch=6, anneal_strategy="linear", three_phase=True)),
    "cyclic": rates(lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=3, mode="triangular2")),
    "cyclic_exp": rates(lambda o: S.CyclicLR(o, 0.01, 0.1, step_size_up=2, mode="exp_range", gamma=0.9)),
    "sequential": rates(lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.1, total_iters=3), S.CosineAnnealingLR(o, 7)], [3])),
    "chained": rates(lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.5, 3), S.ExponentialLR(o, 0.9)])),
}
opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
plateau = S.ReduceLROnPlateau(opt, "min", factor=0.5, patience=1, threshold=1e-3, cooldown=1, min_lr=0.1)
out = []
for v in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6, 0.6, 0.6]:
    plateau.step(v)
    out.append(opt.param_groups[0]["lr"])
result["plateau"] = out
result["state"] = sorted(S.StepLR(opt, 2).state_dict())
