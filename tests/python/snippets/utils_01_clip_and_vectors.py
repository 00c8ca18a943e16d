# Gradient clipping and flat parameter vectors.
import torch
import torch.nn as nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters

model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
with torch.no_grad():
    for p in model.parameters():
        p.fill_(0.5)
(model(torch.tensor([[3.0, 4.0]])) * 10).sum().backward()
before = [p.grad.clone() for p in model.parameters()]
norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
after = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
clipped = [p.grad.clone() for p in model.parameters()]
clip_grad_value_(model.parameters(), 0.1)
vec = parameters_to_vector(model.parameters())
vector_to_parameters(torch.arange(float(vec.numel())), model.parameters())
inf = clip_grad_norm_(model.parameters(), 5.0, norm_type=float("inf"))
result = {
    "before": before, "norm": norm, "after": after, "clipped": clipped,
    "value": [p.grad.clone() for p in model.parameters()], "vec": vec.detach(),
    "set": model[0].weight.detach(), "inf": inf,
}
