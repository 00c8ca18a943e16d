# Freezing parameters, apply, replacing a head.
import torch
import torch.nn as nn

model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.weight, 0.1)
        m.bias.data.fill_(0.01)


model.apply(init_weights)
for param in model[0].parameters():
    param.requires_grad = False
model[2] = nn.Linear(4, 3)
init_weights(model[2])
out = model(torch.ones(2, 4))
out.sum().backward()
trainable = [n for n, p in model.named_parameters() if p.requires_grad]
opt = torch.optim.SGD(filter(lambda p: p.requires_grad, model.parameters()), lr=0.1)
opt.step()
result = {
    "out": out.detach(), "frozen": model[0].weight.grad, "trainable": trainable,
    "head": model[2].weight.detach(), "total": sum(p.numel() for p in model.parameters()),
    "train": sum(p.numel() for p in model.parameters() if p.requires_grad),
    "eval_mode": model.eval().training, "requires": model.requires_grad_(False)[2].weight.requires_grad,
}
