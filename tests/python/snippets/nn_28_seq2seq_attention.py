# GRU encoder, decoder with additive attention, teacher forcing and masked loss.
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

PAD = 0


class Encoder(nn.Module):
    def __init__(self, vocab, dim, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim, padding_idx=PAD)
        self.gru = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(2 * hidden, hidden)

    def forward(self, src, lengths):
        packed = pack_padded_sequence(self.embedding(src), lengths, batch_first=True, enforce_sorted=False)
        out, h = self.gru(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)
        return out, torch.tanh(self.fc(torch.cat((h[-2], h[-1]), dim=1)))


class Attention(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.attn = nn.Linear(3 * hidden, hidden)
        self.v = nn.Linear(hidden, 1, bias=False)

    def forward(self, h, enc, mask):
        h = h.unsqueeze(1).repeat(1, enc.size(1), 1)
        score = self.v(torch.tanh(self.attn(torch.cat((h, enc), dim=2)))).squeeze(2)
        return F.softmax(score.masked_fill(mask == 0, -1e10), dim=1)


class Decoder(nn.Module):
    def __init__(self, vocab, dim, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocab, dim)
        self.attention = Attention(hidden)
        self.cell = nn.GRUCell(dim + 2 * hidden, hidden)
        self.out = nn.Linear(3 * hidden + dim, vocab)

    def forward(self, token, h, enc, mask):
        e = self.embedding(token)
        a = self.attention(h, enc, mask)
        context = torch.bmm(a.unsqueeze(1), enc).squeeze(1)
        h = self.cell(torch.cat((e, context), dim=1), h)
        return self.out(torch.cat((h, context, e), dim=1)), h, a


enc, dec = Encoder(11, 6, 8), Decoder(9, 5, 8)
with torch.no_grad():
    for i, p in enumerate([*enc.parameters(), *dec.parameters()]):
        p.copy_((torch.arange(p.numel()) * (i + 1) * 0.713).sin().reshape(p.shape) * 0.4)
    enc.embedding.weight[PAD].zero_()
seqs = [torch.tensor([3, 4, 5, 6]), torch.tensor([7, 8]), torch.tensor([1, 2, 10])]
src = pad_sequence(seqs, batch_first=True, padding_value=PAD)
lengths = torch.tensor([len(s) for s in seqs])
trg = torch.tensor([[1, 2, 3, 4], [1, 5, 0, 0], [1, 6, 7, 0]])
states, h = enc(src, lengths)
mask = src != PAD
outputs, attentions = [], []
for t in range(1, trg.size(1)):
    logits, h, a = dec(trg[:, t - 1], h, states, mask)
    outputs.append(logits)
    attentions.append(a)
outputs = torch.stack(outputs, dim=1)
loss = F.cross_entropy(outputs.reshape(-1, 9), trg[:, 1:].reshape(-1), ignore_index=PAD)
loss.backward()
result = {
    "src": src, "loss": loss, "attention": torch.stack(attentions, 1),
    "embedding_grad": enc.embedding.weight.grad,
          "pred": outputs.argmax(-1), "v": dec.attention.v.weight.grad}
