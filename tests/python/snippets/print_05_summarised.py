# Large tensors are summarised, wide rows are wrapped.
import torch

result = {
    "long": repr(torch.arange(2000)), "wrapped": repr(torch.arange(40)),
    "wrapped_float": repr(torch.linspace(0, 1, 16)), "square": repr(torch.zeros(100, 100)),
    "tall": repr(torch.ones(1001, 2)),
}
