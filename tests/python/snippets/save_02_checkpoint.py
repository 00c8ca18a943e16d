# A training checkpoint with model, optimizer and metadata.
import os
import tempfile
import torch
import torch.nn as nn


def step(model, opt):
    opt.zero_grad()
    loss = model(torch.ones(4, 2)).pow(2).mean()
    loss.backward()
    opt.step()
    return loss.item()


model = nn.Linear(2, 2)
with torch.no_grad():
    model.weight.copy_(torch.tensor([[1.0, 0.5], [-0.5, 2.0]]))
    model.bias.fill_(0.1)
opt = torch.optim.Adam(model.parameters(), lr=0.05)
losses = [step(model, opt) for _ in range(3)]
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "checkpoint.pt")
    torch.save({
        "epoch": 3,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": opt.state_dict(),
        "loss": losses[-1],
        "history": losses,
        "name": "run",
        "best": None,
    }, path)
    exists = os.path.exists(path)
    ckpt = torch.load(path, map_location="cpu", weights_only=True)
continued = [step(model, opt) for _ in range(2)]
model2 = nn.Linear(2, 2)
opt2 = torch.optim.Adam(model2.parameters(), lr=0.9)
model2.load_state_dict(ckpt["model_state_dict"])
opt2.load_state_dict(ckpt["optimizer_state_dict"])
resumed = [step(model2, opt2) for _ in range(2)]
result = {
    "losses": losses, "continued": continued, "resumed": resumed, "epoch": ckpt["epoch"],
    "lr": opt2.param_groups[0]["lr"], "name": ckpt["name"], "best": ckpt["best"], "history": ckpt["history"],
    "exists": exists,
}
