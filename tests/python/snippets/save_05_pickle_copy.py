# copy and pickle of tensors and parameters.
import copy
import pickle
import torch

t = torch.arange(4.0).view(2, 2)
p = pickle.loads(pickle.dumps(t))
s = copy.copy(t)
d = copy.deepcopy(t)
d[0, 0] = 99
param = pickle.loads(pickle.dumps(torch.nn.Parameter(torch.ones(2))))
linear = pickle.loads(pickle.dumps(torch.nn.Linear(2, 2)))
g = torch.ones(2, requires_grad=True)
result = {
    "p": p, "s": s, "t": t, "d": d, "param": [type(param).__name__, param.requires_grad],
    "linear": list(linear.weight.shape), "g": pickle.loads(pickle.dumps(g)).requires_grad,
    "dtype": str(pickle.loads(pickle.dumps(torch.float64))),
}
