# New axes and ellipses.
import torch

x = torch.arange(6.0).view(2, 3)
result = {
    "front": x[None].shape, "mid": x[:, None, :].shape, "end": x[..., None].shape,
    "two": x[None, :, None].shape, "combined": x[0, None, 1:],
    "ellipsis_mid": torch.zeros(2, 3, 4, 5)[0, ..., 1].shape,
    "outer": x[0][:, None] * x[1][None, :], "newaxis": x[0, torch.newaxis].shape, "all": x[...].shape,
    "true": x[True].shape,
}
