# Assignment through indices.
import torch

x = torch.zeros(3, 4)
x[0] = 1
x[:, 1] = torch.tensor([5.0, 6.0, 7.0])
x[1, 2:] = torch.tensor([8.0, 9.0])
x[-1, -1] = -1.5
x[2, :2] += 10
y = torch.zeros(2, 2, dtype=torch.long)
y[0, 0] = 3.9
z = torch.zeros(2, 3)
z[...] = 4
z[:, ::2] = z[:, ::2] * 2
w = torch.arange(5)
w[[0, 4]] = torch.tensor([100, 200])
w[1:3] = 0
v = torch.zeros(2, 3)
v[0] = torch.tensor([1, 2, 3])
v[1] = 2 * v[0]
result = {"x": x, "y": y, "z": z, "w": w, "v": v}
