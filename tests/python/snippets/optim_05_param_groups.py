# Parameter groups with their own settings.
import torch
import torch.nn as nn

model = nn.ModuleDict({"base": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
for p in model.parameters():
    nn.init.constant_(p, 0.5)
opt = torch.optim.SGD(
    [{"params": model["base"].parameters()}, {"params": model["head"].parameters(), "lr": 1e-1}], lr=1e-2,
    momentum=0.9,
)
extra = nn.Parameter(torch.ones(1))
opt.add_param_group({"params": extra, "lr": 0.5})
for _ in range(2):
    opt.zero_grad()
    (model["head"](model["base"](torch.ones(1, 2))).sum() * extra).sum().backward()
    opt.step()
opt.param_groups[0]["lr"] = 0.123
result = {
    "lrs": [g["lr"] for g in opt.param_groups], "momentum": [g["momentum"] for g in opt.param_groups],
    "base": model["base"].weight.detach(), "head": model["head"].weight.detach(), "extra": extra.detach(),
    "counts": [len(g["params"]) for g in opt.param_groups], "buffer": opt.state[extra]["momentum_buffer"],
}
