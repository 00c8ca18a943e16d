# Checking a backward against finite differences.
import torch
from torch.autograd import gradcheck, gradgradcheck


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x ** 2 * g


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x ** 2 * g


x = torch.linspace(0.5, 1.5, 4, dtype=torch.double, requires_grad=True)
linear = torch.nn.Linear(3, 2).double()
inp = torch.linspace(-1, 1, 6, dtype=torch.double).view(2, 3).requires_grad_()
result = {
    "cube": gradcheck(Cube.apply, (x,)), "second": gradgradcheck(Cube.apply, (x,)),
    "wrong": gradcheck(Wrong.apply, (x,), raise_exception=False),
    "linear": torch.autograd.gradcheck(linear, (inp,), eps=1e-6, atol=1e-4),
}
