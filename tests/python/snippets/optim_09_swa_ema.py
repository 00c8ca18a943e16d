# Averaged models.
import torch
import torch.nn as nn
from torch.optim.swa_utils import AveragedModel, SWALR

model = nn.Linear(2, 1)
nn.init.constant_(model.weight, 1.0)
nn.init.zeros_(model.bias)
swa = AveragedModel(model)
ema = AveragedModel(model, avg_fn=lambda avg, new, n: 0.9 * avg + 0.1 * new)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
sched = SWALR(opt, swa_lr=0.05, anneal_epochs=2)
for _ in range(3):
    opt.zero_grad()
    model(torch.ones(1, 2)).sum().backward()
    opt.step()
    swa.update_parameters(model)
    ema.update_parameters(model)
    sched.step()
result = {
    "model": model.weight.detach(), "swa": swa.module.weight.detach(), "ema": ema.module.weight.detach(),
    "n": swa.n_averaged.item(), "lr": opt.param_groups[0]["lr"], "call": swa(torch.ones(1, 2)).detach(),
}
