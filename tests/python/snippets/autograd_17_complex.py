# Gradients of real losses by complex variables.
import torch

z = torch.tensor([1 + 2j, -0.5 + 1j], requires_grad=True)
(z.abs() ** 2).sum().backward()
g1 = z.grad.clone()
z.grad = None
(z * z).real.sum().backward()
g2 = z.grad.clone()
x = torch.tensor([1.0, 2.0], requires_grad=True)
torch.fft.fft(x.to(torch.complex64)).abs().sum().backward()
result = {"g1": g1, "g2": g2, "x": x.grad}
