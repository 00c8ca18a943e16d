# Random tensors: only what does not depend on the generator's numbers is kept.
import torch

torch.manual_seed(0)
a = torch.rand(3, 4)
torch.manual_seed(0)
b = torch.rand(3, 4)
c = torch.randn((1000,))
d = torch.randint(0, 10, (50,))
e = torch.randint(5, size=(2, 2))
p = torch.randperm(8)
n = torch.normal(mean=2.0, std=0.5, size=(2000,))
r = torch.randn_like(a)
u = torch.rand_like(torch.zeros(4, dtype=torch.float64))

result = {
    "repeatable": torch.equal(a, b),
    "in_range": bool(((a >= 0) & (a < 1)).all()),
    "mean_near_zero": abs(c.mean().item()) < 0.2,
    "std_near_one": abs(c.std().item() - 1) < 0.15,
    "ints": str(d.dtype), "ints_ok": bool((d >= 0).all() and (d < 10).all()),
    "e_shape": list(e.shape), "e_ok": e.max().item() < 5,
    "perm_sorted": p.sort().values, "normal_mean": round(n.mean().item(), 0),
    "like": [list(r.shape), str(u.dtype)],
    "different": not torch.equal(torch.rand(5), torch.rand(5)),
}
