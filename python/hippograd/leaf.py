"""Layers and models written in C++ as Modules: their parameters stand under their paths, as the same tensors."""
from .nn import Module


class LeafModule(Module):
    """`self._layer` is the C++ object; Module finds its parameters by walking the dicts made here."""

    def _adopt(self, layer):
        self._layer = layer
        tree = {}
        for path, tensor, buffer in layer.named():
            *folders, leaf = path.split(".")
            node = tree
            for folder in folders:
                node = node.setdefault(folder, {})
            node[leaf] = tensor
        for name, part in tree.items():
            setattr(self, name, part)
