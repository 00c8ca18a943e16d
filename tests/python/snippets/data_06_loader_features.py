# DataLoader: drop_last, sampler, batch_sampler, collate, dictionaries, ConcatDataset, Subset, random_split
# sizes, generator.
import torch
from torch.utils.data import (BatchSampler, ChainDataset, ConcatDataset, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler,
                              StackDataset, Subset, SubsetRandomSampler, TensorDataset, WeightedRandomSampler, default_collate, random_split)


class Records(Dataset):
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i >= self.n:
            raise IndexError(i)
        return {"x": torch.full((2,), float(i)), "name": f"item{i}", "n": i, "pair": (i, i * 0.5)}


class Stream(IterableDataset):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __iter__(self):
        return iter(range(self.a, self.b))


ds = Records(7)
batches = list(DataLoader(ds, batch_size=3))
dropped = [b["n"].tolist() for b in DataLoader(ds, batch_size=3, drop_last=True)]
both = ConcatDataset([TensorDataset(torch.arange(3)), TensorDataset(torch.arange(10, 14))])
parts = random_split(range(10), [0.7, 0.3], generator=torch.Generator().manual_seed(0))
three = random_split(range(11), [5, 4, 2])
custom = DataLoader(list(range(6)), batch_sampler=BatchSampler(SequentialSampler(range(6)), 4, False), collate_fn=lambda b: sum(b))
weighted = WeightedRandomSampler([0.0, 1.0, 0.0], 5)
perm = sorted(RandomSampler(range(8)))
result = {
    "first": batches[0], "last": batches[-1]["name"],
    "len": [len(DataLoader(ds, 3)), len(DataLoader(ds, 3, drop_last=True)), len(both)],
    "dropped": dropped, "concat": [both[i][0].item() for i in (0, 2, 3, -1)],
    "split": [len(p) for p in parts], "three": [len(p) for p in three],
    "all": sorted(x for p in parts for x in p), "custom": list(custom), "weighted": list(weighted),
    "perm": perm,
    "subset": Subset(ds, [5, 1])[1]["name"],
    "stream": [b.tolist() for b in DataLoader(Stream(0, 5), batch_size=2)],
    "chain": list(ChainDataset([Stream(0, 2), Stream(5, 7)])),
    "stack": StackDataset(torch.arange(3), torch.arange(3) * 2)[1],
    "collate": default_collate([(1, 2.5, "a"), (3, 4.5, "b")]),
    "nobatch": [b for b in DataLoader(torch.arange(3), batch_size=None)],
    "subset_sampler": sorted(SubsetRandomSampler([3, 5, 1])),
    "shuffled": sorted(int(i) for b in DataLoader(range(9), 4, shuffle=True) for i in b),
    "workers": [b.tolist() for b in DataLoader(range(5), batch_size=2, num_workers=0)],
}
