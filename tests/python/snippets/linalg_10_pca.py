# Principal components of a small data set.
import torch

X = torch.tensor(
    [[2.5, 2.4], [0.5, 0.7], [2.2, 2.9], [1.9, 2.2], [3.1, 3.0], [2.3, 2.7], [2.0, 1.6], [1.0, 1.1]],
)
Xc = X - X.mean(dim=0, keepdim=True)
cov = Xc.T @ Xc / (X.shape[0] - 1)
eigenvalues, eigenvectors = torch.linalg.eigh(cov)
order = torch.argsort(eigenvalues, descending=True)
first = eigenvectors[:, order[0]]
first = first * torch.sign(first[0])
scores = Xc @ first
explained = eigenvalues[order] / eigenvalues.sum()
result = {
    "cov": cov, "first": first, "scores": scores, "explained": explained,
    "same": torch.allclose(cov, torch.cov(X.T), atol=1e-6),
}
