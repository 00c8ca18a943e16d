# The errors every newcomer meets.
import torch

caught = {}
x = torch.tensor([1.0, 2.0], requires_grad=True)


def attempt(name, f):
    try:
        f()
        caught[name] = None
    except RuntimeError:
        caught[name] = "RuntimeError"


y = (x ** 2).sum()
y.backward()
attempt("twice", lambda: y.backward())
attempt("non_scalar", lambda: (x * 2).backward())
attempt("leaf_inplace", lambda: x.add_(1))
attempt("no_grad", lambda: torch.ones(2).sum().backward())
attempt("integer", lambda: torch.tensor([1, 2], requires_grad=True))
attempt("integer_", lambda: torch.tensor([1, 2]).requires_grad_())
s = torch.exp(x)
loss = s.sum()
s.add_(1)
attempt("modified", lambda: loss.backward())
attempt("numpy", lambda: x.numpy())
attempt("unused", lambda: torch.autograd.grad(x.sum(), torch.ones(1, requires_grad=True)))
attempt("non_leaf_flag", lambda: (x * 2).requires_grad_(False))
result = {"caught": caught, "grad": x.grad}
