# Masks and structured matrices.
import torch

x = torch.arange(1, 10, dtype=torch.float32).view(3, 3)
result = {
    "tril": torch.tril(x), "triu": x.triu(), "triu1": torch.triu(torch.ones(3, 4), diagonal=1),
    "tril_neg": x.tril(-1),
    "diag_vec": torch.diag(torch.tensor([1, 2, 3])), "diag_mat": torch.diag(x), "diag_off": torch.diag(x, 1),
    "diagflat": torch.diagflat(torch.tensor([[1.0, 2.0]])), "diag_embed": torch.diag_embed(x[:2]),
    "idx": torch.tril_indices(3, 3), "idx_u": torch.triu_indices(3, 4, offset=1),
    "diagonal": x.diagonal(offset=-1),
    "vander": torch.vander(torch.tensor([1, 2, 3])),
    "block": torch.block_diag(torch.ones(2, 2), torch.tensor([[5.0]])),
}
