# The classic training script: Dataset, loaders, train and evaluate functions, scheduler, best checkpoint,
# metrics.
import io

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset


class Spirals(Dataset):
    def __init__(self, n=60):
        t = torch.linspace(0, 3, n // 2)
        arms = [torch.stack([t * torch.cos(t * 2 + k * 3.14159), t * torch.sin(t * 2 + k * 3.14159)], 1) for k in range(2)]
        self.x = torch.cat(arms)
        self.y = torch.arange(2).repeat_interleave(n // 2)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 2)
        self.bn = nn.BatchNorm1d(16)
        self.dropout = nn.Dropout(0.0)

    def forward(self, x):
        x = F.relu(self.bn(self.fc1(x)))
        x = self.dropout(F.relu(self.fc2(x)))
        return F.log_softmax(self.fc3(x), dim=1)


def train(model, loader, optimizer):
    model.train()
    total = 0.0
    for data, target in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        total += loss.item() * data.size(0)
    return total / len(loader.dataset)


def test(model, loader):
    model.eval()
    loss, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    return loss / len(loader.dataset), correct / len(loader.dataset)


device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
model = Net().to(device)
with torch.no_grad():
    for i, p in enumerate(model.parameters()):
        if p.dim() > 1:
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 2.1 + i).view_as(p) * 0.6)
        elif i % 2 == 1 and p.numel() != 16:
            p.zero_()
    model.fc1.bias.zero_(), model.fc2.bias.zero_(), model.fc3.bias.zero_()
data = Spirals()
train_loader, test_loader = DataLoader(data, batch_size=16), DataLoader(data, batch_size=64)
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
history, best, buffer = [], float("inf"), io.BytesIO()
for epoch in range(1, 6):
    train_loss = train(model, train_loader, optimizer)
    val_loss, acc = test(model, test_loader)
    scheduler.step()
    history.append((train_loss, val_loss))
    if val_loss < best:
        best = val_loss
        buffer = io.BytesIO()
        torch.save({"model_state_dict": model.state_dict(), "epoch": epoch}, buffer)
buffer.seek(0)
checkpoint = torch.load(buffer)
model.load_state_dict(checkpoint["model_state_dict"])
result = {
    "history": history, "best": best, "epoch": checkpoint["epoch"], "lr": scheduler.get_last_lr(),
    "again": test(model, test_loader)[0]
}
