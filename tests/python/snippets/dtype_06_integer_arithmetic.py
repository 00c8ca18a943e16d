# Integer division, remainders, powers and shifts follow Python's signs.
import torch

a = torch.tensor([7, -7, 7, -7])
b = torch.tensor([2, 2, -2, -2])
result = {
    "floor": a // b, "true": a / b, "mod": a % b, "fmod": torch.fmod(a, b),
    "remainder": torch.remainder(a, b),
    "trunc": torch.div(a, b, rounding_mode="trunc"), "floor_mode": torch.div(a, b, rounding_mode="floor"),
    "pow": a ** 2, "pow_neg_base": (-2) ** torch.tensor([0, 1, 2, 3]),
    "rpow": 2 ** torch.arange(5), "shift": torch.tensor([1, 2, 3]) << 2, "rshift": torch.tensor([16, 8]) >> 2,
    "neg": -a, "abs": abs(a),
    "float_floor": torch.tensor([7.5, -7.5]) // 2, "float_mod": torch.tensor([5.5, -5.5]) % 2, "rsub": 10 - a,
    "rdiv": 1 / torch.tensor([2, 4]), "gcd": torch.gcd(torch.tensor([12, 18]), torch.tensor([8, 27])),
    "lcm": torch.lcm(torch.tensor([4, 6]), torch.tensor([6, 8])),
}
