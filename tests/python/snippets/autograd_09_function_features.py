# Several inputs, non-tensor arguments, needs_input_grad, several outputs.
import torch
from torch.autograd import Function


class Scale(Function):
    @staticmethod
    def forward(ctx, x, w, factor):
        ctx.factor = factor
        ctx.save_for_backward(x, w)
        return x * w * factor

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        gx = g * w * ctx.factor if ctx.needs_input_grad[0] else None
        gw = g * x * ctx.factor if ctx.needs_input_grad[1] else None
        flags.append(ctx.needs_input_grad)
        return gx, gw, None


class SinCos(Function):
    @staticmethod
    def forward(x):
        return x.sin(), x.cos()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, gs, gc):
        (x,) = ctx.saved_tensors
        return gs * x.cos() - gc * x.sin()


flags = []
x = torch.tensor([1.0, 2.0], requires_grad=True)
w = torch.tensor([3.0, 4.0])
Scale.apply(x, w, 2.0).sum().backward()
gx = x.grad.clone()
x.grad = None
s, c = SinCos.apply(x)
(s + 2 * c).sum().backward()
result = {"gx": gx, "w_grad": w.grad, "flags": [list(map(bool, f)) for f in flags], "sincos": x.grad}
