# searchsorted, bucketize, histc, bincount, isin.
import torch

boundaries = torch.tensor([1, 3, 5, 7, 9])
v = torch.tensor([[3, 6, 9], [0, 1, 10]])
x = torch.tensor([1.0, 2.0, 1.0, 4.0, 2.5])
result = {
    "bucketize": torch.bucketize(v, boundaries),
    "bucketize_right": torch.bucketize(v, boundaries, right=True),
    "searchsorted": torch.searchsorted(boundaries, torch.tensor([4, 9])),
    "search_right": torch.searchsorted(boundaries, torch.tensor([3, 9]), right=True),
    "scalar": torch.searchsorted(boundaries, 6), "side": torch.searchsorted(boundaries, v[0], side="right"),
    "histc": torch.histc(x, bins=4, min=0, max=4), "bincount": torch.bincount(torch.tensor([4, 3, 6, 3, 4])),
    "weights": torch.bincount(torch.tensor([0, 1, 1]), weights=torch.tensor([0.5, 1.0, 2.0])),
    "minlength": torch.bincount(torch.tensor([1]), minlength=4),
    "isin": torch.isin(torch.tensor([[1, 2], [3, 4]]), torch.tensor([2, 3])),
}
