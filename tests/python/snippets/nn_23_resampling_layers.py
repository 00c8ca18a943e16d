# Upsampling, pixel shuffle, padding layers, flatten, unfold and fold.
import torch
import torch.nn as nn
import torch.nn.functional as F

x = torch.arange(4.0).view(1, 1, 2, 2)
result = {
    "nearest": nn.Upsample(scale_factor=2)(x),
    "bilinear": F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
    "corners": F.interpolate(x, size=(3, 3), mode="bilinear", align_corners=True),
    "linear": F.interpolate(torch.tensor([[[0.0, 1.0]]]), size=4, mode="linear"),
    "shuffle": nn.PixelShuffle(2)(torch.arange(16.0).view(1, 4, 2, 2)),
    "unshuffle": nn.PixelUnshuffle(2)(torch.arange(16.0).view(1, 1, 4, 4)), "zero": nn.ZeroPad2d(1)(x),
    "reflect": nn.ReflectionPad2d((1, 1, 0, 0))(x), "replicate": nn.ReplicationPad2d(1)(x),
    "constant": nn.ConstantPad1d(1, 9.0)(x[0]), "flatten": nn.Flatten()(torch.zeros(2, 3, 4)).shape,
    "unflatten": nn.Unflatten(1, (2, 3))(torch.zeros(4, 6)).shape,
    "unfold": F.unfold(torch.arange(9.0).view(1, 1, 3, 3), kernel_size=2),
    "fold": F.fold(torch.ones(1, 4, 4), output_size=(3, 3), kernel_size=2),
    "fpad": F.pad(torch.ones(2, 2), (1, 0, 0, 2), value=5.0),
    "fpad_mode": F.pad(x, (1, 1, 0, 0), mode="circular"),
}
