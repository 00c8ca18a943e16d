# split, chunk, unbind and friends.
import torch

x = torch.arange(10).reshape(5, 2)
result = {
    "split": [t.tolist() for t in torch.split(x, 2)], "sections": [t.tolist() for t in x.split([1, 4])],
    "chunk": [list(t.shape) for t in torch.chunk(x, 3)], "chunk1": [t.tolist() for t in x.chunk(2, dim=1)],
    "unbind": [t.tolist() for t in torch.unbind(x, dim=1)],
    "tensor_split": [t.tolist() for t in torch.tensor_split(torch.arange(7), 3)],
    "tsplit_idx": [t.tolist() for t in torch.arange(7).tensor_split((1, 3))],
    "hsplit": [list(t.shape) for t in torch.hsplit(torch.zeros(2, 4), 2)],
    "vsplit": len(torch.vsplit(torch.zeros(4, 2), 2)),
    "qkv": [list(t.shape) for t in torch.zeros(2, 5, 12).chunk(3, dim=-1)],
}
