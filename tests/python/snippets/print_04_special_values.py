# nan, inf, very large and very small values.
import torch

inf, nan = float("inf"), float("nan")
result = {
    "nan": repr(torch.tensor([nan, 1.0])), "inf": repr(torch.tensor([inf, -inf, 0.0])),
    "small": repr(torch.tensor([1e-5, 1.0])), "big": repr(torch.tensor([1e10, 1.0])),
    "tiny": repr(torch.tensor([1e-10])), "million": repr(torch.tensor([1234567.0])),
    "mixed": repr(torch.tensor([0.001, 1000.0])), "third": repr(torch.tensor(1.0) / 3),
    "all_nan": repr(torch.tensor([nan, nan])),
    "large_int_float": repr(torch.tensor([1e8, 2e8])),
}
