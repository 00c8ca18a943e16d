# What print and str show in everyday situations.
import torch
import torch.nn as nn

x = torch.tensor([[1.5, -2.0], [3.25, 1e-3]])
result = {
    "f": f"{x[0, 0]:.3f} {x[0, 0].item():>8.2f}", "size": str(x.size()), "shape": f"{x.shape}",
    "list": str(x.tolist()), "empty": str(torch.empty(0)), "empty2": str(torch.zeros(2, 0)),
    "scalar": str(torch.tensor(3)), "bool": str(torch.tensor([True])),
    "big": str(torch.arange(2000)), "mixed": str(torch.tensor([1e10, 1.0, float("nan"), -float("inf")])),
    "int_floats": str(torch.tensor([1.0, 2.0, 100.0])), "small": str(torch.tensor([1e-8, 1.0])),
    "neg": str(torch.tensor([-0.0, 0.1])), "complex": str(torch.tensor([1 + 2j, 0.5 - 1j])),
    "dtype": str(x.dtype), "device": str(x.device), "type": x.type(), "double": str(x.double()),
    "half": str(x.half()), "grad": str((x.requires_grad_() * 2)), "param": str(nn.Parameter(torch.ones(2))),
    "opt": str(torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)),
    "3d": str(torch.arange(8).reshape(2, 2, 2)),
    "linear": str(nn.Linear(2, 3, bias=False)), "conv": str(nn.Conv2d(1, 2, 3, stride=2, padding=1)),
    "lstm": str(nn.LSTM(2, 3, num_layers=2, batch_first=True)),
    "emb": str(nn.Embedding(5, 2, padding_idx=0)), "bn": str(nn.BatchNorm1d(4)),
    "drop": str(nn.Dropout(0.25)), "tl": str(nn.TransformerEncoderLayer(4, 2)),
    "mha": str(nn.MultiheadAttention(4, 2)),
    "mods": str(nn.ModuleDict({"a": nn.ReLU(), "b": nn.Softmax(dim=1)})),
    "plist": str(nn.ParameterList([torch.zeros(2)])), "loss": str(nn.CrossEntropyLoss()),
    "pool": str(nn.MaxPool2d(2)), "up": str(nn.Upsample(scale_factor=2)), "gn": str(nn.GroupNorm(2, 4)),
    "ln": str(nn.LayerNorm([3])), "flat": str(nn.Flatten()), "prelu": str(nn.PReLU()),
    "tconv": str(nn.ConvTranspose2d(1, 1, 2)),
    "finfo": [torch.finfo(torch.float32).eps, torch.finfo(torch.float32).max, torch.iinfo(torch.int32).min],
    "minmax": str(x.detach().max(1)), "topk": str(torch.topk(torch.arange(4.0), 2)),
    "svd_fields": [n for n in ("U", "S", "Vh") if hasattr(torch.linalg.svd(torch.eye(2)), n)],
}
