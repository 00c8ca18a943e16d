# Saving and loading in the usual ways, with partial loading, renamed keys, strict=False, buffers,
# map_location, weights_only.
import io
import os
import tempfile

import torch
import torch.nn as nn

net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
with torch.no_grad():
    for i, p in enumerate(net.parameters()):
        p.fill_(i + 0.5)
opt = torch.optim.Adam(net.parameters(), lr=0.01)
net(torch.tensor([[1.0, 2.0], [3.0, -1.0]])).sum().backward()
opt.step()
folder = tempfile.mkdtemp()
path = os.path.join(folder, "ckpt.pt")
torch.save({"epoch": 3, "model": net.state_dict(), "optim": opt.state_dict(), "best": 0.25, "history": [1, 2.5, None], "name": "run"}, path)
ck = torch.load(path, map_location="cpu", weights_only=True)
twin = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
answer = twin.load_state_dict(ck["model"])
opt2 = torch.optim.Adam(twin.parameters(), lr=0.5)
opt2.load_state_dict(ck["optim"])
buf = io.BytesIO()
torch.save(torch.arange(4), buf)
buf.seek(0)
part = {k: v for k, v in net.state_dict().items() if k.startswith("0.")}
missing = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)).load_state_dict(part, strict=False)
renamed = {k.replace("module.", ""): v for k, v in {"module." + k: v for k, v in net.state_dict().items()}.items()}
twin.load_state_dict(renamed)
own = twin.state_dict()
own.update({"2.bias": torch.tensor([42.0])})
twin.load_state_dict(own)
a, b = torch.ones(2), torch.zeros(3)
torch.save([a, (b, "text")], path)
back = torch.load(path)
result = {
    "epoch": ck["epoch"], "history": ck["history"], "answer": str(answer), "lr": opt2.param_groups[0]["lr"],
    "step": opt2.state_dict()["state"][0]["step"], "avg": opt2.state_dict()["state"][0]["exp_avg"],
    "buf": torch.load(buf), "missing": sorted(missing.missing_keys), "unexpected": missing.unexpected_keys,
          "bias": twin[2].bias, "back": [back[0], back[1][0], back[1][1]], "keys": list(ck["model"]), "tracked": ck["model"]["1.num_batches_tracked"], "requires": [v.requires_grad for v in ck["model"].values()], "file": os.path.exists(path)}
