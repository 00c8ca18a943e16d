# Hard samples with soft gradients.
import torch
import torch.nn.functional as F

torch.manual_seed(0)
logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 5.0]], requires_grad=True)
hard = F.gumbel_softmax(logits, tau=1.0, hard=True)
soft = F.gumbel_softmax(logits, tau=0.5)
hard[:, 0].sum().backward()
x = torch.tensor([0.2, 0.7, 1.4], requires_grad=True)
q = x + (x.round() - x).detach()
(q * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
result = {
    "onehot": bool(((hard == 0) | (hard == 1)).all()), "hard_rows": hard.sum(1).detach(),
    "soft_rows": soft.sum(dim=1).detach(), "has_grad": logits.grad is not None, "q": q.detach(),
    "grad": x.grad,
}
