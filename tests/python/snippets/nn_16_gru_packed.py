# GRU and packed sequences of different lengths.
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

seqs = [torch.arange(4.0).view(2, 2), torch.arange(6.0).view(3, 2) * 0.1, torch.ones(1, 2)]
padded = pad_sequence(seqs, batch_first=True)
lengths = torch.tensor([len(s) for s in seqs])
gru = nn.GRU(2, 3, batch_first=True)
with torch.no_grad():
    for i, p in enumerate(gru.parameters()):
        p.copy_(torch.cos(torch.arange(p.numel(), dtype=torch.float32) + i).view_as(p) * 0.5)
packed = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
out, h = gru(packed)
unpacked, lens = pad_packed_sequence(out, batch_first=True)
plain, hp = gru(padded)
cell = nn.GRUCell(2, 3)
result = {
    "padded": padded, "unpacked": unpacked.detach(), "lens": lens, "h": h.detach(), "plain": plain.detach(),
    "sizes": packed.batch_sizes, "time_first": pad_sequence(seqs, padding_value=-1.0).shape,
    "cell": cell(torch.zeros(1, 2)).shape,
}
