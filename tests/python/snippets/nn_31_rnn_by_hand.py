# RNN, LSTM and GRU against the equations written out; packed input; bidirectional layers; truncated
# backpropagation.
import torch
import torch.nn as nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence, unpad_sequence


def fill(module):
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 1.3 + i).view_as(p) * 0.5)
    return module


lstm, gru, rnn = fill(nn.LSTM(3, 4)), fill(nn.GRU(3, 4, 2, bidirectional=True)), fill(nn.RNN(3, 4, nonlinearity="relu"))
cell = fill(nn.LSTMCell(3, 4))
x = torch.cos(torch.arange(30, dtype=torch.float32)).view(5, 2, 3)
h = c = torch.zeros(2, 4)
manual = []
for t in range(5):
    gates = x[t] @ lstm.weight_ih_l0.T + lstm.bias_ih_l0 + h @ lstm.weight_hh_l0.T + lstm.bias_hh_l0
    i, f, g, o = gates.chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    manual.append(h)
out, (hn, cn) = lstm(x)
g_out, g_h = gru(x)
r_out, _ = rnn(x, torch.ones(1, 2, 4))
state = (torch.zeros(2, 4), torch.zeros(2, 4))
for t in range(5):
    state = cell(x[t], state)
packed = pack_padded_sequence(x, [5, 3])
p_out, (p_h, _) = lstm(packed)
padded, lengths = pad_packed_sequence(p_out, total_length=6)
seqs = pack_sequence([torch.ones(3, 2), torch.zeros(1, 2)])
hidden, losses = None, []
for chunk in x.split(2):
    o, hidden = lstm(chunk, hidden)
    hidden = tuple(v.detach() for v in hidden)
    loss = o.pow(2).mean()
    loss.backward()
    losses.append(loss.item())
result = {
    "same": torch.allclose(torch.stack(manual), out, atol=1e-6), "hn": hn, "gru": g_out[-1], "g_h": g_h,
    "rnn": r_out[2], "cell": state[0], "padded": padded, "lengths": lengths, "p_h": p_h,
    "data": packed.data.shape, "sizes": packed.batch_sizes, "seqs": seqs.batch_sizes,
    "losses": losses, "grad": lstm.weight_hh_l0.grad[:2], "names": [n for n, _ in gru.named_parameters()],
    "is": isinstance(packed, PackedSequence),
    "unpad": [u.shape for u in unpad_sequence(x, torch.tensor([5, 2]))],
}
