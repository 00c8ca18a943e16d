#!/usr/bin/env python3
"""The demo's model written in PyTorch: the yardstick for its time and its accuracy.

    python bench/peers/vqa.py [--steps 2000] [--seed 0] [--threads 2] [--json FILE]
    python bench/peers/vqa.py --time 100          # only the time of a training step

Needs torch, numpy, pillow and easy-vqa; hippograd itself does not. The same parts and sizes, batch (16 pictures with 8
questions each), optimizer, schedule, loss and order of data as the demo. Where PyTorch offers several ways, the one
that is fastest here is taken: scaled_dot_product_attention, fused AdamW, and the bridge's recurrence as one batched
product with its 64 x 64 decay matrix per state instead of a loop over the tokens.

    picture -> 3 convolutions, stride 2 (64 tokens of 96) + position -> 1 transformer block
            -> 2 x { x + SSM(LN x) } -> projection -> V
    [BOS] question answer -> embedding + position -> x + Cross(LN x, V) -> 2 causal blocks -> LN -> 32 words
"""
import argparse
import json
import math
import re
import sys
import time

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from easy_vqa import (get_test_image_paths, get_test_questions, get_train_image_paths, get_train_questions)
    from PIL import Image
    from torch import nn
except ImportError as error:
    sys.exit(f"bench/peers/vqa.py compares with PyTorch and needs torch, numpy, pillow and easy-vqa: {error}")

D, HEADS, HIDDEN, STATES, TOKENS, WORDS, POSITIONS = 96, 4, 192, 64, 64, 32, 16
PICTURES, QUESTIONS_EACH = 16, 8        # one training step
PAD, BOS, EOS = 0, 1, 2
IGNORE = -100


# ---------------------------------------------------------------- model

def linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class MultiQueryAttention(nn.Module):
    """Four query heads share one key and one value head."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = linear(D, D), linear(D, D // HEADS), linear(D, D // HEADS), linear(D, D)

    def forward(self, x, memory, causal=False):
        B, T, _ = x.shape
        q = self.q(x).view(B, T, HEADS, -1).transpose(1, 2)                              # (B, H, T, 24)
        k = self.k(memory).unsqueeze(1).expand(-1, HEADS, -1, -1)                        # (B, H, M, 24)
        v = self.v(memory).unsqueeze(1).expand(-1, HEADS, -1, -1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.o(y.transpose(1, 2).reshape(B, T, D))


class SwiGLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.w1, self.w2, self.w3 = nn.LayerNorm(D), linear(D, HIDDEN), linear(D, HIDDEN), linear(HIDDEN, D)

    def forward(self, x):
        h = self.norm(x)
        a = self.w1(h)
        return x + self.w3(a * torch.sigmoid(a.clamp(-10, 10)) * self.w2(h))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.attention, self.feed_forward = nn.LayerNorm(D), MultiQueryAttention(), SwiGLU()

    def forward(self, x, causal):
        h = self.norm(x)
        return self.feed_forward(x + self.attention(h, h, causal))


class SSM(nn.Module):
    """h_t = e^(dt A) h_{t-1} + (e^(dt A) - 1) / A (B * u_t),  u = W_in x + b;  y = W_p (C h + c) + b_p, gated with x."""

    def __init__(self):
        super().__init__()
        self.in_proj, self.proj, self.gate = linear(D, STATES), linear(D, D), linear(D, D)
        self.a = nn.Parameter(torch.log(torch.arange(1, STATES + 1) / 2.0))              # A_n = -n / 2
        self.log_dt = nn.Parameter(torch.empty(STATES).uniform_(math.log(1e-3), math.log(0.1)))
        self.B = nn.Parameter(0.1 * torch.randn(STATES))
        self.C = nn.Parameter(0.1 * torch.randn(D, STATES))
        self.c = nn.Parameter(torch.zeros(D))
        steps = torch.arange(TOKENS)
        lag = steps[:, None] - steps[None, :]                                            # (t, s): t - s
        self.register_buffer("lag", lag.clamp(min=0).float(), persistent=False)
        self.register_buffer("past", (lag >= 0).float(), persistent=False)

    def forward(self, x):
        A = -torch.exp(self.a)
        dtA = torch.exp(self.log_dt) * A
        decay = torch.exp(dtA[:, None, None] * self.lag) * self.past                     # (N, t, s)
        u = self.in_proj(x) * (self.B * torch.expm1(dtA) / A)                            # (P, L, N)
        h = torch.bmm(decay, u.permute(2, 1, 0)).permute(2, 1, 0)                        # (P, L, N)
        y = self.proj(F.linear(h, self.C, self.c))
        g = torch.sigmoid(self.gate(x))
        return g * y + (1 - g) * x


class BridgeVLM(nn.Module):
    def __init__(self):
        super().__init__()
        widths = (3, 32, 64, 96)
        self.stem = nn.ModuleList(nn.Conv2d(i, o, 3, stride=2, padding=1) for i, o in zip(widths, widths[1:]))
        for convolution in self.stem:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)
        self.vision_position = nn.Parameter(0.02 * torch.randn(TOKENS, D))
        self.vision_block, self.vision_norm = Block(), nn.LayerNorm(D)
        self.bridge_norms = nn.ModuleList(nn.LayerNorm(D) for _ in range(2))
        self.bridge = nn.ModuleList(SSM() for _ in range(2))
        self.bridge_out, self.bridge_out_norm = linear(D, D), nn.LayerNorm(D)
        self.words = nn.Parameter(0.1 * torch.randn(WORDS, D))
        self.positions = nn.Parameter(0.02 * torch.randn(POSITIONS, D))
        self.cross_norm, self.cross = nn.LayerNorm(D), MultiQueryAttention()
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.norm, self.head = nn.LayerNorm(D), linear(D, WORDS)

    def look(self, pictures):
        """pictures (P, 3, 64, 64) -> vision tokens (P, 64, 96)"""
        x = pictures
        for convolution in self.stem:
            x = F.gelu(convolution(x))
        x = self.vision_block(x.flatten(2).transpose(1, 2) + self.vision_position, causal=False)
        x = self.vision_norm(x)
        for norm, ssm in zip(self.bridge_norms, self.bridge):
            x = x + ssm(norm(x))
        return self.bridge_out_norm(self.bridge_out(x))

    def answer(self, vision, tokens):
        """vision (P, 64, 96), tokens (P * Q, T), Q questions per picture in a row -> logits (P * Q, T, 32)"""
        P, (N, T) = vision.shape[0], tokens.shape
        x = F.embedding(tokens, self.words) + self.positions[:T]
        # All questions of one picture read the same keys and values: their tokens are so many more queries.
        x = x + self.cross(self.cross_norm(x).view(P, N // P * T, D), vision).view(N, T, D)
        for block in self.blocks:
            x = block(x, causal=True)
        return self.head(self.norm(x))


# ---------------------------------------------------------------- data

def split_words(text):
    return re.findall(r"\w+|[^\w\s]", text.lower())


class Split:
    """One split in memory: pictures u8 (n, 3, 64, 64), tokens [BOS] question, answers, and the picture of each question."""

    def __init__(self, questions, paths, vocabulary=None):
        texts, answers, picture_ids = questions
        words = [split_words(text) for text in texts]
        self.vocabulary = vocabulary or {w: i + 3 for i, w in enumerate(sorted({w for q in words for w in q} | set(answers)))}
        assert len(self.vocabulary) + 3 <= WORDS
        self.pictures = torch.from_numpy(np.stack(
            [np.asarray(Image.open(paths[i]).convert("RGB")).transpose(2, 0, 1) for i in sorted(paths)]))
        row = {picture: i for i, picture in enumerate(sorted(paths))}
        self.picture = np.array([row[i] for i in picture_ids])
        self.lengths = np.array([len(q) + 1 for q in words])
        self.tokens = np.full((len(words), self.lengths.max() + 1), PAD)
        for i, q in enumerate(words):
            self.tokens[i, : len(q) + 1] = [BOS] + [self.vocabulary[w] for w in q]
        self.answers = np.array([self.vocabulary[a] for a in answers])
        order = np.argsort(self.picture, kind="stable")
        self.questions_of = np.split(order, np.cumsum(np.bincount(self.picture, minlength=len(row)))[:-1])

    def supervised(self, rows):
        """Tokens with the answer after the question, and targets: the answer, then [EOS], nothing else."""
        tokens, targets = self.tokens[rows].copy(), np.full((len(rows), self.tokens.shape[1]), IGNORE)
        i, end = np.arange(len(rows)), self.lengths[rows]
        tokens[i, end] = self.answers[rows]
        targets[i, end - 1] = self.answers[rows]
        targets[i, end] = EOS
        return torch.from_numpy(tokens), torch.from_numpy(targets)


def batches(split, steps, seed):
    """Pictures in a new random order each epoch, 8 of each one's questions (all before any is repeated)."""
    rng = np.random.default_rng(seed)
    order = np.empty(0, dtype=int)
    for _ in range(steps):
        if len(order) < PICTURES:
            order = rng.permutation(len(split.pictures))
        chosen, order = order[:PICTURES], order[PICTURES:]
        rows = []
        for picture in chosen:
            own = split.questions_of[picture]
            rows += [np.resize(rng.permutation(own), QUESTIONS_EACH)]
        yield chosen, np.concatenate(rows)


