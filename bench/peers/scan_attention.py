#!/usr/bin/env python3
"""Attention on CUDA beside PyTorch's scaled_dot_product_attention, and the scans beside their limits.

    python bench/peers/scan_attention.py [--quick] [--only WORD] [--kernels] [--json FILE]

Times as in bench/peers/rows.py: device time, both libraries alternating on the default stream, best of several rounds. Attention:
TFLOP/s counts 4 P L M per head forward and 10 P L M backward (five products), halved where causal; `ratio` is PyTorch's time
over ours. Selective scan: N = 16 with z, D, bias and softplus; `floor` is the least memory traffic (4 streams forward, 7
backward, B and C) at the measured copy bandwidth, as a fraction of our time; `peer` is mamba-ssm 2.3.2 on an H200, quoted from the
notes of bench/results (it is not run here). Causal convolution: width 4 and SiLU; `copy` is the traffic's share. --kernels also prints
the time of each of our kernels, by PyTorch's profiler.
"""
import argparse
import json
import sys

try:
    import torch
    import torch.nn.functional as TF
except ImportError as error:
    sys.exit(f"bench/peers/scan_attention.py compares with PyTorch and needs torch: {error}")
import hippograd as hg
import hippograd.nn.functional as HF
from rows import compare, copy_bandwidth, device_time

# (B, D, L) -> milliseconds of mamba-ssm: {dtype: (forward, backward)}
MAMBA = {(8, 2048, 2048): {"float32": (1.168, 2.682), "bfloat16": (0.590, 2.291)}, (8, 2048, 512): {"float32": (0.311, 0.727), "bfloat16": (0.149, 0.552)},
         (8, 1536, 2048): {"float32": (0.877, 2.032), "bfloat16": (0.448, 1.737)}, (64, 1536, 196): {"float32": (0.758, 2.368), "bfloat16": (0.776, 2.328)},
         (1, 2048, 65536): {"float32": (5.668, 12.405), "bfloat16": (2.902, 10.890)}}
CONV = {"float32": (0.0713, 0.1390), "bfloat16": (0.0413, 0.1113)}   # causal-conv1d at (8, 2048, 2048)


def ours_of(t, dtype):
    return hg.tensor(t.float().cpu().numpy()).to("cuda").to(getattr(hg, dtype))


class Call:
    """`forward` and `backward` of one function of one library; gradients through `grad`."""

    def __init__(self, function, inputs, dy, grad):
        self.function, self.inputs, self.grad, self.dy = function, inputs, grad, dy
        self.wanted = [x.requires_grad_() for x in inputs]
        self.y = function(*self.wanted)

    def forward(self):
        return self.function(*(x.detach() for x in self.inputs))

    def backward(self):
        return self.grad(self.y, self.wanted, self.dy, retain_graph=True)


