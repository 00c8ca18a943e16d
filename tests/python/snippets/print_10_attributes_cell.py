# The attribute cell of every first tutorial.
import torch

tensor = torch.ones(3, 4)
lines = [
    f"Shape of tensor: {tensor.shape}", f"Datatype of tensor: {tensor.dtype}",
    f"Device tensor is stored on: {tensor.device}",
]
tensor[:, 1] = 0
t1 = torch.cat([tensor, tensor], dim=1)
lines.append(f"{tensor} \n")
lines.append(f"First row: {tensor[0]}")
lines.append(f"Last column: {tensor[..., -1]}")
lines.append(str(t1))
agg = tensor.sum()
lines.append(f"{agg.item()} {type(agg.item())}")
result = {"lines": lines}
