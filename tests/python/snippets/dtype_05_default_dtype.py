# Changing the default floating point type.
import torch

before = torch.tensor([1.0]).dtype
torch.set_default_dtype(torch.float64)
inside = torch.tensor([1.0]).dtype
zeros = torch.zeros(2).dtype
ratio = (torch.tensor([1, 2]) / 2).dtype
ints = torch.tensor([1]).dtype
torch.set_default_dtype(torch.float32)
after = torch.tensor([1.0]).dtype
result = {
    "before": str(before), "inside": str(inside), "zeros": str(zeros), "ratio": str(ratio), "ints": str(ints),
    "after": str(after),
}
