# Numerical limits.
import torch

f = torch.finfo(torch.float32)
d = torch.finfo(torch.float64)
i = torch.iinfo(torch.int32)
result = {
    "eps": f.eps, "max": f.max, "min": f.min, "tiny": f.tiny, "bits": f.bits, "deps": d.eps, "imax": i.max,
    "imin": i.min, "ibits": i.bits,
    "long": torch.iinfo(torch.int64).max, "u8": torch.iinfo(torch.uint8).max,
    "half": torch.finfo(torch.float16).max,
    "bf16_eps": torch.finfo(torch.bfloat16).eps,
    "mask": torch.full((1,), torch.finfo(torch.float32).min).exp(),
}
