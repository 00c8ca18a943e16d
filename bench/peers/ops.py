#!/usr/bin/env python3
"""hippograd beside PyTorch, op by op, on this machine's processor.

    PYTHONPATH=build/python python bench/peers/ops.py [--threads 1] [--runs 50] [--only gemm,rows] [--json FILE]

Needs torch and numpy in the interpreter that also finds hippograd. Both run in one process, in turn (ours, theirs, ours ...), on
the same numbers: neighbours on a shared machine disturb both alike. Every row is the median of the runs with its 10th and 90th
percentile, and the best run, which a loaded machine disturbs least; `ratio` compares the best runs, PyTorch's time over ours.
Before it is timed, a row passes a gate: outputs and gradients of both are compared with PyTorch in float64.
"""
import argparse
import json
import os
import subprocess
import sys
import time

try:
    import numpy as np
    import torch
except ImportError as error:
    sys.exit(f"bench/peers/ops.py compares with PyTorch and needs torch and numpy: {error}")
import hippograd as hg

RNG = np.random.default_rng(0)


def normal(*shape, scale=1.0, shift=0.0):
    return (shift + scale * RNG.standard_normal(shape)).astype(np.float32)


def uniform(*shape, low=0.0, high=1.0):
    return RNG.uniform(low, high, shape).astype(np.float32)


# ---------------------------------------------------------------- time

def clock(f, calls=1):
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def quantiles(seconds):
    p10, p50, p90 = np.quantile(seconds, (0.1, 0.5, 0.9))
    return {"us_best": 1e6 * min(seconds), "us_p10": 1e6 * p10, "us_p50": 1e6 * p50, "us_p90": 1e6 * p90}


def interleave(ours, peer, runs):
    """Times of both, in turn: `runs` of each, or as many as --budget allows, but three. Short calls are repeated for 50 us."""
    calls = [max(1, min(1000, int(50e-6 / max(min(clock(f), clock(f)), 1e-8)))) for f in (ours, peer)]
    seconds = ([], [])
    stop = time.perf_counter() + OPTIONS.budget
    while len(seconds[0]) < runs and (len(seconds[0]) < 3 or time.perf_counter() < stop):
        for k, f in enumerate((ours, peer)):
            seconds[k].append(clock(f, calls[k]))
    return quantiles(seconds[0]), quantiles(seconds[1])


# ---------------------------------------------------------------- one op

def error(got, exact):
    """max |got - exact| / max |exact|"""
    got, exact = np.asarray(got, dtype=np.complex128), np.asarray(exact, dtype=np.complex128)
    if got.shape != exact.shape or not np.isfinite(got).all():
        return float("inf")
    return float(np.abs(got - exact).max(initial=0) / max(np.abs(exact).max(initial=0), 1e-3))


class Side:
    """One library's inputs, outputs and gradients of f(module, *inputs)."""

    def __init__(self, m, f, inputs, grads, double=False):
        self.m, self.f = m, f
        self.x = []
        for i, a in enumerate(inputs):
            if isinstance(a, np.ndarray):
                if double and a.dtype in (np.float32, np.complex64):
                    a = a.astype(np.float64 if a.dtype == np.float32 else np.complex128)
                a = m.from_numpy(a.copy())
                if i in grads:
                    a.requires_grad_()
            self.x.append(a)
        self.wanted = [self.x[i] for i in grads]

    def forward(self):
        with self.m.no_grad():
            return self.f(self.m, *self.x)

    def record(self, dy=None):
        self.y = self.f(self.m, *self.x)
        self.dy = self.m.ones_like(self.y) if dy is None else self.m.from_numpy(dy.copy())
        return self.y

    def backward(self):
        for x in self.wanted:
            x.grad = None
        self.y.backward(self.dy, retain_graph=True)
        return [x.grad for x in self.wanted]


def numbers(t):
    return t.detach().numpy()


