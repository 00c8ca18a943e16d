# The first autograd tutorial.
import torch

x = torch.ones(2, 2, requires_grad=True)
y = x + 2
z = y * y * 3
out = z.mean()
out.backward()
a = torch.tensor([[1.0, 2.0]])
before = a.requires_grad
a.requires_grad_(True)
b = (a * a).sum()
result = {
    "grad": x.grad, "y_fn": type(y.grad_fn).__name__, "leaf": [x.is_leaf, y.is_leaf], "x_fn": x.grad_fn,
    "before": before, "after": a.requires_grad, "b_fn": b.grad_fn is not None, "out": out.item(),
    "name": out.grad_fn.name(), "next": len(out.grad_fn.next_functions),
}
