# Transformer encoder and decoder layers.
import torch
import torch.nn as nn


def fill(module):
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            p.copy_(torch.sin(torch.arange(p.numel(), dtype=torch.float32) * 0.7 + i).view_as(p) * 0.3)
    return module.eval()


x = torch.cos(torch.arange(24.0)).view(2, 3, 4)
layer = fill(nn.TransformerEncoderLayer(d_model=4, nhead=2, dim_feedforward=8, dropout=0.1, batch_first=True))
pre = fill(nn.TransformerEncoderLayer(4, 2, 8, activation="gelu", norm_first=True, batch_first=True))
enc = fill(nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), num_layers=2))
dec = fill(nn.TransformerDecoderLayer(4, 2, 8, batch_first=True))
mask = nn.Transformer.generate_square_subsequent_mask(3)
pad = torch.tensor([[False, False, True], [False, False, False]])
memory = enc(x)
result = {
    "layer": layer(x).detach(), "pre": pre(x).detach(), "enc": memory.detach(), "mask": mask,
    "masked": layer(x, src_mask=mask).detach(), "padded": layer(x, src_key_padding_mask=pad)[1].detach(),
    "dec": dec(x, memory, tgt_mask=mask).detach(), "names": [n for n, _ in layer.named_parameters()],
    "nlayers": len(enc.layers),
}
