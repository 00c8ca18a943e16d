# Sorting and selecting.
import torch

x = torch.tensor([[3.0, 1.0, 2.0], [9.0, 7.0, 8.0]])
s, i = torch.sort(x, dim=1, descending=True)
top = torch.topk(x, k=2)
v = torch.tensor([5, 2, 9, 1])
low = v.topk(2, largest=False)
kth = torch.kthvalue(v, 2)
stable = torch.sort(torch.tensor([1, 0, 1, 0]), stable=True)
result = {
    "s": s, "i": i, "top_v": top.values, "top_i": top.indices, "low": low.values, "low_i": low.indices,
    "argsort": v.argsort(), "argsort_desc": torch.argsort(v, descending=True),
    "kth": [kth.values.item(), kth.indices.item()], "msort": torch.msort(v), "stable": stable.indices,
    "sort0": x.sort(0).values, "topk_dim0": x.topk(1, dim=0)[1], "method": v.sort()[0],
}
