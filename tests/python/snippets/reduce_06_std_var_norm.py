# Spread and norms.
import torch

x = torch.tensor([[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 8.0, -4.0]])
s, m = torch.std_mean(x, dim=1)
v, _ = torch.var_mean(x)
result = {
    "std": x.std(), "std1": x.std(dim=1), "biased": x.std(dim=1, unbiased=False), "var": torch.var(x, 1),
    "correction": torch.var(x, dim=1, correction=0), "keep": x.var(0, keepdim=True), "s": s, "m": m, "v": v,
    "norm": x.norm(), "norm1": x.norm(p=1, dim=1), "norm2": torch.norm(x, dim=0),
    "inf": x.norm(p=float("inf")), "fro": torch.norm(x, p="fro"),
    "vector_norm": torch.linalg.vector_norm(x, dim=1), "dist": torch.dist(x[0], x[1]),
    "logsumexp": torch.logsumexp(x, dim=1),
    "standardised": (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True), "cov": torch.cov(x),
    "corrcoef": torch.corrcoef(x), "renorm": torch.renorm(x, 2, 0, 3.0),
}
