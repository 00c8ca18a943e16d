# Gradients through linear algebra.
import torch

A = torch.tensor([[4.0, 1.0], [1.0, 3.0]], dtype=torch.float64, requires_grad=True)
b = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
x = torch.linalg.solve(A, b)
ga, gb = torch.autograd.grad(x.sum(), (A, b))
(gi,) = torch.autograd.grad(torch.linalg.inv(A).sum(), A)
(gd,) = torch.autograd.grad(torch.logdet(A), A)
(gc,) = torch.autograd.grad(torch.linalg.cholesky(A).sum(), A)
(ge,) = torch.autograd.grad(torch.linalg.eigvalsh(A)[0], A)
(gs,) = torch.autograd.grad(torch.linalg.svdvals(A).sum(), A)
(gn,) = torch.autograd.grad(torch.linalg.norm(A), A)
result = {"ga": ga, "gb": gb, "gi": gi, "gd": gd, "gc": gc, "ge": ge, "gs": gs, "gn": gn}
