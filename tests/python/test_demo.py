"""The demo's parts: the same bits from C++ and Python and for any number of threads; data, errors, results on disk."""
import json
import math
import os
import pathlib
import subprocess
import sys

import hippograd as hg
import pytest
from hippograd import demo
from hippograd.vlm import EasyVQA, EnhancedVLM, VLMConfig, VqaBatches, evaluate, explain_bad_loss

easy_vqa = pytest.importorskip("easy_vqa")


@pytest.fixture(scope="module")
def splits():
    return EasyVQA.load()


def losses(data, steps, seed=0):
    seen = []
    demo.train(data, seed, steps, on_step=lambda step, loss, *_: seen.append(loss))
    return seen


def test_the_data(splits):
    train, test = splits
    assert (train.picture_count, len(train), test.picture_count, len(test)) == (4000, 38575, 1000, 9673)
    assert len(train.vocabulary) <= 32
    images, tokens, targets = next(iter(VqaBatches(train, 3, 2, seed=1)))
    assert images.shape == (3, 3, 64, 64) and tokens.shape == targets.shape and tokens.shape[0] == 6
    for row, target in zip(tokens.tolist(), targets.tolist()):
        at = target.index(next(t for t in target if t >= 0))
        assert row[0] == 1 and row[at + 1] == target[at] and target[at + 1] == 2          # [BOS] ... answer [EOS]
    assert abs(train.images(list(range(64))).mean().item()) < 0.5


def test_same_bits_for_any_number_of_threads_and_from_cpp(splits):
    threads = hg.get_num_threads()
    try:
        runs = []
        for n in (1, 2, 3):
            hg.set_num_threads(n)
            runs.append(losses(splits[0], 4))
    finally:
        hg.set_num_threads(threads)
    assert runs[0] == runs[1] == runs[2]
    assert losses(splits[0], 1, seed=1) != runs[0][:1]
    program = pathlib.Path(hg._C.__file__).resolve().parents[2] / "apps" / "train_vqa"
    if not program.exists():
        pytest.skip("an installed package has no apps/train_vqa beside it")
    folder = pathlib.Path(easy_vqa.__file__).parent / "data"
    text = subprocess.run([str(program), str(folder), "--steps", "4", "--losses"], capture_output=True, text=True, check=True).stdout
    from_cpp = [float.fromhex(line.split()[1]) for line in text.splitlines() if line.count(" ") == 1 and "0x" in line]
    assert from_cpp == runs[0]


def test_a_nan_names_step_and_op(splits):
    model = EnhancedVLM(VLMConfig.easy_vqa())
    with hg.no_grad():
        model.state_dict()["head.weight"].fill_(math.nan)
    with pytest.raises(RuntimeError, match=r"training stopped at step 7: the loss is nan: .*linear returned NaN"):
        explain_bad_loss(model, next(iter(VqaBatches(splits[0], 2, 2))), 7, math.nan)


def test_state_dict_round_trip_and_generation(splits, tmp_path):
    train, test = splits
    hg.manual_seed(3)
    model = EnhancedVLM(VLMConfig.easy_vqa())
    model.save(tmp_path / "m.safetensors", train.vocabulary)
    hg.manual_seed(4)
    other = EnhancedVLM(VLMConfig.easy_vqa())
    other.load_state_dict(hg.load(str(tmp_path / "m.safetensors")))
    images = train.images([0, 1])
    prompt = hg.tensor([train.prompt(0)] * 2)
    one = model.generate(images, prompt, max_length=14, temperature=0, bos=1, eos=2)
    assert one.tolist() == other.generate(images, prompt, max_length=14, temperature=0, bos=1, eos=2).tolist()
    assert one.tolist() == model.generate(vision=model.encode(images), prompt=prompt, max_length=14, temperature=0, bos=1, eos=2).tolist()
    sampled = [model.generate(images, prompt, max_length=14, top_k=5, seed=9, bos=1, eos=2).tolist() for _ in range(2)]
    assert sampled[0] == sampled[1]


def test_the_command(tmp_path):
    out = tmp_path / "demo"
    environment = {**os.environ, "HIPPOGRAD_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "hippograd.demo", "--steps", "3", "--out", str(out)]
    first = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert first.returncode == 0, first.stderr
    for name in ("answers.png", "curves.png", "model.safetensors", "summary.json"):
        assert (out / name).stat().st_size > 100
    summary = json.loads((out / "summary.json").read_text())
    assert summary["parameters"] == 423232 and summary["asked"] == 9673 and summary["seed"] == 0 and set(summary["accuracy_by_type"]) == {"yes/no", "shape", "colour"}
    again = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert again.returncode == 0 and "done already" in again.stdout
    for extra, message in ((["--data", str(tmp_path), "--force"], "pip install easy-vqa"), (["--out", "/dev/null/x"], "demo: "), (["--device", "cuda", "--force"], "cuda")):
        wrong = subprocess.run(command + extra, capture_output=True, text=True, env=environment)
        assert wrong.returncode != 0 and message in wrong.stderr and "Traceback" not in wrong.stderr, wrong.stderr
