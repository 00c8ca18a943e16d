"""The fast CUDA kernels of the scans, the causal convolution and attention against the CPU, at shapes that reach them. (The op table runs
tiny shapes, which the general kernels take.) Skipped where there is no device."""
import numpy as np
import pytest

import hippograd as hg
import hippograd.nn.functional as F

pytestmark = pytest.mark.skipif(not hg.cuda.is_available(), reason="no CUDA device")


def numbers(seed, *shape, low=-1.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def run(function, inputs, device, dtypes):
    """Outputs and gradients as float64 arrays; integer inputs take no gradient."""
    given = []
    for x, dtype in zip(inputs, dtypes):
        if x is None or x.dtype.kind in "ib":
            given.append(None if x is None else hg.tensor(x).to(device))
        else:
            given.append(hg.tensor(x).to(dtype).to(device).requires_grad_())
    outputs = [y for y in function(*given) if y is not None]
    loss = None
    for k, y in enumerate(outputs):
        term = (y.to(hg.float64) * hg.tensor(numbers(100 + k, *y.shape)).to(hg.float64).to(device)).sum()
        loss = term if loss is None else loss + term
    wanted = [x for x in given if x is not None and x.requires_grad]
    loss.backward()
    return [t.detach().to(hg.float64).to("cpu").numpy() for t in (*outputs, *(x.grad for x in wanted))]


def close(got, want, tolerance, label):
    assert len(got) == len(want)
    for k, (a, b) in enumerate(zip(got, want)):
        assert np.isfinite(a).all() == np.isfinite(b).all(), f"{label}: number {k}"
        scale = max(1e-3, float(np.abs(b).max())) if b.size else 1.0
        error = float(np.abs(a - b).max()) / scale if b.size else 0.0
        assert error <= tolerance, f"{label}: output or gradient {k} of {len(want)} {a.shape}: error {error:.2e} at {np.unravel_index(np.abs(a - b).argmax(), a.shape)}"


def compare(function, inputs, dtype, tolerance, label, dtypes=None):
    """The device in `dtype` against the CPU in f64 on the same (rounded) numbers, and twice the same bits."""
    rounded = [x if x is None or x.dtype.kind in "ib" else hg.tensor(x).to(t).to(hg.float32).numpy() for x, t in zip(inputs, dtypes or [dtype] * len(inputs))]
    want = run(function, rounded, "cpu", [hg.float64] * len(inputs))
    got = run(function, rounded, "cuda", dtypes or [dtype] * len(inputs))
    close(got, want, tolerance, label)
    for a, b in zip(got, run(function, rounded, "cuda", dtypes or [dtype] * len(inputs))):
        np.testing.assert_array_equal(a, b)


TOLERANCE = {hg.float32: 2e-5, hg.bfloat16: 2e-2}


def scan_inputs(B, L, D, N, G=1, z=True, initial=True):
    return [numbers(0, B, L, D), numbers(1, B, L, D, low=-3, high=0.5), numbers(2, D, N, low=-2, high=-0.1), numbers(3, B, L, G, N), numbers(4, B, L, G, N),
            numbers(5, D), numbers(6, B, L, D, low=-2, high=2) if z else None, numbers(7, D, low=-0.5, high=0.5), numbers(8, B, D, N) if initial else None]


def scan(**options):
    def f(u, delta, A, B, C, D, z, bias, initial):
        out, last = hg.selective_scan(u, delta, A, B, C, D=D, z=z, delta_bias=bias, initial_state=initial, return_last_state=True, **options)
        return out, last
    return f


@pytest.mark.parametrize("dtype", [hg.float32, hg.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("B, L, D, N, G", [(2, 70, 64, 4, 1), (2, 33, 72, 8, 1), (2, 196, 96, 16, 1), (1, 64, 128, 16, 2), (2, 1, 64, 16, 1), (1, 45, 40, 32, 1),
                                           (2, 40, 64, 64, 2), (1, 600, 64, 16, 1), (1, 515, 32, 64, 1), (3, 1000, 16, 8, 1)])
def test_selective_scan(B, L, D, N, G, dtype):
    f32 = hg.float32
    dtypes = [dtype, dtype, f32, dtype, dtype, f32, dtype, f32, f32]
    compare(scan(delta_softplus=True), scan_inputs(B, L, D, N, G), dtype, TOLERANCE[dtype], "gated", dtypes)


@pytest.mark.parametrize("L", [5, 300])
@pytest.mark.parametrize("options", [{"reverse": True, "delta_softplus": True}, {"delta_softplus": True}, {}], ids=["reverse", "softplus", "plain"])
def test_selective_scan_options(options, L):
    inputs = scan_inputs(1, L, 64, 16, z=not options.get("reverse"), initial=bool(options.get("reverse")))
    if not options.get("delta_softplus"):
        inputs[1], inputs[7] = np.abs(inputs[1]) * 0.3, None
    compare(scan(**options), inputs, hg.float32, 2e-5, str(options))


def test_selective_scan_layouts():
    """Channel-first streams, slices of one projection, mixed dtypes: copied first, the same numbers."""
    u, delta, A, B, C, D, z, bias, _ = scan_inputs(2, 50, 64, 16, initial=False)
    def transposed(u, delta, A, BC, D, z, bias):
        y = hg.selective_scan(u.transpose(1, 2), delta.transpose(1, 2), A, BC[..., 3:19], BC[..., 19:], D=D, z=z.transpose(1, 2), delta_bias=bias, delta_softplus=True)
        return (y,)
    BC = np.concatenate([numbers(9, 2, 50, 1, 3), B, C], -1)
    first = [np.ascontiguousarray(x.transpose(0, 2, 1)) for x in (u, delta, z)]
    inputs = [first[0], first[1], A, BC, D, first[2], bias]
    compare(transposed, inputs, hg.float32, 2e-5, "channel first")
    f32, bf16 = hg.float32, hg.bfloat16
    compare(transposed, inputs, bf16, 2e-2, "mixed", [bf16, f32, f32, bf16, f32, bf16, f32])


@pytest.mark.parametrize("dtype", [hg.float32, hg.bfloat16], ids=["f32", "bf16"])
@pytest.mark.parametrize("B, L, D, K", [(2, 70, 64, 4), (1, 300, 8, 3), (3, 2, 132, 4), (2, 17, 256, 2), (1, 5, 4, 4)])
def test_causal_conv1d(B, L, D, K, dtype):
    inputs = [numbers(0, B, L, D), numbers(1, D, K), numbers(2, D), numbers(3, B, D, K - 1)]
    for activation in (None, "silu"):
        def f(x, weight, bias, initial):
            return hg.causal_conv1d(x, weight, bias, activation=activation, initial_states=initial, return_final_states=True)
        compare(f, inputs, dtype, TOLERANCE[dtype], f"{activation}")


def test_linear_scan_in_pieces():
    inputs = [numbers(0, 2, 700, 6, low=0.5, high=0.999), numbers(1, 2, 700, 6), numbers(2, 2, 6)]
    for reverse in (False, True):
        compare(lambda a, b, h0: (hg.linear_scan(a, b, h0, dim=1, reverse=reverse),), inputs, hg.float32, 2e-5, f"reverse {reverse}")


def attention(**options):
    return lambda q, k, v: (F.scaled_dot_product_attention(q, k, v, **options),)


@pytest.mark.parametrize("P", [32, 64, 128])
@pytest.mark.parametrize("B, H, G, L, M, causal", [(2, 3, 3, 197, 197, False), (1, 2, 2, 197, 197, True), (1, 4, 2, 70, 130, False), (1, 4, 1, 129, 65, True),
                                                   (2, 1, 1, 1, 300, False), (1, 2, 1, 600, 530, True), (1, 1, 1, 515, 700, False), (1, 2, 2, 257, 63, True), (1, 1, 1, 64, 64, True), (1, 2, 1, 128, 1, False)])
def test_attention_on_tensor_cores(B, H, G, L, M, causal, P):
    inputs = [numbers(0, B, H, L, P, low=-2, high=2), numbers(1, B, G, M, P, low=-2, high=2), numbers(2, B, G, M, P)]
    compare(attention(is_causal=causal, enable_gqa=H != G), inputs, hg.bfloat16, 2e-2, f"P {P}")


def test_attention_of_heads_that_lie_interleaved():
    qkv = numbers(0, 2, 90, 3, 4, 64)   # (B, L, 3, H, P), as one projection gives it
    def f(x):
        q, k, v = (x[:, :, i].transpose(1, 2) for i in range(3))
        return (F.scaled_dot_product_attention(q, k, v, is_causal=True),)
    compare(f, [qkv], hg.bfloat16, 2e-2, "interleaved")


def test_attention_tells_hidden_keys_from_nothing():
    """NaN behind the causal mask reaches no query that does not see it."""
    q, k, v = (numbers(i, 1, 2, 150, 64) for i in range(3))
    for broken in (k, v):
        broken[0, 1, 100] = np.nan
    y = F.scaled_dot_product_attention(*(hg.tensor(x).to(hg.bfloat16).cuda() for x in (q, k, v)), is_causal=True).to(hg.float32).cpu().numpy()
    assert np.isfinite(y[0, 0]).all() and np.isfinite(y[0, 1, :100]).all() and np.isnan(y[0, 1, 100:]).all()
    given = [hg.tensor(x).to(hg.bfloat16).cuda().requires_grad_() for x in (q, k, v)]
    y = F.scaled_dot_product_attention(*given, is_causal=True)
    y[:, :, :100].sum().backward()
    dq, dk, dv = (x.grad.to(hg.float32).cpu().numpy() for x in given)
    assert np.isfinite(dq[0, :, :100]).all() and np.isfinite(dv[0, 0]).all() and np.isfinite(dk[0, 0]).all()
