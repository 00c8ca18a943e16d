# torch.testing and assertion helpers.
import torch

caught = {}
torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
try:
    torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([2.0]))
except AssertionError:
    caught["value"] = "AssertionError"
try:
    torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64))
except AssertionError:
    caught["dtype"] = "AssertionError"
torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.1]), rtol=0.2, atol=0.0)
result = caught
