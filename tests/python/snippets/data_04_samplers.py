# Samplers and batch samplers.
import torch
from torch.utils.data import (
    DataLoader, SequentialSampler, RandomSampler, BatchSampler, SubsetRandomSampler,
    WeightedRandomSampler, Sampler,
)

data = list(range(6))


class EvenFirst(Sampler):
    def __init__(self, source):
        self.source = source

    def __iter__(self):
        return iter([i for i in self.source if i % 2 == 0] + [i for i in self.source if i % 2])

    def __len__(self):
        return len(self.source)


torch.manual_seed(0)
weighted = list(WeightedRandomSampler([0.0, 1.0, 0.0, 3.0], 50, replacement=True))
result = {
    "seq": list(SequentialSampler(data)), "random": sorted(RandomSampler(data)),
    "batch": list(BatchSampler(SequentialSampler(data), batch_size=4, drop_last=False)),
    "subset": sorted(SubsetRandomSampler([1, 3])), "weighted": sorted(set(int(i) for i in weighted)),
    "n": len(weighted),
    "custom": [b.tolist() for b in DataLoader(data, batch_size=2, sampler=EvenFirst(data))],
    "batch_sampler": [b.tolist() for b in DataLoader(data, batch_sampler=[[5, 0], [1]])],
}
