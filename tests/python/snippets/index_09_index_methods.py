# index_select, index_add, index_copy, index_fill, index_put, take.
import torch

x = torch.arange(9.0).view(3, 3)
idx = torch.tensor([0, 2])
result = {
    "select0": torch.index_select(x, 0, idx), "select1": x.index_select(1, idx),
    "add": torch.zeros(3, 2).index_add_(0, torch.tensor([0, 1, 0]), torch.ones(3, 2)),
    "add_alpha": x.index_add(0, idx, torch.ones(2, 3), alpha=-1),
    "copy": torch.zeros(3, 3).index_copy_(0, idx, torch.ones(2, 3)), "fill": x.index_fill(1, idx, -1),
    "put": torch.zeros(2, 2).index_put_(
        (torch.tensor([0, 1]), torch.tensor([1, 0])), torch.tensor([5.0, 6.0])),
    "put_acc": torch.zeros(3).index_put_((torch.tensor([0, 0, 2]),), torch.tensor(1.0), accumulate=True),
    "take": torch.take(x, torch.tensor([0, 4, 8])), "masked_fill": x.masked_fill(x > 5, 0.0),
    "masked_scatter": torch.zeros(2, 2).masked_scatter(
        torch.tensor([[True, False], [False, True]]), torch.tensor([1.0, 2.0, 3.0])),
    "narrow": x.narrow(0, 1, 2), "select": x.select(1, 0),
}
