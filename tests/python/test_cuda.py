"""hippograd.cuda on a device: capture, streams, autocast, exchange with others, late errors. Skipped where there is none; what can be
said without a device (clear refusals) is tested in test_tensor_object.py."""
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hippograd as hg

pytestmark = pytest.mark.skipif(not hg.cuda.is_available(), reason="no CUDA device")


def model_and_batch(seed=0, dropout=0.0):
    hg.manual_seed(seed)
    model = hg.nn.Sequential(hg.nn.Linear(16, 32), hg.nn.GELU(), hg.nn.Dropout(dropout), hg.nn.LayerNorm(32), hg.nn.Linear(32, 4)).cuda()
    return model, hg.randn(24, 16).cuda(), hg.randint(0, 4, (24,)).cuda()


def make_step(model, optimizer):
    def step(x, t):
        optimizer.zero_grad()
        loss = hg.nn.functional.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss
    return step


@pytest.mark.parametrize("make", [lambda p: hg.optim.SGD(p, lr=0.1, momentum=0.9), lambda p: hg.optim.AdamW(p, lr=1e-2), lambda p: hg.optim.Adam(p, lr=1e-2)])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_captured_step_gives_the_eager_numbers(make, dropout):
    losses = {}
    for captured in (False, True):
        model, x, t = model_and_batch(dropout=dropout)
        optimizer = make(model.parameters())
        step = make_step(model, optimizer)
        step = hg.cuda.capture(step) if captured else step
        hg.manual_seed(7)
        losses[captured] = []
        for k in range(12):
            optimizer.param_groups[0]["lr"] = 0.02 / (k + 1)               # read anew at each replay
            losses[captured].append(step(x + 0.01 * k, t).item())
        losses[captured] += [p.detach().cpu().numpy().copy() for p in model.parameters()]
    assert losses[False][:12] == losses[True][:12]
    for a, b in zip(losses[False][12:], losses[True][12:]):
        np.testing.assert_array_equal(a, b)


def test_capture_refuses_what_it_cannot_hold():
    x = hg.ones(3, device="cuda")
    for bad in (lambda x: x.sum().item(), lambda x: x.cpu(), lambda x: bool((x > 0).all()), lambda x: x.nonzero(), lambda x: x[x > 0],
                lambda x: x + hg.tensor([1.0, 2.0, 3.0]).cuda()):
        with pytest.raises(hg.DeviceError, match="while a step is captured"):
            hg.cuda.capture(bad, warmup=0)(x)
        assert (x + 1).sum().item() == 6                                     # the stream is usable afterwards
    step = hg.cuda.capture(lambda x: x * 2, warmup=0)
    step(x)
    with pytest.raises(ValueError, match="shapes, dtypes"):
        step(hg.ones(4, device="cuda"))
    with pytest.raises(hg.DeviceError, match="is on cpu"):
        step(hg.ones(3))


def test_captured_random_numbers_are_the_eager_ones():
    eager, captured = (lambda: hg.rand(5, device="cuda") + 0), hg.cuda.capture(lambda: hg.rand(5, device="cuda") + 0, warmup=0)
    hg.manual_seed(3)
    want = [eager().cpu().numpy().copy() for _ in range(4)]
    hg.manual_seed(3)
    got = [captured().cpu().numpy().copy() for _ in range(4)]
    np.testing.assert_array_equal(want, got)


def test_random_words_are_the_cpus():
    hg.manual_seed(5)
    here = [hg.rand(1001), hg.randint(0, 1000, (77,)), hg.randn(501, dtype=hg.float64)]
    hg.manual_seed(5)
    there = [hg.rand(1001, device="cuda"), hg.randint(0, 1000, (77,), device="cuda"), hg.randn(501, dtype=hg.float64, device="cuda")]
    assert (here[0].numpy() == there[0].cpu().numpy()).all() and (here[1].numpy() == there[1].cpu().numpy()).all()
    np.testing.assert_allclose(there[2].cpu().numpy(), here[2].numpy(), rtol=1e-14, atol=1e-15)


def test_streams_and_events():
    x = hg.randn(1 << 20, device="cuda")
    start, end = hg.cuda.Event(enable_timing=True), hg.cuda.Event(enable_timing=True)
    side = hg.cuda.Stream()
    side.wait_stream(hg.cuda.current_stream())
    with hg.cuda.stream(side):
        assert hg.cuda.current_stream() == side
        start.record()
        y = (x * 2).sum()
        end.record()
    hg.cuda.current_stream().wait_stream(side)
    assert y.item() == pytest.approx(2 * x.sum().item(), rel=1e-4)
    end.synchronize()
    assert start.elapsed_time(end) >= 0 and side.query()


def test_memory_statistics():
    hg.cuda.empty_cache()
    hg.cuda.reset_peak_memory_stats()
    before = hg.cuda.memory_allocated()
    x = hg.empty(1 << 20, device="cuda")
    assert hg.cuda.memory_allocated() - before == 4 << 20
    del x
    assert hg.cuda.memory_allocated() == before and hg.cuda.max_memory_allocated() >= before + (4 << 20)
    with pytest.raises(RuntimeError, match="out of memory"):
        hg.empty(1 << 50, device="cuda")
    assert hg.ones(2, device="cuda").sum().item() == 2


