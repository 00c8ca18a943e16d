# Tensors from Python data, from NumPy arrays and from other tensors.
import torch
import numpy as np

data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
x_np = torch.from_numpy(np.array(data))
x_ones = torch.ones_like(x_data)
x_float = torch.zeros_like(x_data, dtype=torch.float)
mixed = torch.tensor([1, 2.5, True])
nested = torch.tensor(((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
scalar = torch.tensor(3.14159)

result = {
    "x_data": x_data, "x_np": x_np, "x_ones": x_ones, "x_float": x_float, "mixed": mixed,
    "nested": nested, "scalar": scalar, "item": scalar.item(), "ndim": scalar.ndim,
    "shape": tuple(nested.shape),
}
