# A Dataset and a DataLoader.
import torch
from torch.utils.data import Dataset, DataLoader


class Squares(Dataset):
    def __init__(self, n, transform=None):
        self.x = torch.arange(n, dtype=torch.float32)
        self.transform = transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, idx):
        x = self.x[idx]
        y = x ** 2
        if self.transform:
            x = self.transform(x)
        return x, y


ds = Squares(10, transform=lambda v: v + 0.5)
loader = DataLoader(ds, batch_size=4, shuffle=False)
batches = [(x, y) for x, y in loader]
drop = DataLoader(ds, batch_size=4, drop_last=True)
shuffled = DataLoader(ds, batch_size=5, shuffle=True)
seen = torch.cat([y for _, y in shuffled]).sort().values
x0, y0 = next(iter(loader))
result = {
    "len": len(ds), "item": ds[3], "batches": batches, "n": len(loader), "drop": len(drop), "seen": seen,
    "x0": x0, "bs": loader.batch_size, "ds": loader.dataset is ds,
    "two_epochs": sum(1 for _ in range(2) for _ in loader),
}
