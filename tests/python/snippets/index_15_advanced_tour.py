# Indexing and assignment in many forms.
import torch

x = torch.arange(60).reshape(3, 4, 5)
i, j = torch.tensor([0, 2]), torch.tensor([[1], [3]])
w = x.clone().float()
w[1, ..., 2] = -1
w[:, [0, 3], 1:3] = 0.5
w[w > 50] = 99
w[i] += 1000
w[0, 1] = torch.tensor([1.0, 2, 3, 4, 5])
v = torch.zeros(4, 4)
v[range(4), range(4)] = 1
v[1::2, ::2] = torch.tensor([[7.0], [8.0]])
v[None, 0, 1] = 3
v[..., -1] *= 2
v[[True, False, False, True]] += 0.25
m = torch.tensor([[True, False, True, True], [False] * 4, [True] * 4])
e = torch.arange(5)
e[e % 2 == 0] = torch.tensor([10, 20, 30])
s = torch.arange(10)
s[2:8:3] = 0
s[-3:] = s[:3].clone()
result = {
    "pair": x[i, :, j], "mixed": x[:, i, 1:3], "ellipsis": x[..., 0], "none": x[:, None, 1, None].shape,
    "bool": x[m], "bool_mid": x[:, torch.tensor([True, False, True, False])], "neg": x[-1, -2, -3],
    "list": x[[0, 1], [1, 2]],
    "step": x[::2, ::3, ::-1 if False else 2], "outer": x[i[:, None], torch.tensor([0, 3])],
    "tuple": x[(1, slice(None), 2)], "zero": x[0:0].shape, "item": x[1, 2, 3].item(), "w": w, "v": v,
    "e": e, "s": s, "scalar_bool": x[torch.tensor(True)].shape,
    "take": x.take(torch.tensor([0, 59, 7])), "select": x.index_select(1, torch.tensor([3, 0])),
    "tad": torch.take_along_dim(x, x.argsort(2, descending=True)[..., :2], 2),
    "masked": x.masked_select(x % 7 == 0), "nonzero": (x[0] % 6 == 0).nonzero(),
    "tupled": (x[0] % 6 == 0).nonzero(as_tuple=True),
    "where1": torch.where(x[0, 0] > 2), "narrow": x.narrow(2, 1, 2)[0],
    "unravel": torch.unravel_index(torch.tensor([7, 59]), (3, 4, 5)),
    "split": [t.shape for t in x.split([1, 3], 1)], "chunk": [t.shape for t in x.chunk(2, 2)],
    "unbind": len(x.unbind(2)), "tensor_split": [t.tolist() for t in torch.arange(7).tensor_split(3)],
    "put": torch.zeros(5).put_(torch.tensor([1, 3]), torch.tensor([9.0, 8.0])),
    "fill": torch.zeros(3, 3).index_fill_(1, torch.tensor([0, 2]), 5.0),
    "copy": torch.zeros(3, 2).index_copy_(0, torch.tensor([2, 0]), torch.ones(2, 2) * torch.tensor([[1.0], [2.0]])),
    "scatter": torch.zeros(2, 4).scatter_(1, torch.tensor([[0, 2], [1, 3]]), 1.0),
    "scatter_red": torch.ones(3).scatter_(0, torch.tensor([0, 0, 2]), torch.tensor([2.0, 3.0, 4.0]), reduce="multiply"),
    "contains": 5 in torch.arange(6), "iter": [int(r.sum()) for r in x], "len": len(x),
    "as_index": [10, 20, 30][torch.tensor(1)], "range_idx": x[0, range(2)],
    "np_idx": x[0][torch.arange(4) != 2],
}
