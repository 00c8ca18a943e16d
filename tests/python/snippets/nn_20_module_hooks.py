# Forward, pre-forward and backward hooks.
import torch
import torch.nn as nn

model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
with torch.no_grad():
    for p in model.parameters():
        p.copy_(torch.linspace(-0.5, 1, p.numel()).view_as(p))
features, shapes, grads = {}, [], []


def save(name):
    def hook(module, inputs, output):
        features[name] = output.detach()
    return hook


h1 = model[0].register_forward_hook(save("fc1"))
h2 = model[1].register_forward_pre_hook(lambda m, args: shapes.append(tuple(args[0].shape)))
h3 = model[2].register_full_backward_hook(lambda m, gi, go: grads.append((gi[0].clone(), go[0].clone())))
y = model(torch.tensor([[1.0, 2.0]]))
y.backward()
h1.remove()
features_before = dict(features)
features.clear()
model(torch.zeros(1, 2))
double = model[0].register_forward_hook(lambda m, i, o: o * 2)
doubled = model(torch.ones(1, 2)).item()
double.remove()
result = {
    "features": features_before["fc1"], "shapes": shapes, "gi": grads[0][0], "go": grads[0][1],
    "removed": len(features), "doubled": doubled, "plain": model(torch.ones(1, 2)).item(),
}