def run_case(section, name, f, inputs, grads=(), goal=1.0, flops=0, tolerance=3e-4, random=False, backward_goal=None, steps=0,
             runs=50, extra=None):
    """Rows (forward, and backward where `grads` names inputs) of one op."""
    ours, peer = Side(hg, f, inputs, grads), Side(torch, f, inputs, grads)
    exact = Side(torch, f, inputs, grads, double=True)
    errors = {"forward": (0.0, 0.0), "backward": (0.0, 0.0)}
    shape = "x".join(map(str, np.shape(inputs[0])))
    if not random:
        y = numbers(exact.record())
        errors["forward"] = (error(numbers(ours.record()), y), error(numbers(peer.record()), y))
    if grads:
        dy = np.asarray(normal(*numbers(peer.record()).shape), dtype=np.float32)
        for side in (ours, peer):
            side.record(dy)
        if not random:
            exact.record(dy.astype(np.float64))
            g = [numbers(t) for t in exact.backward()]
            errors["backward"] = tuple(max(error(numbers(a), b) for a, b in zip(side.backward(), g)) for side in (ours, peer))
    rows = []
    for way in ("forward", "backward") if grads else ("forward",):
        row = {"section": section, "op": name, "shape": shape, "pass": way, "error": errors[way][0], "peer_error": errors[way][1],
               "goal": (backward_goal or goal) if way == "backward" else goal}
        if errors[way][0] > tolerance:
            row["failed"] = True
        else:
            call = [s.forward if way == "forward" else s.backward for s in (ours, peer)]
            row["ours"], row["peer"] = interleave(*call, runs)
            row["ratio"] = row["peer"]["us_best"] / row["ours"]["us_best"]
            row["ratio_p50"] = row["peer"]["us_p50"] / row["ours"]["us_p50"]
            if flops:
                row["GFLOPs"] = flops * (2 if way == "backward" else 1) / row["ours"]["us_best"] * 1e-3
            if steps:
                row["Gsteps"] = steps / row["ours"]["us_best"] * 1e-3
        if extra:
            row.update(extra)
        rows.append(row)
        show(row)
    return rows


def show(row):
    if row.get("failed"):
        print(f"{row['section']:<9} {row['op']:<22} {row['shape']:<18} {row['pass']:<9} FAIL: relative error {row['error']:.1e}", flush=True)
        return
    rate = f"{row['GFLOPs']:.0f} GFLOP/s" if "GFLOPs" in row else f"{row['Gsteps']:.2f} Gstep/s" if "Gsteps" in row else ""
    mark = "" if row["ratio"] >= row["goal"] else f"  below {row['goal']:g}"
    print(f"{row['section']:<9} {row['op']:<22} {row['shape']:<18} {row['pass']:<9}{row['ours']['us_best']:>10.1f}{row['ours']['us_p50']:>10.1f}"
          f"{row['peer']['us_best']:>11.1f}{row['peer']['us_p50']:>10.1f}{row['ratio']:>8.2f}  {rate:<13} {row['error']:.0e}{mark}", flush=True)


# ---------------------------------------------------------------- the ops

def gemm():
    """Products at the models' shapes; N as written, T transposed: NT a layer, NN and TN its gradients."""
    shapes = [(512, 512, 512), (1536, 1536, 1536), (8192, 768, 768), (4096, 384, 96), (2048, 288, 96), (1024, 96, 96), (6144, 64, 32), (128, 96, 96)]
    for m, n, k in shapes:
        a, b = normal(m, k), normal(k, n)
        for kind in ("NT", "NN", "TN"):
            if kind == "NT":
                f, x = (lambda _, a, b: a @ b.transpose(0, 1)), (a, np.ascontiguousarray(b.T))
            elif kind == "NN":
                f, x = (lambda _, a, b: a @ b), (a, b)
            else:
                f, x = (lambda _, a, b: a.transpose(0, 1) @ b), (np.ascontiguousarray(a.T), b)
            yield dict(name=f"{kind} {m}x{n}x{k}", f=f, inputs=x, goal=0.95, flops=2 * m * n * k, runs=20 if m * n * k > 1e9 else 50)
    for batch, m, n, k in ((512, 64, 64, 24), (1024, 16, 16, 16), (96, 197, 197, 64)):
        q, t = normal(batch, m, k), normal(batch, n, k)
        yield dict(name=f"batch NT {m}x{n}x{k}", f=lambda _, q, t: q @ t.transpose(1, 2), inputs=(q, t), goal=0.95, flops=2 * batch * m * n * k)
    yield dict(name="linear 1024x192->768", f=lambda m, x, w, b: m.nn.functional.linear(x, w, b), goal=0.95, grads=(0, 1, 2),
               inputs=(normal(1024, 192), normal(768, 192, scale=0.1), normal(768)), flops=2 * 1024 * 192 * 768)


