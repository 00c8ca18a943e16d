# nn.Transformer with masks, its layers alone, key padding, need_weights, causal flag, batch_first,
# norm_first.
import torch
import torch.nn as nn


def fill(module):
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(torch.cos(torch.arange(p.numel(), dtype=torch.float32) * 0.9 + i).view_as(p) * 0.2)
    return module.eval()


src, tgt = torch.sin(torch.arange(48.0)).view(3, 2, 8), torch.cos(torch.arange(64.0)).view(4, 2, 8)
model = fill(nn.Transformer(8, 2, 1, 1, 16, dropout=0.0))
mask = nn.Transformer.generate_square_subsequent_mask(4)
pad = torch.tensor([[False, False, True], [False, False, False]])
out = model(src, tgt, tgt_mask=mask, src_key_padding_mask=pad, memory_key_padding_mask=pad)
enc = fill(nn.TransformerEncoderLayer(8, 2, 16, 0.0, activation="gelu", batch_first=True, norm_first=True))
dec = fill(nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True), 2, norm=nn.LayerNorm(8)))
mha = fill(nn.MultiheadAttention(8, 4, kdim=6, vdim=5, batch_first=True, add_bias_kv=True))
q, k, v = torch.ones(2, 3, 8), torch.sin(torch.arange(48.0)).view(2, 4, 6), torch.cos(torch.arange(40.0)).view(2, 4, 5)
attended, weights = mha(q, k, v, average_attn_weights=False)
e = enc(src.transpose(0, 1), src_mask=torch.triu(torch.ones(3, 3), 1).bool())
d = dec(tgt.transpose(0, 1), e, tgt_mask=mask)
stack = nn.TransformerEncoder(enc, 2)
sdpa = torch.nn.functional.scaled_dot_product_attention(src[None], src[None], src[None], is_causal=True, scale=0.3)
result = {
    "out": out, "enc": e, "dec": d, "attended": attended, "weights": weights,
    "stack": stack(src.transpose(0, 1)), "sdpa": sdpa, "mask": mask,
    "names": [n for n, _ in mha.named_parameters()],
    "dec_names": [n for n, _ in dec.named_parameters()][:12],
    "count": sum(p.numel() for p in model.parameters())
}
