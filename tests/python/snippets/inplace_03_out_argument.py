# The out= argument and broadcasting into a tensor.
import torch

a = torch.tensor([1.0, 2.0])
out = torch.empty(2)
torch.add(a, 10, out=out)
first = out.clone()
torch.mul(a, a, out=out)
m = torch.empty(2, 2)
torch.matmul(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), out=m)
acc = torch.zeros(2, 3)
acc += torch.tensor([1.0, 2.0, 3.0])
acc[1] -= 1
result = {"first": first, "out": out, "m": m, "acc": acc}
