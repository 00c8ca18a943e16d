# Gradients flow through indexing; repeated indices accumulate.
import torch

x = torch.arange(6.0).view(2, 3).requires_grad_()
y = x[0].sum() * 2 + x[:, 1].pow(2).sum() + x[[0, 0, 1], [2, 2, 0]].sum()
y.backward()
w = torch.ones(4, requires_grad=True)
(w[w > 0] * torch.arange(4.0)).sum().backward()
e = torch.eye(3, requires_grad=True)
e.gather(1, torch.tensor([[0, 0], [1, 2], [2, 2]])).sum().backward()
a = torch.zeros(3)
v = torch.tensor([1.0, 2.0], requires_grad=True)
a[1:] = v * 3
(a * torch.tensor([1.0, 2.0, 4.0])).sum().backward()
result = {"x": x.grad, "w": w.grad, "e": e.grad, "v": v.grad, "a": a.detach()}
