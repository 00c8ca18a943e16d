# Functions of two tensors.
import torch

a = torch.tensor([1.0, 2.0, 3.0])
b = torch.tensor([2.0, 0.5, -1.0])
result = {
    "add": torch.add(a, b, alpha=2), "sub": torch.sub(a, b, alpha=0.5), "mul": torch.mul(a, b),
    "div": torch.div(a, b), "pow": torch.pow(a, b), "pow_s": torch.pow(2, a), "atan2": torch.atan2(a, b),
    "hypot": torch.hypot(a, b), "logaddexp": torch.logaddexp(a, b), "lerp": torch.lerp(a, b, 0.25),
    "lerp_t": torch.lerp(a, b, torch.tensor([0.0, 0.5, 1.0])), "addcmul": torch.addcmul(a, a, b, value=2),
    "addcdiv": torch.addcdiv(a, a, b, value=0.1),
    "fmod": torch.fmod(a, 2), "remainder": torch.remainder(b, 2), "copysign": torch.copysign(a, b),
    "heaviside": torch.heaviside(b, torch.tensor(0.5)),
    "xlogy": torch.xlogy(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0])),
    "float_power": torch.float_power(a, 2), "true_divide": torch.true_divide(torch.tensor([1, 2]), 4),
    "maximum": torch.maximum(a, b), "rpow": 2.0 ** a, "rsub": 1 - a, "rtruediv": 1 / a, "neg_exp": a ** -1,
}
