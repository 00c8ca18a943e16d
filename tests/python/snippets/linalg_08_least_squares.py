# Fitting a line three ways.
import torch

x = torch.arange(5.0)
y = 2 * x + 1 + torch.tensor([0.1, -0.1, 0.0, 0.1, -0.1])
X = torch.stack([x, torch.ones(5)], dim=1)
sol = torch.linalg.lstsq(X, y.unsqueeze(1)).solution
normal = torch.linalg.solve(X.T @ X, X.T @ y)
pinv = torch.linalg.pinv(X) @ y
residual = (X @ normal - y).pow(2).sum()
result = {"sol": sol, "normal": normal, "pinv": pinv, "residual": residual}
