# Classification losses.
import torch
import torch.nn as nn
import torch.nn.functional as F

logits = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.0, 3.0], [1.0, 1.0, 1.0]], requires_grad=True)
target = torch.tensor([0, 2, 1])
ce = nn.CrossEntropyLoss()(logits, target)
ce.backward()
l = logits.detach()
prob = torch.tensor([0.9, 0.2, 0.6])
y = torch.tensor([1.0, 0.0, 1.0])
result = {
    "ce": ce.item(), "grad": logits.grad, "none": F.cross_entropy(l, target, reduction="none"),
    "sum": F.cross_entropy(l, target, reduction="sum"),
    "weight": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]))(l, target),
    "ignore": F.cross_entropy(l, torch.tensor([0, -100, 1])),
    "ignore_idx": F.cross_entropy(l, target, ignore_index=2),
    "smooth": F.cross_entropy(l, target, label_smoothing=0.1),
    "soft": F.cross_entropy(l, torch.softmax(l.flip(1), 1)),
    "nll": F.nll_loss(F.log_softmax(l, dim=1), target),
    "nll_layer": nn.NLLLoss(reduction="none")(l.log_softmax(1), target), "bce": nn.BCELoss()(prob, y),
    "bce_w": F.binary_cross_entropy(prob, y, weight=torch.tensor([1.0, 2.0, 3.0])),
    "bcel": nn.BCEWithLogitsLoss()(l[:, 0], y),
    "pos": F.binary_cross_entropy_with_logits(l[:, 0], y, pos_weight=torch.tensor(2.0)),
    "kl": F.kl_div(l.log_softmax(1), l.flip(1).softmax(1), reduction="batchmean"),
    "seq": F.cross_entropy(l.view(1, 3, 3), torch.tensor([[0, 1, 2]])),
    "hard": F.binary_cross_entropy(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 1.0])),
    "kl_log": F.kl_div(l.log_softmax(1), l.flip(1).log_softmax(1), reduction="sum", log_target=True),
}
