# Shape errors.
import torch
import torch.nn as nn

caught = {}


def attempt(name, f):
    try:
        f()
        caught[name] = None
    except RuntimeError:
        caught[name] = "RuntimeError"


attempt("matmul", lambda: torch.ones(2, 3) @ torch.ones(2, 3))
attempt("mm_1d", lambda: torch.mm(torch.ones(2), torch.ones(2, 2)))
attempt("add", lambda: torch.ones(2, 3) + torch.ones(4))
attempt("view", lambda: torch.arange(6).view(4, 2))
attempt("cat", lambda: torch.cat([torch.ones(2, 3), torch.ones(2, 4)]))
attempt("stack", lambda: torch.stack([torch.ones(2), torch.ones(3)]))
attempt("linear", lambda: nn.Linear(3, 2)(torch.ones(4, 5)))
attempt("conv", lambda: nn.Conv2d(3, 4, 3)(torch.ones(1, 2, 8, 8)))
attempt("small", lambda: nn.Conv2d(1, 1, 5)(torch.ones(1, 1, 3, 3)))
attempt("expand", lambda: torch.ones(2).expand(3))
attempt("assign", lambda: torch.zeros(3).__setitem__(slice(0, 2), torch.ones(3)))
attempt("item", lambda: torch.ones(2).item())
attempt("bool", lambda: bool(torch.ones(2)))
attempt("bmm", lambda: torch.bmm(torch.ones(2, 2, 3), torch.ones(3, 3, 2)))
attempt("embedding_float", lambda: nn.Embedding(3, 2)(torch.tensor([1.0])))
attempt("reshape", lambda: torch.ones(6).reshape(-1, 4))
attempt("split", lambda: torch.ones(5).split([2, 2]))
attempt("dot", lambda: torch.dot(torch.ones(2), torch.ones(3)))
result = caught
