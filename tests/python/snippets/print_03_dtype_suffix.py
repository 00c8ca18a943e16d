# The dtype is shown when it is not the default.
import torch

result = {
    "f64": repr(torch.tensor([1.0, 2.5], dtype=torch.float64)),
    "f16": repr(torch.tensor([1.5], dtype=torch.float16)),
    "bf16": repr(torch.tensor([1.5], dtype=torch.bfloat16)),
    "scalar64": repr(torch.tensor(0.5, dtype=torch.double)), "empty": repr(torch.tensor([])),
    "empty2": repr(torch.zeros(0, 3)), "empty_int": repr(torch.tensor([], dtype=torch.int64)),
    "complex": repr(torch.tensor([1 + 2j, 3 - 4j])),
    "c128": repr(torch.tensor([0.5j], dtype=torch.complex128)),
}
