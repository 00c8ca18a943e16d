# Saving and loading a model's state.
import io
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 3)
        self.bn = nn.BatchNorm1d(3)
        self.fc2 = nn.Linear(3, 1)

    def forward(self, x):
        return self.fc2(torch.relu(self.bn(self.fc1(x))))


a, b = Net(), Net()
a(torch.randn(8, 2))
buffer = io.BytesIO()
torch.save(a.state_dict(), buffer)
buffer.seek(0)
state = torch.load(buffer)
status = b.load_state_dict(state)
a.eval(), b.eval()
x = torch.ones(2, 2)
result = {
    "same": torch.equal(a(x), b(x)), "status": str(status), "keys": list(state.keys()),
    "shapes": {k: list(v.shape) for k, v in state.items()}, "missing": status.missing_keys,
    "tracked": state["bn.num_batches_tracked"].item(),
}
