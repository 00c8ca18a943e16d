# Embedding tables.
import torch
import torch.nn as nn
import torch.nn.functional as F

table = torch.arange(12.0).view(4, 3)
emb = nn.Embedding.from_pretrained(table, freeze=False)
ids = torch.tensor([[0, 2], [2, 3]])
out = emb(ids)
(out * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
pad = nn.Embedding(5, 2, padding_idx=0)
p = pad(torch.tensor([0, 1]))
p.sum().backward()
bag = nn.EmbeddingBag.from_pretrained(table, mode="mean")
frozen = nn.Embedding.from_pretrained(table)
result = {
    "out": out.detach(), "grad": emb.weight.grad, "pad_row": p[0].detach(), "pad_grad": pad.weight.grad,
    "f": F.embedding(ids, table), "bag": bag(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 2])).detach(),
    "bag2d": nn.EmbeddingBag.from_pretrained(table, mode="sum")(ids).detach(),
    "frozen": frozen.weight.requires_grad, "num": [emb.num_embeddings, emb.embedding_dim],
}
