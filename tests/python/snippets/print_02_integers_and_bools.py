# How integer and boolean tensors print.
import torch

result = {
    "vec": repr(torch.tensor([1, 2, 3])), "widths": repr(torch.tensor([1, 100, -20])),
    "mat": repr(torch.arange(6).reshape(2, 3)), "scalar": repr(torch.tensor(7)),
    "bool": repr(torch.tensor([True, False])), "bool0": repr(torch.tensor(True)),
    "i32": repr(torch.tensor([1, 2], dtype=torch.int32)), "u8": repr(torch.tensor([255], dtype=torch.uint8)),
    "mask": repr(torch.tensor([[1, 2], [3, 4]]) > 2), "cube": repr(torch.arange(8).view(2, 2, 2)),
    "wide": repr(torch.arange(95, 105)),
}
