"""Ordinary PyTorch programs run with hippograd when only their import lines change, with PyTorch's results.

The programs are in snippets/, PyTorch's answers in snippets/expected/ (one JSON file per area, made by
tools/make_snippet_expectations.py). Random numbers differ by design, so no snippet's result depends on them.
"""
import json
import pathlib
import warnings

import pytest

import hippograd
import snippet_values

FOLDER = pathlib.Path(__file__).parent / "snippets"
SNIPPETS = sorted(FOLDER.glob("*.py"))


def area(path):
    return path.stem.split("_", 1)[0]


EXPECTED = {p.stem: json.loads(p.read_text()) for p in (FOLDER / "expected").glob("*.json")}


# Intended differences (docs/differences.md): the one line that the comparison must report, no more and no less.
INTENDED = {"numpy_04_image_pipeline": ["result['contiguous']: expected False, got True"]}


@pytest.fixture(autouse=True)
def defaults():
    """A snippet that fails half way leaves no changed defaults to the next one."""
    yield
    hippograd.set_grad_enabled(True)
    hippograd.set_default_dtype(hippograd.float32)
    hippograd.set_printoptions(profile="default")


@pytest.mark.parametrize("path", SNIPPETS, ids=lambda p: p.stem)
def test_snippet(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = snippet_values.run(path, "hippograd")
    tolerance = snippet_values.TRAINING if area(path) == "train" else snippet_values.SINGLE
    wrong = snippet_values.differences(EXPECTED[area(path)][path.stem], got, tolerance)
    assert wrong == INTENDED.get(path.stem, []), "\n" + "\n".join(wrong)


def test_every_snippet_has_an_answer_and_every_answer_a_snippet():
    assert sorted(name for names in EXPECTED.values() for name in names) == [p.stem for p in SNIPPETS]


def test_only_import_lines_change():
    lines = {
        "import torch": "import hippograd as torch",
        "import torch as th": "import hippograd as th",
        "import torch.nn as nn": "import hippograd.nn as nn",
        "    import torch.nn.utils": "    import hippograd.nn.utils; import hippograd as torch",
        "from torch import optim": "from hippograd import optim",
        "from torch.utils.data import (": "from hippograd.utils.data import (",
        "import numpy as np": "import numpy as np",
        "x = 'import torch'": "x = 'import torch'",
    }
    assert snippet_values.rewrite("\n".join(lines), "hippograd") == "\n".join(lines.values())


def test_comparison_finds_wrong_values_dtypes_shapes_and_texts():
    tensor = {"tensor": "float32", "shape": [2], "values": [1.0, 2.0]}
    want = {"dict": {"t": tensor, "s": "tensor([1.])", "n": 1, "f": 0.5, "m": None}}
    assert snippet_values.differences(want, want) == []
    wrong = [
        ("t", {**tensor, "values": [1.0, 2.1]}), ("t", {**tensor, "values": [1.0, float("nan")]}),
        ("t", {**tensor, "tensor": "float64"}), ("t", {**tensor, "shape": [2, 1]}), ("t", [1.0, 2.0]),
        ("s", "tensor([1])"), ("n", 1.0), ("n", True), ("f", 0.51), ("f", float("nan")), ("m", 0),
    ]
    for key, bad in wrong:
        assert len(snippet_values.differences(want, {"dict": {**want["dict"], key: bad}})) == 1, (key, bad)
    del (fewer := dict(want["dict"]))["f"]
    assert snippet_values.differences(want, {"dict": fewer}) == ["result['f']: missing"]
