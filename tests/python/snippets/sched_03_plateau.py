# Reducing the rate when a metric stops improving.
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
sched = ReduceLROnPlateau(opt, mode="min", factor=0.5, patience=2)
lrs = []
for metric in [1.0, 0.9, 0.91, 0.92, 0.93, 0.94, 0.5, 0.51, 0.52, 0.53, 0.54]:
    sched.step(metric)
    lrs.append(opt.param_groups[0]["lr"])
opt2 = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
up = ReduceLROnPlateau(opt2, "max", patience=0, threshold=0.1, threshold_mode="abs", cooldown=1, min_lr=0.05)
ups = []
for acc in [0.5, 0.55, 0.56, 0.9, 0.9, 0.9, 0.9]:
    up.step(torch.tensor(acc))
    ups.append(opt2.param_groups[0]["lr"])
result = {"lrs": lrs, "ups": ups, "best": sched.best, "last": sched.get_last_lr()}
