#!/usr/bin/env python3
"""Row-wise and indexing ops on CUDA beside PyTorch's, in one process, alternating: softmax, norms, losses, embedding, sorting.

    python bench/peers/rows.py [--quick] [--only WORDS] [--json FILE]

Device time: launches are queued behind a kernel that spins, so the host's speed does not count; both libraries run on the
default stream, where PyTorch's events time either. Best of several rounds of alternating blocks. The inputs rotate over copies
that together exceed the L2 cache. `copy` is the least memory traffic of the op (inputs read once, outputs written once) over
our time, as a fraction of the bandwidth of a large copy in the same process. `ratio` is PyTorch's time over ours: above 1 we
are faster. `error` is the largest difference of the results, relative to the largest element of PyTorch's.
"""
import argparse
import json
import sys

try:
    import numpy as np
    import torch
    import torch.nn.functional as TF
except ImportError as error:
    sys.exit(f"bench/peers/rows.py compares with PyTorch and needs torch and numpy: {error}")
import hippograd as hg
import hippograd.nn.functional as HF

L2 = 192e6   # bytes that the rotating inputs exceed


def normal(*shape):
    return lambda g: torch.randn(shape, generator=g, device="cuda")


def classes(n, *shape):
    return lambda g: torch.randint(0, n, shape, generator=g, device="cuda")


def zipf(n, *shape):   # frequent small numbers, as words are
    return lambda g: (torch.exp(torch.rand(shape, generator=g, device="cuda") * float(np.log(n))).long() - 1).clamp(0, n - 1)


# name -> (torch function, ours, inputs, which inputs want gradients, bytes forward, bytes backward) ; bytes from (numel of x, itemsize)
def cases():
    out = []

    def add(name, shape, theirs, ours, inputs, grads=(), forward=None, backward=None):
        out.append({"name": name, "shape": shape, "theirs": theirs, "ours": ours, "inputs": inputs, "grads": grads, "forward": forward, "backward": backward})

    for rows, cols in ((8192, 32000), (8192, 4096), (16384, 768), (1576, 768)):
        n, x, w = rows * cols, normal(rows, cols), normal(cols)
        add("layer_norm", (rows, cols), lambda a, b, c, m=cols: TF.layer_norm(a, (m,), b, c), lambda a, b, c, m=cols: HF.layer_norm(a, (m,), b, c),
            [x, w, w], (0, 1, 2), 2 * n, 3 * n)
        add("rms_norm", (rows, cols), lambda a, b, m=cols: TF.rms_norm(a, (m,), b), lambda a, b, m=cols: HF.rms_norm(a, (m,), b), [x, w], (0, 1), 2 * n, 3 * n)
        add("softmax", (rows, cols), lambda a: torch.softmax(a, -1), lambda a: hg.softmax(a, -1), [x], (0,), 2 * n, 3 * n)
    for rows, cols in ((96 * 197, 197), (8192, 1024)):
        n = rows * cols
        add("softmax", (rows, cols), lambda a: torch.softmax(a, -1), lambda a: hg.softmax(a, -1), [normal(rows, cols)], (0,), 2 * n, 3 * n)
    add("log_softmax", (8192, 32000), lambda a: torch.log_softmax(a, -1), lambda a: hg.log_softmax(a, -1), [normal(8192, 32000)], (0,), 2 * 8192 * 32000, 3 * 8192 * 32000)
    for rows, cols in ((8192, 32000), (2048, 50257), (8192, 1000)):
        n = rows * cols
        add("cross_entropy", (rows, cols), TF.cross_entropy, HF.cross_entropy, [normal(rows, cols), classes(cols, rows)], (0,), n, 2 * n)
    for count, table, width, draw in ((8192, 32000, 768, classes), (65536, 32000, 768, classes), (65536, 32000, 768, zipf), (32768, 64, 512, classes)):
        n = count * width
        add("embedding" + (" zipf" if draw is zipf else ""), (count, table, width), TF.embedding, HF.embedding, [draw(table, count), normal(table, width)], (1,),
            2 * n, n + table * width)
    n = 4096 * 256
    add("gather", (4096, 256, 64), lambda a, i: torch.gather(a, 1, i), lambda a, i: hg.gather(a, 1, i), [normal(4096, 256), classes(256, 4096, 64)], (0,), None, None)
    add("index_add", (1 << 20, 1000), lambda a, i, s: torch.index_add(a, 0, i, s), lambda a, i, s: hg.index_add(a, 0, i, s),
        [normal(1000), classes(1000, 1 << 20), normal(1 << 20)], (), None, None)
    for rows, cols in ((64, 4096), (1024, 1000), (16, 1 << 20)):
        add("sort", (rows, cols), lambda a: torch.sort(a, stable=True)[0], lambda a: hg.sort(a)[0], [normal(rows, cols)], (), None, None)
    for rows, cols in ((64, 50257), (8192, 64)):
        add("topk 50" if cols > 50 else "topk", (rows, cols), lambda a: torch.topk(a, 50)[0], lambda a: hg.topk(a, 50)[0], [normal(rows, cols)], (), None, None)
    add("nonzero", (1 << 24,), lambda a: torch.nonzero(a > 0), lambda a: hg.nonzero(a > 0), [normal(1 << 24)], (), None, None)
    return out


