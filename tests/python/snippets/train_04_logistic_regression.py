# Logistic regression with minibatches.
import numpy as np
import torch
from torch import nn
from torch.utils.data import TensorDataset, DataLoader

rng = np.random.RandomState(0)
X = torch.from_numpy(rng.randn(64, 3)).float()
w_true = torch.tensor([1.5, -2.0, 0.5])
y = (X @ w_true > 0).float()
loader = DataLoader(TensorDataset(X, y), batch_size=16)
model = nn.Linear(3, 1)
nn.init.zeros_(model.weight)
nn.init.zeros_(model.bias)
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
epochs = []
for epoch in range(5):
    running = 0.0
    for i, (inputs, labels) in enumerate(loader):
        optimizer.zero_grad()
        outputs = model(inputs).squeeze(1)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running += loss.item() * inputs.size(0)
    epochs.append(running / len(loader.dataset))
with torch.no_grad():
    correct = ((torch.sigmoid(model(X)).squeeze() > 0.5) == y.bool()).sum().item()
result = {"epochs": epochs, "weight": model.weight.detach(), "correct": correct}
