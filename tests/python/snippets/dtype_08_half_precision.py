# bfloat16 and float16 as storage types.
import torch

x = torch.tensor([1.0, 1.0009765625, 3.14159, 65504.0])
h = x.half()
b = x.bfloat16()
result = {
    "half": h.float(), "bf": b.float(), "dtype": str((h + 1).dtype), "mixed": str((h * torch.ones(4)).dtype),
    "inf": torch.tensor([70000.0]).half().isinf(),
    "bytes": b.element_size(), "sum": (b[:2] + b[:2]).float(),
    "mm": (torch.eye(2).bfloat16() @ torch.ones(2, 2).bfloat16()).float(),
    "roundtrip": h[:3].float().half().equal(h[:3]),
}
