# Typical mask building in sequence models.
import torch
import torch.nn.functional as F

lengths = torch.tensor([3, 1, 2])
mask = torch.arange(4)[None, :] < lengths[:, None]
causal = torch.triu(torch.full((3, 3), float("-inf")), diagonal=1)
tokens = torch.tensor([[5, 6, 7, 0], [8, 0, 0, 0], [9, 10, 0, 0]])
pad = tokens == 0
scores = torch.zeros(3, 4).masked_fill(pad, -1e9).softmax(dim=-1)
last = tokens[torch.arange(3), lengths - 1]
emb = torch.arange(24.0).view(3, 4, 2)
pooled = (emb * mask.unsqueeze(-1)).sum(1) / lengths.unsqueeze(1)
result = {
    "mask": mask, "causal": causal, "pad": pad, "scores": scores, "last": last, "pooled": pooled,
    "onehot": F.one_hot(torch.tensor([0, 2, 1]), num_classes=4),
    "onehot_auto": F.one_hot(torch.tensor([[0], [1]])),
}
