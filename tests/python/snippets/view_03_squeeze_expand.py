# squeeze, unsqueeze, expand and broadcast.
import torch

x = torch.zeros(1, 3, 1, 2)
v = torch.tensor([[1], [2], [3]])
a, b = torch.broadcast_tensors(torch.arange(3).view(1, 3), torch.arange(2).view(2, 1))
result = {
    "squeeze": x.squeeze().shape, "squeeze0": x.squeeze(0).shape, "squeeze1": x.squeeze(1).shape,
    "squeeze_t": x.squeeze((0, 2)).shape, "unsqueeze": v.unsqueeze(0).shape,
    "unsqueeze_neg": torch.unsqueeze(v, -1).shape, "expand": v.expand(3, 4), "expand_neg": v.expand(-1, 2),
    "expand_new": v.expand(2, 3, 1).shape, "stride": v.expand(3, 4).stride(),
    "expand_as": v.expand_as(torch.zeros(3, 2)).shape, "a": a, "b": b, "bto": torch.broadcast_to(v, (3, 2)),
    "bshape": torch.broadcast_shapes((2, 1), (3,)), "atleast": torch.atleast_2d(torch.tensor(1.0)).shape,
}
