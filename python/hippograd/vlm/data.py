"""easy-VQA (PyPI package easy-vqa): pictures of one coloured shape and questions about them."""
import importlib.util
import os

from .. import _C


def _folder():
    if folder := os.environ.get("HIPPOGRAD_DATA"):
        inside = os.path.join(folder, "easy_vqa")
        return inside if os.path.isdir(inside) else folder
    package = importlib.util.find_spec("easy_vqa")
    if package is None:
        raise FileNotFoundError("EasyVQA: the data package is missing: pip install easy-vqa (or set HIPPOGRAD_DATA to a folder with "
                                "train/ and test/)")
    return os.path.join(os.path.dirname(package.origin), "data")


class EasyVQA:
    """One split. `EasyVQA.load()` gives (train, test)."""

    def __init__(self, split="train", train=None, folder=None):
        self._data = _C._vlm.EasyVqa(str(folder or _folder()), split, train._data if train is not None else None)

    @classmethod
    def load(cls, folder=None):
        train = cls("train", folder=folder)
        return train, cls("test", train, folder)

    def __len__(self):
        return len(self._data)

    def __getattr__(self, name):   # question, answer, picture_of, questions_of, prompt, pictures, images, batch, vocabulary
        if name == "_data":
            raise AttributeError(name)
        return getattr(self._data, name)


def VqaBatches(data, pictures=16, questions=8, seed=0):
    """Endless batches (images, tokens, targets): `questions` of each of `pictures` random pictures."""
    return _C._vlm.VqaBatches(data._data, pictures, questions, seed)
