# Comparisons, also by name.
import torch

a = torch.tensor([1.0, 2.0, 3.0])
b = torch.tensor([3.0, 2.0, 1.0])
result = {
    "eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b, "f_eq": torch.eq(a, b),
    "m_gt": a.gt(2), "scalar": a > 1.5, "rscalar": 2 >= a, "equal": torch.equal(a, b),
    "equal_same": a.equal(a.clone()), "isclose": torch.isclose(a, a + 1e-7),
    "allclose": torch.allclose(a, a + 1e-9), "atol": torch.allclose(a, b, atol=3),
    "mixed": torch.tensor([1, 2]) == torch.tensor([1.0, 2.5]), "broadcast": a[:, None] > b[None, :],
    "less": torch.less(a, b), "logical": (a > 1) & (b > 1) | (a == 1),
}
