# Validation, early stopping and restoring the best weights.
import copy
import torch
import torch.nn as nn

x = torch.linspace(-1, 1, 30).unsqueeze(1)
y = x ** 2
xt, yt, xv, yv = x[::2], y[::2], x[1::2], y[1::2]
model = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))
with torch.no_grad():
    for i, p in enumerate(model.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) + 1 + i).view_as(p))
opt = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=10, gamma=0.5)
best, best_state, patience = float("inf"), None, 0
vals = []
for epoch in range(40):
    model.train()
    opt.zero_grad()
    loss = ((model(xt) - yt) ** 2).mean()
    loss.backward()
    opt.step()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(xv), yv).item()
    vals.append(val)
    if val < best - 1e-4:
        best, best_state, patience = val, copy.deepcopy(model.state_dict()), 0
    else:
        patience += 1
        if patience >= 3:
            break
model.load_state_dict(best_state)
result = {
    "vals": vals[:10], "best": best, "lr": scheduler.get_last_lr(),
    "restored": abs(nn.functional.mse_loss(model(xv), yv).item() - best) < 1e-7,
}
