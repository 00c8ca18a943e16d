"""x[...] and x[...] = v against NumPy: the same results, shapes and errors, and the gradients of both."""
import itertools

import numpy as np
import pytest

import hippograd as hg

SHAPE = (4, 5, 6)
MASK_1 = np.array([True, False, True, True])
MASK_2 = np.arange(20).reshape(4, 5) % 3 == 0
ONE_DIM = [0, -1, 2, slice(None), slice(1, 3), slice(None, None, 2), slice(-2, None), slice(3, 1), None, Ellipsis, [0, 2], [-1, 0, 0],
           np.array([1, 3]), np.array([[0, 1], [2, 3]]), MASK_1]


def numbers():
    return np.arange(np.prod(SHAPE), dtype=np.float64).reshape(SHAPE)


def as_index(index):
    """NumPy arrays of an index as tensors."""
    convert = lambda i: hg.tensor(i) if isinstance(i, np.ndarray) else i
    return tuple(convert(i) for i in index)


def indices():
    for index in itertools.product(ONE_DIM, repeat=2):
        if index.count(Ellipsis) < 2 if all(i is Ellipsis or not isinstance(i, (list, np.ndarray)) for i in index) else True:
            yield index
    yield (MASK_2,)
    yield (MASK_2, 1)
    yield (slice(None), [0, 2], [1, 3])
    yield ([0, 2], slice(None), [1, 3])
    yield ([0, 2], None, [1, 3])
    yield (slice(None), 1, [1, 3])
    yield (np.array([[0], [2]]), np.array([1, 3]))
    yield (Ellipsis, None, 0)
    yield (1, 2, 3)
    yield ()
    yield (True,)
    yield (False,)


def legal(index):
    """Does NumPy take it? Two Ellipsis or mismatched shapes are refused by both."""
    try:
        with np.errstate(all="ignore"):
            return numbers()[index]
    except IndexError:
        return None


CASES = [index for index in indices() if sum(i is Ellipsis for i in index) < 2]


@pytest.mark.parametrize("index", CASES, ids=repr)
def test_reading_as_numpy(index):
    want = legal(index)
    x = hg.tensor(numbers())
    if want is None:
        with pytest.raises((IndexError, RuntimeError)):
            x[as_index(index)]
        return
    got = x[as_index(index)]
    assert tuple(got.shape) == want.shape
    np.testing.assert_array_equal(got.numpy(), want)
    np.testing.assert_array_equal(x[index].numpy(), want)   # NumPy arrays as they are


@pytest.mark.parametrize("index", CASES, ids=repr)
def test_writing_as_numpy(index):
    want = legal(index)
    if want is None:
        return
    for value in (7.0, np.arange(want.size, dtype=np.float64).reshape(want.shape) + 0.5):
        a, x = numbers(), hg.tensor(numbers())
        flat = [i for i in index if isinstance(i, (list, np.ndarray)) and np.asarray(i).dtype != bool]
        if not np.isscalar(value) and any(len(set(np.asarray(i).ravel() % 4)) < np.asarray(i).size for i in flat):
            continue   # the same place twice: the order is not defined
        a[index] = value
        x[as_index(index)] = value if np.isscalar(value) else hg.tensor(value)
        np.testing.assert_array_equal(x.numpy(), a)


@pytest.mark.parametrize("index", [(1,), (slice(1, 3),), (Ellipsis, 0), ([0, 2],), (MASK_1,), (MASK_2,), (slice(None), [0, 0, 3]), (None, 2)], ids=repr)
def test_gradient_of_reading(index):
    x = hg.tensor(numbers(), requires_grad=True)
    y = x[as_index(index)]
    weights = hg.arange(y.numel(), dtype=hg.float64).reshape(y.shape) + 1
    (y * weights).sum().backward()
    want = np.zeros(SHAPE)
    np.add.at(want, index if index[0] is not None else index[1:], weights.numpy() if index[0] is not None else weights.numpy()[0])
    np.testing.assert_array_equal(x.grad.numpy(), want)


