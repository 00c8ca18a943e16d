# Autograd information in the printed form.
import torch

x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x + 2
z = (y * y * 3).mean()
w = torch.tensor([[1.0, 0.0]])
result = {
    "leaf": repr(x), "add": repr(y), "mean": repr(z), "mul": repr(x * 2), "detached": repr(y.detach()),
    "sum": repr(x.sum()), "mm": repr(w @ torch.ones(2, 1, requires_grad=True)),
    "relu": repr(torch.relu(x)), "exp": repr(x.exp().detach()), "slice": repr(x[0]),
    "grad": (z.backward(), repr(x.grad))[1], "param": repr(torch.nn.Parameter(torch.ones(2))),
}
