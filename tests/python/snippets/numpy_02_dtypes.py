# Matching NumPy and tensor types.
import numpy as np
import torch

names = ["float32", "float64", "float16", "int64", "int32", "uint8", "bool", "complex64", "complex128"]
there = [str(torch.from_numpy(np.ones(2, dtype=name)).dtype) for name in names]
back = [str(torch.ones(2, dtype=getattr(torch, name)).numpy().dtype) for name in names]
result = {
    "there": there, "back": back, "scalar": torch.tensor(np.float64(2.5)), "npint": torch.tensor(np.int64(3)),
    "list": torch.tensor([np.float32(1.5), np.float32(2.5)]),
    "arrays": torch.tensor(np.array([[1, 2], [3, 4]])), "float": torch.from_numpy(np.array([1, 2])).float(),
}
