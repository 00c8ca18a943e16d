# Custom Functions: several outputs, saved tensors, non-tensor arguments, straight-through, gradient
# reversal, context attributes.
import torch
from torch.autograd import Function


class Clip(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward(x)
        ctx.limits = (low, high)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        low, high = ctx.limits
        return grad * ((x >= low) & (x <= high)), None, None


class SplitMul(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b, a + b

    @staticmethod
    def backward(ctx, ga, gb):
        a, b = ctx.saved_tensors
        return (ga * b + gb if ctx.needs_input_grad[0] else None), (ga * a + gb if ctx.needs_input_grad[1] else None)


class Reverse(Function):
    @staticmethod
    def forward(ctx, x, alpha=1.0):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.alpha * g, None


class Round(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g


class Exp(Function):
    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        y, = ctx.saved_tensors
        return g * y


a = torch.tensor([-2.0, 0.5, 3.0], requires_grad=True)
b = torch.tensor([1.0, 2.0, 3.0])
Clip.apply(a, -1.0, 1.0).sum().backward()
clip = a.grad.clone()
a.grad = None
p, s = SplitMul.apply(a, b)
(p.sum() + 2 * s.sum()).backward()
split = a.grad.clone()
a.grad.zero_()
(Reverse.apply(a, 0.5) * b).sum().backward()
rev = a.grad.clone()
w = torch.tensor([1.4, 2.6], requires_grad=True)
(Round.apply(w) * 3).sum().backward()
e = Exp.apply(w)
g1, = torch.autograd.grad(e.sum(), w, create_graph=True)
g2, = torch.autograd.grad(g1.sum(), w)
result = {
    "clip": clip, "split": split, "rev": rev, "ste": w.grad, "exp": g1, "exp2": g2,
    "fn": type(p.grad_fn).__name__,
    "ok": torch.autograd.gradcheck(Exp.apply, torch.tensor([0.3, 0.1], dtype=torch.float64, requires_grad=True))
}
