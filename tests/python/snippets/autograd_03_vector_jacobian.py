# backward with a cotangent, retain_graph, backward twice.
import torch

inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
first = inp.grad.clone()
out.backward(torch.ones_like(out), retain_graph=True)
second = inp.grad.clone()
inp.grad.zero_()
out.backward(torch.ones_like(out))
x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = x * 2
while y.norm() < 100:
    y = y * 2
y.backward(gradient=torch.tensor([0.1, 1.0, 0.0001]))
result = {"first": first, "second": second, "third": inp.grad, "y": y.detach(), "x": x.grad}
