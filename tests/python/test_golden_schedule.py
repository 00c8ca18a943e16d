"""Linear warm-up then cosine, as PyTorch's SequentialLR computes them (tests/golden/optim)."""
import json
import pathlib

import hippograd as hg
import hippograd.optim.lr_scheduler as schedules


def test_cosine_with_warmup():
    path = pathlib.Path(__file__).parents[1] / "golden" / "optim" / "schedule_cosine_warmup.safetensors"
    items, metadata = hg._C._load_safetensors(str(path))
    golden, options = dict(items), json.loads(metadata["options"])
    names = [n.removeprefix("param.") for n in golden if n.startswith("param.")]
    params = {n: hg.nn.Parameter(golden["param." + n].clone()) for n in names}
    optimizer = hg.optim.SGD(params.values(), lr=options["lr"])
    warmup = schedules.LinearLR(optimizer, options["warmup_start"], total_iters=options["warmup"])
    cosine = schedules.CosineAnnealingLR(optimizer, options["total"] - options["warmup"], eta_min=options["eta_min"])
    schedule = schedules.SequentialLR(optimizer, [warmup, cosine], milestones=[options["warmup"]])
    for t in range(options["steps"]):
        for n in names:
            params[n].grad = golden[f"in.step{t}.grad.{n}"]
        assert abs(optimizer.param_groups[0]["lr"] - golden[f"out.step{t}.lr"].item()) < 1e-12
        optimizer.step()
        schedule.step()
        for n in names:
            assert hg.allclose(params[n].detach(), golden[f"out.step{t}.{n}"], rtol=1e-12, atol=1e-14), (t, n)
