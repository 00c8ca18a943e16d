# Updating parameters by hand, as in "learning by examples".
import torch

x = torch.linspace(-1, 1, 20)
y = 3 * x - 0.5
w = torch.tensor(0.0, requires_grad=True)
b = torch.tensor(0.0, requires_grad=True)
for epoch in range(30):
    loss = (w * x + b - y).pow(2).mean()
    loss.backward()
    with torch.no_grad():
        w -= 0.3 * w.grad
        b -= 0.3 * b.grad
        w.grad.zero_()
        b.grad = None
v = torch.tensor([1.0, 2.0], requires_grad=True)
(v ** 2).sum().backward()
v.data -= 0.1 * v.grad.data
v.data = v.data * 2
result = {"w": w.item(), "b": b.item(), "loss": loss.item(), "v": v.detach(), "leaf": v.is_leaf}
