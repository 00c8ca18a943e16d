# Casting between types.
import torch

x = torch.tensor([1.7, -1.7, 0.0, 2.5])
i = torch.tensor([0, 1, 200])
result = {
    "int": x.int(), "long": x.long(), "bool": x.bool(), "double": x.double(), "to": x.to(torch.int32),
    "type": x.type(torch.float64),
    "byte": i.byte(), "float": i.float(), "half": x.half(), "bf16": x.bfloat16().float(), "str": x.type(),
    "kw": x.to(dtype=torch.long),
    "bool_sum": (x > 0).sum(), "bool_float": (x > 0).float(), "complex": x.to(torch.complex64),
    "noop_same": x.to(torch.float32) is x,
}
