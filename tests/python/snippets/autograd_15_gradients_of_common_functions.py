# Gradients of a list of functions at fixed points.
import torch

fns = {
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
    "abs": torch.abs, "cumsum": lambda x: x.cumsum(0), "cumprod": lambda x: x.cumprod(0), "prod": torch.prod,
    "norm": torch.norm, "std": torch.std, "max": torch.max, "sort": lambda x: x.sort()[0] * torch.arange(3.0),
    "softmax": lambda x: x.softmax(0) * torch.arange(3.0), "logsumexp": lambda x: x.logsumexp(0),
    "median": torch.median, "atan2": lambda x: torch.atan2(x, torch.ones(3)),
    "where": lambda x: torch.where(x > 1, x * 2, x * 3), "clamp": lambda x: x.clamp(0.8, 1.2),
    "pow": lambda x: x ** 2.5, "rpow": lambda x: 2 ** x, "div": lambda x: 1 / x,
    "outer": lambda x: torch.outer(x, x), "topk": lambda x: x.topk(2).values,
    "flip": lambda x: x.flip(0) * torch.arange(3.0), "lgamma": torch.lgamma, "erf": torch.erf,
    "var": torch.var, "amax": torch.amax, "roll": lambda x: torch.roll(x, 1) * torch.arange(3.0),
}
result = {}
for name, f in fns.items():
    x = torch.tensor([0.5, 1.5, 1.0], requires_grad=True)
    f(x).sum().backward()
    result[name] = x.grad
