# TensorDataset, Subset, random_split, ConcatDataset.
import torch
from torch.utils.data import TensorDataset, DataLoader, Subset, random_split, ConcatDataset

x = torch.arange(20.0).view(10, 2)
y = torch.arange(10)
ds = TensorDataset(x, y)
train, val = random_split(ds, [7, 3], generator=torch.Generator().manual_seed(0))
a, b = random_split(ds, [0.8, 0.2])
both = sorted(int(t) for part in (train, val) for _, t in part)
sub = Subset(ds, [0, 2, 4])
cat = ConcatDataset([sub, ds])
result = {
    "item": ds[2], "lens": [len(train), len(val), len(a), len(b)], "both": both,
    "sub": [t.item() for _, t in sub], "cat": len(cat), "cat_item": cat[4][1].item(),
    "sizes": [xb.shape[0] for xb, yb in DataLoader(ds, batch_size=3)], "tensors": len(ds.tensors),
    "first": next(iter(DataLoader(ds, batch_size=2))),
}
