# Named results of reductions print with their field names.
import torch

x = torch.tensor([[3.0, 1.0], [2.0, 5.0]])
m = x.max(dim=1)
s = torch.sort(x, dim=1)
result = {
    "max": repr(m), "fields": [m.values.tolist(), m.indices.tolist()], "unpack": [t.tolist() for t in s],
    "index": m[1].tolist(), "topk": repr(torch.topk(torch.tensor([1, 4, 2]), 2)), "len": len(m),
    "istuple": isinstance(m, tuple),
}