# ---------------------------------------------------------------- training, evaluation

def learning_rate(step, steps, base=1e-3, warm_up=100, floor=0.02):
    if step < warm_up:
        return base * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, steps - warm_up)
    return base * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


class Normalise:
    """Pictures u8 -> f32 with the training pictures' mean 0 and standard deviation 1 per channel."""

    def __init__(self, pictures):
        x = pictures.double() / 255
        self.mean = x.mean((0, 2, 3)).float().view(1, 3, 1, 1)
        self.scale = 1 / x.std((0, 2, 3), correction=0).float().view(1, 3, 1, 1)

    def __call__(self, pictures):
        return (pictures.float() / 255 - self.mean) * self.scale


def train(model, split, normalise, steps, seed, stop_after=None, report=200):
    """Runs the schedule of `steps` steps (or its first `stop_after`); returns the seconds of each step."""
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.ndim >= 2], "weight_decay": 0.05},
              {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98), fused=True)
    seconds, clock = [], time.perf_counter()
    for step, (pictures, rows) in enumerate(batches(split, stop_after or steps, seed)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps)
        tokens, targets = split.supervised(rows)
        logits = model.answer(model.look(normalise(split.pictures[pictures])), tokens)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if report and (step + 1) % report == 0:
            print(f"  step {step + 1:5d}  loss {loss.item():.4f}", flush=True)
        seconds.append(time.perf_counter() - clock)
        clock = time.perf_counter()
    return seconds


@torch.no_grad()
def evaluate(model, split, normalise):
    """Greedy answers up to [EOS]: {type: (right, asked)}. Right means: exactly the answer's word, then [EOS]."""
    names = {i: w for w, i in split.vocabulary.items()}
    kind = {**dict.fromkeys(("yes", "no"), "yes/no"), **dict.fromkeys(("circle", "rectangle", "triangle"), "shape")}
    score = {}
    for picture, rows in enumerate(split.questions_of):
        if len(rows) == 0:
            continue
        vision = model.look(normalise(split.pictures[picture:picture + 1]))
        tokens, end, i = torch.from_numpy(split.tokens[rows]), split.lengths[rows], np.arange(len(rows))
        first = model.answer(vision, tokens)[i, end - 1].argmax(-1)
        tokens[i, end] = first
        second = model.answer(vision, tokens)[i, end].argmax(-1)
        right = (first.numpy() == split.answers[rows]) & (second.numpy() == EOS)
        for row, ok in zip(rows, right):
            name = kind.get(names[split.answers[row]], "colour")
            hits, asked = score.get(name, (0, 0))
            score[name] = (hits + int(ok), asked + 1)
    return score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--time", type=int, metavar="N", help="time N steps after 20 to warm up; no evaluation")
    parser.add_argument("--json", metavar="FILE", help="write the result there too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    split = Split(get_train_questions(), get_train_image_paths())
    normalise = Normalise(split.pictures)
    model = BridgeVLM()
    count = sum(p.numel() for p in model.parameters())
    assert count == 423_232, count
    result = {"torch": torch.__version__, "threads": options.threads, "seed": options.seed, "parameters": count}

    stop_after = options.time + 20 if options.time else None
    start = time.perf_counter()
    seconds = train(model, split, normalise, options.steps, options.seed, stop_after, report=0 if options.time else 200)
    result["train_seconds"] = time.perf_counter() - start
    result["steps"] = len(seconds)
    result["step_ms_median"] = 1e3 * float(np.median(seconds[20:]))
    result["step_ms_min"] = 1e3 * float(np.min(seconds[20:]))
    result["step_ms_mean"] = 1e3 * float(np.mean(seconds[20:]))
    if not options.time:
        test = Split(get_test_questions(), get_test_image_paths(), split.vocabulary)
        score = evaluate(model, test, normalise)
        result["accuracy"] = sum(h for h, _ in score.values()) / sum(n for _, n in score.values())
        result["accuracy_by_type"] = {name: h / n for name, (h, n) in sorted(score.items())}
    print(json.dumps(result, indent=2))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
