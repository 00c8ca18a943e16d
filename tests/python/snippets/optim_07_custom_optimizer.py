# Writing an optimizer.
import torch
from torch.optim import Optimizer


class SignSGD(Optimizer):
    def __init__(self, params, lr=0.1, decay=0.0):
        defaults = dict(lr=lr, decay=decay)
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                state["step"] = state.get("step", 0) + 1
                p.mul_(1 - group["decay"])
                p.add_(p.grad.sign(), alpha=-group["lr"])
        return loss


w = torch.tensor([1.0, -0.35], requires_grad=True)
opt = SignSGD([w], lr=0.1, decay=0.01)


def closure():
    opt.zero_grad()
    loss = (w ** 2).sum()
    loss.backward()
    return loss


losses = [opt.step(closure).item() for _ in range(5)]
result = {
    "w": w.detach(), "losses": losses, "steps": opt.state[w]["step"], "lr": opt.param_groups[0]["lr"],
    "defaults": opt.defaults,
}
