"""Optimizers on a quadratic: first steps by formula; groups, state, schedules, DataLoader. (PyTorch's numbers: snippets.)"""
import math

import pytest

import hippograd as hg
from hippograd import nn, optim
from hippograd.utils.data import DataLoader, IterableDataset, TensorDataset, get_worker_info, random_split

ALL = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop", "Adagrad", "Adadelta", "Rprop", "ASGD"]


def parameter(values):
    return nn.Parameter(hg.tensor(values, dtype=hg.float64))


@pytest.mark.parametrize("name", ALL)
def test_every_optimizer_goes_downhill_and_resumes_exactly(name):
    def run(steps, optimizer, p):
        for _ in range(steps):
            optimizer.zero_grad()
            ((p - hg.tensor([1.0, -2.0], dtype=hg.float64)) ** 2).sum().backward()
            optimizer.step()

    make = lambda q: getattr(optim, name)([q], lr=0.05)
    whole, p = parameter([0.0, 0.0]), parameter([0.0, 0.0])
    run(20, make(whole), whole)
    assert ((whole - hg.tensor([1.0, -2.0], dtype=hg.float64)) ** 2).sum().item() < 5.0
    first = make(p)
    run(8, first, p)
    second = make(p)
    second.load_state_dict(first.state_dict())
    run(12, second, p)
    assert hg.equal(p, whole)


def test_first_steps_by_formula():
    p = parameter([1.0])
    p.grad = hg.tensor([0.5], dtype=hg.float64)
    optim.SGD([p], lr=0.1, weight_decay=0.2).step()
    assert math.isclose(p.item(), 1 - 0.1 * (0.5 + 0.2))
    p = parameter([1.0])
    p.grad = hg.tensor([0.5], dtype=hg.float64)
    optim.AdamW([p], lr=0.1, weight_decay=0.3).step()
    assert math.isclose(p.item(), (1 - 0.03) - 0.1 * 0.5 / (0.5 + 1e-8), rel_tol=1e-12)


def test_groups_and_bad_arguments():
    a, b = parameter([1.0]), parameter([1.0])
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    for p in (a, b):
        p.grad = hg.ones_like(p)
    optimizer.step()
    assert math.isclose(a.item(), 0.9) and math.isclose(b.item(), 0.5)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [a]})
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        optim.SGD([a], lr=-1)
    with pytest.raises(ValueError, match="non-leaf"):
        optim.SGD([a * 2], lr=0.1)
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        optim.SGD(["a"], lr=0.1)


def test_lbfgs_solves_rosenbrock():
    p = parameter([-1.2, 1.0])
    optimizer = optim.LBFGS([p], lr=1, max_iter=100, tolerance_change=1e-14, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    optimizer.step(closure)
    assert abs(p[0].item() - 1) < 1e-6 and abs(p[1].item() - 1) < 1e-6


def test_clipping():
    a, b = parameter([0.0, 0.0]), parameter([0.0])
    a.grad, b.grad = hg.tensor([3.0, 0.0], dtype=hg.float64), hg.tensor([4.0], dtype=hg.float64)
    assert math.isclose(nn.utils.clip_grad_norm_([a, b], 1.0).item(), 5.0)
    assert math.isclose(a.grad[0].item(), 0.6, rel_tol=1e-6) and math.isclose(b.grad.item(), 0.8, rel_tol=1e-6)
    nn.utils.clip_grad_value_([a, b], 0.7)
    assert b.grad.item() == 0.7
    a.grad[0] = math.nan
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_([a, b], 1.0, error_if_nonfinite=True)


@pytest.mark.parametrize("make, rates", [
    (lambda o: optim.lr_scheduler.StepLR(o, 2, 0.5), [1, 1, .5, .5, .25]),
    (lambda o: optim.lr_scheduler.MultiStepLR(o, [1, 3], 0.1), [1, .1, .1, .01, .01]),
    (lambda o: optim.lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)), [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]),
    (lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 4), [(1 + math.cos(math.pi * t / 4)) / 2 for t in range(5)]),
    (lambda o: optim.lr_scheduler.LinearLR(o, 0.2, 1.0, 4), [.2, .4, .6, .8, 1]),
    (lambda o: optim.lr_scheduler.PolynomialLR(o, 4, 2.0), [1, .5625, .25, .0625, 0]),
    (lambda o: optim.lr_scheduler.ConstantLR(o, 0.5, 2), [.5, .5, 1, 1, 1]),
])
def test_schedules_by_formula(make, rates):
    optimizer = optim.SGD([parameter([1.0])], lr=1.0)
    scheduler = make(optimizer)
    for rate in rates:
        assert math.isclose(optimizer.param_groups[0]["lr"], rate, abs_tol=1e-12)
        optimizer.step()
        scheduler.step()


def test_loader_orders_workers_and_seeds():
    data = TensorDataset(hg.arange(10), hg.arange(10) * 2)
    for workers in (0, 3):
        batches = list(DataLoader(data, batch_size=4, num_workers=workers))
        assert [b[0].tolist() for b in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    hg.manual_seed(1)
    first = [b[0].tolist() for b in DataLoader(data, batch_size=3, shuffle=True, drop_last=True)]
    hg.manual_seed(1)
    assert first == [b[0].tolist() for b in DataLoader(data, batch_size=3, shuffle=True, drop_last=True, num_workers=2)]
    assert len(first) == 3 and len({i for b in first for i in b}) == 9
    parts = random_split(data, [0.7, 0.3], generator=hg.Generator().manual_seed(0))
    assert sorted(x.item() for part in parts for x, _ in part) == list(range(10)) and len(parts[0]) == 7


def test_streams_know_their_worker():
    class Stream(IterableDataset):
        def __iter__(self):
            info = get_worker_info()
            start, step = (0, 1) if info is None else (info.id, info.num_workers)
            return iter(range(start, 10, step))

    assert sorted(i for b in DataLoader(Stream(), batch_size=2, num_workers=3) for i in b.tolist()) == list(range(10))
    assert get_worker_info() is None


def test_an_error_in_a_worker_arrives():
    class Broken(TensorDataset):
        def __getitem__(self, i):
            raise KeyError("sample 3 is broken")

    with pytest.raises(KeyError, match="sample 3 is broken"):
        list(DataLoader(Broken(hg.arange(4)), num_workers=2))
