# Extending autograd: the ReLU and the Legendre polynomial of the tutorials.
import torch


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input ** 3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input ** 2 - 1)


x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)
y = MyReLU.apply(x)
(y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
relu_grad = x.grad.clone()
x.grad = None
p = LegendrePolynomial3.apply(x)
p.sum().backward()
result = {
    "y": y.detach(), "relu_grad": relu_grad, "p": p.detach(), "p_grad": x.grad,
    "fn": type(y.grad_fn).__name__,
}
