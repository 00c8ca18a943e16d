# Ranking, embedding and margin losses.
import torch
import torch.nn as nn
import torch.nn.functional as F

a = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
b = torch.tensor([[1.5, 1.0], [2.0, 0.5]])
c = torch.tensor([[-1.0, 0.0], [0.5, 0.5]])
y = torch.tensor([1.0, -1.0])
result = {
    "cosine": nn.CosineEmbeddingLoss(margin=0.1)(a, b, y),
    "triplet": nn.TripletMarginLoss(margin=1.0, p=2)(a, b, c),
    "ranking": nn.MarginRankingLoss(margin=0.5)(a[:, 0], b[:, 0], y),
    "hinge": nn.HingeEmbeddingLoss()(a[:, 0], y), "soft": nn.SoftMarginLoss()(a[:, 0], y),
    "multi": nn.MultiMarginLoss()(a, torch.tensor([1, 0])),
    "multilabel": nn.MultiLabelSoftMarginLoss()(a, torch.tensor([[1.0, 0.0], [0.0, 1.0]])),
    "sim": nn.CosineSimilarity(dim=1)(a, b), "pair": nn.PairwiseDistance(p=2)(a, b),
    "f": F.cosine_similarity(a, b, dim=-1), "triplet_none": F.triplet_margin_loss(a, b, c, reduction="none"),
}
