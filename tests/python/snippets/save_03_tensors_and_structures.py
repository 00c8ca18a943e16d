# Tensors and nested structures to a file and back.
import io
import torch


def roundtrip(obj):
    f = io.BytesIO()
    torch.save(obj, f)
    f.seek(0)
    return torch.load(f)


obj = {
    "a": torch.arange(3), "b": [torch.eye(2), 1.5, "text"],
    "c": {"d": torch.tensor([True, False]), "e": None, "f": (1, 2)},
    "g": torch.tensor([1.0], dtype=torch.float64),
}
back = roundtrip(obj)
result = {
    "tensor": roundtrip(torch.tensor([[1.0, 2.0]])), "back": back, "list": roundtrip([1, 2, torch.zeros(2)]),
    "view": roundtrip(torch.arange(6).view(2, 3).t()), "complex": roundtrip(torch.tensor([1 + 2j])),
    "tuple": isinstance(back["c"]["f"], tuple), "half": roundtrip(torch.tensor([1.5]).half()),
}
