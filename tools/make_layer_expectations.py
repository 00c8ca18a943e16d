"""Writes tests/python/layer_expectations.json: PyTorch's digests of tests/python/layer_cases.py. Needs PyTorch; the tests do not."""
import json
import pathlib
import sys

import torch

TESTS = pathlib.Path(__file__).resolve().parents[1] / "tests" / "python"
sys.path.insert(0, str(TESTS))
import layer_cases  # noqa: E402

answers = {name: layer_cases.digest(torch, layer, inputs, mode) for name, layer, inputs, mode in layer_cases.CASES}
lines = ",\n".join(f"{json.dumps(name)}: {json.dumps([float(f'{v:.14g}') for v in answer])}" for name, answer in answers.items())
(TESTS / "layer_expectations.json").write_text("{\n" + lines + "\n}\n")
print(f"{len(answers)} layers, PyTorch {torch.__version__}")
