# Anomaly mode finds the step that made NaN; walking the graph.
import torch

x = torch.tensor([0.0, 1.0], requires_grad=True)
try:
    with torch.autograd.detect_anomaly():
        (torch.sqrt(x) * 0).sum().backward()
    caught = None
except RuntimeError:
    caught = "RuntimeError"
y = (torch.tensor(2.0, requires_grad=True) * 3).exp()
names = []
node = y.grad_fn
while node is not None:
    names.append(type(node).__name__)
    node = node.next_functions[0][0] if node.next_functions else None
result = {"caught": caught, "names": names}
