"""Python ops, gradcheck, grad modes, checkpoint, functions of functions."""
import pytest

import hippograd as hg
from hippograd.autograd import Function, gradcheck, gradgradcheck
from hippograd.utils.checkpoint import checkpoint


class Cube(Function):
    """x * x * x"""
    samples = [((2, 3),), ((0, 4),), ((2, 1, 5),)]

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        return 3 * x * x * dy


class CubeByIntermediate(Function):
    """Saves x * x, which the tape cannot trace."""
    samples = [((3,),)]

    @staticmethod
    def forward(ctx, x):
        ctx.square = x * x
        return ctx.square * x

    @staticmethod
    def backward(ctx, dy):
        return 3 * ctx.square * dy


class CubeWithReference(CubeByIntermediate):
    @staticmethod
    def reference(x):
        return x * x * x


class WrongCube(Cube):
    @staticmethod
    def backward(ctx, dy):
        x, = ctx.saved_tensors
        return 2 * x * x * dy


def test_check_of_a_function():
    assert hg.check(Cube) and hg.check(CubeWithReference)
    with pytest.raises(hg.autograd.GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        hg.check(WrongCube)


def test_a_function_without_samples_is_refused_by_check_only():
    class Twice(Function):
        forward = staticmethod(lambda ctx, x: 2 * x)
        backward = staticmethod(lambda ctx, dy: 2 * dy)

    assert Twice.apply(hg.ones(1)).item() == 2
    with pytest.raises(ValueError, match="Twice has no samples"):
        hg.check(Twice)


def test_a_second_derivative_through_an_intermediate_raises():
    x = hg.tensor([2.0], requires_grad=True)
    first, = hg.autograd.grad(CubeByIntermediate.apply(x), x, create_graph=True)
    assert first.item() == 12
    with pytest.raises(RuntimeError, match="give the class a `reference`"):
        first.backward()
    first, = hg.autograd.grad(CubeWithReference.apply(x), x, create_graph=True)
    assert hg.autograd.grad(first, x)[0].item() == 12


def test_setup_context_needs_input_grad_and_none_gradients():
    class Scale(Function):
        @staticmethod
        def forward(x, factor, name):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, factor, name = inputs
            assert ctx.needs_input_grad == (True, False, False) and name == "f"
            ctx.factor = factor

        @staticmethod
        def backward(ctx, dy):
            return dy * ctx.factor, None, None

    x = hg.ones(2, requires_grad=True)
    Scale.apply(x, 3.0, "f").sum().backward()
    assert hg.equal(x.grad, hg.full((2,), 3.0))


def test_several_outputs_and_non_differentiable_ones():
    class Split(Function):
        @staticmethod
        def forward(ctx, x):
            index = x.argmax()
            ctx.mark_non_differentiable(index)
            return x * 2, x * 3, index

        @staticmethod
        def backward(ctx, da, db, dindex):
            return 2 * da + 3 * db

    x = hg.tensor([1.0, 5.0], requires_grad=True)
    a, b, index = Split.apply(x)
    assert a.requires_grad and b.requires_grad and not index.requires_grad and index.item() == 1
    b.sum().backward()                                   # the undefined gradient of a arrives as zeros
    assert hg.equal(x.grad, hg.full((2,), 3.0))


def test_wrong_number_of_gradients():
    class Short(Function):
        forward = staticmethod(lambda ctx, x, y: x * y)
        backward = staticmethod(lambda ctx, dy: dy)

    x = hg.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"ShortBackward returned an incorrect number of gradients \(expected 2, got 1\)"):
        Short.apply(x, x).backward()


