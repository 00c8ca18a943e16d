# A transformer encoder classifies sequences, with positional encoding as a buffer.
import math
import torch
import torch.nn as nn


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=16):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Classifier(nn.Module):
    def __init__(self, vocab=6, d=8):
        super().__init__()
        self.embed = nn.Embedding(vocab, d)
        self.pos = PositionalEncoding(d)
        layer = nn.TransformerEncoderLayer(d, nhead=2, dim_feedforward=16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1)
        self.head = nn.Linear(d, 2)

    def forward(self, ids):
        x = self.pos(self.embed(ids) * math.sqrt(8))
        return self.head(self.encoder(x).mean(dim=1))


ids = (torch.arange(40).view(8, 5) * torch.tensor([1, 2, 3, 1, 5])) % 6
labels = (ids[:, 0] > ids[:, -1]).long()
model = Classifier()
with torch.no_grad():
    for i, p in enumerate(model.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 0.8 + i).view_as(p) * 0.3)
opt = torch.optim.AdamW(model.parameters(), lr=1e-2)
losses = []
for _ in range(6):
    loss = nn.functional.cross_entropy(model(ids), labels)
    opt.zero_grad()
    loss.backward()
    opt.step()
    losses.append(loss.item())
result = {
    "losses": losses, "buffers": [n for n, _ in model.named_buffers()], "pe": model.pos.pe[0, :3],
    "labels": labels,
}
