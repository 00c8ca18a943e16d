# All the activation layers on one vector.
import torch
import torch.nn as nn

x = torch.tensor([-3.0, -1.0, -0.25, 0.0, 0.5, 2.0, 7.0])
layers = {
    "relu": nn.ReLU(), "relu6": nn.ReLU6(), "leaky": nn.LeakyReLU(0.1), "prelu": nn.PReLU(), "elu": nn.ELU(),
    "selu": nn.SELU(), "celu": nn.CELU(alpha=0.5), "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"), "silu": nn.SiLU(), "mish": nn.Mish(), "sigmoid": nn.Sigmoid(),
    "logsigmoid": nn.LogSigmoid(), "tanh": nn.Tanh(), "hardtanh": nn.Hardtanh(), "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(), "softplus": nn.Softplus(beta=2), "softsign": nn.Softsign(),
    "softshrink": nn.Softshrink(), "hardshrink": nn.Hardshrink(), "tanhshrink": nn.Tanhshrink(),
    "threshold": nn.Threshold(0.1, 20.0), "softmin": nn.Softmin(dim=0), "logsoftmax": nn.LogSoftmax(dim=0),
}
result = {}
for name, layer in layers.items():
    v = x.clone().requires_grad_()
    y = layer(v)
    y.sum().backward()
    result[name] = y.detach()
    result[name + "_grad"] = v.grad
result["glu"] = nn.GLU()(x[:6])
