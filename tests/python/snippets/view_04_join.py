# cat, stack and friends.
import torch

a = torch.tensor([[1, 2], [3, 4]])
b = torch.tensor([[5, 6]])
v = torch.tensor([1, 2, 3])
result = {
    "cat": torch.cat((a, b), dim=0), "cat1": torch.cat([a, b.T], dim=1),
    "axis": torch.cat([a, a], axis=-1).shape, "stack": torch.stack([v, v + 1]),
    "stack1": torch.stack((v, v), dim=1), "hstack": torch.hstack((v, v)), "vstack": torch.vstack((v, v)),
    "dstack": torch.dstack((v, v)).shape, "promote": torch.cat([a, torch.tensor([[0.5, 0.5]])]),
    "concat": torch.concat([v, v]), "column": torch.column_stack((v, v)),
    "empty": torch.cat([torch.tensor([]), torch.tensor([1.0])]), "neg": torch.stack([a, a], dim=-1).shape,
}