def elementwise():
    x, y, p = normal(1024, 1024), normal(1024, 1024), uniform(1024, 1024, low=0.1, high=3)
    unit = uniform(1024, 1024, low=-0.9, high=0.9)
    for name in "exp sigmoid tanh sin cos tan erf expm1 sinh cosh atan asinh square abs neg relu".split():
        yield dict(name=name, f=lambda m, a, n=name: getattr(m, n)(a), inputs=(x,), grads=(0,))
    for name in "asin acos atanh".split():
        yield dict(name=name, f=lambda m, a, n=name: getattr(m, n)(a), inputs=(unit,), grads=(0,))
    for name in "log log2 log10 log1p sqrt rsqrt reciprocal lgamma".split():
        yield dict(name=name, f=lambda m, a, n=name: getattr(m, n)(a), inputs=(p,), grads=(0,))
    for name in "gelu silu softplus leaky_relu elu mish hardswish logsigmoid".split():
        yield dict(name=name, f=lambda m, a, n=name: getattr(m.nn.functional, n)(a), inputs=(x,), grads=(0,))
    for name, f in (("add", lambda m, a, b: a + b), ("mul", lambda m, a, b: a * b), ("div", lambda m, a, b: a / b),
                    ("pow", lambda m, a, b: a ** b), ("atan2", lambda m, a, b: m.atan2(a, b)), ("maximum", lambda m, a, b: m.maximum(a, b))):
        yield dict(name=name, f=f, inputs=(p, y if name != "div" else p + 1), grads=(0, 1))
    yield dict(name="x ** 2.5", f=lambda m, a: a ** 2.5, inputs=(p,), grads=(0,))
    yield dict(name="add row", f=lambda m, a, b: a + b, inputs=(x, normal(1024)), grads=(0, 1))
    yield dict(name="where", f=lambda m, c, a, b: m.where(c, a, b), inputs=(x > 0, x, y), grads=(1, 2))
    yield dict(name="clamp", f=lambda m, a: m.clamp(a, -0.5, 0.5), inputs=(x,), grads=(0,))
    yield dict(name="greater", f=lambda m, a, b: a > b, inputs=(x, y))
    yield dict(name="dropout", f=lambda m, a: m.nn.functional.dropout(a, 0.1), inputs=(x,), grads=(0,), random=True)
    yield dict(name="randn", f=lambda m, a: m.randn(1024, 1024), inputs=(x,), random=True)
    yield dict(name="rand", f=lambda m, a: m.rand(1024, 1024), inputs=(x,), random=True)


def reductions():
    x = normal(2048, 512)
    for name in "sum mean amax logsumexp prod".split():
        yield dict(name=name + " rows", f=lambda m, a, n=name: getattr(m, n)(a, 1), inputs=(x if name != "prod" else 1 + 0.01 * x,), grads=(0,))
    yield dict(name="sum columns", f=lambda m, a: m.sum(a, 0), inputs=(x,), grads=(0,))
    yield dict(name="sum all", f=lambda m, a: m.sum(a), inputs=(x,), grads=(0,), tolerance=1e-3)
    yield dict(name="max all", f=lambda m, a: m.max(a), inputs=(x,), grads=(0,))
    yield dict(name="max rows", f=lambda m, a: m.max(a, 1)[0], inputs=(x,), grads=(0,))
    yield dict(name="argmax rows", f=lambda m, a: m.argmax(a, 1), inputs=(x,))
    yield dict(name="var rows", f=lambda m, a: m.var(a, 1), inputs=(x,), grads=(0,))
    yield dict(name="norm rows", f=lambda m, a: m.linalg.vector_norm(a, dim=1), inputs=(x,), grads=(0,))
    yield dict(name="cumsum rows", f=lambda m, a: m.cumsum(a, 1), inputs=(x,), grads=(0,))


def rows():
    x = normal(4096, 1024)
    yield dict(name="softmax", f=lambda m, a: m.softmax(a, 1), inputs=(x,), grads=(0,))
    yield dict(name="log_softmax", f=lambda m, a: m.log_softmax(a, 1), inputs=(x,), grads=(0,))
    for n, d in ((1024, 768), (4096, 96)):
        w, b = normal(d), normal(d)
        yield dict(name=f"layer_norm {d}", f=lambda m, a, w, b: m.nn.functional.layer_norm(a, a.shape[-1:], w, b), inputs=(normal(n, d), w, b), grads=(0, 1, 2))
        yield dict(name=f"rms_norm {d}", f=lambda m, a, w: m.nn.functional.rms_norm(a, a.shape[-1:], w, 1e-6), inputs=(normal(n, d), w), grads=(0, 1))
    target = RNG.integers(0, 32000, 256)
    yield dict(name="cross_entropy", f=lambda m, a, t: m.nn.functional.cross_entropy(a, t), inputs=(normal(256, 32000), target), grads=(0,))
    small = RNG.integers(0, 32, 1024)
    yield dict(name="cross_entropy 32", f=lambda m, a, t: m.nn.functional.cross_entropy(a, t), inputs=(normal(1024, 32), small), grads=(0,))


