# Masks from lengths, relative positions, rotary embedding, ALiBi, segment sums, one-liners of sequence
# models.
import torch

lengths = torch.tensor([3, 1, 4])
mask = torch.arange(4)[None, :] < lengths[:, None]
x = torch.arange(24, dtype=torch.float32).reshape(3, 4, 2)
mean = (x * mask.unsqueeze(-1)).sum(1) / lengths.unsqueeze(-1)
pos = torch.arange(4)
rel = pos[None, :] - pos[:, None]


def rotate_half(t):
    a, b = t.chunk(2, dim=-1)
    return torch.cat((-b, a), dim=-1)


inv = 1.0 / (10000 ** (torch.arange(0, 4, 2).float() / 4))
freqs = torch.outer(pos.float(), inv)
emb = torch.cat((freqs, freqs), -1)
q = torch.linspace(-1, 1, 16).view(4, 4)
rotated = q * emb.cos() + rotate_half(q) * emb.sin()
z = torch.polar(torch.ones_like(freqs), freqs)
qc = torch.view_as_complex(q.reshape(4, 2, 2))
rotated2 = torch.view_as_real(qc * z).flatten(1)
slopes = 2.0 ** -torch.arange(1, 5)
alibi = slopes[:, None, None] * -rel.abs()
ids = torch.tensor([0, 0, 1, 2, 2, 2])
seg = torch.zeros(3).index_add_(0, ids, torch.arange(6.0))
seg2 = torch.zeros(3, dtype=torch.long).scatter_add_(0, ids, torch.ones(6, dtype=torch.long))
smax = torch.full((3,), -1.0).scatter_reduce(0, ids, torch.arange(6.0), reduce="amax")
smean = torch.zeros(3).scatter_reduce(0, ids, torch.arange(6.0), reduce="mean", include_self=False)
tokens = torch.tensor([[5, 6, 2, 0], [7, 2, 0, 0]])
eos = (tokens == 2).int().argmax(1)
last = x[torch.arange(3), lengths - 1]
shifted = torch.cat([torch.full((2, 1), 1), tokens[:, :-1]], 1)
logits = torch.tensor([[2.0, 1.0, 0.5, -1.0]])
sorted_logits, idx = torch.sort(logits, descending=True)
cum = torch.softmax(sorted_logits, -1).cumsum(-1)
remove = cum > 0.8
remove[..., 1:] = remove[..., :-1].clone()
remove[..., 0] = 0
filtered = logits.masked_fill(remove.scatter(1, idx, remove), -float("inf"))
result = {
    "mask": mask, "mean": mean, "rel": rel, "rot": rotated, "rot2": rotated2, "alibi": alibi, "seg": seg,
    "count": seg2, "smax": smax,
          "smean": smean, "eos": eos, "last": last, "shifted": shifted, "filtered": filtered, "causal": torch.ones(3, 3).tril().bool(),
          "bandwidth": torch.ones(4, 4).triu(-1).tril(1), "nt": torch.nn.Transformer.generate_square_subsequent_mask(3)}
