# torch.autograd.grad returns gradients without touching .grad.
import torch

x = torch.tensor(2.0, requires_grad=True)
y = torch.tensor(3.0, requires_grad=True)
u = torch.tensor(1.0, requires_grad=True)
f = x ** 2 * y
gx, gy = torch.autograd.grad(f, (x, y), retain_graph=True)
g = torch.autograd.grad(f, [x, u], allow_unused=True, retain_graph=True)
(gv,) = torch.autograd.grad(x * torch.tensor([1.0, 2.0]), x, grad_outputs=torch.tensor([1.0, 10.0]))
zero = torch.autograd.grad(f, [u], allow_unused=True, materialize_grads=True)
result = {
    "gx": gx, "gy": gy, "unused": g[1], "x_grad": x.grad, "gv": gv, "zero": zero[0], "type": type(g).__name__,
}