@pytest.mark.parametrize("index", [(1,), (slice(1, 3),), (Ellipsis, 0), ([0, 2],), (MASK_1,), (MASK_2,)], ids=repr)
def test_gradient_of_writing(index):
    x = hg.tensor(numbers(), requires_grad=True)
    v = hg.tensor(numbers()[index] * 2, requires_grad=True)
    y = x * 1
    y[as_index(index)] = v
    weights = hg.arange(y.numel(), dtype=hg.float64).reshape(y.shape) + 1
    (y * weights).sum().backward()
    kept = weights.numpy().copy()
    kept[index] = 0
    np.testing.assert_array_equal(x.grad.numpy(), kept)
    np.testing.assert_array_equal(v.grad.numpy(), weights.numpy()[index])


def test_views_share_memory_and_copies_do_not():
    x = hg.zeros(3, 4)
    x[1][2] = 5
    x[:, 0].fill_(7)
    assert x.tolist() == [[7, 0, 0, 0], [7, 0, 5, 0], [7, 0, 0, 0]]
    picked = x[[0, 1]]
    picked.zero_()
    assert x[0, 0].item() == 7
    assert x[...] is not x and x[...].data_ptr() == x.data_ptr() and x[()].data_ptr() == x.data_ptr()


def test_integers_select_before_arrays_index():
    """Where PyTorch differs from NumPy: an integer does not count as an index array."""
    assert hg.zeros(4, 5, 6)[0, :, [1, 3]].shape == (5, 2) and np.zeros((4, 5, 6))[0, :, [1, 3]].shape == (2, 5)


def test_augmented_assignment_through_an_index():
    x = hg.zeros(4)
    x[[0, 0, 2]] += 1          # reads, adds, writes: no accumulation
    x[x == 0] -= 3
    x[1:3] *= 2
    assert x.tolist() == [1.0, -6.0, 2.0, -3.0]


def test_zero_dimensional_tensors_count_as_integers():
    x = hg.arange(12).reshape(3, 4)
    i = hg.tensor(2)
    assert x[i].tolist() == x[2].tolist() and x[i, i].item() == 10 and x[1:i].shape == (1, 4)
    assert [10, 11, 12][i] == 12


def test_values_are_cast_and_broadcast():
    x = hg.zeros(2, 3, dtype=hg.int64)
    x[0] = hg.tensor([1.9, -1.9, 2.5])
    x[1] = True
    assert x.tolist() == [[1, -1, 2], [1, 1, 1]]
    x[:, 1:] = hg.tensor([[8], [9]])
    assert x.tolist() == [[1, 8, 8], [1, 9, 9]]
    x[:, 0] = [5, 6]
    assert x[:, 0].tolist() == [5, 6]


@pytest.mark.parametrize("index,error", [((4,), IndexError), ((0, 0, 0, 0), IndexError), ((slice(None, None, -1),), ValueError),
                                         ((1.5,), (IndexError, TypeError)), (("a",), (IndexError, TypeError)), (([0, 9],), IndexError),
                                         ((np.ones(3, bool),), IndexError), ((Ellipsis, Ellipsis), IndexError)], ids=repr)
def test_wrong_indices(index, error):
    x = hg.tensor(numbers())
    before = x.clone()
    with pytest.raises(error):
        x[as_index(index)]
    with pytest.raises(error):
        x[as_index(index)] = 1
    assert hg.equal(x, before)


def test_wrong_values():
    x = hg.zeros(2, 3)
    with pytest.raises(RuntimeError, match="must match"):
        x[0] = hg.zeros(4)
    with pytest.raises(TypeError):
        x[0] = "text"
    with pytest.raises(RuntimeError):
        x[0] = 1j
    with pytest.raises(TypeError):
        del x[0]
    leaf = hg.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        leaf[0] = 1
