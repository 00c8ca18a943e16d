# Bridge with NumPy: shared memory both ways.
import numpy as np
import torch

t = torch.ones(5)
n = t.numpy()
t.add_(1)
after_t = n.tolist()
a = np.zeros(3)
u = torch.from_numpy(a)
np.add(a, 1, out=a)
u[0] = 9
result = {
    "after_t": after_t, "n_type": type(n).__name__, "n_dtype": str(n.dtype), "u": u, "a": a.tolist(),
    "copy": torch.tensor(a), "view": t[1:3].numpy().tolist(),
    "t2": torch.arange(4).view(2, 2).T.numpy().strides,
}
