# Spatial transformer: affine grids and sampling.
import torch
import torch.nn.functional as F

img = torch.arange(9.0).view(1, 1, 3, 3)
theta = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
grid = F.affine_grid(theta, size=(1, 1, 3, 3), align_corners=True)
flip = torch.tensor([[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
result = {
    "grid": grid, "same": F.grid_sample(img, grid, align_corners=True),
    "flipped": F.grid_sample(
        img, F.affine_grid(flip, (1, 1, 3, 3), align_corners=False), align_corners=False),
}
