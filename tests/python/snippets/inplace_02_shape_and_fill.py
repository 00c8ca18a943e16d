# In-place filling and reshaping methods.
import torch

x = torch.arange(6.0).view(2, 3)
x.t_()
y = torch.zeros(1, 2).squeeze_()
u = torch.zeros(2).unsqueeze_(1)
m = torch.zeros(3, 3).fill_diagonal_(4)
k = torch.arange(4.0)
k.masked_fill_(k > 2, -1)
e = torch.ones(2, 2).exp_().log_()
t = torch.ones(3, 3).tril_()
r = torch.empty(1000).uniform_(-2, 2)
g = torch.empty(1000).normal_(mean=3, std=0.1)
b = torch.empty(100).bernoulli_(0.5)
result = {
    "x": x, "y": y.shape, "u": u.shape, "m": m, "k": k, "e": e, "t": t,
    "r": bool((r >= -2).all() and (r <= 2).all()), "g": round(g.mean().item()), "b": sorted(set(b.tolist())),
    "relu": torch.tensor([-1.0, 2.0]).relu_(), "transpose": torch.zeros(2, 3).transpose_(0, 1).shape,
}
