"""Check 11 of the op table: every op is reachable from Python."""
import hippograd as hg
import pytest
from hippograd import _C

PLACES = (hg, hg.Tensor, hg.nn.functional, hg.linalg, hg.fft, hg.special)

# Ops that stand behind another function: its name.
BEHIND = {
    "add_number": "add", "rsub_number": "rsub", "mul_number": "mul", "div_number": "div", "rdiv_number": "true_divide", "pow_number": "pow",
    "eq_number": "eq", "ne_number": "ne", "lt_number": "lt", "le_number": "le", "gt_number": "gt", "ge_number": "ge",
    "clamp_tensor": "clamp", "trunc_divide": "div", "round_decimals": "round", "gelu_tanh": "gelu", "sinc_derivative": "sinc", "mul_conj": "vdot",
    "slice": "narrow", "slice_adjoint": "narrow", "select_adjoint": "select", "gather_adjoint": "gather", "unfold_adjoint": "unfold",
    "index_select_adjoint": "index_select", "linear_index": "take", "as_strided_adjoint": "as_strided", "as_strided_gather": "as_strided",
    "sum_to": "expand", "tri": "tril", "constant_pad": "pad", "resample": "interpolate",
    "resample_input": "interpolate", "max_pool": "max_pool2d", "avg_pool": "avg_pool2d", "avg_pool_input": "avg_pool2d",
    "conv2d_input": "conv2d", "conv2d_weight": "conv2d", "to_device": "to",
}


def public(name):
    return any(hasattr(place, name) for place in PLACES) or hasattr(_C, name)


@pytest.mark.parametrize("name", [entry["name"] for entry in _C.op_table()])
def test_bound(name):
    assert public(name) or public(BEHIND.get(name, "no function")), f"op {name} cannot be reached from Python"


def test_nothing_stale_in_the_list():
    names = {entry["name"] for entry in _C.op_table()}
    assert len(names) >= 200
    assert not [name for name in BEHIND if name not in names or public(name) and name != "slice"]


def test_every_entry_says_what_it_does():
    for entry in _C.op_table():
        assert entry["doc"] and entry["dtypes"], entry


@pytest.mark.parametrize("name", [entry["name"] for entry in _C.op_table()])
def test_samples_run(name):
    samples = hg.run_samples(name)
    assert samples
    for label, _, outputs in samples:
        assert outputs and all(isinstance(y, hg.Tensor) for y in outputs), label
