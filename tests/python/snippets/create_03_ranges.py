# arange, linspace and logspace: end points, steps and result dtypes.
import torch

result = {
    "arange": torch.arange(5),
    "arange_se": torch.arange(2, 8),
    "arange_step": torch.arange(1, 10, 3),
    "arange_neg": torch.arange(5, 0, -2),
    "arange_float": torch.arange(0, 1, 0.25),
    "arange_f": torch.arange(3.0),
    "arange_dtype": torch.arange(4, dtype=torch.float64),
    "arange_kw": torch.arange(start=1, end=4, step=1),
    "linspace": torch.linspace(0, 1, 5),
    "linspace_kw": torch.linspace(start=-1, end=1, steps=3),
    "linspace_one": torch.linspace(2, 9, 1),
    "logspace": torch.logspace(0, 3, 4),
    "logspace_base2": torch.logspace(start=0, end=4, steps=5, base=2.0),
    "grid": torch.arange(12).reshape(3, 4),
}
