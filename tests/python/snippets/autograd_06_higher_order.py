# Second and third derivatives with create_graph.
import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = (x ** 4).sum()
(g1,) = torch.autograd.grad(y, x, create_graph=True)
(g2,) = torch.autograd.grad(g1.sum(), x, create_graph=True)
(g3,) = torch.autograd.grad(g2.sum(), x)
t = torch.tensor(0.5, requires_grad=True)
s = torch.sin(t)
ds = []
for _ in range(4):
    (s,) = torch.autograd.grad(s, t, create_graph=True)
    ds.append(s.item())
w = torch.tensor([1.0, -1.0], requires_grad=True)
loss = (w ** 3).sum()
(gw,) = torch.autograd.grad(loss, w, create_graph=True)
(gw ** 2).sum().backward()
result = {"g1": g1.detach(), "g2": g2.detach(), "g3": g3, "ds": ds, "penalty": w.grad}
