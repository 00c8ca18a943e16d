# softmax, log_softmax, logsumexp and stability.
import torch
import torch.nn.functional as F

x = torch.tensor([[1.0, 2.0, 3.0], [1000.0, 1000.0, 999.0]])
p = torch.softmax(x, dim=1)
entropy = -(p * p.log()).sum(1)
result = {
    "p": p, "method": x.softmax(-1), "f": F.softmax(x, dim=0), "log": torch.log_softmax(x, dim=1),
    "flog": F.log_softmax(x, dim=-1), "lse": torch.logsumexp(x, 1), "entropy": entropy, "rows": p.sum(dim=1),
    "dtype": F.softmax(torch.tensor([1.0, 2.0]), dim=0, dtype=torch.float64),
    "masked": torch.tensor([0.0, float("-inf")]).softmax(0), "temp": F.softmax(x[0] / 0.5, dim=0),
    "softmin": F.softmin(x[0], dim=0), "layer": torch.nn.Softmax(dim=1)(x),
}
