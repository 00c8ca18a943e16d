# Default initialisation of common layers.
import math
import torch
import torch.nn as nn

torch.manual_seed(1)
lin = nn.Linear(100, 400)
conv = nn.Conv2d(16, 64, 3)
emb = nn.Embedding(500, 40, padding_idx=3)
lstm = nn.LSTM(8, 64)
ln = nn.LayerNorm(4)
result = {
    "lin": 0.095 < lin.weight.abs().max().item() <= 0.1, "lin_b": lin.bias.abs().max().item() <= 0.1,
    "conv": 0.95 < conv.weight.abs().max().item() * math.sqrt(16 * 9) <= 1.0001,
    "emb": abs(emb.weight.std().item() - 1) < 0.05, "pad": emb.weight[3].abs().sum().item(),
    "lstm": 0.11 < lstm.weight_hh_l0.abs().max().item() <= 0.125,
    "ln": [ln.weight.tolist(), ln.bias.tolist()], "reset": (lin.reset_parameters(), lin.weight.shape)[1],
}
