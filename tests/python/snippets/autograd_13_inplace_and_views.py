# In-place changes of non-leaves and of views.
import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
v = y[:2]
y.mul_(3)
v.sum().backward()
g1 = x.grad.clone()
x.grad = None
h = x * 1
h[0] = 5.0
h[1:] *= 2
h.sum().backward()
g2 = x.grad.clone()
x.grad = None
b = torch.zeros(3)
b.copy_(x)
b.add_(x)
(b ** 2).sum().backward()
with torch.no_grad():
    x -= 0.1 * x.grad
result = {"g1": g1, "g2": g2, "g3": x.grad, "x": x.detach(), "still_leaf": x.is_leaf and x.requires_grad}
