# Indexing with NumPy arrays, 0-dim tensors and Python lists.
import torch
import numpy as np

x = torch.arange(12).reshape(3, 4)
k = torch.tensor(2)
result = {
    "np_idx": x[np.array([0, 2])], "np_mask": x[np.array([True, False, True])], "zero_dim": x[k],
    "np_int": x[np.int64(1)], "slice_tensor": x[: int(k)], "list_mask": x[[True, False, True]],
    "zip": [(int(a), int(b)) for a, b in zip(x[0], x[1])],
    "enumerate": [i for i, row in enumerate(x) if row.sum() > 10],
    "unpack": [t.tolist() for t in x], "reversed": x.flip(0)[0],
    "sorted": sorted(torch.tensor([3, 1, 2]).tolist()),
}
