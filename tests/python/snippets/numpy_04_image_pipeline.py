# uint8 pictures to normalised float batches.
import numpy as np
import torch

img = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
t = torch.from_numpy(img).permute(2, 0, 1).float().div(255)
mean = torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
std = torch.tensor([0.5, 0.5, 0.25])[:, None, None]
norm = (t - mean) / std
batch = torch.stack([norm, norm.flip(-1)])
back = ((norm * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
result = {
    "t": t, "norm": norm, "batch_mean": batch.mean(dim=(0, 2, 3)), "back_equal": bool((back == img).all()),
    "contiguous": t.is_contiguous(),
}
