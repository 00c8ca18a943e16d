# Regression losses and their reductions.
import torch
import torch.nn as nn
import torch.nn.functional as F

p = torch.tensor([0.5, 2.0, -1.0, 4.0], requires_grad=True)
t = torch.tensor([0.0, 2.5, 1.0, 0.0])
losses = {
    "mse": nn.MSELoss(), "mse_sum": nn.MSELoss(reduction="sum"), "mse_none": nn.MSELoss(reduction="none"),
    "l1": nn.L1Loss(), "smooth": nn.SmoothL1Loss(), "smooth_beta": nn.SmoothL1Loss(beta=0.5),
    "huber": nn.HuberLoss(delta=0.7), "poisson": nn.PoissonNLLLoss(),
}
result = {}
for name, fn in losses.items():
    p.grad = None
    value = fn(p, t)
    value.sum().backward()
    result[name] = value.detach()
    result[name + "_grad"] = p.grad.clone()
result["gaussian"] = nn.GaussianNLLLoss()(p.detach(), t, torch.ones(4) * 0.5)
result["f"] = F.mse_loss(p, t).item()