def indexing():
    x = normal(1024, 1024)
    ids = RNG.integers(0, 8192, (32, 256))
    yield dict(name="embedding", f=lambda m, w, i: m.nn.functional.embedding(i, w), inputs=(normal(8192, 512), ids), grads=(0,))
    rows_, cols = RNG.integers(0, 1024, 1024), RNG.integers(0, 1024, (1024, 64))
    yield dict(name="x[rows]", f=lambda m, a, i: a[i], inputs=(x, rows_), grads=(0,))
    yield dict(name="index_select columns", f=lambda m, a, i: m.index_select(a, 1, i), inputs=(x, rows_), grads=(0,))
    yield dict(name="gather", f=lambda m, a, i: m.gather(a, 1, i), inputs=(x, cols), grads=(0,))
    yield dict(name="scatter_add", f=lambda m, a, i, s: m.scatter_add(a, 1, i, s), inputs=(x, cols, normal(1024, 64)), grads=(0, 2))
    yield dict(name="cat", f=lambda m, a, b: m.cat((a, b), 1), inputs=(x, x), grads=(0, 1))
    yield dict(name="transpose, copied", f=lambda m, a: a.t().contiguous(), inputs=(x,), grads=(0,))
    yield dict(name="heads apart", f=lambda m, a: a.transpose(1, 2).contiguous(), inputs=(normal(16, 197, 12, 64),), grads=(0,))
    yield dict(name="flip", f=lambda m, a: m.flip(a, (1,)), inputs=(x,), grads=(0,))
    yield dict(name="tril", f=lambda m, a: m.tril(a), inputs=(x,), grads=(0,))
    yield dict(name="sort", f=lambda m, a: m.sort(a)[0], inputs=(RNG.permuted(np.tile(np.linspace(-1, 1, 4096, dtype=np.float32), (64, 1)), axis=1),), grads=(0,))
    yield dict(name="topk 8", f=lambda m, a: m.topk(a, 8)[0], inputs=(x,), grads=(0,))


def layers():
    F = "functional"
    def conv(m, x, w, b, **k):
        return getattr(m.nn, F).conv2d(x, w, b, **k)
    for name, x, w, k in (("conv2d 3x3", (16, 64, 32, 32), (64, 64, 3, 3), dict(padding=1)), ("conv2d stride 2", (16, 3, 64, 64), (32, 3, 3, 3), dict(padding=1, stride=2)),
                          ("conv2d depthwise", (16, 64, 32, 32), (64, 1, 3, 3), dict(padding=1, groups=64)), ("conv2d 1x1", (16, 64, 32, 32), (128, 64, 1, 1), {}),
                          ("conv2d patches", (16, 3, 224, 224), (192, 3, 16, 16), dict(stride=16))):
        side = x[2] // k.get("stride", 1)
        yield dict(name=name, f=lambda m, a, w, b, k=k: conv(m, a, w, b, **k), inputs=(normal(*x), normal(*w, scale=0.1), normal(w[0])), grads=(0, 1, 2),
                   flops=2 * x[0] * side * side * int(np.prod(w)), runs=20)
    yield dict(name="max_pool2d", f=lambda m, a: m.nn.functional.max_pool2d(a, 2), inputs=(normal(16, 32, 32, 32),), grads=(0,))
    yield dict(name="avg_pool2d", f=lambda m, a: m.nn.functional.avg_pool2d(a, 2), inputs=(normal(16, 32, 32, 32),), grads=(0,))
    yield dict(name="conv1d causal, depthwise", f=lambda m, a, w: m.nn.functional.conv1d(a, w, padding=3, groups=768)[..., :512],
               inputs=(normal(2, 768, 512), normal(768, 1, 4)), grads=(0, 1))
    for name, shape, causal in (("attention 64 tokens", (16, 4, 64, 24), False), ("attention 197", (16, 12, 197, 64), False), ("attention 512 causal", (4, 12, 512, 64), True)):
        b, h, n, p = shape
        yield dict(name=name, f=lambda m, q, k, v, c=causal: m.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=c),
                   inputs=(normal(*shape), normal(*shape), normal(*shape)), grads=(0, 1, 2), flops=4 * b * h * n * n * p / (2 if causal else 1), runs=20)
    signal = normal(64, 1024)
    yield dict(name="rfft", f=lambda m, a: m.abs(m.fft.rfft(a)), inputs=(signal,), grads=(0,))
    yield dict(name="fft", f=lambda m, a: m.fft.fft(a), inputs=((signal + 1j * normal(64, 1024)).astype(np.complex64),))
    yield dict(name="irfft", f=lambda m, a: m.fft.irfft(a), inputs=(np.fft.rfft(signal).astype(np.complex64),))


