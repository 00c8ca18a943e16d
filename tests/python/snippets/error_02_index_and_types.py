# Index, type and value errors.
import torch
import torch.nn as nn
import torch.nn.functional as F

caught = {}


def attempt(name, f, kind):
    try:
        f()
        caught[name] = None
    except kind:
        caught[name] = kind.__name__


x = torch.zeros(2, 3)
attempt("row", lambda: x[5], IndexError)
attempt("too_many", lambda: x[0, 0, 0], IndexError)
attempt("dim", lambda: x.sum(dim=2), IndexError)
attempt("squeeze_dim", lambda: x.unsqueeze(5), IndexError)
attempt("mask", lambda: x[torch.tensor([True, False, True])], IndexError)
attempt("array", lambda: x[torch.tensor([0, 7])], IndexError)
attempt("embedding", lambda: nn.Embedding(3, 2)(torch.tensor([5])), IndexError)
attempt("target", lambda: F.cross_entropy(torch.zeros(1, 3), torch.tensor([7])), IndexError)
attempt("len0", lambda: len(torch.tensor(1.0)), TypeError)
attempt("iter0", lambda: list(torch.tensor(1.0)), TypeError)
attempt("kwarg", lambda: torch.zeros(2, colour="red"), TypeError)
attempt("str", lambda: torch.tensor([1.0]) + "a", TypeError)
attempt("forward_args", lambda: nn.Linear(2, 2)(), TypeError)
attempt("ragged", lambda: torch.tensor([[1, 2], [3]]), ValueError)
attempt("batch", lambda: F.cross_entropy(torch.zeros(2, 3), torch.zeros(3, dtype=torch.long)), ValueError)
attempt("neg_step", lambda: x[::-1], ValueError)
attempt("lr", lambda: torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=-1.0), ValueError)
attempt("empty_params", lambda: torch.optim.SGD([], lr=0.1), ValueError)
attempt("dropout", lambda: nn.Dropout(1.5), ValueError)
attempt("heads", lambda: nn.MultiheadAttention(5, 2), AssertionError)
attempt("attr", lambda: nn.Linear(2, 2).nothing, AttributeError)
attempt("tensor_attr", lambda: torch.zeros(1).nothing, AttributeError)
attempt("float_to_int_index", lambda: x[1.5], IndexError)
attempt("dtype_mm", lambda: torch.ones(2, 2) @ torch.ones(2, 2, dtype=torch.double), RuntimeError)
attempt("dtype_conv", lambda: nn.Linear(2, 2)(torch.ones(1, 2, dtype=torch.double)), RuntimeError)
attempt("neg_size", lambda: torch.zeros(-1), RuntimeError)
attempt("bce_shape", lambda: F.binary_cross_entropy(torch.full((2,), 0.5), torch.zeros(3)), ValueError)
attempt("param_assign", lambda: setattr(nn.Linear(2, 2), "weight", torch.zeros(2, 2)), TypeError)
result = caught
