# Connectionist temporal classification.
import torch
import torch.nn as nn

T, N, C = 6, 2, 4
logits = torch.sin(torch.arange(T * N * C, dtype=torch.float32)).view(T, N, C).requires_grad_()
log_probs = logits.log_softmax(2)
targets = torch.tensor([[1, 2, 3], [2, 2, 0]])
loss = nn.CTCLoss(blank=0, reduction="none")(log_probs, targets, torch.tensor([6, 5]), torch.tensor([3, 2]))
loss.sum().backward()
result = {"loss": loss.detach(), "grad": logits.grad[0]}
