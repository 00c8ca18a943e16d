# Tensor hooks, module hooks with kwargs, removing handles, hooks that change gradients, post-accumulate
# hooks.
import torch
import torch.nn as nn

log = []
x = torch.ones(3, requires_grad=True)
y = x * 2
h = y.register_hook(lambda g: g * 10)
z = (y * torch.tensor([1.0, 2.0, 3.0])).sum()
y.retain_grad()
z.backward()
first = x.grad.clone()
h.remove()
x.grad = None
(x * 3).sum().backward()
handle = x.register_post_accumulate_grad_hook(lambda p: log.append(p.grad.sum().item()))
(x * x).sum().backward()
handle.remove()

net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
with torch.no_grad():
    for p in net.parameters():
        p.fill_(0.5)
acts = {}


def save(name):
    def hook(module, args, output):
        acts[name] = output.detach()
    return hook


handles = [m.register_forward_hook(save(n)) for n, m in net.named_children()]
pre = net[2].register_forward_pre_hook(lambda m, args: (args[0] + 1,))
back = net[0].register_full_backward_hook(lambda m, gi, go: log.append([tuple(g.shape) if g is not None else None for g in go]))
out = net(torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True))
out.backward()
for q in handles:
    q.remove()
pre.remove()
back.remove()
acts_after = dict(acts)
net(torch.zeros(1, 3))
result = {
    "first": first, "y_grad": y.grad, "x": x.grad, "log": log,
    "acts": {k: v for k, v in acts_after.items()}, "out": out,
          "w": net[2].weight.grad}
