# Gradients add up until they are cleared.
import torch

w = torch.tensor([1.0, 2.0], requires_grad=True)
grads = []
for _ in range(3):
    (w ** 2).sum().backward()
    grads.append(w.grad.clone())
w.grad.zero_()
(3 * w).sum().backward()
cleared = w.grad.clone()
w.grad = None
(w[0] * w[1]).backward()
result = {"grads": grads, "cleared": cleared, "product": w.grad}