def scan_loop(u, delta, A, B, C, D, z, bias):
    """The recurrence as a PyTorch user writes it: u, delta, z (b, d, l), A (d, n), B, C (b, n, l)."""
    delta = torch.nn.functional.softplus(delta + bias[:, None])
    decay = torch.exp(delta.transpose(1, 2)[..., None] * A)                            # (b, l, d, n)
    drive = (delta * u).transpose(1, 2)[..., None] * B.transpose(1, 2)[:, :, None]
    h, ys = torch.zeros_like(decay[:, 0]), []
    for t in range(u.shape[2]):
        h = decay[:, t] * h + drive[:, t]
        ys.append((h * C[:, None, :, t]).sum(-1))
    y = torch.stack(ys, 2) + D[:, None] * u
    return y * torch.nn.functional.silu(z)


def scans():
    """Selective scan, N = 16: PyTorch has no kernel of its own, so its side is the loop over time."""
    def f(m, u, delta, A, B, C, D, z, bias):
        if m is torch:
            return scan_loop(u, delta, A, B, C, D, z, bias)
        return hg.selective_scan_fn(u, delta, A, B, C, D, z=z, delta_bias=bias, delta_softplus=True)
    for b, d, l in ((2, 256, 256), (1, 512, 512)):
        n = 16
        x = (normal(b, d, l), normal(b, d, l, shift=-3), -np.tile(np.arange(1, n + 1, dtype=np.float32), (d, 1)), normal(b, n, l), normal(b, n, l),
             normal(d), normal(b, d, l), normal(d, scale=0.1, shift=-0.5))
        yield dict(name="selective_scan", f=f, inputs=x, grads=tuple(range(8)), goal=10, backward_goal=15, steps=b * d * l * n, runs=20)


SECTIONS = {"gemm": gemm, "pointwise": elementwise, "reduce": reductions, "rows": rows, "index": indexing, "layers": layers, "scan": scans}


# ---------------------------------------------------------------- overhead of an op

def overhead(runs):
    """Tensors of four elements: what is left is the way from Python to the kernel and back."""
    def pair(make):
        return make(hg), make(torch)
    def sides():
        def add(m):
            a, b = m.ones(4), m.ones(4)
            return lambda: a + b
        def add_grad(m):
            a, b = m.ones(4).requires_grad_(), m.ones(4)
            return lambda: a + b
        def exp_grad(m):
            a = m.ones(4).requires_grad_()
            return lambda: a.exp()
        def matmul(m):
            a, b = m.ones(2, 2), m.ones(2, 2)
            return lambda: a @ b
        def getitem(m):
            a = m.ones(4, 4)
            return lambda: a[1]
        def loop(m):
            a = m.ones(4).requires_grad_()
            def step():
                a.grad = None
                (a * a).sum().backward()
            return step
        def layer(m):
            f, x = m.nn.Linear(4, 4), m.ones(1, 4)
            return lambda: f(x)
        return [("a + b", add, 1.0), ("a + b, recorded", add_grad, 1.0), ("a.exp(), recorded", exp_grad, 1.0), ("a @ b", matmul, 1.0), ("a[1]", getitem, 1.0),
                ("(a * a).sum().backward()", loop, 2.0), ("Linear(4, 4)", layer, 1.0)]
    rows_ = []
    for name, make, goal in sides():
        ours, peer = interleave(*pair(make), runs)
        row = {"section": "overhead", "op": name, "shape": "4", "pass": "python", "error": 0.0, "peer_error": 0.0, "goal": goal, "ours": ours, "peer": peer,
               "ratio": peer["us_best"] / ours["us_best"], "ratio_p50": peer["us_p50"] / ours["us_p50"]}
        rows_.append(row)
        show(row)
    return rows_


# ---------------------------------------------------------------- training steps

def mlp(m):
    return m.nn.Sequential(m.nn.Linear(256, 512), m.nn.GELU(), m.nn.Linear(512, 512), m.nn.GELU(), m.nn.Linear(512, 32))


