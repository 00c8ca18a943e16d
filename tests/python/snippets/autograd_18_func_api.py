# torch.func transforms.
import torch
from torch.func import grad, vmap, jacrev, functional_call


def f(x):
    return (x ** 3).sum()


x = torch.tensor([1.0, 2.0])
model = torch.nn.Linear(2, 1)
params = {"weight": torch.tensor([[2.0, 3.0]]), "bias": torch.tensor([0.5])}
result = {
    "grad": grad(f)(x), "second": grad(lambda v: grad(f)(v).sum())(x),
    "vmap": vmap(torch.dot)(torch.eye(2), torch.ones(2, 2)),
    "per_sample": vmap(grad(f))(torch.tensor([[1.0, 2.0], [3.0, 4.0]])), "jacrev": jacrev(torch.sin)(x),
    "call": functional_call(model, params, (torch.ones(1, 2),)),
}
