# Schedules with several groups, and resuming.
import torch
from torch.optim.lr_scheduler import LambdaLR, StepLR

a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
opt = torch.optim.Adam([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.01}])
sched = LambdaLR(opt, lr_lambda=[lambda e: 1 / (1 + e), lambda e: min(1.0, (e + 1) / 4)])
hist = []
for _ in range(5):
    hist.append(sched.get_last_lr())
    opt.step()
    sched.step()
opt2 = torch.optim.SGD([a], lr=1.0)
s2 = StepLR(opt2, 2, gamma=0.1)
for _ in range(3):
    opt2.step()
    s2.step()
opt3 = torch.optim.SGD([a], lr=1.0)
s3 = StepLR(opt3, 2, gamma=0.1)
s3.load_state_dict(s2.state_dict())
result = {
    "hist": hist, "base": sched.base_lrs, "epoch": sched.last_epoch,
    "resumed": [s3.last_epoch, s3.get_last_lr()],
}