def tiny_mlp(m):
    return m.nn.Sequential(m.nn.Linear(8, 16), m.nn.ReLU(), m.nn.Linear(16, 16), m.nn.ReLU(), m.nn.Linear(16, 4))


def transformer(m):
    layer = m.nn.TransformerEncoderLayer(192, 4, 768, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    return m.nn.Sequential(m.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), m.nn.Linear(192, 32))


def training(runs):
    """One step: forward, cross entropy, backward, AdamW; PyTorch with its fused optimizer."""
    rows_ = []
    for name, make, shape, targets in (("MLP 256-512-512-32", mlp, (128, 256), (128,)), ("transformer 2 x 192", transformer, (16, 64, 192), (16, 64)),
                                       ("tiny MLP 8-16-16-4", tiny_mlp, (16, 8), (16,))):
        x, t = normal(*shape), RNG.integers(0, 4, targets)
        models = make(hg), make(torch)
        models[0].load_state_dict({k: hg.from_numpy(v.numpy().copy()) for k, v in models[1].state_dict().items()})
        steps, losses = [], ([], [])
        for k, (m, model) in enumerate(zip((hg, torch), models)):
            model.train()
            optimizer = m.optim.AdamW(model.parameters(), lr=1e-3, **({"fused": True} if m is torch else {}))
            a, b = m.from_numpy(x.copy()), m.from_numpy(t.copy())
            def step(m=m, model=model, optimizer=optimizer, a=a, b=b, kept=losses[k]):
                y = model(a)
                loss = m.nn.functional.cross_entropy(y.reshape(-1, y.shape[-1]), b.reshape(-1))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if len(kept) < 5:
                    kept.append(loss.item())
            steps.append(step)
        for _ in range(5):
            steps[0](), steps[1]()
        wrong = max(abs(a - b) / abs(b) for a, b in zip(*losses))      # five steps of training agree
        row = {"section": "training", "op": name, "shape": "x".join(map(str, shape)), "pass": "step", "error": wrong, "peer_error": 0.0, "goal": 1.2}
        if wrong > 1e-3:
            row["failed"] = True
        else:
            row["ours"], row["peer"] = interleave(*steps, runs)
            row["ratio"] = row["peer"]["us_best"] / row["ours"]["us_best"]
            row["ratio_p50"] = row["peer"]["us_p50"] / row["ours"]["us_p50"]
        rows_.append(row)
        show(row)
    return rows_


# ---------------------------------------------------------------- the run

def load():
    return os.getloadavg()[0]


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.split(": ", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--only", help="sections, separated by commas: " + " ".join([*SECTIONS, "overhead", "training"]))
    parser.add_argument("--filter", default="", help="only ops whose name contains this")
    parser.add_argument("--bench-ops", default="build/bench/bench_ops", help="program that measures the machine's limits")
    parser.add_argument("--budget", type=float, default=1.5, help="seconds for a row")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def main():
    options = OPTIONS
    torch.set_num_threads(options.threads)
    hg.set_num_threads(options.threads)
    wanted = options.only.split(",") if options.only else [*SECTIONS, "overhead", "training"]
    result = {"program": "bench/peers/ops.py", "processor": processor(), "threads": options.threads, "torch": torch.__version__, "load_before": load()}
    if os.path.exists(options.bench_ops):
        text = subprocess.run([options.bench_ops, "--limits", "--threads", str(options.threads)], capture_output=True, text=True, check=True).stdout
        result["limits"] = json.loads(text)
    print(f"{result['processor']}, {options.threads} threads, load {load():.1f}, PyTorch {torch.__version__}, limits {result.get('limits')}\n")
    print(f"{'section':<9} {'op':<22} {'input':<18} {'pass':<9}{'best us':>10}{'p50 us':>10}{'peer best':>11}{'p50':>10}{'ratio':>8}  {'rate':<13} error")
    table = []
    for section in wanted:
        if section in SECTIONS:
            for case in SECTIONS[section]():
                if options.filter in case["name"]:
                    table += run_case(section, **{"runs": options.runs, **case})
        else:
            table += {"overhead": overhead, "training": training}[section](options.runs)
    result["load_after"], result["rows"] = load(), table
    failed = [r for r in table if r.get("failed")]
    below = [r for r in table if not r.get("failed") and r["ratio"] < r["goal"]]
    print(f"\n{len(table)} rows, {len(failed)} failed, {len(below)} below their goal; load {load():.1f}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    OPTIONS = parse()
    main()
