# Coordinate grids and products.
import torch

a = torch.tensor([1, 2, 3])
b = torch.tensor([4, 5])
gx, gy = torch.meshgrid(a, b, indexing="ij")
hx, hy = torch.meshgrid(a, b, indexing="xy")
result = {
    "gx": gx, "gy": gy, "hx": hx, "hy": hy,
    "cart": torch.cartesian_prod(a, b),
    "comb": torch.combinations(a),
    "comb_r": torch.combinations(a, r=2, with_replacement=True),
    "coords": torch.stack([gx, gy], dim=-1).reshape(-1, 2),
}
