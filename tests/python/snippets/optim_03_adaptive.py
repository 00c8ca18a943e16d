# Adagrad, Adadelta, RMSprop, Rprop, ASGD.
import torch


def run(name, **kw):
    w = torch.tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True)
    opt = getattr(torch.optim, name)([w], **kw)
    for _ in range(6):
        opt.zero_grad()
        loss = (w ** 4 / 4 - w).sum()
        loss.backward()
        opt.step()
    return w.detach()


result = {
    "adagrad": run("Adagrad", lr=0.1),
    "adagrad_d": run("Adagrad", lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1),
    "adadelta": run("Adadelta"), "rmsprop": run("RMSprop", lr=0.01),
    "centered": run("RMSprop", lr=0.01, centered=True, momentum=0.5, alpha=0.9),
    "rprop": run("Rprop", lr=0.01), "asgd": run("ASGD", lr=0.01),
}
