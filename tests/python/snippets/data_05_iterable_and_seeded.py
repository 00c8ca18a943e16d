# Iterable datasets and reproducible shuffling.
import torch
from torch.utils.data import IterableDataset, DataLoader, TensorDataset


class Stream(IterableDataset):
    def __init__(self, start, end):
        self.start, self.end = start, end

    def __iter__(self):
        return iter(range(self.start, self.end))


ds = TensorDataset(torch.arange(8))


def epoch():
    loader = DataLoader(ds, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(3))
    return [b[0].tolist() for b in loader]


one, two = epoch(), epoch()
result = {
    "stream": [b.tolist() for b in DataLoader(Stream(3, 8), batch_size=2)], "same": one == two,
    "all": sorted(sum(one, [])),
    "infinite": [next(it) for it in [iter(DataLoader(Stream(0, 10 ** 9), batch_size=3))] for _ in range(2)],
}
