# Modules print their structure.
import torch
import torch.nn as nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc = nn.Linear(16 * 5 * 5, 10)

    def forward(self, x):
        return x


model = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10, bias=False),
)
result = {
    "linear": repr(nn.Linear(2, 3)), "seq": repr(model), "net": str(Net()), "bn": repr(nn.BatchNorm2d(8)),
    "emb": repr(nn.Embedding(10, 4, padding_idx=0)),
    "lstm": repr(nn.LSTM(4, 8, num_layers=2, batch_first=True)), "ln": repr(nn.LayerNorm(16)),
    "softmax": repr(nn.Softmax(dim=1)), "relu": repr(nn.ReLU(inplace=True)),
    "list": repr(nn.ModuleList([nn.Linear(1, 1), nn.Tanh()])), "loss": repr(nn.CrossEntropyLoss()),
    "convpad": repr(nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1)),
}
