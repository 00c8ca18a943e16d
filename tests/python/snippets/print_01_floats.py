# How float tensors print.
import torch

result = {
    "vec": repr(torch.tensor([1.0, 2.0, 3.0])), "frac": repr(torch.tensor([0.1, 0.25, 3.14159])),
    "mat": repr(torch.tensor([[1.0, 2.5], [-3.0, 4.0]])),
    "scalar": repr(torch.tensor(3.14159)), "whole": repr(torch.tensor(2.0)), "zeros": str(torch.zeros(2, 3)),
    "neg": repr(torch.tensor([-1.5, 2.25])),
    "wide": repr(torch.tensor([100.5, 2.0, 1000.25])), "one": repr(torch.ones(1)), "eye": repr(torch.eye(3)),
    "print": "{}".format(torch.tensor([0.5])),
}
