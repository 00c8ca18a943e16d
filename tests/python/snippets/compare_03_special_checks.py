# nan, infinity and sign checks.
import torch

x = torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), -0.0])
result = {
    "isnan": torch.isnan(x), "isinf": x.isinf(), "isfinite": torch.isfinite(x), "posinf": torch.isposinf(x),
    "neginf": torch.isneginf(x), "signbit": torch.signbit(x), "nan_eq": x == x,
    "nan_to_num": torch.nan_to_num(x), "custom": torch.nan_to_num(x, nan=0.5, posinf=9.0, neginf=-9.0),
    "equal_nan": torch.allclose(x[1:2], x[1:2], equal_nan=True), "max_nan": x.max(), "nan_sum": x[:2].sum(),
    "clean": x[torch.isfinite(x)],
}
