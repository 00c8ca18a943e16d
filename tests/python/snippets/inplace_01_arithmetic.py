# In-place twins return the tensor itself.
import torch

x = torch.tensor([1.0, 4.0, 9.0])
y = x.add_(1)
same = y is x
x.mul_(2).sub_(4)
a = x.clone()
x.sqrt_()
x[0].fill_(5)
z = torch.zeros(3)
z.copy_(torch.tensor([1, 2, 3]))
z += z
z /= 2
z **= 2
w = torch.tensor([7, 8, 9])
w //= 2
w %= 3
c = torch.tensor([-2.0, 0.5, 3.0])
c.clamp_(-1, 1)
n = torch.tensor([-1.5, 2.5])
n.abs_().neg_()
result = {
    "same": same, "a": a, "x": x, "z": z, "w": w, "c": c, "n": n, "zero": torch.ones(2).zero_(),
    "addcmul": torch.ones(2).addcmul_(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), value=0.5),
    "version": x._version > 0,
}
