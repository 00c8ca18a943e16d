# Older tutorials still build tensors with typed constructors.
import torch

a = torch.Tensor([[1, 2], [3, 4]])
b = torch.FloatTensor([1, 2, 3])
c = torch.LongTensor([5, 6])
d = torch.DoubleTensor([0.5])
e = torch.Tensor(2, 3)
result = {
    "a": a, "b": b, "c": c, "d": d, "e": list(e.shape), "type_a": a.type(), "type_c": c.type(),
    "isinstance": isinstance(a, torch.Tensor), "is_tensor": torch.is_tensor(c),
    "not_tensor": torch.is_tensor([1]),
    "byte": torch.ByteTensor([1, 255]), "bool": torch.BoolTensor([True, False]),
}
