# Integer tricks, bit operations, modular arithmetic, primes, game of life, matrix powers, cumulative
# statistics.
import torch
import torch.nn.functional as F

n = torch.arange(2, 30)
primes = n[(n[:, None] % n[None, :] == 0).sum(1) == 1]
bits = (torch.tensor([5, 10, 255])[:, None] >> torch.arange(7, -1, -1)) & 1
back = (bits * 2 ** torch.arange(7, -1, -1)).sum(1)
fib = torch.linalg.matrix_power(torch.tensor([[1, 1], [1, 0]]).double(), 10)
board = torch.zeros(5, 5)
board[2, 1:4] = 1
kernel = torch.tensor([[1.0, 1, 1], [1, 0, 1], [1, 1, 1]]).view(1, 1, 3, 3)
neighbours = F.conv2d(board.view(1, 1, 5, 5), kernel, padding=1).squeeze()
alive = ((board == 1) & ((neighbours == 2) | (neighbours == 3))) | ((board == 0) & (neighbours == 3))
a = torch.tensor([7, -7, 7, -7])
b = torch.tensor([3, 3, -3, -3])
x = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0])
running_mean = x.cumsum(0) / torch.arange(1, 6)
conf = torch.zeros(3, 3, dtype=torch.int64)
t, p = torch.tensor([0, 1, 2, 2, 1]), torch.tensor([0, 2, 2, 1, 1])
conf.index_put_((t, p), torch.ones(5, dtype=torch.int64), accumulate=True)
result = {
    "primes": primes, "bits": bits, "back": back, "fib": fib, "alive": alive.int(), "mod": a % b,
    "fmod": torch.fmod(a, b), "floor": a // b,
    "trunc": torch.div(a, b, rounding_mode="trunc"), "remainder": torch.remainder(a, b), "true": a / b,
    "divmod": divmod(7, 2), "mean": running_mean,
    "cummax": torch.cummax(x, 0), "cummin": x.cummin(0).indices, "conf": conf,
    "bincount": torch.bincount(t, minlength=5), "conf2": torch.bincount(t * 3 + p, minlength=9).view(3, 3),
    "xor": torch.tensor([1, 2]) ^ 3, "inv": ~torch.tensor([0, 1, -1]),
    "bool_inv": ~torch.tensor([True, False]), "shift": torch.tensor([1, 2]) << 3,
    "gcd": torch.gcd(torch.tensor([12, 18]), torch.tensor([8, 27])),
    "lcm": torch.lcm(torch.tensor([4]), torch.tensor([6])), "sign": torch.sign(a),
    "signbit": torch.signbit(x - 3),
    "popcount": bits.sum(1), "clip": a.clip(-5, 5), "heaviside": torch.heaviside(x - 3, torch.tensor(0.5)),
    "frac": torch.frac(x / 2), "pow": 2 ** torch.arange(5), "ipow": torch.arange(5) ** 2,
    "neg_pow": torch.tensor([2.0]) ** -1, "rpow": 2.5 ** torch.tensor([1, 2]),
    "rdiv": 1 / torch.tensor([2, 4]), "rfloor": 7 // torch.tensor([2, 4]), "rmod": 7 % torch.tensor([2, 4]),
    "argmin": x.argmin(),
}
