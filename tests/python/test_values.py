"""Values of functions whose outputs are integers or that have no reference among the ops, against NumPy or plain loops."""
import itertools
import math

import numpy as np
import pytest

import hippograd as hg
import hippograd.nn.functional as F

RNG = np.random.default_rng(7)


def pair(*shape, ties=False, dtype=np.float64):
    """The same numbers as an array and as a tensor; with ties: few different values."""
    a = RNG.integers(-3, 4, shape).astype(dtype) if ties else RNG.standard_normal(shape).astype(dtype)
    return a, hg.tensor(a)


def same(got, want, tolerance=0.0):
    got = got.numpy() if isinstance(got, hg.Tensor) else np.asarray(got)
    want = np.asarray(want)
    assert got.shape == want.shape, (got.shape, want.shape)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


SHAPES = [(1,), (7,), (4, 5), (3, 1, 6), (2, 3, 4), (33, 17)]


# ---- order and counting ----
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("ties", [False, True])
def test_sorting(shape, ties):
    a, x = pair(*shape, ties=ties)
    for dim in range(a.ndim):
        for descending in (False, True):
            values, index = hg.sort(x, dim, descending, stable=True)
            order = np.argsort(-a if descending else a, axis=dim, kind="stable")
            same(index, order)
            same(values, np.take_along_axis(a, order, dim))
            same(x.argsort(dim, descending, stable=True), order)
        same(x.argmax(dim), a.argmax(dim))
        same(x.argmin(dim, keepdim=True), np.expand_dims(a.argmin(dim), dim))
        for k in {1, a.shape[dim]}:
            values, index = x.topk(k, dim)
            same(values, np.take(-np.sort(-a, dim), range(k), dim))
            same(np.take_along_axis(a, index.numpy(), dim), values.numpy())
            values, index = x.kthvalue(k, dim)
            same(values, np.sort(a, dim).take(k - 1, dim))
            same(np.take_along_axis(a, np.expand_dims(index.numpy(), dim), dim).squeeze(dim), values.numpy())
    same(x.argmax(), a.argmax())


