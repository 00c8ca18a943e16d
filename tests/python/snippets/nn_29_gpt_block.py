# A minimal GPT: causal mask buffer, weight tying, generate with top-k on fixed logits, parameter groups for
# decay.
import math

import torch
import torch.nn as nn
from torch.nn import functional as F


class CausalSelfAttention(nn.Module):
    def __init__(self, n_embd, n_head, block_size):
        super().__init__()
        self.c_attn = nn.Linear(n_embd, 3 * n_embd)
        self.c_proj = nn.Linear(n_embd, n_embd)
        self.n_head = n_head
        self.register_buffer("bias", torch.tril(torch.ones(block_size, block_size)).view(1, 1, block_size, block_size))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for t in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class GPT(nn.Module):
    def __init__(self, vocab=13, n_embd=12, n_head=3, block_size=8, n_layer=2):
        super().__init__()
        self.block_size = block_size
        self.transformer = nn.ModuleDict(dict(
            wte=nn.Embedding(vocab, n_embd), wpe=nn.Embedding(block_size, n_embd),
            h=nn.ModuleList([nn.ModuleDict(dict(ln_1=nn.LayerNorm(n_embd), attn=CausalSelfAttention(n_embd, n_head, block_size),
                                                ln_2=nn.LayerNorm(n_embd), fc=nn.Linear(n_embd, 2 * n_embd),
                                                proj=nn.Linear(2 * n_embd, n_embd))) for _ in range(n_layer)]),
            ln_f=nn.LayerNorm(n_embd)))
        self.lm_head = nn.Linear(n_embd, vocab, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, idx, targets=None):
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device).unsqueeze(0)
        x = self.transformer.wte(idx) + self.transformer.wpe(pos)
        for b in self.transformer.h:
            x = x + b.attn(b.ln_1(x))
            x = x + b.proj(F.gelu(b.fc(b.ln_2(x)), approximate="tanh"))
        logits = self.lm_head(self.transformer.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, steps, top_k=None):
        for _ in range(steps):
            cond = idx if idx.size(1) <= self.block_size else idx[:, -self.block_size:]
            logits = self(cond)[0][:, -1, :]
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("inf")
            probs = F.softmax(logits, dim=-1)
            idx = torch.cat((idx, torch.topk(probs, k=1, dim=-1)[1]), dim=1)
        return idx


model = GPT()
with torch.no_grad():
    for i, (n, p) in enumerate(model.named_parameters()):
        p.copy_((torch.arange(p.numel(), dtype=torch.float32) * 1.7 + i).cos().view(p.shape) * 0.3)
decay = {n for n, p in model.named_parameters() if p.dim() >= 2}
groups = [{"params": [p for n, p in model.named_parameters() if n in decay], "weight_decay": 0.1},
          {"params": [p for n, p in model.named_parameters() if n not in decay], "weight_decay": 0.0}]
opt = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
x = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]])
y = torch.tensor([[2, 3, 4, 5, 6, 7], [8, 9, 10, 11, -1, -1]])
losses = []
for _ in range(4):
    _, loss = model(x, y)
    opt.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    losses.append(loss.item())
result = {"losses": losses, "norm": norm, "tied": model.lm_head.weight is model.transformer.wte.weight,
          "count": sum(p.numel() for p in model.parameters()), "generated": model.generate(x[:1, :3], 4, top_k=3),
          "decay": len(decay), "state": len(model.state_dict())}
