# An LSTM that predicts the next value of a sine wave.
import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.out(h[:, -1])


wave = torch.sin(torch.arange(40.0) * 0.4)
windows = wave.unfold(0, 9, 1)
X, y = windows[:, :-1].unsqueeze(-1), windows[:, -1:]
model = Model()
with torch.no_grad():
    for i, p in enumerate(model.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 0.6 + i).view_as(p) * 0.3)
opt = torch.optim.Adam(model.parameters(), lr=0.03)
losses = []
for _ in range(25):
    opt.zero_grad()
    loss = nn.functional.mse_loss(model(X), y)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    losses.append(loss.item())
result = {"first": losses[:5], "drop": losses[-1] < 0.3 * losses[0], "X": X.shape}
