#!/usr/bin/env python3
"""Matrix products on CUDA beside PyTorch's, in one process, alternating: time on the device and of the calling thread.

    python bench/peers/gemm.py [--quick] [--ranks] [--dtypes float32,tf32] [--json FILE]

Device time: launches are queued behind a kernel that spins, so the host's speed does not count; both libraries run on the
default stream, where PyTorch's events time either. Best of several rounds of alternating blocks. `ratio` is PyTorch's time
over ours: above 1 we are faster. `error` is the largest difference of the results, relative to the largest element of
PyTorch's. The CPU's time per call is that of a queue of small products, 16 x 16. --ranks times ours only, with each of the
first algorithms that cuBLASLt's heuristic ranks, and tells where another than the first is faster.
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
    sys.exit(f"bench/peers/gemm.py compares with PyTorch and needs torch and numpy: {error}")
import hippograd as hg
from rows import device_time

# what, shape of a, shape of b (as stored; t: used transposed), bias
SHAPES = [
    ("linear", (8192, 768), (768, 768), "bias"), ("linear", (16384, 768), (3072, 768), "bias"), ("linear", (8192, 3072), (768, 3072), "bias"),
    ("linear", (16384, 3072), (768, 3072), "bias"), ("linear", (1576, 768), (2304, 768), "bias"), ("linear", (8192, 192), (768, 192), "bias"),
    ("matmul", (16384, 3072), (3072, 768), ""), ("matmul", (2048, 2048), (2048, 2048), ""), ("matmul", (8192, 8192), (8192, 8192), ""),
    ("matmul dx", (8192, 768), (768, 768), ""), ("matmul dW", (8192, 768), (8192, 3072), "ta"), ("matmul dW", (16384, 768), (16384, 768), "ta"),
    ("batched", (96, 197, 64), (96, 197, 64), "tb"), ("batched", (96, 197, 197), (96, 197, 64), ""), ("batched", (96, 577, 64), (96, 577, 64), "tb"),
    ("batched", (96, 577, 577), (96, 577, 64), ""), ("batched", (512, 64, 32), (512, 64, 32), "tb"), ("batched", (8, 1024, 512), (512, 768), ""),
    # the demo's: bound by launches and latency
    ("small", (2048, 96), (96, 96), "bias"), ("small", (1024, 96), (192, 96), "bias"), ("small", (2048, 192), (96, 192), "bias"),
    ("small dW", (2048, 96), (2048, 96), "ta"), ("small dW", (1024, 96), (1024, 192), "ta"), ("small dx", (2048, 96), (96, 96), ""),
    ("small", (512, 16, 24), (512, 64, 24), "tb"), ("small", (512, 16, 64), (512, 64, 24), ""),
]
QUICK = 4


class Product:
    """One product in both libraries, on the same numbers."""

    def __init__(self, shape_a, shape_b, mode, dtype):
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal(s, dtype=np.float32) for s in (shape_a, shape_b))
        bias = rng.standard_normal(shape_b[0], dtype=np.float32) if mode == "bias" else None
        t = lambda x: torch.from_numpy(x).cuda().to(getattr(torch, dtype))                        # noqa: E731
        h = lambda x: hg.tensor(x).to("cuda").to(getattr(hg, dtype))                              # noqa: E731
        self.torch_operands = [t(a), t(b)] + ([t(bias)] if bias is not None else [])
        self.our_operands = [h(a), h(b)] + ([h(bias)] if bias is not None else [])
        self.mode = mode
        m = shape_a[-1] if mode == "ta" else shape_a[-2]
        k = shape_a[-2] if mode == "ta" else shape_a[-1]
        n = shape_b[-2] if mode in ("tb", "bias") else shape_b[-1]
        batch = shape_a[0] if len(shape_a) == 3 else 1
        self.flops = 2 * batch * m * n * k

    def _run(self, linear, operands):
        a, b = operands[:2]
        if self.mode == "bias":
            return linear(a, b, operands[2])
        if self.mode == "ta":
            a = a.transpose(-2, -1)
        if self.mode == "tb":
            b = b.transpose(-2, -1)
        return a @ b

    def torch(self):
        return self._run(torch.nn.functional.linear, self.torch_operands)

    def ours(self):
        return self._run(hg.nn.functional.linear, self.our_operands)

    def error(self):
        want = self.torch().float().cpu().numpy()
        got = self.ours().to(hg.float32).to("cpu").numpy()
        return float(np.abs(got - want).max() / np.abs(want).max())


def compare(product, rounds):
    for call in (product.ours, product.torch):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    once = min(device_time(product.torch, 3) for _ in range(2))
    count = max(3, min(100, int(5e-3 / once)))
    ours, theirs = [], []
    for i in range(rounds):
        for times, call in ((ours, product.ours), (theirs, product.torch)) if i % 2 else ((theirs, product.torch), (ours, product.ours)):
            times.append(device_time(call, count))
    return min(ours), min(theirs)


def ranks(options):
    """Times of every rank, each in a process of its own; rows as printed by --ours."""
    times = []
    for rank in range(6):
        out = subprocess.run([sys.executable, __file__, "--ours", "--dtypes", options.dtypes], env=os.environ | {"HIPPOGRAD_BLAS_RANK": str(rank)}, capture_output=True, text=True, check=True)
        times.append(json.loads(out.stdout))
    for i, first in enumerate(times[0]):
        row = [t[i]["us"] for t in times]
        best = min(range(len(row)), key=row.__getitem__)
        mark = f"  <- rank {best}: {row[0] / row[best]:.3f}x" if row[best] < 0.98 * row[0] else ""
        print(f"{first['dtype']:9} {first['what']:10} {str(first['a']):>20} {str(first['b']):>20} " + " ".join(f"{t:8.1f}" for t in row) + mark)
    if options.json:
        with open(options.json, "w") as f:
            json.dump(times, f)


def ours_only(dtypes):
    rows = []
    for dtype in dtypes:
        hg.backends.cuda.matmul.allow_tf32 = dtype == "tf32"
        for what, a, b, mode in SHAPES:
            product = Product(a, b, mode, "float32" if dtype == "tf32" else dtype)
            for _ in range(3):
                product.ours()
            once = device_time(product.ours, 3)
            count = max(3, min(100, int(4e-3 / once)))
            rows.append({"dtype": dtype, "what": what, "a": a, "b": b, "mode": mode, "us": min(device_time(product.ours, count) for _ in range(4)) * 1e6})
    print(json.dumps(rows))


def call_time(call, count=400, rounds=7):
    best = float("inf")
    for _ in range(rounds):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - begin) / count)
    torch.cuda.synchronize()
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--ranks", action="store_true", help="times of the other algorithms on cuBLASLt's list")
    parser.add_argument("--ours", action="store_true", help="only our times, as JSON")
    parser.add_argument("--dtypes", default="float32,bfloat16,tf32", help="some of float32,bfloat16,tf32")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    if options.ranks:
        return ranks(options)
    if options.ours:
        with hg.no_grad():
            return ours_only(options.dtypes.split(","))
    rows = []
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
    print(f"{'dtype':9} {'what':10} {'a':>20} {'b':>20} {'ours us':>9} {'torch us':>9} {'TFLOP/s':>8} {'ratio':>6} {'error':>8}")
    with hg.no_grad():
        for dtype in options.dtypes.split(","):
            tf32 = dtype == "tf32"
            torch.backends.cuda.matmul.allow_tf32 = tf32
            hg.backends.cuda.matmul.allow_tf32 = tf32
            for what, a, b, mode in SHAPES:
                product = Product(a, b, mode, "float32" if tf32 else dtype)
                error = product.error()
                ours, theirs = compare(product, QUICK if options.quick else 12)
                rows.append({"dtype": dtype, "what": what, "a": a, "b": b, "mode": mode, "ours_us": ours * 1e6, "torch_us": theirs * 1e6,
                             "tflops": product.flops / ours / 1e12, "ratio": theirs / ours, "error": error})
                print(f"{dtype:9} {what:10} {str(a):>20} {str(b):>20} {ours * 1e6:9.1f} {theirs * 1e6:9.1f} {product.flops / ours / 1e12:8.1f} "
                      f"{theirs / ours:6.3f} {error:8.1e}", flush=True)
                del product
        small = Product((16, 16), (16, 16), "", "float32")
        cpu = {"ours_us": call_time(small.ours) * 1e6, "torch_us": call_time(small.torch) * 1e6}
        print(f"CPU time per call: ours {cpu['ours_us']:.2f} us, PyTorch {cpu['torch_us']:.2f} us")
    below = [r for r in rows if r["ratio"] < 0.97]
    print(f"{len(rows) - len(below)} of {len(rows)} products at 0.97 of PyTorch's speed or better")
    for r in below:
        print(f"  below: {r['dtype']} {r['what']} {r['a']} {r['b']} {r['mode']}: {r['ratio']:.3f}")
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "cpu": cpu, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
