# Two moons with a multilayer perceptron.
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

t = torch.linspace(0, math.pi, 40)
a = torch.stack([torch.cos(t), torch.sin(t)], dim=1)
b = torch.stack([1 - torch.cos(t), 0.5 - torch.sin(t)], dim=1)
X = torch.cat([a, b])
y = torch.cat([torch.zeros(40), torch.ones(40)]).long()
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
with torch.no_grad():
    for i, p in enumerate(model.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 1.3 + i).view_as(p) * 0.6)
opt = torch.optim.Adam(model.parameters(), lr=0.02)
losses = []
for epoch in range(60):
    logits = model(X)
    loss = F.cross_entropy(logits, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses.append(loss.item())
with torch.no_grad():
    acc = (model(X).argmax(1) == y).float().mean().item()
result = {"first": losses[:5], "improved": losses[-1] < 0.2 * losses[0], "acc_ok": acc > 0.95}