class Both:
    """One op in both libraries on the same numbers; `copies` sets of inputs that the calls go through in turn."""

    def __init__(self, case, dtype, backward):
        g = torch.Generator(device="cuda").manual_seed(0)
        self.case, self.backward, self.turn = case, backward, [0, 0]
        self.sets = [[], []]
        size = 4 if dtype == "float32" else 2
        first = [make(g) for make in case["inputs"]]
        volume = max(t.numel() for t in first) * size
        for k in range(max(1, min(8, int(np.ceil(L2 / volume))))):
            values = first if k == 0 else [make(g) for make in case["inputs"]]
            mine, theirs = [], []
            for i, v in enumerate(values):
                h = hg.tensor(v.cpu().numpy()).to("cuda")
                if v.is_floating_point():
                    v, h = v.to(getattr(torch, dtype)), h.to(getattr(hg, dtype))
                    if backward and i in case["grads"]:
                        v, h = v.requires_grad_(), h.requires_grad_()
                theirs.append(v)
                mine.append(h)
            for which, (inputs, call) in enumerate(((mine, case["ours"]), (theirs, case["theirs"]))):
                item = {"inputs": inputs}
                if backward:
                    y = call(*inputs)
                    dy = torch.randn(tuple(y.shape), generator=torch.Generator(device="cuda").manual_seed(1), device="cuda")
                    item["y"] = y
                    item["dy"] = dy.to(getattr(torch, dtype)) if which else hg.tensor(dy.cpu().numpy()).to("cuda").to(getattr(hg, dtype))
                    item["wanted"] = [inputs[i] for i in case["grads"]]
                self.sets[which].append(item)

    def _call(self, which):
        item = self.sets[which][self.turn[which] % len(self.sets[which])]
        self.turn[which] += 1
        if self.backward:
            grad = torch.autograd.grad if which else hg.autograd.grad
            return grad(item["y"], item["wanted"], item["dy"], retain_graph=True)
        return [(self.case["theirs"] if which else self.case["ours"])(*item["inputs"])]

    def ours(self):
        return self._call(0)

    def theirs(self):
        return self._call(1)

    def error(self):
        worst = 0.0
        for a, b in zip(self.ours(), self.theirs()):
            want, got = b.detach().double(), torch.from_numpy(a.detach().to(hg.float32).to("cpu").numpy()).cuda().double()
            worst = max(worst, float((got - want).abs().max() / want.abs().max().clamp_min(1e-30)))
        self.turn = [0, 0]
        return worst


def device_time(call, count):
    """Seconds per call on the device; the queue is filled while a kernel spins."""
    start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda._sleep(int(6e4) * count + int(2e6))
    start.record()
    for _ in range(count):
        call()
    stop.record()
    torch.cuda.synchronize()
    return start.elapsed_time(stop) * 1e-3 / count


def compare(both, rounds):
    for call in (both.ours, both.theirs):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    once = min(device_time(both.theirs, 2) for _ in range(2))
    count = max(3, min(50, int(4e-3 / once)))
    ours, theirs = [], []
    for i in range(rounds):
        for times, call in ((ours, both.ours), (theirs, both.theirs)) if i % 2 else ((theirs, both.theirs), (ours, both.ours)):
            times.append(device_time(call, count))
    return min(ours), min(theirs)


def copy_bandwidth():
    x = torch.randn(1 << 28, device="cuda")
    y = torch.empty_like(x)
    y.copy_(x)
    return 2 * x.numel() * 4 / min(device_time(lambda: y.copy_(x), 5) for _ in range(5))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--only", help="only ops whose name contains this")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}; copy {bandwidth / 1e12:.2f} TB/s")
    print(f"{'dtype':9} {'op':24} {'shape':>20} {'ours us':>10} {'torch us':>10} {'copy':>6} {'ratio':>6} {'error':>8}")
    rows = []
    for case in cases():
        if options.only and options.only not in case["name"]:
            continue
        for dtype in ("float32", "bfloat16"):
            for backward in (False, True) if case["grads"] else (False,):
                name = case["name"] + (" backward" if backward else "")
                try:
                    both = Both(case, dtype, backward)
                    error = both.error()
                    ours, theirs = compare(both, 3 if options.quick else 9)
                except Exception as problem:   # noqa: BLE001  one op must not take the table down
                    print(f"{dtype:9} {name:24} {str(case['shape']):>20} failed: {problem}", flush=True)
                    rows.append({"dtype": dtype, "op": name, "shape": case["shape"], "failed": str(problem)})
                    continue
                elements = case["backward" if backward else "forward"]
                share = elements * (4 if dtype == "float32" else 2) / ours / bandwidth if elements else None
                rows.append({"dtype": dtype, "op": name, "shape": case["shape"], "ours_us": ours * 1e6, "torch_us": theirs * 1e6, "copy": share,
                             "ratio": theirs / ours, "error": error})
                print(f"{dtype:9} {name:24} {str(case['shape']):>20} {ours * 1e6:10.1f} {theirs * 1e6:10.1f} {share and f'{share:6.2f}' or '     -'} "
                      f"{theirs / ours:6.2f} {error:8.1e}", flush=True)
                del both
                torch.cuda.empty_cache()
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "copy_bandwidth": bandwidth, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