def test_nan_counts_as_largest():
    x = hg.tensor([1.0, float("nan"), -2.0, float("inf")])
    assert x.argmax().item() == 1 and x.argmin().item() == 1 and x.argsort()[-1].item() == 1 and x.topk(1)[1].item() == 1
    assert math.isnan(x.max().item()) and math.isnan(x.median().item()) and x.nanmedian().item() == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_median_mode_and_quantiles(shape):
    a, x = pair(*shape, ties=True)
    same(x.median(), np.sort(a.ravel())[(a.size - 1) // 2])
    for dim in range(a.ndim):
        values, index = x.median(dim)
        same(values, np.sort(a, dim).take((a.shape[dim] - 1) // 2, dim))
        same(np.take_along_axis(a, np.expand_dims(index.numpy(), dim), dim).squeeze(dim), values.numpy())
        values, index = x.mode(dim)
        most = np.apply_along_axis(lambda r: min(set(r), key=lambda v: (-np.sum(r == v), v)), dim, a)
        same(values, most)
        same(np.take_along_axis(a, np.expand_dims(index.numpy(), dim), dim).squeeze(dim), most)
        for method in ("linear", "lower", "higher", "midpoint", "nearest"):
            q = [0.0, 0.1, 0.25, 0.5, 0.99, 1.0]
            if method == "nearest":     # both round half to even
                q = [v for v in q if (v * (a.shape[dim] - 1)) % 1 != 0.5]
            same(hg.quantile(x, hg.tensor(q, dtype=hg.float64), dim, interpolation=method), np.quantile(a, q, dim, method=method), 1e-12)
    b = a.copy().ravel()
    b[0] = np.nan
    if b.size > 1:
        same(hg.nanquantile(hg.tensor(b), 0.3), np.nanquantile(b, 0.3), 1e-12)
        assert math.isnan(hg.quantile(hg.tensor(b), 0.3).item())


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_unique(shape, dtype):
    a, x = pair(*shape, ties=True, dtype=dtype)
    values, inverse, counts = hg.unique(x, return_inverse=True, return_counts=True)
    want, back, number = np.unique(a, return_inverse=True, return_counts=True)
    same(values, want)
    same(inverse, back.reshape(a.shape))
    same(counts, number)
    rows = hg.unique(x, dim=0)
    same(rows, np.unique(a, axis=0))
    flat = a.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    values, counts = hg.unique_consecutive(hg.tensor(flat), return_counts=True)
    same(values, flat[starts])
    same(counts, np.diff(np.r_[starts, flat.size]))


def test_counting():
    n = RNG.integers(0, 9, 200)
    w = RNG.standard_normal(200)
    same(hg.bincount(hg.tensor(n), minlength=12), np.bincount(n, minlength=12))
    same(hg.bincount(hg.tensor(n), hg.tensor(w)), np.bincount(n, w), 1e-12)
    same(hg.bincount(hg.tensor([], dtype=hg.int64)), np.zeros(0))
    a, x = pair(300)
    for bins, low, high in ((10, -1, 1), (7, 0, 0), (1, -3, 3)):
        limits = (low, high) if low != high else (a.min(), a.max())
        same(hg.histc(x, bins, low, high), np.histogram(a, bins, limits)[0])
    hist, edges = hg.histogram(x, 9, range=(-2.0, 2.0), density=True)
    want, limits = np.histogram(a, 9, (-2, 2), density=True)
    same(hist, want, 1e-12)
    same(edges, limits, 1e-12)
    same(hg.count_nonzero(hg.tensor(n)), np.count_nonzero(n))


def test_searching():
    edges = np.sort(RNG.integers(-5, 6, (3, 8)).astype(np.float64), 1)
    values = RNG.integers(-7, 8, (3, 20)).astype(np.float64)
    for right in (False, True):
        side = "right" if right else "left"
        want = np.stack([np.searchsorted(e, v, side) for e, v in zip(edges, values)])
        same(hg.searchsorted(hg.tensor(edges), hg.tensor(values), right=right), want)
        same(hg.searchsorted(hg.tensor(edges), hg.tensor(values), side=side), want)
        same(hg.bucketize(hg.tensor(values), hg.tensor(edges[0]), right=right), np.searchsorted(edges[0], values, side))
    for shape in SHAPES:
        a, x = pair(*shape, ties=True)
        same(x.nonzero(), np.argwhere(a))
        for got, want in zip(hg.where(x > 0), np.where(a > 0)):
            same(got, want)
        same(hg.argwhere(x == 1), np.argwhere(a == 1))
    assert hg.zeros(3).nonzero().shape == (0, 1) and hg.tensor(5).nonzero().shape == (1, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_scans(shape):
    a, x = pair(*shape)
    for dim in range(a.ndim):
        same(x.cumsum(dim), a.cumsum(dim), 1e-12)
        same(x.cumprod(dim), a.cumprod(dim), 1e-12)
        values, index = x.cummax(dim)
        same(values, np.maximum.accumulate(a, dim))
        same(np.take_along_axis(a, index.numpy(), dim), values.numpy())
        same(x.cummin(dim).values, np.minimum.accumulate(a, dim))
        same(x.logcumsumexp(dim), np.log(np.exp(a).cumsum(dim)), 1e-12)
        same(hg.diff(x, dim=dim), np.diff(a, axis=dim))


# ---- indexing ----
def some_index(n, kind):
    if kind == "array":
        return RNG.integers(-n, n, (2, 3))
    if kind == "row":
        return RNG.integers(0, n, (3,))
    if kind == "column":
        return RNG.integers(0, n, (2, 1))
    if kind == "mask":
        return RNG.random(n) < 0.5
    if kind == "list":
        return RNG.integers(0, n, 3).tolist()
    return {"all": slice(None), "part": slice(1, None), "step": slice(None, None, 2), "number": n - 1, "none": None, "dots": Ellipsis}[kind]


KINDS = ("array", "row", "column", "mask", "list", "all", "part", "step", "number", "none", "dots")
INDICES = [c for c in itertools.product(KINDS, repeat=3)
           if sum(k == "dots" for k in c) <= 1 and not {"mask"} < set(c) & {"mask", "array", "row", "column", "list"}
           and not ("number" in c and set(c) & {"mask", "array", "row", "column", "list"})]   # PyTorch selects first, NumPy broadcasts


def test_advanced_indexing_reads_and_writes_as_numpy():
    a = np.arange(4 * 5 * 3).reshape(4, 5, 3).astype(np.float64)
    tried = 0
    for kinds in INDICES[::2]:
        consumed = [k for k in kinds if k not in ("none", "dots")]
        if "dots" in kinds and len(consumed) < 1:
            continue
        sizes = iter(a.shape[:len(consumed)])
        if "dots" in kinds:
            before = [k for k in kinds[:kinds.index("dots")] if k != "none"]
            after = [k for k in kinds[kinds.index("dots"):] if k not in ("none", "dots")]
            sizes = iter(list(a.shape[:len(before)]) + list(a.shape[a.ndim - len(after):]) if after else a.shape)
        index = tuple(some_index(None if k in ("none", "dots") else next(sizes), k) if k not in ("none", "dots") else some_index(1, k)
                      for k in kinds)
        mine = tuple(hg.tensor(i) if isinstance(i, np.ndarray) else i for i in index)
        try:
            want = a[index]
        except IndexError:
            with pytest.raises((IndexError, hg.ShapeError)):
                hg.tensor(a)[mine]
            continue
        x = hg.tensor(a)
        same(x[mine], want)
        b = a.copy()
        b[index] = -1.5
        x[mine] = -1.5
        same(x, b)
        b[index] = np.broadcast_to(2.0 + np.arange(want.shape[-1]) * 0 if want.ndim else 2.0, want.shape)
        x[mine] = hg.full(want.shape, 2.0, dtype=hg.float64)
        same(x, b)
        leaf = hg.tensor(a, requires_grad=True)
        leaf[mine].sum().backward()
        count = np.zeros_like(a)
        np.add.at(count, index, 1)
        same(leaf.grad, count)
        tried += 1
    assert tried > 200


def test_scatter_and_gather_against_loops():
    for dim in range(3):
        a, x = pair(3, 4, 5)
        n = a.shape[dim]
        index = RNG.integers(0, n, (2, 3, 4))
        source, s = pair(2, 3, 4)
        gathered, added, written = np.zeros_like(source), a.copy(), a.copy()
        largest, product = a.copy(), a.copy()
        for place in np.ndindex(index.shape):
            to = tuple(index[place] if d == dim else p for d, p in enumerate(place))
            gathered[place] = a[to]
            added[to] += source[place]
            written[to] = source[place]
            largest[to] = max(largest[to], source[place])
            product[to] *= source[place]
        i = hg.tensor(index)
        same(x.gather(dim, i), gathered)
        same(x.scatter_add(dim, i, s), added, 1e-12)
        same(x.scatter(dim, i, s), written)                      # the last of equal places wins, as in PyTorch on one thread
        same(x.scatter_reduce(dim, i, s, "amax"), largest)
        same(x.scatter_reduce(dim, i, s, "prod"), product, 1e-12)
        rows = RNG.integers(0, n, 6)
        part = np.take(a, rows, dim)
        same(x.index_select(dim, hg.tensor(rows)), part)
        total = a.copy()
        np.add.at(np.moveaxis(total, dim, 0), rows, np.moveaxis(part, dim, 0))
        same(x.index_add(dim, hg.tensor(rows), hg.tensor(part)), total, 1e-12)


# ---- products ----
def test_matmul_against_a_triple_loop():
    for n, k, m in ((1, 1, 1), (1, 5, 3), (4, 1, 2), (7, 9, 5), (17, 33, 3), (0, 3, 2), (3, 0, 2)):
        a, x = pair(n, k)
        b, y = pair(k, m)
        want = np.zeros((n, m))
        for i, j, p in itertools.product(range(n), range(m), range(k)):
            want[i, j] += a[i, p] * b[p, j]
        same(x @ y, want, 1e-12)
        same(x.t().contiguous().t() @ y, want, 1e-12)
        same(x @ y.t().contiguous().t(), want, 1e-12)
        same(hg.mm(x.float(), y.float()), want, 1e-4)


def test_matmul_of_every_rank():
    shapes = [(3,), (4, 3), (2, 4, 3), (5, 2, 4, 3), (1, 2, 4, 3)]
    others = [(3,), (3, 6), (2, 3, 6), (5, 1, 3, 6), (1, 3, 6)]
    for s, o in itertools.product(shapes, others):
        a, x = pair(*s)
        b, y = pair(*o)
        same(hg.matmul(x, y), np.matmul(a, b), 1e-12)
    i = RNG.integers(-5, 5, (4, 3))
    same(hg.tensor(i) @ hg.tensor(i.T.copy()), i @ i.T)


def test_einsum_forms():
    a, b, c = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5)), RNG.standard_normal((2, 3, 4))
    v, m = RNG.standard_normal(4), RNG.standard_normal((4, 4))
    for equation, operands in [
            ("ij,jk->ik", (a, b)), ("ij,jk", (a, b)), ("ij,jk->ki", (a, b)), ("ij->ji", (a,)), ("ij->", (a,)), ("ij->j", (a,)), ("ii->i", (m,)),
            ("ii", (m,)), ("i,i->", (v, v)), ("i,j->ij", (v, v)), ("bij,jk->bik", (c, b)), ("bij,ij->b", (c, a)), ("...j,jk->...k", (c, b)),
            ("b...->...b", (c,)), ("ij,ij->ij", (a, a)), ("ij,jk,kl->il", (a, b, b.T)), ("bij,bkj->bik", (c, c)), ("i...,i...->...", (a, a)),
            ("ij , jk -> ik", (a, b)), ("aij,jk,ki->a", (c, b, b.T @ np.zeros((4, 3)) + 1))]:
        same(hg.einsum(equation, *map(hg.tensor, operands)), np.einsum(equation, *operands), 1e-12)
    same(hg.einsum("Ab,bC->AC", hg.tensor(a), hg.tensor(b)), a @ b, 1e-12)
    same(hg.tensordot(hg.tensor(c), hg.tensor(a), dims=([1, 2], [0, 1])), np.tensordot(c, a, ([1, 2], [0, 1])), 1e-12)


# ---- pictures ----
@pytest.mark.parametrize("mode, numpy_mode", [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_pad_modes(mode, numpy_mode):
    for shape, pads in (((2, 3, 6), (2, 1)), ((1, 2, 4, 5), (1, 2, 3, 0)), ((1, 1, 3, 4, 5), (2, 1, 0, 2, 1, 1))):
        a, x = pair(*shape)
        sides = [(0, 0)] * (a.ndim - len(pads) // 2) + [tuple(pads[i:i + 2]) for i in range(len(pads) - 2, -1, -2)]
        same(F.pad(x, pads, mode=mode), np.pad(a, sides, numpy_mode))
    a, x = pair(3, 4)
    same(F.pad(x, (1, -2, 0, 3), value=9.0), np.pad(a[:, :2], ((0, 3), (1, 0)), constant_values=9.0))


def cubic(d):
    d, k = abs(d), -0.75
    return (k + 2) * d ** 3 - (k + 3) * d ** 2 + 1 if d <= 1 else k * d ** 3 - 5 * k * d ** 2 + 8 * k * d - 4 * k if d < 2 else 0.0


def resampling(n, out, mode, corners):
    """The (out, n) matrix of a resampling along one dim."""
    w = np.zeros((out, n))
    for i in range(out):
        if mode == "nearest":
            w[i, min(int(i * n / out), n - 1)] = 1
        elif mode == "nearest-exact":
            w[i, min(int((i + 0.5) * n / out), n - 1)] = 1
        elif mode == "area":
            a, b = i * n // out, -(-(i + 1) * n // out)
            w[i, a:b] = 1 / (b - a)
        else:
            p = i * (n - 1) / max(out - 1, 1) if corners else (i + 0.5) * n / out - 0.5
            if mode == "linear":
                p = max(p, 0.0)
                low = min(int(p), n - 1)
                w[i, low] += 1 - (p - low)
                w[i, min(low + 1, n - 1)] += p - low
            else:
                low = math.floor(p)
                for j in range(-1, 3):
                    w[i, min(max(low + j, 0), n - 1)] += cubic(p - low - j)
    return w


@pytest.mark.parametrize("size", [(3, 9), (7, 5), (12, 2), (5, 6)])
def test_interpolate_against_its_matrices(size):
    a, x = pair(2, 3, 5, 6)
    for mode, inner in (("nearest", "nearest"), ("nearest-exact", "nearest-exact"), ("area", "area"), ("bilinear", "linear"), ("bicubic", "bicubic")):
        for corners in ((False, True) if mode.startswith("bi") else (None,)):
            rows, columns = (resampling(n, o, inner, corners) for n, o in zip(a.shape[2:], size))
            same(F.interpolate(x, size=size, mode=mode, align_corners=corners), rows @ a @ columns.T, 1e-10)
    b, y = pair(1, 2, 6)
    same(F.interpolate(y, size=size[1], mode="linear", align_corners=False), b @ resampling(6, size[1], "linear", False).T, 1e-12)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (4, 7), (6, 7)])
def test_adaptive_pools_against_loops(sizes):
    a, x = pair(2, 2, 6, 7)
    mean, top, place = np.zeros((2, 2, *sizes)), np.zeros((2, 2, *sizes)), np.zeros((2, 2, *sizes), dtype=np.int64)
    span = lambda i, n, o: slice(i * n // o, -(-(i + 1) * n // o))
    for b, c, i, j in np.ndindex(mean.shape):
        rows, columns = span(i, 6, sizes[0]), span(j, 7, sizes[1])
        window = a[b, c, rows, columns]
        mean[b, c, i, j], top[b, c, i, j] = window.mean(), window.max()
        r, s = np.unravel_index(window.argmax(), window.shape)
        place[b, c, i, j] = (r + rows.start) * 7 + s + columns.start
    same(F.adaptive_avg_pool2d(x, sizes), mean, 1e-12)
    values, index = F.adaptive_max_pool2d(x, sizes, return_indices=True)
    same(values, top)
    same(index, place)
    values, index = F.adaptive_max_pool3d(x.unsqueeze(2), (1, *sizes), return_indices=True)
    same(values.squeeze(2), top)
    same(index.squeeze(2), place)


def test_pool_and_unpool():
    for n, shape in ((1, (2, 3, 8)), (2, (2, 3, 6, 8)), (3, (1, 2, 4, 6, 8))):
        a, x = pair(*shape)
        pool, unpool = getattr(F, f"max_pool{n}d"), getattr(F, f"max_unpool{n}d")
        values, index = pool(x, 2, return_indices=True)
        flat = a.reshape(*shape[:2], -1)
        same(np.take_along_axis(flat, index.numpy().reshape(*shape[:2], -1), 2).reshape(values.shape), values.numpy())
        back = unpool(values, index, 2)
        kept = np.zeros_like(flat)
        np.put_along_axis(kept, index.numpy().reshape(*shape[:2], -1), values.numpy().reshape(*shape[:2], -1), 2)
        same(back, kept.reshape(shape))
        same(pool(back.abs(), 2), values.abs().numpy())
        lp = getattr(F, f"lp_pool{n}d")(x.abs(), 3.0, 2)
        window = np.abs(a)
        for d in range(n):
            window = window.reshape(*window.shape[:2 + d], window.shape[2 + d] // 2, 2, *window.shape[3 + d:])
            window = np.moveaxis(window, 3 + d, -1)
        same(lp, (window ** 3).sum(tuple(range(-n, 0))) ** (1 / 3), 1e-10)
    with pytest.raises(RuntimeError, match="invalid max index"):
        F.max_unpool1d(hg.ones(1, 1, 2), hg.tensor([[[0, 9]]]), 2)


# ---- random numbers ----
FILLS = [
    ("uniform_", lambda x: x.uniform_(-1.0, 3.0), 1.0, 4 / math.sqrt(12), (-1.0, 3.0)),
    ("normal_", lambda x: x.normal_(2.0, 0.5), 2.0, 0.5, (-math.inf, math.inf)),
    ("bernoulli_", lambda x: x.bernoulli_(0.3), 0.3, math.sqrt(0.21), (0.0, 1.0)),
    ("exponential_", lambda x: x.exponential_(2.0), 0.5, 0.5, (0.0, math.inf)),
    ("geometric_", lambda x: x.geometric_(0.25), 4.0, math.sqrt(12), (1.0, math.inf)),
    ("log_normal_", lambda x: x.log_normal_(0.0, 0.25), math.exp(1 / 32), math.sqrt((math.exp(1 / 16) - 1) * math.exp(1 / 16)), (0, math.inf)),
    ("random_", lambda x: x.random_(0, 10), 4.5, math.sqrt(8.25), (0.0, 9.0)),
    ("rand", lambda x: hg.rand(x.shape, dtype=x.dtype), 0.5, math.sqrt(1 / 12), (0.0, 1.0)),
    ("randn", lambda x: hg.randn(x.shape, dtype=x.dtype), 0.0, 1.0, (-math.inf, math.inf)),
    ("randint", lambda x: hg.randint(-2, 3, x.shape).to(x.dtype), 0.0, math.sqrt(2), (-2.0, 2.0)),
    ("poisson", lambda x: hg.poisson(hg.full_like(x, 3.0)), 3.0, math.sqrt(3), (0.0, math.inf)),
    ("dropout", lambda x: F.dropout(hg.ones_like(x), 0.2), 1.0, 0.5, (0.0, 1.25)),
]


@pytest.mark.parametrize("dtype", [hg.float32, hg.float64])
@pytest.mark.parametrize("name, fill, mean, std, limits", FILLS, ids=[f[0] for f in FILLS])
def test_random_fills(name, fill, mean, std, limits, dtype):
    n = 40000
    draw = lambda: fill(hg.empty(n, dtype=dtype))
    hg.manual_seed(11)
    x, next_one = draw(), draw()
    hg.manual_seed(11)
    threads = hg.get_num_threads()
    hg.set_num_threads(3)
    again = draw()
    hg.set_num_threads(threads)
    assert x.dtype is dtype and hg.equal(x, again) and not hg.equal(x, next_one)
    values = x.double()
    assert abs(values.mean().item() - mean) < 6 * std / math.sqrt(n)
    assert abs(values.std().item() - std) < 0.05 * std + 1e-3
    assert limits[0] <= values.min().item() and values.max().item() <= limits[1]
    same_half = values[: n // 2].mean().item() - values[n // 2:].mean().item()
    assert abs(same_half) < 12 * std / math.sqrt(n)


def test_permutations_and_choices():
    hg.manual_seed(3)
    p = hg.randperm(1000)
    assert sorted(p.tolist()) == list(range(1000)) and p.tolist() != list(range(1000))
    weights = hg.tensor([[0.1, 0.0, 0.6, 0.3]])
    drawn = hg.multinomial(weights.expand(20000, 4), 1).reshape(-1)
    share = hg.bincount(drawn, minlength=4).double() / 20000
    assert share[1] == 0 and hg.allclose(share, weights[0].double(), atol=0.015)
    rows = hg.multinomial(hg.ones(50, 6), 6)
    assert all(sorted(r) == list(range(6)) for r in rows.tolist())
    g, h = hg.Generator().manual_seed(5), hg.Generator().manual_seed(5)
    assert hg.equal(hg.randn(7, generator=g), hg.randn(7, generator=h))
    state = hg.get_rng_state()
    a = hg.rand(5)
    hg.set_rng_state(state)
    assert hg.equal(a, hg.rand(5))


# ---- in place ----
ARGUMENTS = {
    "add_": (2.5,), "sub_": (2.5,), "mul_": (2.5,), "div_": (2.5,), "true_divide_": (2.5,), "pow_": (3,), "fmod_": (0.4,), "remainder_": (0.4,),
    "floor_divide_": (0.4,), "clamp_": (0.3, 0.6), "clip_": (0.3, 0.6), "clamp_min_": (0.5,), "clamp_max_": (0.5,), "lerp_": (1.5, 0.25),
    "addcmul_": (0.5, 0.25), "addcdiv_": (0.5, 0.25), "copysign_": (-1.0,), "atan2_": (0.7,), "arctan2_": (0.7,), "hypot_": (0.7,), "cumsum_": (0,), "cumprod_": (0,),
    "tril_": (), "triu_": (), "masked_fill_": ("mask", 0.5), "masked_scatter_": ("mask", "other"), "index_fill_": (0, "index", 0.5),
    "index_add_": (0, "index", "rows"), "index_copy_": (0, "index", "rows"), "scatter_": (0, "places", "other"), "scatter_add_": (0, "places", "other"),
    "scatter_reduce_": (0, "places", "other", "sum"), "renorm_": (2, 0, 0.5), "nan_to_num_": (), "logit_": (0.1,), "mvlgamma_": (1,), "float_power_": (2.0,),
    "nextafter_": ("other",), "heaviside_": ("other",), "xlogy_": ("other",), "polygamma_": (1,), "addmm_": ("other", "square"), "addmv_": None, "addr_": None, "baddbmm_": None,
    "addbmm_": None, "put_": ("index", "pair"), "fill_diagonal_": (0.5,), "fill_": (0.5,), "copy_": ("other",), "eq_": (0.5,), "ne_": (0.5,), "lt_": (0.5,), "le_": (0.5,),
    "gt_": (0.5,), "ge_": (0.5,), "squeeze_": (), "unsqueeze_": (0,), "transpose_": (0, 1), "t_": (), "swapaxes_": (0, 1), "swapdims_": (0, 1), "threshold_": (0.4, 0.1),
    "hardtanh_": (), "leaky_relu_": (), "dropout_": None, "sigmoid_": (), "subtract_": (2.5,), "multiply_": (2.5,), "divide_": (2.5,), "less_": (0.5,), "less_equal_": (0.5,),
    "greater_": (0.5,), "greater_equal_": (0.5,), "not_equal_": (0.5,), "logical_and_": ("other",), "logical_or_": ("other",), "logical_xor_": ("other",), "maximum_": ("other",), "minimum_": ("other",), "fmax_": ("other",), "fmin_": ("other",), "logaddexp_": ("other",), "logaddexp2_": ("other",),
    "xlog1py_": ("other",),
    "ldexp_": (2,), "index_put_": (("index",), 0.5), "acosh_": None, "arccosh_": None, "igamma_": None, "igammac_": None, "special_": None, "movedim_": None,
    "index_reduce_": (0, "index", "rows", "prod"), "as_strided_": None, "vdot_": None, "dist_": None, "mode_": None, "celu_": (), "elu_": (), "zero_": (), "detach_": None,
}
OTHER = {"requires_grad_", "retain_grad_", "share_memory_", "resize_", "resize_as_", "set_", "map_", "apply_", "random_", "uniform_", "normal_", "bernoulli_", "exponential_", "geometric_",
         "log_normal_", "cauchy_", "gcd_", "lcm_", "bitwise_and_", "bitwise_or_", "bitwise_xor_", "bitwise_not_", "bitwise_left_shift_", "bitwise_right_shift_", "conj_physical_",
         "data_ptr_", "rename_", "coalesce_"}


def in_place_names():
    names = [n for n in dir(hg.Tensor) if n.endswith("_") and not n.startswith("_") and n not in OTHER]
    return [n for n in names if ARGUMENTS.get(n, ()) is not None]


@pytest.mark.parametrize("name", in_place_names())
def test_in_place_equals_out_of_place_and_keeps_gradients(name):
    hg.manual_seed(2)
    start = hg.rand(4, 4, dtype=hg.float64) * 0.8 + 0.1
    made = {"mask": start > 0.5, "other": hg.rand(4, 4, dtype=hg.float64) + 0.2, "index": hg.tensor([2, 0]), "rows": hg.rand(2, 4, dtype=hg.float64),
            "places": hg.tensor([[0, 1, 2, 3], [3, 2, 1, 0]]), "square": hg.eye(4, dtype=hg.float64), "pair": hg.tensor([0.25, 0.75], dtype=hg.float64)}
    look_up = lambda v: tuple(made[i] for i in v) if isinstance(v, tuple) else made[v] if isinstance(v, str) and v in made else v
    arguments = [look_up(v) for v in ARGUMENTS.get(name, ())]
    if name in ("masked_scatter_", "scatter_", "scatter_add_", "scatter_reduce_") and "places" in ARGUMENTS[name]:
        arguments = [made["other"][:2] if v is made["other"] else v for v in arguments]
    if name in ("lerp_",):
        arguments = [hg.full((4, 4), 1.5, dtype=hg.float64), 0.25]
    if name in ("addcmul_", "addcdiv_"):
        arguments = [made["other"], made["other"] + 1]
    if name in ("copysign_", "atan2_", "arctan2_", "hypot_"):
        arguments = [hg.full((4, 4), arguments[0], dtype=hg.float64)]
    plain = name[:-1]
    if name in ("fill_", "copy_", "zero_", "fill_diagonal_"):
        copied = start.clone()
        getattr(copied, name)(*arguments)
        expected = {"fill_": hg.full_like(start, 0.5), "copy_": made["other"], "zero_": hg.zeros_like(start),
                    "fill_diagonal_": start * (1 - made["square"]) + 0.5 * made["square"]}[name]
        assert hg.equal(copied, expected)
        return
    out_of_place = getattr(hg.Tensor, plain, None) or getattr(F, plain, None) or getattr(hg, plain, None) or getattr(hg.special, plain, None)
    assert out_of_place is not None, f"{name} has no out-of-place form"
    leaf = start.clone().requires_grad_()
    try:
        want = out_of_place(leaf, *arguments)
    except (hg.DtypeError, NotImplementedError) as e:      # integers only
        pytest.skip(str(e))
    weights = hg.arange(1.0, want.numel() + 1, dtype=hg.float64).reshape(want.shape)
    want_grad = hg.autograd.grad((want.to(hg.float64) * weights).sum(), leaf, allow_unused=True)[0] if want.requires_grad else None

    own = start.clone()
    back = getattr(own, name)(*arguments)
    assert back is own and hg.allclose(own.to(hg.float64), want.detach().to(hg.float64), rtol=0, atol=0, equal_nan=True)
    leaf = start.clone().requires_grad_()
    try:
        inner = leaf * 1
        before = inner._version
        getattr(inner, name)(*arguments)
    except hg.GradError:
        assert want_grad is None
        return
    if name not in ("squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "swapdims_"):
        assert inner._version > before
    if want_grad is not None:
        got = hg.autograd.grad((inner * weights).sum(), leaf)[0]
        assert hg.allclose(got, want_grad, rtol=1e-12, atol=1e-12), (got, want_grad)
