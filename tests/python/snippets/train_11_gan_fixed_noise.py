# A GAN's alternating steps with given noise.
import numpy as np
import torch
import torch.nn as nn

rng = np.random.RandomState(2)
noise = torch.tensor(rng.randn(8, 16, 3), dtype=torch.float32)
real = torch.tensor(rng.randn(16, 2) * 0.5 + 2.0, dtype=torch.float32)
G = nn.Sequential(nn.Linear(3, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 2))
D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid())
with torch.no_grad():
    for net in (G, D):
        for i, p in enumerate(net.parameters()):
            p.copy_(torch.cos(torch.arange(p.numel(), dtype=torch.float32) + i).view_as(p) * 0.5)
criterion = nn.BCELoss()
optD = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.999))
optG = torch.optim.Adam(G.parameters(), lr=0.01, betas=(0.5, 0.999))
ones, zeros = torch.full((16, 1), 1.0), torch.full((16, 1), 0.0)
history = []
for i in range(8):
    D.zero_grad()
    errD_real = criterion(D(real), ones)
    errD_real.backward()
    fake = G(noise[i])
    errD_fake = criterion(D(fake.detach()), zeros)
    errD_fake.backward()
    optD.step()
    G.zero_grad()
    errG = criterion(D(fake), ones)
    errG.backward()
    optG.step()
    history.append([(errD_real + errD_fake).item(), errG.item()])
result = {"history": history, "fake": fake.detach()[:3]}
