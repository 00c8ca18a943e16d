# Pointwise functions.
import torch

x = torch.tensor([0.1, 0.5, 0.9])
y = torch.tensor([-1.7, -0.5, 0.5, 1.5, 2.5])
result = {
    "exp": x.exp(), "log": torch.log(x), "log2": x.log2(), "log10": x.log10(), "log1p": torch.log1p(x),
    "expm1": x.expm1(), "sqrt": x.sqrt(), "rsqrt": x.rsqrt(), "sin": x.sin(), "cos": torch.cos(x),
    "tan": x.tan(), "asin": x.asin(), "acos": x.acos(), "atan": x.atan(), "sinh": x.sinh(), "cosh": x.cosh(),
    "tanh": x.tanh(), "sigmoid": x.sigmoid(), "erf": x.erf(), "reciprocal": x.reciprocal(),
    "square": x.square(), "exp2": torch.exp2(x),
    "floor": y.floor(), "ceil": y.ceil(), "round": y.round(), "trunc": y.trunc(), "frac": y.frac(),
    "sign": y.sign(), "abs": y.abs(), "neg": torch.neg(y),
    "decimals": torch.round(torch.tensor([1.2345, 2.5555]), decimals=2), "logit": torch.logit(x),
    "deg": torch.rad2deg(torch.tensor([torch.pi])), "sinc": torch.sinc(x), "relu": y.relu(),
}
