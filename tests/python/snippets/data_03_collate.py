# Default and custom collation.
import numpy as np
import torch
from torch.utils.data import DataLoader, default_collate
from torch.nn.utils.rnn import pad_sequence

texts = [[1, 2, 3], [4], [5, 6]]


def collate(batch):
    ids = [torch.tensor(t) for t in batch]
    return pad_sequence(ids, batch_first=True, padding_value=0), torch.tensor([len(t) for t in batch])


padded, lengths = next(iter(DataLoader(texts, batch_size=3, collate_fn=collate)))
dicts = [
    {"x": np.array([i, i + 1], dtype=np.float32), "label": i, "name": f"n{i}", "w": float(i)}
    for i in range(3)
]
batch = next(iter(DataLoader(dicts, batch_size=2)))
col = default_collate([(torch.tensor([1.0]), 2), (torch.tensor([3.0]), 4)])
result = {
    "padded": padded, "lengths": lengths, "x": batch["x"], "label": batch["label"], "name": batch["name"],
    "w": batch["w"], "col": [c.tolist() for c in col],
    "ints": next(iter(DataLoader([1, 2, 3], batch_size=3))),
    "list": next(iter(DataLoader(list(range(4)), batch_size=None))),
}
