#!/usr/bin/env python3
"""Pointwise ops, reductions, running sums, random numbers and optimizer steps on CUDA beside PyTorch's, in one process.

    python bench/peers/pointwise.py [--quick] [--only WORDS] [--json FILE]

Measured as in bench/peers/rows.py: device time, alternating blocks, inputs that rotate beyond the L2 cache. `copy` is the least
memory traffic of the op over our time, as a fraction of the bandwidth of a large copy in the same process; `ratio` is PyTorch's
time over ours.
"""
import argparse
import json

import rows
import torch
import torch.nn.functional as TF
from rows import hg, normal

import hippograd.nn.functional as HF


def flags(*shape):
    return lambda g: torch.randint(0, 2, shape, generator=g, device="cuda").bool()


def cases():
    """Bytes are counted in elements of the dtype: inputs read once, outputs written once."""
    out = []

    def add(name, shape, call, inputs, forward, theirs=None, grads=(), backward=None):
        out.append({"name": name, "shape": shape, "ours": call, "theirs": theirs or call, "inputs": inputs, "grads": grads, "forward": forward, "backward": backward})

    for shape in ((8192, 8192), (16384, 768)):
        n, x, row, column = shape[0] * shape[1], normal(*shape), normal(shape[1]), normal(shape[0], 1)
        add("add", shape, lambda a, b: a + b, [x, x], 3 * n)
        add("mul scalar", shape, lambda a: a * 1.5, [x], 2 * n)
        add("add row", shape, lambda a, b: a + b, [x, row], 2 * n)
        add("mul column", shape, lambda a, b: a * b, [x, column], 2 * n)
        add("exp", shape, lambda a: a.exp(), [x], 2 * n)
        add("sin", shape, lambda a: a.sin(), [x], 2 * n)
        add("tanh", shape, lambda a: a.tanh(), [x], 2 * n)
        add("gelu", shape, HF.gelu, [x], 2 * n, theirs=TF.gelu, grads=(0,), backward=3 * n)
        add("silu", shape, HF.silu, [x], 2 * n, theirs=TF.silu, grads=(0,), backward=3 * n)
        add("sigmoid", shape, lambda a: a.sigmoid(), [x], 2 * n, grads=(0,), backward=3 * n)
        add("relu", shape, lambda a: a.relu(), [x], 2 * n)
        add("greater", shape, lambda a, b: a > b, [x, x], None)
        add("where", shape, hg.where, [flags(*shape), x, x], None, theirs=torch.where)
        add("slice add", shape, lambda a: a[:, : a.shape[1] // 2] + a[:, a.shape[1] // 2:], [x], 3 * n // 2)
        add("transposed add", shape, lambda a, b: a + b.transpose(0, 1), [x, normal(*shape[::-1])], 3 * n)
        add("sum", shape, lambda a: a.sum(), [x], n)
        add("sum dim 1", shape, lambda a: a.sum(1), [x], n)
        add("sum dim 0", shape, lambda a: a.sum(0), [x], n)
        add("mean dim 1", shape, lambda a: a.mean(1), [x], n)
        add("amax dim 1", shape, lambda a: a.amax(1), [x], n)
        add("amax dim 0", shape, lambda a: a.amax(0), [x], n)
        add("argmax dim 1", shape, lambda a: a.argmax(1), [x], n)
        add("var dim 1", shape, lambda a: a.var(1), [x], n)
        add("logsumexp dim 1", shape, lambda a: a.logsumexp(1), [x], n)
        add("norm", shape, lambda a: a.norm(), [x], n)
        add("cumsum dim 1", shape, lambda a: a.cumsum(1), [x], 2 * n)
        add("cumsum dim 0", shape, lambda a: a.cumsum(0), [x], 2 * n)
    add("sum small dim", (1 << 22, 16), lambda a: a.sum(1), [normal(1 << 22, 16)], (1 << 26) + (1 << 22))
    add("sum channels", (64, 256, 56, 56), lambda a: a.sum((0, 2, 3)), [normal(64, 256, 56, 56)], 64 * 256 * 56 * 56)
    add("sum middle", (256, 512, 512), lambda a: a.sum(1), [normal(256, 512, 512)], 256 * 512 * 512)
    add("cumsum 1-d", (1 << 26,), lambda a: a.cumsum(0), [normal(1 << 26)], 2 << 26)
    add("add tiny", (64, 64), lambda a, b: a + b, [normal(64, 64), normal(64, 64)], None)
    add("sum tiny", (64, 64), lambda a: a.sum(), [normal(64, 64)], None)
    return out


def draws(dtype, n=1 << 26):
    """Random numbers have no common result: time only."""
    ht, tt = getattr(hg, dtype), getattr(torch, dtype)
    hx, tx = hg.zeros(n, dtype=ht, device="cuda") + 1, torch.ones(n, dtype=tt, device="cuda")
    yield "rand", lambda: hg.rand(n, dtype=ht, device="cuda"), lambda: torch.rand(n, dtype=tt, device="cuda"), n
    yield "randn", lambda: hg.randn(n, dtype=ht, device="cuda"), lambda: torch.randn(n, dtype=tt, device="cuda"), n
    yield "dropout", lambda: HF.dropout(hx, 0.1), lambda: TF.dropout(tx, 0.1), 2 * n


def adamw(total=100_000_000, tensors=150):
    """One step over many tensors. 28 bytes per parameter: p, gradient, m, v read; p, m, v written."""
    sizes = [total // tensors // 4 * 4] * tensors
    ours = [hg.randn(n, device="cuda").requires_grad_() for n in sizes]
    theirs = [torch.randn(n, device="cuda", requires_grad=True) for n in sizes]
    for p in ours:
        p.grad = hg.randn(p.shape[0], device="cuda")
    for p in theirs:
        p.grad = torch.randn_like(p)
    mine, other = hg.optim.AdamW(ours, lr=1e-3), torch.optim.AdamW(theirs, lr=1e-3, fused=True)
    return mine.step, other.step, 7 * sum(sizes)


def timed(name, dtype, shape, ours, theirs, elements, rounds, bandwidth, error=None):
    class Pair:
        pass
    pair = Pair()
    pair.ours, pair.theirs = ours, theirs
    mine, other = rows.compare(pair, rounds)
    share = elements * (4 if dtype == "float32" else 2) / mine / bandwidth if elements else None
    print(f"{dtype:9} {name:18} {str(shape):>20} {mine * 1e6:10.1f} {other * 1e6:10.1f} {f'{share:6.2f}' if share else '     -'} {other / mine:6.2f} "
          f"{'' if error is None else f'{error:8.1e}'}", flush=True)
    return {"dtype": dtype, "op": name, "shape": shape, "ours_us": mine * 1e6, "torch_us": other * 1e6, "copy": share, "ratio": other / mine, "error": error}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds, no backward")
    parser.add_argument("--only", help="only ops whose name contains this")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    rounds = 3 if options.quick else 9
    wanted = lambda name: not options.only or options.only in name   # noqa: E731
    bandwidth = rows.copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}; copy {bandwidth / 1e12:.2f} TB/s")
    print(f"{'dtype':9} {'op':18} {'shape':>20} {'ours us':>10} {'torch us':>10} {'copy':>6} {'ratio':>6} {'error':>8}")
    table = []
    if wanted("adamw"):
        ours, theirs, elements = adamw()
        table.append(timed("adamw", "float32", (100_000_000,), ours, theirs, elements, rounds, bandwidth))
        del ours, theirs
        torch.cuda.empty_cache()
    for dtype in ("float32", "bfloat16"):
        for name, ours, theirs, elements in draws(dtype):
            if wanted(name):
                table.append(timed(name, dtype, (1 << 26,), ours, theirs, elements, rounds, bandwidth))
        for case in cases():
            for backward in (False, True) if case["grads"] and not options.quick else (False,):
                name = case["name"] + (" backward" if backward else "")
                if not wanted(name):
                    continue
                try:
                    both = rows.Both(case, dtype, backward)
                    error = both.error()
                    table.append(timed(name, dtype, case["shape"], both.ours, both.theirs, case["backward" if backward else "forward"], rounds, bandwidth, error))
                    del both
                except Exception as problem:   # noqa: BLE001  one op must not take the table down
                    print(f"{dtype:9} {name:18} {str(case['shape']):>20} failed: {problem}", flush=True)
                    table.append({"dtype": dtype, "op": name, "shape": case["shape"], "failed": str(problem)})
                torch.cuda.empty_cache()
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "copy_bandwidth": bandwidth, "rows": table}, f, indent=1)


if __name__ == "__main__":
    main()
