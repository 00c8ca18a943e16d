# Dropout scales in training and does nothing in evaluation.
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
x = torch.ones(1000)
drop = nn.Dropout(p=0.25)
y = drop(x)
values = sorted(set(round(v, 4) for v in y.tolist()))
drop.eval()
model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.1)))
model.eval()
flags = [m.training for m in model.modules()]
model.train()
v = torch.ones(100, requires_grad=True)
out = F.dropout(v, 0.5, training=True)
out.sum().backward()
ch = nn.Dropout2d(0.5)(torch.ones(4, 8, 3, 3))
result = {
    "values": values, "kept": 650 < int((y > 0).sum()) < 850, "eval": torch.equal(drop(x), x), "flags": flags,
    "train": all(m.training for m in model.modules()),
    "f_off": torch.equal(F.dropout(x, 0.9, training=False), x),
    "grad_matches": torch.equal(v.grad, out.detach()),
    "channels": bool(((ch == 0).all(dim=(2, 3)) | (ch == 2).all(dim=(2, 3))).all()),
    "p0": torch.equal(nn.Dropout(0.0)(x), x), "p1": F.dropout(x, 1.0).sum().item(),
}
