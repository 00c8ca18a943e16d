# tensor copies; as_tensor and from_numpy share.
import torch
import numpy as np

arr = np.array([1.0, 2.0, 3.0])
t_copy = torch.tensor(arr)
t_share = torch.as_tensor(arr)
arr[0] = 10.0
same = torch.as_tensor(t_share)
conv = torch.as_tensor([1, 2], dtype=torch.float32)
clone = t_share.clone()
t_share[1] = -1.0
result = {
    "copy": t_copy, "share": t_share, "arr": arr.tolist(), "identity": same is t_share, "conv": conv,
    "clone": clone,
    "asarray": torch.asarray([1, 2, 3]),
}
