# An autoencoder on low-rank data.
import torch
from torch import nn

u = torch.sin(torch.arange(20.0)).unsqueeze(1)
v = torch.cos(torch.arange(20.0) * 0.5).unsqueeze(1)
data = torch.cat([u, v, u + v, u - v, 2 * u, 0.5 * v], dim=1)


class AE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 6))

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), z


model = AE()
with torch.no_grad():
    for i, p in enumerate(model.parameters()):
        p.copy_(torch.cos(torch.arange(p.numel(), dtype=torch.float32) * 1.1 + i).view_as(p) * 0.5)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-5)
losses = []
for epoch in range(40):
    recon, z = model(data)
    loss = nn.MSELoss()(recon, data)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
result = {"first": losses[:5], "drop": losses[-1] < losses[0], "z": z.shape}
