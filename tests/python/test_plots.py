"""plots.tape: every op and leaf behind a tensor once, inputs first; hg.check of an op by name; gradcheck names the entry."""
import xml.etree.ElementTree as ET

import pytest

import hippograd as hg
from hippograd import plots


def test_tape_lists_ops_and_leaves_once_and_inputs_first():
    w = hg.ones(3, requires_grad=True)
    h = hg.tanh(w)
    tape = plots.tape((h * h.exp()).sum(), w=w)
    titles = [box.title for box in tape.boxes]
    assert titles == ["w", "Tanh", "Exp", "Mul", "Sum"]
    assert all(j < i for i, box in enumerate(tape.boxes) for j in box.inputs)
    assert sorted(tape.boxes[titles.index("Mul")].inputs) == [titles.index("Tanh"), titles.index("Exp")]
    assert [box.kind for box in tape.boxes] == ["leaf", "op", "op", "op", "output"]
    assert "(3,)" in repr(tape)


def test_an_input_used_twice_has_two_edges():
    x = hg.ones(2, requires_grad=True)
    assert plots.tape((x * x).sum()).boxes[1].inputs == [0, 0]


def test_drawing_holds_every_box_and_edge():
    x = hg.ones(2, requires_grad=True)
    y = x
    for _ in range(4):
        y = y.exp() * x                                  # edges that cross ranks
    tape = plots.tape(y.sum(), **{"<x>": x})
    root = ET.fromstring(tape._repr_svg_())
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}text")) == len(tape) == 10
    assert len(root.findall(f"{space}path")) == sum(len(set(box.inputs)) for box in tape.boxes)
    assert root.find(f"{space}text").text == "<x> (2,)"
    boxes = [r for r in root.findall(f"{space}rect") if r.get("rx")]
    rows = {}
    for r in boxes:
        rows.setdefault(r.get("y"), []).append((float(r.get("x")), float(r.get("width"))))
    for row in rows.values():                            # no overlaps
        row.sort()
        assert all(a + w < b for (a, w), (b, _) in zip(row, row[1:]))
    assert tape.dot().count("->") == sum(len(box.inputs) for box in tape.boxes)


def test_long_tapes_do_not_recurse():
    y = x = hg.ones(1, requires_grad=True)
    for _ in range(3000):
        y = y + 1
    assert len(plots.tape(y, x=x)) == 3001


def test_tape_refuses_what_has_no_history():
    with pytest.raises(ValueError, match="no grad_fn"):
        plots.tape(hg.ones(2))
    with pytest.raises(TypeError, match="expected tensors, got float"):
        plots.tape(1.0)


def test_check_of_an_op_by_name():
    assert "softmax: 12 checks passed" in repr(hg.check("softmax"))
    with pytest.raises(ValueError, match="no op named 'sofmax'"):
        hg.check("sofmax")


def test_gradcheck_names_the_worst_entry():
    class Cube(hg.autograd.Function):
        samples = [((2, 3),)]

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, dy):
            x, = ctx.saved_tensors
            wrong = hg.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=hg.float64)
            return 3 * x * x * dy + wrong * dy

    with pytest.raises(hg.autograd.GradcheckError, match=r"1 of 36 entries are wrong; the worst is d output 0\[1, 1\] / d input 0\[1, 1\]"):
        hg.check(Cube)
