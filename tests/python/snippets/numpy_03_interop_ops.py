# NumPy functions on tensors and arrays meeting tensors.
import numpy as np
import torch

t = torch.tensor([1.0, 4.0, 9.0])
x = torch.tensor([1.0, 2.0], requires_grad=True)
try:
    x.numpy()
    error = None
except RuntimeError:
    error = "RuntimeError"
result = {
    "asarray": np.asarray(t).tolist(), "array": np.array(t).sum().item(), "sqrt": np.sqrt(t.numpy()).tolist(),
    "mul_scalar": t * np.float32(2), "mean": float(np.mean(t.numpy())), "error": error,
    "detached": x.detach().numpy().tolist(), "cpu": x.detach().cpu().numpy().shape,
    "allclose": np.allclose(t, [1, 4, 9]), "stack": torch.from_numpy(np.stack([np.arange(3), np.arange(3)])),
    "concat": np.concatenate([t.numpy(), t.numpy()]).shape, "item": np.float64(t[1]).item(),
    "add": t + torch.from_numpy(np.ones(3, dtype=np.float32)),
}
