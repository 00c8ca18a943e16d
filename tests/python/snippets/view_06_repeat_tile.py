# Repeating data.
import torch

x = torch.tensor([1, 2, 3])
m = torch.tensor([[1, 2], [3, 4]])
result = {
    "repeat": x.repeat(2), "repeat2": x.repeat(2, 2), "repeat3": m.repeat(1, 2),
    "inter": x.repeat_interleave(2), "inter_dim": torch.repeat_interleave(m, 2, dim=0),
    "inter_t": torch.repeat_interleave(m, torch.tensor([1, 2]), dim=0),
    "counts": torch.repeat_interleave(torch.tensor([0, 2, 1])), "tile": torch.tile(m, (2,)),
    "tile2": m.tile(2, 1), "flip": torch.flip(m, dims=(0,)), "flip2": m.flip(0, 1),
    "fliplr": torch.fliplr(m), "flipud": torch.flipud(m), "roll": torch.roll(torch.arange(5), 2),
    "roll_dim": torch.roll(m, shifts=1, dims=0),
    "roll_2": torch.roll(torch.arange(6).view(2, 3), (1, -1), (0, 1)), "rot90": torch.rot90(m),
    "rot": torch.rot90(m, 2, [0, 1]), "rot_cw": torch.rot90(m, k=-1, dims=(0, 1)),
}
