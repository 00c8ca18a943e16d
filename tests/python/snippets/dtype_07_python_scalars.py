# Scalars cross between Python and tensors.
import torch

x = torch.tensor(2.5)
n = torch.tensor(3)
items = ["a", "b", "c", "d"]
result = {
    "float": float(x), "int": int(x), "bool": bool(n), "item": n.item(), "type": type(n.item()).__name__,
    "ftype": type(x.item()).__name__,
    "index": items[n], "range": list(range(n)), "format": f"{x:.3f}",
    "format_item": f"{x.item():.1f} and {n.item():d}", "list": torch.tensor([[1, 2], [3, 4]]).tolist(),
    "tolist0": x.tolist(), "max": max(torch.tensor([1, 5, 3])).item(),
    "sum": sum(torch.tensor([1, 2, 3])).item(), "in": 5 in torch.tensor([1, 5]),
    "notin": 7 in torch.tensor([1, 5]),
    "len": len(torch.zeros(4, 2)), "iter": [row.sum().item() for row in torch.ones(2, 3)],
    "round": torch.round(x).item(), "complex": complex(torch.tensor(1 + 2j)),
    "if": "yes" if torch.tensor([1]) else "no",
}
