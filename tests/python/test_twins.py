"""Every layer of the C++ library that has a Python twin: same parameter names, same bits from the same seed, same output bits."""
import pathlib
import subprocess

import pytest

import hippograd as hg
import hippograd.nn as nn


def ramp(*shape, dtype):
    n = 1
    for s in shape:
        n *= s
    return (hg.arange(n, dtype=hg.float64).reshape(shape) * (2.0 / n) - 1.0).to(dtype)


LAYERS = {
    "linear": (lambda: nn.Linear(6, 5), lambda d: ramp(3, 6, dtype=d)),
    "linear_no_bias": (lambda: nn.Linear(33, 17, bias=False), lambda d: ramp(2, 4, 33, dtype=d)),
    "embedding": (lambda: nn.Embedding(11, 4), lambda d: hg.arange(10).reshape(2, 5)),
    "layer_norm": (lambda: nn.LayerNorm(9), lambda d: ramp(4, 9, dtype=d)),
    "rms_norm": (lambda: nn.RMSNorm(9, eps=1e-6), lambda d: ramp(4, 9, dtype=d)),
    "dropout": (lambda: nn.Dropout(0.25), lambda d: ramp(5, 8, dtype=d)),
    "conv2d": (lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1), lambda d: ramp(2, 3, 7, 6, dtype=d)),
    "two": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)), lambda d: ramp(3, 6, dtype=d)),
}


@pytest.fixture(scope="module")
def from_cpp(tmp_path_factory):
    program = pathlib.Path(hg._C.__file__).resolve().parents[2] / "tests" / "twins"
    if not program.exists():
        pytest.skip("an installed package has no tests/twins beside it")
    path = tmp_path_factory.mktemp("twins") / "twins.safetensors"
    subprocess.run([str(program), str(path)], check=True)
    return hg.load(path)


def test_nothing_is_left_out(from_cpp):
    assert {k.split(".")[1].split(":")[0] for k in from_cpp} == set(LAYERS)


@pytest.mark.parametrize("dtype", [hg.float32, hg.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
def test_same_names_and_bits(from_cpp, name, dtype):
    make, input = LAYERS[name]
    before = hg.get_default_dtype()
    hg.set_default_dtype(dtype)
    try:
        hg.manual_seed(7)
        layer = make()
        y = layer(input(dtype))
    finally:
        hg.set_default_dtype(before)
    prefix = f"{str(dtype).rsplit('.', 1)[-1]}.{name}"
    theirs = {k[len(prefix) + 1:]: v for k, v in from_cpp.items() if k.startswith(prefix + ".")}
    mine = layer.state_dict()
    assert list(sorted(mine)) == sorted(theirs)
    for key, value in mine.items():
        assert value.dtype is theirs[key].dtype and hg.equal(value, theirs[key]), key
    assert hg.equal(y, from_cpp[prefix + ":output"])
