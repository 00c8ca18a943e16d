# Linear regression, the whole workflow.
import torch
from torch import nn

x = torch.linspace(0, 1, 50).unsqueeze(1)
y = 0.7 * x + 0.3


class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(1, requires_grad=True, dtype=torch.float))
        self.bias = nn.Parameter(torch.zeros(1, requires_grad=True, dtype=torch.float))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights * x + self.bias


model = LinearRegressionModel()
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(params=model.parameters(), lr=0.05)
history = []
for epoch in range(100):
    model.train()
    loss = loss_fn(model(x[:40]), y[:40])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        model.eval()
        with torch.inference_mode():
            history.append([loss.item(), loss_fn(model(x[40:]), y[40:]).item()])
result = {"history": history, "state": dict(model.state_dict())}
