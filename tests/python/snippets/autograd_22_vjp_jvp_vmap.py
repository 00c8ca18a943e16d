# torch.func: grad, value_and_grad, vjp, jvp, jacrev, jacfwd, hessian, vmap, functional_call and per-sample
# gradients.
import torch
import torch.nn as nn
from torch.func import functional_call, grad, grad_and_value, hessian, jacfwd, jacrev, jvp, vjp, vmap

f = lambda x: (x ** 3).sum()
x = torch.tensor([1.0, 2.0, 3.0])
g = lambda x: torch.stack([x[0] * x[1], x[1].sin(), x[2] * x[0]])
out, pull = vjp(g, x)
model = nn.Linear(3, 1)
params = {"weight": torch.tensor([[1.0, 2.0, 3.0]]), "bias": torch.tensor([0.5])}


def loss_fn(params, sample, target):
    pred = functional_call(model, params, (sample.unsqueeze(0),))
    return ((pred.squeeze() - target) ** 2)


samples, targets = torch.arange(6.0).reshape(2, 3), torch.tensor([1.0, -1.0])
per_sample = vmap(grad(loss_fn), in_dims=(None, 0, 0))(params, samples, targets)
result = {
    "grad": grad(f)(x),
    "and_value": grad_and_value(f)(x),
    "second": grad(lambda t: grad(f)(t).sum())(x),
    "vjp": pull(torch.ones(3))[0],
    "jvp": jvp(g, (x,), (torch.tensor([1.0, 0.0, 0.0]),)),
    "jacrev": jacrev(g)(x),
    "jacfwd": jacfwd(g)(x),
    "hessian": hessian(f)(x),
    "vmap": vmap(torch.dot)(torch.ones(4, 3), torch.arange(12.0).reshape(4, 3)),
    "vmap_dims": vmap(lambda a, b: a + b, in_dims=(0, 1), out_dims=1)(torch.zeros(2, 3), torch.ones(3, 2)),
    "per_sample": per_sample,
    "argnums": grad(lambda a, b: (a * b).sum(), argnums=1)(x, x * 2),
    "aux": grad(lambda t: ((t ** 2).sum(), t * 3), has_aux=True)(x),
}
