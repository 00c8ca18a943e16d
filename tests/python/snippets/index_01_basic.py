# Basic indexing and slicing.
import torch

x = torch.arange(24).reshape(4, 6)
result = {
    "row": x[1], "elem": x[2, 3], "neg": x[-1, -2], "col": x[:, 0], "slice": x[1:3], "step": x[::2, 1::2],
    "neg_slice": x[-2:, :-3], "ellipsis": x[..., 1], "chain": x[1][2],
    "empty": x[2:2], "past_end": x[3:100], "first_dim": x[0:1].shape, "item": x[3, 5].item(),
    "tuple": x[(1, 2)], "all": x[:].equal(x),
}
