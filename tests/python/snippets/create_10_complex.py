# Complex numbers: construction, parts, polar form.
import torch

re = torch.tensor([1.0, -2.0, 0.5])
im = torch.tensor([0.0, 1.0, -1.5])
z = torch.complex(re, im)
w = torch.polar(torch.tensor([1.0, 2.0]), torch.tensor([0.0, torch.pi / 2]))
lit = torch.tensor([1 + 2j, 3 - 1j])
result = {
    "z": z, "w": w, "lit": lit, "real": z.real, "imag": z.imag, "abs": z.abs(), "angle": torch.angle(lit),
    "conj": z.conj().resolve_conj(), "prod": z * lit[0], "as_real": torch.view_as_real(lit),
    "back": torch.view_as_complex(torch.tensor([[1.0, 2.0], [3.0, 4.0]])), "is_complex": z.is_complex(),
    "exp": torch.exp(1j * torch.tensor([0.0, torch.pi])), "dtype": str(z.dtype),
    "double": str(z.to(torch.complex128).dtype),
}
