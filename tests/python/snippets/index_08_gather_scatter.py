# gather, scatter and scatter_add.
import torch

src = torch.arange(1, 11).reshape(2, 5)
index = torch.tensor([[0, 1, 2, 0]])
out = torch.zeros(3, 5, dtype=src.dtype).scatter_(0, index, src)
t = torch.tensor([[1, 2], [3, 4]])
onehot = torch.zeros(3, 4).scatter_(1, torch.tensor([[1], [3], [0]]), 1.0)
add = torch.ones(3, 5).scatter_add(0, torch.tensor([[0, 1, 2, 0, 0], [2, 0, 0, 1, 2]]), torch.ones(2, 5))
red = torch.tensor(
    [1.0, 2.0, 3.0, 4.0]).scatter_reduce(0, torch.tensor([0, 0, 1, 3]),
    torch.tensor([10.0, 20.0, 30.0, 40.0]), reduce="sum",
)
amax = torch.zeros(
    2).scatter_reduce(0, torch.tensor([0, 1, 0]), torch.tensor([3.0, -2.0, 5.0]), reduce="amax",
    include_self=False,
)
result = {
    "scatter": out, "gather": torch.gather(t, 1, torch.tensor([[0, 0], [1, 0]])),
    "gather0": t.gather(0, torch.tensor([[1, 0]])), "onehot": onehot, "add": add, "red": red, "amax": amax,
    "value": torch.zeros(2, 3).scatter(1, torch.tensor([[2], [0]]), 5.0),
    "along": torch.take_along_dim(t, torch.tensor([[1], [0]]), dim=1),
    "reduce_mul": torch.full((2, 2), 2.0).scatter_(1, torch.tensor([[0], [1]]), 3.0, reduce="multiply"),
}
