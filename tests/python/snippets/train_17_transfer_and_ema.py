# Freezing, discriminative rates, EMA by AveragedModel and by hand, gradient clipping, accumulation,
# schedule, early stop.
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
with torch.no_grad():
    for i, p in enumerate(net.parameters()):
        p.copy_(torch.cos(torch.arange(p.numel()) * (0.5 + i)).reshape(p.shape) * 0.5)
for p in net[0].parameters():
    p.requires_grad = False
opt = torch.optim.AdamW([{"params": net[2].parameters(), "lr": 1e-3}, {"params": net[4].parameters()}], lr=1e-2)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=6)
ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
shadow = copy.deepcopy(net.state_dict())
x = torch.sin(torch.arange(96.0)).reshape(24, 4)
y = (x.sum(1) > 0).long() + (x[:, 0] > 0.5).long()
losses, norms = [], []
for epoch in range(6):
    opt.zero_grad()
    for xb, yb in zip(x.split(8), y.split(8)):
        loss = F.cross_entropy(net(xb), yb) / 3
        loss.backward()
    norms.append(nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 0.5).item())
    opt.step()
    sched.step()
    ema.update_parameters(net)
    with torch.no_grad():
        for k, v in net.state_dict().items():
            shadow[k].mul_(0.9).add_(v, alpha=0.1)
    losses.append(F.cross_entropy(net(x), y).item())
result = {
    "losses": losses, "norms": norms, "lrs": sched.get_last_lr(), "ema": ema.module[4].weight,
    "shadow": shadow["4.weight"], "frozen": net[0].weight.grad, "n": ema.n_averaged,
    "acc": (net(x).argmax(1) == y).float().mean(),
    "trainable": sum(p.numel() for p in net.parameters() if p.requires_grad)
}
