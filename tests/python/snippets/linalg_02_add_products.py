# addmm, addmv, addr, baddbmm, addbmm.
import torch

m = torch.ones(2, 2)
a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
v = torch.tensor([1.0, -1.0])
b3 = torch.arange(8.0).view(2, 2, 2)
result = {
    "addmm": torch.addmm(m, a, a), "beta": torch.addmm(m, a, a, beta=0.5, alpha=2),
    "bias": torch.addmm(v, a, a), "method": m.addmm(a, a), "addmv": torch.addmv(v, a, v),
    "addr": torch.addr(m, v, v), "baddbmm": torch.baddbmm(torch.ones(2, 2, 2), b3, b3, alpha=0.1),
    "addbmm": torch.addbmm(m, b3, b3), "chain": torch.linalg.multi_dot([a, a, v]),
    "chain_matmul": torch.chain_matmul(a, a, a), "ger": torch.ger(v, v),
}
