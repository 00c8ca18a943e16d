# Multi-head attention with masks.
import torch
import torch.nn as nn

mha = nn.MultiheadAttention(embed_dim=4, num_heads=2, batch_first=True)
with torch.no_grad():
    for i, p in enumerate(mha.parameters()):
        p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) + i).view_as(p) * 0.5)
x = torch.cos(torch.arange(24.0)).view(2, 3, 4)
out, w = mha(x, x, x)
pad = torch.tensor([[False, False, True], [False, False, False]])
out_p, w_p = mha(x, x, x, key_padding_mask=pad)
causal = torch.triu(torch.ones(3, 3, dtype=torch.bool), diagonal=1)
out_c, w_c = mha(x, x, x, attn_mask=causal, average_attn_weights=False)
out_n, none = mha(x, x, x, need_weights=False)
out.sum().backward()
result = {
    "out": out.detach(), "w": w.detach(), "out_p": out_p.detach(), "w_p": w_p.detach(), "w_c": w_c.detach(),
    "none": none, "out_n": out_n.detach(), "grad": mha.in_proj_weight.grad.sum(1),
    "names": [n for n, _ in mha.named_parameters()],
}
