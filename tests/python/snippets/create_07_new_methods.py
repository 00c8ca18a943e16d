# new_* methods take dtype and device from an existing tensor.
import torch

x = torch.ones(2, 2, dtype=torch.float64)
result = {
    "new_zeros": x.new_zeros(2, 3),
    "new_ones": x.new_ones((2,), dtype=torch.int32),
    "new_full": x.new_full((1, 2), 0.25),
    "new_tensor": x.new_tensor([1, 2, 3]),
    "new_empty": list(x.new_empty(3, 1).shape),
    "type_as": torch.tensor([1, 2]).type_as(x),
    "to_other": torch.tensor([1.5]).to(x),
}
