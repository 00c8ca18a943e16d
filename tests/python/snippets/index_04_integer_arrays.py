# Indexing with lists and integer tensors.
import torch

x = torch.arange(20).reshape(4, 5)
i = torch.tensor([0, 2, 3])
j = torch.tensor([1, 1, 4])
result = {
    "rows": x[i], "list": x[[3, 0]], "pairs": x[i, j], "lists": x[[0, 1], [2, 3]], "cols": x[:, [0, 2]],
    "neg": x[[-1, -2]], "matrix": x[torch.tensor([[0, 1], [2, 3]])].shape,
    "broadcast": x[i[:, None], torch.tensor([0, 4])],
    "one_int": x[i, 2], "slice_adv": x[1:3, [0, 4]], "repeat": x[[1, 1, 1]].shape,
    "diag": x[torch.arange(4), torch.arange(4)],
}
