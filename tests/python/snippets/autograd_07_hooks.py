# Tensor hooks and retained gradients.
import torch

seen = []
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 3
y.retain_grad()
h = y.register_hook(lambda g: seen.append(g.clone()))
x.register_hook(lambda g: g * 10)
z = (y ** 2).sum()
z.backward()
first = x.grad.clone()
h.remove()
x.grad = None
(x * 2).sum().backward()
result = {"seen": seen, "y_grad": y.grad, "first": first, "second": x.grad, "retains": y.retains_grad}