def test_once_differentiable():
    class Once(Cube):
        @staticmethod
        @hg.autograd.function.once_differentiable
        def backward(ctx, dy):
            x, = ctx.saved_tensors
            return 3 * x * x * dy

    x = hg.tensor([2.0], requires_grad=True)
    g, = hg.autograd.grad(Once.apply(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_a_function_is_not_instantiated():
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Cube()


def test_gradcheck_of_functions_of_several_tensors():
    x = hg.randn(3, 2, dtype=hg.float64, requires_grad=True)
    w = hg.randn(2, 4, dtype=hg.float64, requires_grad=True)
    f = lambda a, b: ((a @ b).tanh(), (a * a).sum())
    assert gradcheck(f, (x, w)) and gradgradcheck(f, (x, w))
    with pytest.raises(ValueError, match="at least one input"):
        gradcheck(f, (x.detach(), w.detach()))


def test_grad_modes_nest_and_decorate():
    x = hg.ones(1, requires_grad=True)
    with hg.no_grad():
        assert not (x * 2).requires_grad
        with hg.enable_grad():
            assert (x * 2).requires_grad
        assert not hg.is_grad_enabled()
    assert hg.is_grad_enabled()

    @hg.no_grad()
    def f(v):
        return v * 2

    @hg.no_grad()
    def stream(v):
        for _ in range(2):
            assert not hg.is_grad_enabled()
            yield v * 2

    assert not f(x).requires_grad
    for y in stream(x):
        assert not y.requires_grad and hg.is_grad_enabled()
    with pytest.raises(ZeroDivisionError):
        with hg.no_grad():
            1 / 0
    assert hg.is_grad_enabled()
    hg.set_grad_enabled(False)
    assert not hg.is_grad_enabled()
    hg.set_grad_enabled(True)


def test_checkpoint_gives_the_same_gradients_and_masks():
    layer = hg.nn.Linear(4, 4)
    f = lambda v: hg.nn.functional.dropout(layer(v).tanh(), 0.5)
    results = []
    for run in (f, lambda v: checkpoint(f, v, use_reentrant=False)):
        hg.manual_seed(3)
        x = hg.ones(2, 4, requires_grad=True)
        layer.zero_grad()
        run(x).sum().backward()
        results.append((x.grad, layer.weight.grad.clone()))
    assert hg.equal(results[0][0], results[1][0]) and hg.equal(results[0][1], results[1][1])


def test_checkpoint_reaches_captured_parameters_without_a_differentiable_input():
    layer = hg.nn.Linear(2, 2)
    checkpoint(layer, hg.ones(1, 2)).sum().backward()
    assert hg.equal(layer.weight.grad, hg.ones(2, 2))


def test_jacobian_and_hessian_by_formula():
    x = hg.tensor([1.0, 2.0, 3.0], dtype=hg.float64)
    f = lambda v: (v ** 3).sum()
    hessian = hg.autograd.functional.hessian(f, x)
    assert hg.allclose(hessian, hg.diag(6 * x))
    a = hg.randn(2, 3, dtype=hg.float64)
    assert hg.allclose(hg.autograd.functional.jacobian(lambda v: a @ v, x), a)
    assert hg.allclose(hg.autograd.functional.jvp(lambda v: a @ v, x, hg.ones_like(x))[1], a.sum(1))
    assert hg.allclose(hg.func.grad(hg.func.grad(lambda v: v ** 4))(hg.tensor(2.0)), hg.tensor(48.0))


def test_softplus_has_no_threshold_unless_one_is_given():
    x = hg.tensor([25.0], dtype=hg.float64)
    for exact in (hg.nn.functional.softplus(x), hg.nn.Softplus()(x)):
        assert abs((exact - 25).item() - 1.3887890e-11) < 4e-15            # log1p(exp(-25)), to the spacing of numbers near 25
    assert hg.nn.functional.softplus(x, threshold=10).item() == 25.0


def test_grad_of_large_tensors_releases_the_gil_once():
    """Above 20,000 elements calls run without the GIL; autograd.grad handles Python lists and must take care of that itself."""
    x = hg.ones(100, 300, requires_grad=True)
    (g,) = hg.autograd.grad([x * 2], [x], [hg.ones(100, 300)])
    assert bool((g == 2).all())
    y = hg.ones(30000, requires_grad=True)
    (g,) = hg.autograd.grad((y * y).sum(), y, create_graph=True)
    assert bool((hg.autograd.grad(g.sum(), y)[0] == 2).all())
