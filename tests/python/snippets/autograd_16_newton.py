# Newton's method and gradient descent on the Rosenbrock function.
import torch


def rosen(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


p = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
trace = []
for _ in range(8):
    f = rosen(p)
    (g,) = torch.autograd.grad(f, p, create_graph=True)
    H = torch.stack([torch.autograd.grad(g[i], p, retain_graph=True)[0] for i in range(2)])
    with torch.no_grad():
        p -= torch.linalg.solve(H, g)
    trace.append(f.item())
result = {"p": p.detach(), "trace": trace}
