# Random initialisers: only their distributions are compared.
import math
import torch
import torch.nn as nn

torch.manual_seed(0)


def close(a, b, tol=0.05):
    return abs(a - b) <= tol * max(abs(b), 1e-3)


def bound(t):
    return t.abs().max().item()


n, m = 300, 200
xu = nn.init.xavier_uniform_(torch.empty(n, m))
xn = nn.init.xavier_normal_(torch.empty(n, m), gain=2.0)
ku = nn.init.kaiming_uniform_(torch.empty(n, m), nonlinearity="relu")
kn = nn.init.kaiming_normal_(torch.empty(n, m), mode="fan_out", nonlinearity="relu")
un = nn.init.uniform_(torch.empty(n, m), -0.2, 0.6)
no = nn.init.normal_(torch.empty(n, m), mean=1.0, std=0.5)
tr = nn.init.trunc_normal_(torch.empty(n, m), std=1.0, a=-1.0, b=1.0)
orth = nn.init.orthogonal_(torch.empty(5, 5))
sp = nn.init.sparse_(torch.empty(10, 4), sparsity=0.3)
result = {
    "xu": close(bound(xu), math.sqrt(6 / (n + m))), "xn": close(xn.std().item(), 2 * math.sqrt(2 / (n + m))),
    "ku": close(bound(ku), math.sqrt(6 / m)), "kn": close(kn.std().item(), math.sqrt(2 / n)),
    "un": [close(un.mean().item(), 0.2), un.min().item() >= -0.2, un.max().item() <= 0.6],
    "no": [close(no.mean().item(), 1.0), close(no.std().item(), 0.5)], "tr": bound(tr) <= 1.0,
    "orth": torch.allclose(orth @ orth.T, torch.eye(5), atol=1e-5), "sparse": (sp == 0).sum(0),
}
