# Classic algorithms with tensors: k-nearest neighbours and k-means.
import torch

pts = torch.tensor([[0.0, 0.0], [0.2, 0.1], [0.1, -0.2], [5.0, 5.0], [5.2, 4.9], [4.8, 5.1]])
labels = torch.tensor([0, 0, 0, 1, 1, 1])
queries = torch.tensor([[0.3, 0.3], [4.0, 4.5]])
d = torch.cdist(queries, pts)
near = d.topk(3, largest=False).indices
votes = labels[near].mode(dim=1).values
centers = pts[[0, 1]].clone()
for _ in range(5):
    assign = torch.cdist(pts, centers).argmin(dim=1)
    centers = torch.stack([pts[assign == k].mean(0) for k in range(2)])
sums = torch.zeros(2, 2).index_add_(0, assign, pts)
confusion = torch.zeros(2, 2, dtype=torch.int64)
for t, p in zip(labels, assign):
    confusion[t.long(), p.long()] += 1
result = {
    "near": near, "votes": votes, "centers": centers, "assign": assign, "sums": sums, "confusion": confusion,
    "counts": torch.bincount(assign),
}
