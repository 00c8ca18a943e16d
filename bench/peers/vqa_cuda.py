#!/usr/bin/env python3
"""The easy-VQA training step on CUDA: questions per second of ours, eager and captured, beside the equivalent PyTorch model of
bench/peers/vqa.py, eager and in a CUDA graph; f32, batches of 128 questions of one length, data on the device.

    python bench/peers/vqa_cuda.py [--steps 300] [--json FILE]
"""
import argparse
import json
import statistics
import time

import torch
import vqa as twin

import hippograd as hg
from hippograd.train import AdamW, decay_matrices_only
from hippograd.vlm import EnhancedVLM, VLMConfig


def ours(batch, captured, autocast=False):
    hg.manual_seed(0)
    model = EnhancedVLM(VLMConfig.easy_vqa(), device="cuda")
    optimizer = AdamW(decay_matrices_only(model, 0.05), betas=(0.9, 0.98))
    optimizer.lr = 1e-4

    def step(images, tokens, targets):
        with hg.autocast("cuda", enabled=autocast):
            _, loss = model(images, tokens, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(max_norm=1.0)
        return loss

    step = hg.cuda.capture(step) if captured else step
    return lambda: step(*batch)


def theirs(batch, captured):
    torch.manual_seed(0)
    model = twin.BridgeVLM().cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=0.05, fused=True, capturable=captured)

    def step():
        optimizer.zero_grad(set_to_none=True)
        images, tokens, targets = batch
        logits = model.answer(model.look(images), tokens)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    if not captured:
        return step
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def rate(step, steps):
    """Questions per second: the median of five blocks."""
    for _ in range(10):
        step()
    blocks = []
    for _ in range(5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(steps // 5):
            step()
        torch.cuda.synchronize()
        blocks.append(128 * (steps // 5) / (time.perf_counter() - start))
    return statistics.median(blocks)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--json")
    o = parser.parse_args()
    config = VLMConfig.easy_vqa()
    torch.manual_seed(1)
    images, tokens = torch.randn(16, 3, 64, 64), torch.randint(1, 20, (128, 13))
    targets = torch.full((128, 13), -100)
    targets[:, 10:12] = torch.randint(1, 20, (128, 2))
    here = tuple(hg.from_numpy(t.numpy()).cuda() for t in (images, tokens, targets))
    there = tuple(t.cuda() for t in (images, tokens, targets))
    rows = {}
    for name, make in (("ours eager", lambda: ours(here, False)), ("PyTorch eager", lambda: theirs(there, False)),
                       ("ours captured", lambda: ours(here, True)), ("PyTorch in a graph", lambda: theirs(there, True)),
                       ("ours captured, bf16 autocast", lambda: ours(here, True, True))):
        try:
            rows[name] = rate(make(), o.steps)
            print(f"{name:<30}{rows[name]:12,.0f} questions/s  {1e3 * 128 / rows[name]:8.3f} ms a step", flush=True)
        except Exception as error:  # noqa: BLE001 - the others still count
            print(f"{name:<30} failed: {type(error).__name__}: {error}", flush=True)
    if o.json:
        with open(o.json, "w") as file:
            json.dump({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "batch": 128, "config": str(config),
                       "questions_per_second": rows}, file, indent=1)


if __name__ == "__main__":
    main()
