# L-BFGS with a closure.
import torch

x = torch.tensor([-1.0, 2.0], dtype=torch.float64, requires_grad=True)
opt = torch.optim.LBFGS([x], lr=1, max_iter=10, history_size=5, line_search_fn="strong_wolfe")
losses = []


def closure():
    opt.zero_grad()
    loss = (x[0] - 1) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2
    loss.backward()
    return loss


for _ in range(4):
    losses.append(opt.step(closure).item())
result = {
    "x": x.detach(), "first": losses[0], "decreasing": all(a >= b for a, b in zip(losses, losses[1:])),
    "small": closure().item() < 1e-6,
}
