# Splitting and merging attention heads.
import torch

B, T, H, D = 2, 3, 2, 4
x = torch.arange(B * T * H * D, dtype=torch.float32).reshape(B, T, H * D)
heads = x.view(B, T, H, D).transpose(1, 2)
merged = heads.transpose(1, 2).contiguous().view(B, T, H * D)
nchw = torch.arange(12.0).view(1, 2, 2, 3)
nhwc = nchw.permute(0, 2, 3, 1)
result = {
    "heads": heads[0, 1], "roundtrip": torch.equal(merged, x), "nhwc": nhwc,
    "back": torch.equal(nhwc.permute(0, 3, 1, 2), nchw), "tokens": nchw.flatten(2).transpose(1, 2),
    "stride": heads.stride(),
}
