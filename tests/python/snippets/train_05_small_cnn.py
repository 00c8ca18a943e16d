# A small CNN on synthetic stripes.
import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(8 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 2)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        return self.fc2(x)


base = torch.arange(8.0)
rows = torch.stack([torch.sin(base * (0.5 + 0.25 * k)).view(8, 1).expand(8, 8) for k in range(8)])
images = torch.cat([rows, rows.transpose(1, 2)]).unsqueeze(1)
labels = torch.tensor([0] * 8 + [1] * 8)
net = Net()
with torch.no_grad():
    for i, p in enumerate(net.parameters()):
        scale = 0.5 if p.dim() > 1 else 0.05
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 0.9 + i).view_as(p) * scale)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
losses = []
for epoch in range(12):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(net(images), labels)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
_, predicted = torch.max(net(images), 1)
result = {
    "first": losses[:4], "drop": losses[-1] < losses[0], "shape": predicted.shape,
    "params": sum(p.numel() for p in net.parameters()),
}
