# Missing, unexpected and mis-shaped keys.
import torch
import torch.nn as nn

model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
state = model.state_dict()
partial = {k: v for k, v in state.items() if k.startswith("0.")}
partial["extra"] = torch.zeros(1)
try:
    model.load_state_dict(partial)
    strict = None
except RuntimeError as e:
    strict = ["Missing key" in str(e), "Unexpected key" in str(e), "1.weight" in str(e)]
res = model.load_state_dict(partial, strict=False)
try:
    model.load_state_dict({**state, "0.weight": torch.zeros(5, 5)})
    shape = None
except RuntimeError as e:
    shape = "size mismatch" in str(e)
new = {k: torch.full_like(v, 0.5) for k, v in state.items()}
model.load_state_dict(new)
alias = model.state_dict()["0.weight"]
with torch.no_grad():
    model[0].weight[0, 0] = 9.0
result = {
    "strict": strict, "missing": res.missing_keys, "unexpected": res.unexpected_keys, "shape": shape,
    "out": model(torch.ones(1, 2)).detach(), "alias": alias[0, 0].item(), "no_grad": alias.requires_grad,
    "values": list(state.keys()),
}
