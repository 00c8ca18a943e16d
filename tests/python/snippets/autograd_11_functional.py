# Jacobians, Hessians and products with them.
import torch
from torch.autograd.functional import jacobian, hessian, vjp, jvp, hvp

W = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def f(x):
    return (W @ x).sin()


def g(x):
    return (x ** 3).sum() + x[0] * x[1]


x = torch.tensor([0.1, 0.2])
J = jacobian(f, x)
H = hessian(g, x)
two = jacobian(lambda a, b: a * b.sum(), (x, x + 1))
result = {
    "J": J, "H": H, "J2a": two[0], "J2b": two[1], "vjp": vjp(f, x, torch.ones(3))[1],
    "jvp": jvp(f, x, torch.tensor([1.0, 0.0]))[1], "hvp": hvp(g, x, torch.tensor([1.0, -1.0]))[1],
}
