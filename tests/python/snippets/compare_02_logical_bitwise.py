# Logical and bitwise operators.
import torch

p = torch.tensor([True, True, False, False])
q = torch.tensor([True, False, True, False])
i = torch.tensor([12, 10], dtype=torch.int32)
result = {
    "and": p & q, "or": p | q, "xor": p ^ q, "not": ~p, "l_and": torch.logical_and(p, q),
    "l_or": torch.logical_or(torch.tensor([0, 1]), torch.tensor([0, 0])),
    "l_not": torch.logical_not(torch.tensor([0.0, 2.0])), "l_xor": p.logical_xor(q), "b_and": i & 6,
    "b_or": torch.bitwise_or(i, torch.tensor([1, 1], dtype=torch.int32)), "b_not": ~i, "b_xor": i ^ 15,
    "method": i.bitwise_and(4), "shift": torch.bitwise_left_shift(i, 1),
}
