# Changing how tensors print, and going back.
import torch

x = torch.tensor([3.14159265, 2.71828183])
torch.set_printoptions(precision=2)
two = repr(x)
torch.set_printoptions(precision=6, sci_mode=False)
six = repr(torch.tensor([1e-6, 1.0]))
torch.set_printoptions(threshold=5, edgeitems=1)
short = repr(torch.arange(10))
torch.set_printoptions(profile="default")
result = {"two": two, "six": six, "short": short, "default": repr(x)}
