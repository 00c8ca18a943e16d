# A physics-informed network: second derivatives by autograd.grad inside the loss; a neural ODE by Euler;
# MAML step.
import torch
import torch.nn as nn

net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
with torch.no_grad():
    for i, p in enumerate(net.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float64) + i).reshape(p.shape))
t = torch.linspace(0, 1, 9, dtype=torch.float64).unsqueeze(1).requires_grad_(True)
opt = torch.optim.Adam(net.parameters(), lr=0.01)
losses = []
for _ in range(4):
    u = net(t)
    du = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    ddu = torch.autograd.grad(du, t, torch.ones_like(du), create_graph=True)[0]
    loss = ((ddu + u) ** 2).mean() + (u[0] - 0) ** 2 + (du[0] - 1) ** 2
    opt.zero_grad()
    loss.sum().backward()
    opt.step()
    losses.append(loss.item())

x = torch.tensor([1.0, 0.0], dtype=torch.float64)
A = torch.nn.Parameter(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64))
for _ in range(10):
    x = x + 0.1 * A @ x
x.pow(2).sum().backward()

w = torch.tensor([1.0, 2.0], requires_grad=True)
inner = ((w * torch.tensor([1.0, -1.0])).sum() - 1) ** 2
g, = torch.autograd.grad(inner, w, create_graph=True)
fast = w - 0.1 * g
outer = (fast ** 2).sum()
outer.backward()
result = {"losses": losses, "A": A.grad, "maml": w.grad, "fast": fast, "x": x}