def kernel_times(call):
    """Prints the microseconds of each kernel of one call."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(5):
            call()
        torch.cuda.synchronize()
    for event in sorted(profile.key_averages(), key=lambda e: -e.self_device_time_total):
        name = event.key.replace("hippograd::cuda::", "").replace("(anonymous namespace)::", "").split("(")[0]
        print(f"      {event.self_device_time_total / 5:10.1f} us  x{event.count / 5:g}  {name[:110]}")


class Pair:
    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs


def largest_error(ours, theirs):
    worst = 0.0
    for a, b in zip(ours, theirs):
        want, got = b.detach().double(), torch.from_numpy(a.detach().to(hg.float32).to("cpu").numpy()).cuda().double()
        worst = max(worst, float((got - want).abs().max() / want.abs().max().clamp_min(1e-30)))
    return worst


def attention(rounds, rows, kernels):
    print(f"\nattention{'':11} {'B, H, L, P':>20} {'ours us':>9} {'torch us':>9} {'TFLOP/s':>8} {'torch':>7} {'ratio':>6} {'error':>8}")
    shapes = [(16, 12, 197, 64), (8, 12, 577, 64), (8, 12, 2048, 64), (8, 12, 2048, 128), (16, 12, 197, 32)]
    for dtype in ("bfloat16", "float32"):
        for B, H, L, P in shapes if dtype == "bfloat16" else shapes[:2]:
            for causal in (False, True):
                g = torch.Generator(device="cuda").manual_seed(0)
                q, k, v, dy = (torch.randn(B, H, L, P, generator=g, device="cuda").to(getattr(torch, dtype)) for _ in range(4))
                mine = Call(lambda a, b, c: HF.scaled_dot_product_attention(a, b, c, is_causal=causal), [ours_of(t, dtype) for t in (q, k, v)], ours_of(dy, dtype), hg.autograd.grad)
                theirs = Call(lambda a, b, c: TF.scaled_dot_product_attention(a, b, c, is_causal=causal), [q, k, v], dy, torch.autograd.grad)
                for name, products in (("forward", 4), ("backward", 10)):
                    ours_call, theirs_call = getattr(mine, name), getattr(theirs, name)
                    as_list = (lambda f: [f()]) if name == "forward" else (lambda f: f())
                    error = largest_error(as_list(ours_call), as_list(theirs_call))
                    a, b = compare(Pair(ours_call, theirs_call), rounds)
                    flops = products * P * L * L * B * H * (0.5 if causal else 1)
                    label = f"{dtype[:4]} {name} {'causal' if causal else ''}"
                    print(f"{label:20} {str((B, H, L, P)):>20} {a * 1e6:9.1f} {b * 1e6:9.1f} {flops / a / 1e12:8.0f} {flops / b / 1e12:7.0f} {b / a:6.2f} {error:8.1e}", flush=True)
                    rows.append({"op": "attention", "dtype": dtype, "pass": name, "causal": causal, "shape": (B, H, L, P), "ours_us": a * 1e6, "torch_us": b * 1e6,
                                 "tflops": flops / a / 1e12, "torch_tflops": flops / b / 1e12, "ratio": b / a, "error": error})
                    if kernels:
                        kernel_times(ours_call)
                del mine, theirs
                torch.cuda.empty_cache()


def best_time(call, rounds):
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    once = device_time(call, 2)
    count = max(3, min(50, int(4e-3 / once)))
    return min(device_time(call, count) for _ in range(rounds))


def scans(rounds, rows, bandwidth, kernels):
    print(f"\nselective scan {'B, D, L':>26} {'ours ms':>8} {'floor':>6} {'peer ms':>8} {'ratio':>6}")
    N = 16
    for (B, D, L), peer in MAMBA.items():
        for dtype in ("bfloat16", "float32"):
            io, f32 = getattr(hg, dtype), hg.float32

            def draw(*shape, low=-1.0, high=1.0, dtype=io):
                return (hg.rand(*shape, device="cuda") * (high - low) + low).to(dtype)

            inputs = [draw(B, L, D), draw(B, L, D, low=-3), draw(D, N, low=-2, high=-0.1, dtype=f32), draw(B, L, N), draw(B, L, N), draw(D, dtype=f32), draw(B, L, D),
                      draw(D, dtype=f32)]
            call = Call(lambda u, d, A, Bt, C, skip, z, bias: hg.selective_scan(u, d, A, Bt, C, D=skip, z=z, delta_bias=bias, delta_softplus=True), inputs, draw(B, L, D),
                        hg.autograd.grad)
            for name, streams, other in (("forward", 4, peer[dtype][0]), ("backward", 7, peer[dtype][1])):
                t = best_time(getattr(call, name), rounds)
                size = 2 if dtype == "bfloat16" else 4
                floor = (streams * B * D * L + (2 if name == "forward" else 4) * B * L * N) * size / bandwidth
                print(f"{dtype[:4]} {name:9} {str((B, D, L)):>26} {t * 1e3:8.3f} {floor / t:6.2f} {other:8.3f} {other / t / 1e3:6.2f}", flush=True)
                rows.append({"op": "selective_scan", "dtype": dtype, "pass": name, "shape": (B, D, L), "ours_ms": t * 1e3, "floor_share": floor / t, "peer_ms": other})
                if kernels:
                    kernel_times(getattr(call, name))
            del call, inputs
            hg.cuda.empty_cache()
    print(f"\ncausal convolution {'B, D, L':>22} {'ours us':>8} {'copy':>6} {'peer us':>8} {'ratio':>6}")
    for dtype in ("bfloat16", "float32"):
        for B, L, D in ((8, 2048, 2048), (8, 512, 1024)):
            io = getattr(hg, dtype)
            x, w, bias, dy = ((hg.rand(*s, device="cuda") - 0.5).to(io) for s in ((B, L, D), (D, 4), (D,), (B, L, D)))
            call = Call(lambda a, b, c: hg.causal_conv1d(a, b, c, activation="silu"), [x, w, bias], dy, hg.autograd.grad)
            for k, (name, streams) in enumerate((("forward", 2), ("backward", 3))):
                t = best_time(getattr(call, name), rounds)
                share = streams * B * L * D * (2 if dtype == "bfloat16" else 4) / bandwidth / t
                other = CONV[dtype][k] * 1e3 if (B, L, D) == (8, 2048, 2048) else float("nan")
                print(f"{dtype[:4]} {name:14} {str((B, D, L)):>22} {t * 1e6:8.1f} {share:6.2f} {other:8.1f} {other / t / 1e6:6.2f}", flush=True)
                rows.append({"op": "causal_conv1d", "dtype": dtype, "pass": name, "shape": (B, D, L), "ours_us": t * 1e6, "copy": share})
                if kernels:
                    kernel_times(getattr(call, name))
    for B, L, D in ((8, 2048, 2048), (4, 1024, 256), (1, 65536, 64)):
        a, b, dy = hg.rand(B, L, D, device="cuda"), hg.rand(B, L, D, device="cuda"), hg.rand(B, L, D, device="cuda")
        call = Call(lambda p, q: hg.linear_scan(p, q), [a, b], dy, hg.autograd.grad)
        for name, streams in (("forward", 3), ("backward", 5)):
            t = best_time(getattr(call, name), rounds)
            share = streams * B * L * D * 4 / bandwidth / t
            print(f"linear scan {name:14} {str((B, D, L)):>16} {t * 1e6:8.1f} {share:6.2f}", flush=True)
            rows.append({"op": "linear_scan", "pass": name, "shape": (B, D, L), "ours_us": t * 1e6, "copy": share})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rounds")
    parser.add_argument("--only", choices=("attention", "scans"))
    parser.add_argument("--kernels", action="store_true", help="also the time of each kernel")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    rounds, rows = 3 if options.quick else 9, []
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}; copy {bandwidth / 1e12:.2f} TB/s")
    if options.only != "scans":
        attention(rounds, rows, options.kernels)
    if options.only != "attention":
        scans(rounds, rows, bandwidth, options.kernels)
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "copy_bandwidth": bandwidth, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
