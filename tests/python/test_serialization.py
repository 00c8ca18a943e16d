"""hg.save and hg.load: what goes in comes out; what cannot be stored, and malformed files, are refused by name."""
import collections
import io
import math

import pytest

import hippograd as hg


def roundtrip(tree):
    buffer = io.BytesIO()
    hg.save(tree, buffer)
    buffer.seek(0)
    return hg.load(buffer)


def test_a_tree_comes_back(tmp_path):
    tree = {"a": hg.arange(3), 7: [1, 2.5, None, True, "text", (hg.ones(2, 2), ())], "nested": {"x.y": hg.zeros(1), "x": {
        "y": hg.ones(1)}}, "odd": [math.inf, -math.inf]}
    hg.save(tree, tmp_path / "tree.pt")
    back = hg.load(str(tmp_path / "tree.pt"))
    assert list(back) == ["a", 7, "nested", "odd"]
    assert hg.equal(back["a"], tree["a"]) and back["a"].dtype == hg.int64
    assert back[7][:5] == [1, 2.5, None, True, "text"] and back[7][3] is True
    assert isinstance(back[7][5], tuple) and hg.equal(back[7][5][0], hg.ones(2, 2)) and back[7][5][1] == ()
    assert back["nested"]["x.y"].item() == 0 and back["nested"]["x"]["y"].item() == 1
    assert back["odd"] == [math.inf, -math.inf] and math.isnan(roundtrip(math.nan))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool",
                                   "complex64", "complex128"])
def test_every_dtype_and_shape(dtype):
    for shape in ((), (0, 3), (2, 3)):
        t = hg.arange(math.prod(shape)).reshape(shape).to(getattr(hg, dtype))
        back = roundtrip({"t": t})["t"]
        assert back.dtype == t.dtype and tuple(back.shape) == shape and hg.equal(back, t)


def test_views_parameters_and_optimizers():
    matrix = hg.arange(6.0).reshape(2, 3)
    assert hg.equal(roundtrip(matrix.t()), matrix.t())
    p = roundtrip(hg.nn.Parameter(hg.ones(2)))
    assert isinstance(p, hg.nn.Parameter) and p.requires_grad
    layer = hg.nn.Linear(2, 2)
    optimizer = hg.optim.Adam(layer.parameters())
    layer(hg.ones(1, 2)).sum().backward()
    optimizer.step()
    state = roundtrip(optimizer.state_dict())
    assert state["param_groups"][0]["betas"] == (0.9, 0.999) and list(state["state"]) == [0, 1]
    assert isinstance(roundtrip(collections.OrderedDict(b=1, a=2)), dict)


@pytest.mark.parametrize("tree, text", [
    (hg.nn.Linear(1, 1), r"a whole Linear is not stored; save its state_dict\(\)"),
    ({"a": [set()]}, "at 'a.0': cannot store a set"),
    ({(1, 2): 3}, "keys must be"),
    (lambda: 0, "cannot store a function"),
])
def test_refusals(tree, text, tmp_path):
    with pytest.raises(TypeError, match=text):
        hg.save(tree, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_files_that_are_none(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04 not a safetensors file at all")
    with pytest.raises(Exception, match="x.pt"):
        hg.load(tmp_path / "x.pt")
    with pytest.raises((OSError, RuntimeError), match="absent"):
        hg.load(tmp_path / "absent.pt")
    with pytest.raises(TypeError, match="f must be a path or a file"):
        hg.load(3)
