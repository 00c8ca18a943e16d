# Warm-up then cosine decay as a LambdaLR, the way language models are trained.
import math
import torch

warmup, total = 4, 12


def lr_lambda(step):
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / (total - warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress))


w = torch.tensor([2.0], requires_grad=True)
opt = torch.optim.AdamW([w], lr=0.1, weight_decay=0.01)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_lambda)
lrs = []
for step in range(total):
    loss = (w ** 2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    lrs.append(sched.get_last_lr()[0])
    sched.step()
result = {"lrs": lrs, "w": w.detach()}
