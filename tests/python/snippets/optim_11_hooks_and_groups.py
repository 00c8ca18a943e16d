# add_param_group, per-group rates, closure, step hooks, state access, foreach keyword, zero_grad to zeros.
import torch
from torch import nn, optim

a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3) * 2)
opt = optim.SGD([{"params": [a]}], lr=0.1, momentum=0.9, foreach=False)
opt.add_param_group({"params": b, "lr": 0.01, "momentum": 0.0})
seen = []
pre = opt.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre"))
post = opt.register_step_post_hook(lambda o, args, kwargs: seen.append("post"))


def closure():
    opt.zero_grad()
    loss = (a ** 2).sum() + (b ** 3).sum()
    loss.backward()
    return loss


losses = [opt.step(closure).item() for _ in range(3)]
pre.remove()
opt.step()
opt.zero_grad(set_to_none=False)
zero = a.grad.clone()
for g in opt.param_groups:
    g["lr"] *= 0.5
buffer = opt.state[a]["momentum_buffer"]
adam = optim.Adam([a], lr=0.01)
a.grad = torch.ones(2)
adam.step()
try:
    optim.SGD([a], lr=-1)
    error = None
except ValueError as e:
    error = str(e)
try:
    optim.SGD([], lr=0.1)
    empty = None
except ValueError as e:
    empty = str(e)
result = {
    "losses": losses, "seen": seen, "zero": zero, "lrs": [g["lr"] for g in opt.param_groups],
    "buffer": buffer, "a": a, "b": b,
          "adam_state": {k: v for k, v in adam.state[a].items()}, "error": error, "empty": empty, "defaults": sorted(opt.defaults)}
