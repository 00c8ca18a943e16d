# Stochastic gradient descent in its variants.
import torch


def run(**kw):
    w = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    opt = torch.optim.SGD([w], **kw)
    trace = []
    for _ in range(5):
        opt.zero_grad()
        loss = ((w - torch.tensor([0.5, 0.5, 0.5])) ** 2 * torch.tensor([1.0, 2.0, 3.0])).sum()
        loss.backward()
        opt.step()
        trace.append(loss.item())
    return w.detach(), trace


result = {
    "plain": run(lr=0.1), "momentum": run(lr=0.05, momentum=0.9),
    "nesterov": run(lr=0.05, momentum=0.9, nesterov=True), "decay": run(lr=0.1, weight_decay=0.1),
    "dampening": run(lr=0.05, momentum=0.8, dampening=0.3), "maximize": run(lr=0.01, maximize=True),
}