def test_autocast():
    model, x, t = model_and_batch()
    with hg.autocast("cuda"):
        y = model[0](x)
        assert y.dtype is hg.bfloat16 and (y @ y.T).dtype is hg.bfloat16
        assert hg.softmax(y, -1).dtype is hg.float32 and model[3](y).dtype is hg.float32 and y.exp().dtype is hg.float32
        with hg.autocast("cuda", enabled=False):
            assert model[0](x).dtype is hg.float32
        loss = hg.nn.functional.cross_entropy(model(x), t)
    assert loss.dtype is hg.float32
    loss.backward()
    assert all(p.grad.dtype is hg.float32 for p in model.parameters())
    exact = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    hg.nn.functional.cross_entropy(model(x), t).backward()
    for p, g in zip(model.parameters(), exact):
        scale = p.grad.abs().max().item()
        assert (p.grad - g).abs().max().item() < 0.05 * scale + 1e-6


def test_autocast_sees_a_weight_that_changed():
    w = hg.ones(4, 4, device="cuda", requires_grad=True)
    x = hg.ones(1, 4, device="cuda")
    with hg.autocast("cuda"):
        first = hg.nn.functional.linear(x, w).sum().item()
        with hg.no_grad():
            w.mul_(2)
        assert hg.nn.functional.linear(x, w).sum().item() == 2 * first


def test_dlpack_and_the_array_interface():
    x = hg.arange(12, dtype=hg.float32).reshape(3, 4).cuda()
    y = hg.from_dlpack(x.T)
    assert y.device.type == "cuda" and y.data_ptr() == x.data_ptr() and (y == x.T).all().item()
    info = x.__cuda_array_interface__
    assert info["shape"] == (3, 4) and info["data"][0] == x.data_ptr() and info["typestr"] == "<f4"

    class Foreign:
        __cuda_array_interface__ = info

    z = hg.as_tensor(Foreign())
    assert z.data_ptr() == x.data_ptr() and (z == x).all().item()
    assert not hasattr(hg.ones(2), "__cuda_array_interface__")


def test_bad_index_is_found_late_and_leaves_the_device_usable():
    table = hg.randn(5, 3, device="cuda")
    for use in (lambda: hg.nn.functional.embedding(hg.tensor([1, 9], device="cuda"), table),
                lambda: table.gather(0, hg.tensor([[7, 0, 0]], device="cuda")),
                lambda: hg.nn.functional.cross_entropy(table, hg.tensor([0, 1, 2, 1, 77], device="cuda"))):
        with pytest.raises(IndexError):
            use()
            hg.cuda.synchronize()
        assert (table + 1).isfinite().all().item()


def test_copies_both_ways_and_dtypes():
    for dtype in (hg.float32, hg.float64, hg.bfloat16, hg.float16, hg.complex64, hg.int64, hg.int32, hg.uint8, hg.bool):
        x = hg.randint(0, 2, (3, 5)).to(dtype)
        assert (x.cuda().T.contiguous().cpu() == x.T).all().item()
        assert (x.cuda().to(hg.float32).cpu() == x.to(hg.float32)).all().item() if dtype is not hg.complex64 else True


def test_a_forked_child_refuses():
    code = """
import os, hippograd as hg
x = hg.ones(2, device="cuda")
pid = os.fork()
if pid == 0:
    try:
        hg.ones(2, device="cuda").sum().item()
    except RuntimeError as error:
        os._exit(0 if "fork" in str(error) else 3)
    os._exit(4)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert x.sum().item() == 2
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_more_than_two_to_the_31_elements():
    if hg.cuda.mem_get_info()[0] < 12 << 30:
        pytest.skip("needs 12 GiB of free device memory")
    n = (1 << 31) + 5
    x = hg.zeros(n, dtype=hg.uint8, device="cuda")
    x[n - 1] = 7
    y = x + 1
    assert y[n - 1].item() == 8 and y[0].item() == 1
    assert (x == 7).sum().item() == 1


def test_pinned_memory():
    x = hg.randn(1 << 20)
    assert not x.is_pinned()
    y = x.pin_memory()
    assert y.is_pinned() and y.pin_memory().data_ptr() == y.data_ptr() and (y == x).all().item()
    assert (y.to("cuda", non_blocking=True).cpu() == x).all().item() and (y.cuda(non_blocking=True).cpu() == x).all().item()
    with pytest.raises(hg.DeviceError, match="cannot pin"):
        x.cuda().pin_memory()


def test_gradients_cross_devices():
    x = hg.randn(3, requires_grad=True)
    (x.cuda() * 2).cpu().sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    y = hg.zeros(2, 3, device="cuda")
    y[0] = hg.ones(3)
    y[:, 1] = 5
    assert y.tolist() == [[1, 5, 1], [0, 5, 0]] and (y * hg.tensor(2.0)).sum().item() == 24


def test_the_examples_of_the_documentation_run(capsys):
    page = (Path(__file__).resolve().parents[2] / "docs" / "cuda.md").read_text(encoding="utf-8")
    names = {"batches": [(hg.randn(8, 16).cuda(), hg.randint(0, 4, (8,)).cuda()) for _ in range(2)]}
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(code, names)                        # noqa: S102 - one after the other, as a reader would
    steps = re.findall(r"^(\d+) (\d\.\d+)$", capsys.readouterr().out, re.MULTILINE)
    assert [int(k) for k, _ in steps] == [50, 100, 150, 200] and float(steps[-1][1]) < 0.3
    assert names["step"].captured and names["step"].replays == 199


def test_a_recording_refuses_an_optimizer_without_state():
    model, x, t = model_and_batch()
    step = hg.cuda.capture(make_step(model, hg.optim.AdamW(model.parameters(), lr=1e-3)), warmup=0)
    with pytest.raises(hg.DeviceError, match="no state yet"):
        step(x, t)
    assert (x + 1).isfinite().all().item()
