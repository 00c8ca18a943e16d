# Sequential, ModuleList, ModuleDict, ParameterList.
from collections import OrderedDict

import torch
import torch.nn as nn

seq = nn.Sequential(OrderedDict([("fc1", nn.Linear(2, 3)), ("act", nn.ReLU()), ("fc2", nn.Linear(3, 1))]))
for p in seq.parameters():
    nn.init.constant_(p, 0.5)
blocks = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
blocks.append(nn.Linear(2, 2))
heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Identity()})
plist = nn.ParameterList([nn.Parameter(torch.ones(i + 1)) for i in range(2)])
grown = nn.Sequential(nn.Linear(1, 1))
grown.append(nn.Tanh())
grown.add_module("last", nn.Identity())
result = {
    "y": seq(torch.ones(1, 2)).detach(), "named": type(seq.act).__name__, "len": len(seq),
    "index": type(seq[0]).__name__, "slice": len(seq[:2]), "neg": list(seq[-1].weight.shape),
    "keys": list(seq.state_dict().keys()), "blocks": len(blocks),
    "block_keys": [n for n, _ in blocks.named_parameters()][:3],
    "dict": [sorted(heads.keys()), "a" in heads, type(heads["b"]).__name__],
    "plist": [list(p.shape) for p in plist], "grown": [n for n, _ in grown.named_children()],
    "iter": [type(m).__name__ for m in seq], "dict_names": [n for n, _ in heads.named_parameters()],
}
