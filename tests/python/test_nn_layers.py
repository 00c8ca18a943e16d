"""Every layer and loss of hippograd.nn against PyTorch's stored results: outputs, all gradients, running statistics."""
import json
import pathlib

import pytest

import hippograd as hg
import layer_cases

EXPECTED = json.loads((pathlib.Path(__file__).parent / "layer_expectations.json").read_text())


@pytest.mark.parametrize("case", layer_cases.CASES, ids=lambda c: c[0])
def test_layer(case):
    name, layer, inputs, mode = case
    got, expected = layer_cases.digest(hg, layer, inputs, mode), EXPECTED[name]
    assert len(got) == len(expected)
    scale = max(1.0, *(abs(v) for v in expected))
    assert all(abs(a - b) <= 1e-9 * scale for a, b in zip(got, expected)), (got, expected)


def test_every_case_has_an_answer():
    assert sorted(EXPECTED) == sorted(name for name, *_ in layer_cases.CASES)
