"""Printing, in PyTorch's layout. The expected texts were printed by PyTorch 2."""
import pytest

import hippograd as hg

CASES = [
    (lambda: hg.tensor([1.0, 2.0]), "tensor([1., 2.])"),
    (lambda: hg.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
    (lambda: hg.tensor(3), "tensor(3)"),
    (lambda: hg.tensor(2.5), "tensor(2.5000)"),
    (lambda: hg.tensor([True, False]), "tensor([ True, False])"),
    (lambda: hg.tensor([]), "tensor([])"),
    (lambda: hg.zeros(0, 3), "tensor([], size=(0, 3))"),
    (lambda: hg.zeros(0, dtype=hg.int64), "tensor([], dtype=hippograd.int64)"),
    (lambda: hg.tensor([1.0, 2.0], dtype=hg.float64), "tensor([1., 2.], dtype=hippograd.float64)"),
    (lambda: hg.tensor([1, 2], dtype=hg.int32), "tensor([1, 2], dtype=hippograd.int32)"),
    (lambda: hg.tensor([1.5, -2.25, 1000.0]), "tensor([   1.5000,   -2.2500, 1000.0000])"),
    (lambda: hg.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda: hg.tensor([1e10, 1.0]), "tensor([1.0000e+10, 1.0000e+00])"),
    (lambda: hg.tensor([float("nan"), float("inf"), 1.0]), "tensor([nan, inf, 1.])"),
    (lambda: hg.tensor([float("-inf"), 0.5]), "tensor([  -inf, 0.5000])"),
    (lambda: hg.tensor([1 + 2j, -0.5j]), "tensor([1.+2.0000j, -0.-0.5000j])"),
    (lambda: hg.arange(2000), "tensor([   0,    1,    2,  ..., 1997, 1998, 1999])"),
    (lambda: hg.zeros(100, 100), "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
                                 "        [0., 0., 0.,  ..., 0., 0., 0.],\n        ...,\n        [0., 0., 0.,  ..., 0., 0., 0.],\n"
                                 "        [0., 0., 0.,  ..., 0., 0., 0.],\n        [0., 0., 0.,  ..., 0., 0., 0.]])"),
    (lambda: hg.zeros(2, 1, 2), "tensor([[[0., 0.]],\n\n        [[0., 0.]]])"),
    (lambda: hg.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
    (lambda: hg.ones(2, requires_grad=True) + 1, "tensor([2., 2.], grad_fn=<AddBackward0>)"),
    (lambda: hg.nn.Parameter(hg.ones(2)), "Parameter containing:\ntensor([1., 1.], requires_grad=True)"),
    (lambda: hg.ones(2, 3).shape, "hippograd.Size([2, 3])"),
    (lambda: hg.float32, "hippograd.float32"),
    (lambda: hg.device("cpu"), "device(type='cpu')"),
    (lambda: hg.tensor([1.0, 3.0]).max(0), "hippograd.return_types.max(\nvalues=tensor(3.),\nindices=tensor(1))"),
]


@pytest.mark.parametrize("make,text", CASES, ids=[t for _, t in CASES])
def test_text(make, text):
    assert repr(make()) == text


def test_long_rows_are_broken():
    assert repr(hg.arange(30)) == ("tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,\n"
                                   "        18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])")


def test_options():
    x = hg.tensor([1.23456789, 100.0])
    try:
        hg.set_printoptions(precision=2)
        assert repr(x) == "tensor([  1.23, 100.00])"
        hg.set_printoptions(sci_mode=True)
        assert repr(x) == "tensor([1.23e+00, 1.00e+02])"
        hg.set_printoptions(profile="default", threshold=5, edgeitems=1)
        assert repr(hg.arange(6)) == "tensor([0,  ..., 5])"
    finally:
        hg.set_printoptions(profile="default")
    assert repr(x) == "tensor([  1.2346, 100.0000])"


def test_format():
    assert f"{hg.tensor(1.5):.1f}" == "1.5" and f"{hg.tensor(3)}" == "3" and f"{hg.tensor([1])}" == "tensor([1])"
