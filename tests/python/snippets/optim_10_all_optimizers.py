# Every common optimizer for a few steps on the same quadratic, with weight decay and momentum variants.
import torch


def run(make, steps=6):
    x = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    opt = make([x])
    for _ in range(steps):
        opt.zero_grad()
        loss = ((x - torch.tensor([0.5, 0.5, -1.0])) ** 2 * torch.tensor([1.0, 2.0, 3.0])).sum()
        loss.backward()
        opt.step()
    return x.detach()


O = torch.optim
result = {
    "sgd": run(lambda p: O.SGD(p, lr=0.05)),
    "momentum": run(lambda p: O.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.1)),
    "nesterov": run(lambda p: O.SGD(p, lr=0.05, momentum=0.9, nesterov=True)),
    "dampening": run(lambda p: O.SGD(p, lr=0.05, momentum=0.9, dampening=0.5)),
    "maximize": run(lambda p: O.SGD(p, lr=0.01, maximize=True)),
    "adam": run(lambda p: O.Adam(p, lr=0.1)),
    "amsgrad": run(lambda p: O.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.01)),
    "adamw": run(lambda p: O.AdamW(p, lr=0.1, weight_decay=0.1)),
    "adamax": run(lambda p: O.Adamax(p, lr=0.1)),
    "nadam": run(lambda p: O.NAdam(p, lr=0.1)),
    "radam": run(lambda p: O.RAdam(p, lr=0.1)),
    "adagrad": run(lambda p: O.Adagrad(p, lr=0.1, lr_decay=0.01)),
    "adadelta": run(lambda p: O.Adadelta(p, lr=1.0)),
    "rmsprop": run(lambda p: O.RMSprop(p, lr=0.05, momentum=0.5, centered=True)),
    "rprop": run(lambda p: O.Rprop(p, lr=0.05)),
    "asgd": run(lambda p: O.ASGD(p, lr=0.05)),
    "adafactor": run(lambda p: O.Adafactor(p, lr=0.05)),
    "repr": repr(O.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)),
    "adam_repr": repr(O.Adam([torch.nn.Parameter(torch.zeros(1))])),
}
