# Factory functions with sizes as varargs, tuples and keyword arguments.
import torch

shape = (2, 3,)
result = {
    "zeros": torch.zeros(shape),
    "zeros_varargs": torch.zeros(2, 3),
    "ones_list": torch.ones([2, 2], dtype=torch.int64),
    "ones_kw": torch.ones(size=(3,), dtype=torch.bool),
    "full": torch.full((2, 2), 7),
    "full_float": torch.full((2,), 3.5),
    "full_kw": torch.full(size=(1, 3), fill_value=True),
    "eye": torch.eye(3),
    "eye_rect": torch.eye(2, 4, dtype=torch.float64),
    "empty_shape": list(torch.empty(4, 0, 2).shape),
    "empty_dtype": str(torch.empty(2, dtype=torch.complex64).dtype),
    "like": torch.full_like(torch.zeros(2, 2, dtype=torch.double), 4),
    "requires": torch.zeros(1, requires_grad=True).requires_grad,
}
