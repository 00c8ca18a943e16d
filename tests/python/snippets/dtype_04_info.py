# Asking tensors and dtypes about themselves.
import torch

x = torch.zeros(2, 2)
i = torch.ones(3, dtype=torch.long)
result = {
    "fp": x.is_floating_point(), "fp_i": torch.is_floating_point(i), "cplx": torch.is_complex(x),
    "signed": torch.tensor([1], dtype=torch.uint8).is_signed(),
    "dtype": str(x.dtype), "repr": repr(i.dtype), "eq": x.dtype == torch.float32,
    "alias": torch.float is torch.float32, "long": torch.long is torch.int64,
    "double": torch.double == torch.float64, "half": torch.half == torch.float16,
    "default": str(torch.get_default_dtype()), "prop": torch.float64.is_floating_point,
    "itemsize": torch.float64.itemsize, "cuda": x.is_cuda, "device": str(x.device),
    "device_type": x.device.type, "dev_eq": x.device == torch.device("cpu"),
    "layout": str(x.layout), "grad": x.grad is None, "leaf": x.is_leaf, "numel": torch.numel(x),
    "nonzero": torch.is_nonzero(torch.tensor([2.0])),
}
