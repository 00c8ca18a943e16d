# Adam and relatives.
import torch
from torch import optim


def run(cls, **kw):
    w = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    opt = cls([w], **kw)
    for i in range(6):
        opt.zero_grad()
        ((w * torch.tensor([1.0, 0.5, 2.0])).sin().sum() + (w ** 2).sum() * 0.1 * (i + 1)).backward()
        opt.step()
    return w.detach()


result = {
    "adam": run(optim.Adam), "adam_lr": run(optim.Adam, lr=0.1, betas=(0.8, 0.99), eps=1e-6),
    "adam_wd": run(optim.Adam, lr=0.1, weight_decay=0.1), "amsgrad": run(optim.Adam, lr=0.1, amsgrad=True),
    "adamw": run(optim.AdamW, lr=0.1), "adamw_wd": run(optim.AdamW, lr=0.1, weight_decay=0.5),
    "adamax": run(optim.Adamax, lr=0.05), "nadam": run(optim.NAdam, lr=0.05),
    "radam": run(optim.RAdam, lr=0.05),
}
