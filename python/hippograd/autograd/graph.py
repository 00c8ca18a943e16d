"""Looking at the tape: `get_gradient_edge`, multi-tensor hooks."""

from collections import namedtuple

GradientEdge = namedtuple("GradientEdge", ["node", "output_nr"])


def get_gradient_edge(tensor):
    """The node (and which of its outputs) that made `tensor`."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients.")
    return GradientEdge(tensor.grad_fn, getattr(tensor, "output_nr", 0))


class _Handles:
    def __init__(self, handles):
        self.handles = handles

    def remove(self):
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Calls `fn(grads)` once the gradients of all `tensors` are known ("all"), or `fn(grad)` at the first ("any").

    Differs from PyTorch: with "all", every tensor has to receive a gradient in the pass.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors, seen = list(tensors), {}

    def hook_for(i):
        def hook(grad):
            first, seen[i] = not seen, grad
            if mode == "any" and first:
                fn(grad)
            if len(seen) == len(tensors):
                grads = [seen[k] for k in range(len(tensors))]
                seen.clear()
                if mode == "all":
                    fn(grads)
        return hook

    return _Handles([t.register_hook(hook_for(i)) for i, t in enumerate(tensors)])
