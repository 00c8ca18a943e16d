# torch.Size behaves as a tuple.
import torch

x = torch.zeros(2, 3, 4)
s = x.shape
b, *rest = s
y = torch.ones(s)
result = {
    "size": x.size(), "size1": x.size(1), "neg": x.size(-1), "repr": repr(s), "eq_tuple": s == (2, 3, 4),
    "numel": s.numel(),
    "len": len(s), "slice": s[1:], "b": b, "rest": rest, "sum_shape": y.shape == x.shape, "n": x.numel(),
    "nel": x.nelement(),
    "dim": x.dim(), "joined": list(s[:1] + (5,)), "istuple": isinstance(s, tuple), "elem": x.element_size(),
    "bytes": x.nbytes,
}
