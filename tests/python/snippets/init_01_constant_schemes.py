# Deterministic initialisers.
import torch
import torch.nn as nn

w = torch.empty(3, 4)
result = {
    "ones": nn.init.ones_(torch.empty(2, 2)), "zeros": nn.init.zeros_(torch.empty(2)),
    "const": nn.init.constant_(torch.empty(2), 0.3), "eye": nn.init.eye_(torch.empty(3, 4)),
    "returns_same": nn.init.ones_(w) is w, "dirac": nn.init.dirac_(torch.empty(2, 2, 3)),
    "gain_relu": nn.init.calculate_gain("relu"), "gain_tanh": nn.init.calculate_gain("tanh"),
    "gain_leaky": nn.init.calculate_gain("leaky_relu", 0.2), "gain_linear": nn.init.calculate_gain("linear"),
    "fan": nn.init._calculate_fan_in_and_fan_out(torch.empty(8, 4, 3, 3)),
    "param": nn.init.zeros_(nn.Parameter(torch.ones(2))).requires_grad,
}
