# The names of grad_fn of common operations, and walking the graph.
import torch

x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
w = torch.tensor([2.0, 0.5], requires_grad=True)
outputs = {
    "add": x + w, "sub": x - 1, "rsub": 1 - x, "mul": x * w, "div": x / w, "pow": x ** 2, "neg": -x,
    "exp": x.exp(), "log": x.log(),
    "sqrt": x.sqrt(), "sum": x.sum(), "sumdim": x.sum(0), "mean": x.mean(), "meandim": x.mean(1),
    "mm": x @ x, "mv": x @ w,
    "dot": w @ w, "t": x.t(), "transpose": x.transpose(0, 1), "view": x.view(4), "reshape": x.reshape(4),
    "relu": x.relu(),
    "sigmoid": x.sigmoid(), "tanh": x.tanh(), "softmax": x.softmax(1), "log_softmax": x.log_softmax(1),
    "max": x.max(),
    "maxdim": x.max(1).values, "min": x.min(), "select": x[0], "slice": x[:, :1],
    "index": x[torch.tensor([0, 1])],
    "mask": x[x > 2], "unsqueeze": x.unsqueeze(0), "squeeze": x.unsqueeze(0).squeeze(0),
    "expand": w.expand(3, 2), "cat": torch.cat([x, x]),
    "stack": torch.stack([x, x]), "permute": x.permute(1, 0), "clone": x.clone(), "abs": x.abs(),
    "sin": x.sin(), "cos": x.cos(),
    "clamp": x.clamp(0, 3), "norm": x.norm(), "var": x.var(), "std": x.std(), "prod": x.prod(),
    "cumsum": x.cumsum(0),
    "where": torch.where(x > 2, x, w), "flatten": x.flatten(), "repeat": x.repeat(2, 1),
    "gather": x.gather(1, torch.tensor([[0], [1]])),
    "masked_fill": x.masked_fill(x > 2, 0.0), "logsumexp": x.logsumexp(1), "bmm": x[None].bmm(x[None]),
    "addmm": torch.addmm(w, x, x),
    "to": x.to(torch.float64), "tril": x.tril(), "diag": x.diagonal(), "unbind": x.unbind(0)[0],
    "split": x.split(1)[0],
    "silu": torch.nn.functional.silu(x), "gelu": torch.nn.functional.gelu(x),
    "mse": torch.nn.functional.mse_loss(x, x.detach() + 1),
    "linear": torch.nn.functional.linear(x, x, w), "layer_norm": torch.nn.functional.layer_norm(x, (2,)),
    "leaky": torch.nn.functional.leaky_relu(x),
    "bce": torch.nn.functional.binary_cross_entropy_with_logits(x, x.detach()),
    "nll": torch.nn.functional.nll_loss(x, torch.tensor([0, 1])),
    "embedding": torch.nn.functional.embedding(torch.tensor([0]), x),
    "conv2d": torch.nn.functional.conv2d(x[None, None], x[None, None]), "flip": x.flip(0),
    "sort": x.sort(1)[0],
    "topk": x.topk(1)[0], "square": x.square(), "reciprocal": x.reciprocal(), "rsqrt": x.rsqrt(),
    "log1p": x.log1p(), "maximum": torch.maximum(x, w),
    "atan2": torch.atan2(x, w), "cross_entropy": torch.nn.functional.cross_entropy(x, torch.tensor([0, 1])),
}
names = {k: v.grad_fn.name() for k, v in outputs.items()}
y = ((x * 2).sum() + w.sum()).sqrt()
chain, node = [], y.grad_fn
while node is not None and len(chain) < 10:
    chain.append(type(node).__name__)
    node = node.next_functions[0][0] if node.next_functions else None
result = {
    "names": names, "chain": chain, "repr": str(outputs["mul"]), "leaf": x.grad_fn, "version": x._version
}
