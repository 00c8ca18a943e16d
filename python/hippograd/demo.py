"""The main job: train the SSM-bridge vision-language model on easy-VQA and ask it about pictures it never saw.

    python -m hippograd.demo [--seed S] [--steps 2000] [--device cpu] [--out demo] [--force]

Writes answers.png, curves.png, model.safetensors and summary.json to the output folder. `train` below is the whole loop; the
C++ program apps/train_vqa.cpp is the same loop and gives the same losses bit for bit.
"""
import argparse
import glob
import json
import math
import os
import shutil
import sys
import time

import hippograd as hg
from hippograd.train import AdamW, decay_matrices_only, warmup_cosine
from hippograd.vlm import EasyVQA, EnhancedVLM, VLMConfig, VqaBatches, batch_accuracy, evaluate, explain_bad_loss

FILES = ("answers.png", "curves.png", "model.safetensors", "summary.json")


def train(data, seed=0, steps=2000, device="cpu", on_step=lambda *a: None, checkpoint=lambda *a: None):
    """Batches of 16 pictures with 8 questions each; the loss is on the answer and [EOS] only."""
    hg.manual_seed(seed)
    model = EnhancedVLM(VLMConfig.easy_vqa(), device=device)
    optimizer = AdamW(decay_matrices_only(model, 0.05), betas=(0.9, 0.98))

    def update(images, tokens, targets):
        logits, loss = model(images, tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(max_norm=1.0)                             # changes nothing if a gradient is not finite
        return logits, loss

    cuda = hg.device(device).type == "cuda"
    update = hg.cuda.capture(update, shapes=16) if cuda else update    # one launch per step; questions have several lengths
    unread = []                                                  # a GPU is asked for its losses ten at a time: it never waits for us
    for step, batch in zip(range(steps), VqaBatches(data, pictures=16, questions=8, seed=seed)):
        optimizer.lr = warmup_cosine(step, steps, warmup=100, peak=1e-3, floor=0.02)
        logits, loss = update(*(t.to(device) for t in batch))
        unread.append((step, batch, loss.detach().clone()))
        if not cuda or step % 10 == 9 or step + 1 == steps:
            for k, its_batch, its_loss in unread:
                value = its_loss.item()
                if not math.isfinite(value):
                    explain_bad_loss(model, its_batch, k, value)   # raises, naming the step and the op
                on_step(k, value, logits, batch[2])
            unread.clear()
        if step % 200 == 199:
            checkpoint(step + 1, model)
    return model.eval()


class Progress:
    """One line that follows the training; keeps the curves."""

    def __init__(self, steps):
        self.steps, self.start, self.losses, self.accuracies = steps, time.perf_counter(), [], []

    def __call__(self, step, loss, logits, targets):
        self.losses.append(loss)
        if step % 10 == 9 or step + 1 == self.steps:           # the logits are this step's
            self.accuracies.append((step + 1, batch_accuracy(logits, targets)))
            rate = (step + 1) / (time.perf_counter() - self.start)
            terminal = sys.stdout.isatty()
            if terminal or (step + 1) % 200 == 0 or step + 1 == self.steps:
                text = (f"{step + 1}/{self.steps}  loss {loss:.4f}  accuracy {100 * self.accuracies[-1][1]:5.1f} %  "
                        f"{128 * rate:6,.0f} samples/s {(self.steps - step - 1) / rate:4.0f} s left")
                room = min(30, max(4, shutil.get_terminal_size().columns - len(text) - 4))
                filled = round(room * (step + 1) / self.steps)
                start, end = ("\r", "" if step + 1 < self.steps else "\n") if terminal else ("", "\n")
                print(f"{start}[{'#' * filled}{'.' * (room - filled)}] {text} ", end=end, flush=True)


def draw_curves(progress, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    left.semilogy(progress.losses, lw=0.4, color="tab:blue", alpha=0.5)
    window = max(1, len(progress.losses) // 40)
    logs = [math.log(max(loss, 1e-12)) for loss in progress.losses]
    smooth = [math.exp(sum(part) / len(part)) for part in (logs[max(0, i - window):i + 1] for i in range(len(logs)))]
    left.semilogy(smooth, color="tab:blue")
    left.set(xlabel="step", ylabel="cross-entropy", title="loss on the training batches")
    right.plot(*zip(*((s, 100 * a) for s, a in progress.accuracies)), lw=0.8, color="tab:green")
    right.set(xlabel="step", ylabel="%", ylim=(0, 101), title="right answers on the training batches")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_answers(test, answers, path, columns=6, rows=4):
    """Test pictures with question, the model's answer and the right one; half of the sheet shows mistakes, if there are any."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    wrong = [q for q in range(len(test)) if answers[q] != test.answer(q)]
    count, spread = columns * rows, max(1, len(test) // (columns * rows))
    first = {test.picture_of(q): q for q in reversed(wrong)}.values()     # one mistake per picture, then the others
    shown = (sorted(first) + [q for q in wrong if q not in first])[:count // 2]
    shown += [q for q in range(0, len(test), spread) if q not in shown][:count - len(shown)]
    figure, axes = plt.subplots(rows, columns, figsize=(2.3 * columns, 3.1 * rows), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.14)
    for cell, q in zip(axes.flat, shown):
        right = answers[q] == test.answer(q)
        cell.imshow(test.pictures[test.picture_of(q)].permute(1, 2, 0).numpy(), interpolation="nearest")
        words = test.question(q).split()
        cell.set_title("\n".join([" ".join(words[:4]), " ".join(words[4:])]), fontsize=9)
        said = answers[q] or "(nothing)"
        cell.set_xlabel(f"{said}" if right else f"{said}   (right: {test.answer(q)})", fontsize=10, color="tab:green" if right else "tab:red")
        cell.set(xticks=[], yticks=[])
    figure.suptitle(f"{len(test) - len(wrong)} of {len(test)} held-out questions right; mistakes first" if wrong
                    else f"all {len(test)} held-out questions right", fontsize=12)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def show(summary, out):
    print(f"\n  held-out accuracy   {100 * summary['accuracy']:.2f} %  ({summary['right']:,} of {summary['asked']:,} questions)")
    for kind, accuracy in summary["accuracy_by_type"].items():
        print(f"    {kind:<10}        {100 * accuracy:.2f} %")
    print(f"  parameters          {summary['parameters']:,}")
    print(f"  training            {summary['train_seconds']:.1f} s on {summary['device']}, {summary['threads']} threads, "
          f"{summary['samples_per_second']:,.0f} questions/s")
    print(f"  files               {', '.join(os.path.join(out, f) for f in FILES)}")
    print("\nWhere to go next: README.md, and the notebooks in notebooks/: first steps, then this model from the inside\n")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m hippograd.demo", description="Train and judge the demo model on easy-VQA.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", default="demo")
    parser.add_argument("--data", help="easy-VQA folder (default: of the installed package)")
    parser.add_argument("--force", action="store_true", help="train again even if the folder holds this run's results")
    o = parser.parse_args(arguments)
    try:
        run(o)
    except KeyboardInterrupt:
        sys.exit("\ndemo: stopped")
    except (hg.Error, OSError) as error:
        sys.exit(f"demo: {error}")


def run(o):
    run_id = {"seed": o.seed, "steps": o.steps, "device": o.device, "version": hg.__version__}
    summary_path, checkpoints = os.path.join(o.out, "summary.json"), os.path.join(o.out, "checkpoints")
    if not o.force and all(os.path.exists(os.path.join(o.out, name)) for name in FILES):
        with open(summary_path, encoding="utf-8") as file:
            summary = json.load(file)
        if all(summary.get(k) == v for k, v in run_id.items()):
            print(f"This run is done already ({summary_path}); python -m hippograd.demo --force trains again.")
            return show(summary, o.out)
    os.makedirs(checkpoints, exist_ok=True)
    probe = os.path.join(o.out, ".summary")
    with open(probe, "w", encoding="utf-8"):
        pass
    os.remove(probe)
    hg.zeros(1).to(o.device)                                       # a missing device fails before the data is read

    start = time.perf_counter()
    data, test = EasyVQA.load(o.data)
    print(f"easy-VQA: {data.picture_count:,} training pictures with {len(data):,} questions, {test.picture_count:,} test pictures with "
          f"{len(test):,}; {len(data.vocabulary)} words ({time.perf_counter() - start:.1f} s)")
    print(f'"{data.question(0)}" -> "{data.answer(0)}"')
    progress, saved = Progress(o.steps), []

    def checkpoint(step, model):                                   # the newest three are kept; a NaN leaves them in place
        if not saved:                                              # those of an earlier run may have higher numbers
            for old in glob.glob(os.path.join(glob.escape(checkpoints), "*.safetensors")):
                os.remove(old)
        model.save_checkpoint(checkpoints, step)
        saved.append(step)

    try:
        model = train(data, o.seed, o.steps, o.device, progress, checkpoint)
    except KeyboardInterrupt:
        sys.exit(f"\ndemo: stopped at step {len(progress.losses)}; " +
                 (f"the weights of step {saved[-1]} are in {checkpoints}" if saved else "no weights were saved yet"))
    seconds = time.perf_counter() - progress.start
    (right, asked), kinds, answers = evaluate(model, test)
    model.save(os.path.join(o.out, "model.safetensors"), data.vocabulary, o.steps)
    draw_curves(progress, os.path.join(o.out, "curves.png"))
    draw_answers(test, answers, os.path.join(o.out, "answers.png"))
    summary = {**run_id, "accuracy": right / asked, "right": right, "asked": asked,
               "accuracy_by_type": {kind: r / n for kind, (r, n) in kinds.items()},
               "parameters": sum(p.numel() for p in model.parameters()), "train_seconds": seconds,
               "samples_per_second": 128 * o.steps / seconds, "threads": hg.get_num_threads(), "final_loss": progress.losses[-1]}
    with open(probe, "w", encoding="utf-8") as file:               # last, and whole or not at all: it says that the run is done
        json.dump(summary, file, indent=2)
    os.replace(probe, summary_path)
    show(summary, o.out)


if __name__ == "__main__":
    main()
