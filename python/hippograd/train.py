"""Training loops in C++ pieces: optimizers whose `step(lr, max_norm)` clips and updates in a few kernels, and schedules.

`hg.optim` has PyTorch's classes; these are what C++ programs use, bound as they are, so that a Python loop over them gives the
same bits as the C++ program.
"""
from . import _C

AdamW, SGD, warmup_cosine = _C._train.AdamW, _C._train.SGD, _C._train.warmup_cosine


def decay_matrices_only(model, weight_decay):
    """Two parameter groups: matrices decay, vectors and scalars (biases, norms) do not; frozen parameters are left out."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [{"params": [p for p in trained if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in trained if p.dim() < 2]}]
