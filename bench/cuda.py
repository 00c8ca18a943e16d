#!/usr/bin/env python3
"""Keeps results of the CUDA benchmarks: `python bench/cuda.py FOLDER --commit 52cd97e [--date 2026-11-23]`.

FOLDER holds what `bench/peers/{gemm,pointwise,rows,scan_attention,vqa_cuda}.py --json FOLDER/NAME.json` wrote, some or all of them.
Each goes to bench/results/<date>-<device>-<commit>-<NAME>.json, in place of an older one of the same NAME and device, and
bench/results/cuda_tables.md is written again from all that are there.
"""
import argparse
import datetime
import json
import pathlib
import re

import report

NAMES = ("gemm", "pointwise", "rows", "scan_attention", "vqa_cuda")


def one_row_per_line(result):
    head = {k: v for k, v in result.items() if k != "rows"}
    if "rows" not in result:
        return json.dumps(head, indent=1) + "\n"
    lines = ",\n".join("  " + json.dumps(row) for row in result["rows"])
    return json.dumps(head, indent=1)[:-2] + ',\n "rows": [\n' + lines + "\n]}\n"


def rounded(x):
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return float(f"{x:.5g}") if isinstance(x, float) else x


def keep(path, commit, date):
    result = json.loads(path.read_text(encoding="utf-8"))
    device = re.sub(r"[^a-z0-9]+", "-", result["device"].lower()).strip("-")
    for old in report.RESULTS.glob(f"*-{device}-*-{path.stem}.json"):
        old.unlink()
    result.pop("config", None)
    result = {"program": f"bench/peers/{path.stem}.py", "commit": commit, "date": date, **rounded(result)}
    target = report.RESULTS / f"{date}-{device}-{commit}-{path.stem}.json"
    target.write_text(one_row_per_line(result), encoding="utf-8")
    print(f"wrote {target.name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--commit", required=True, help="what was measured")
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    options = parser.parse_args()
    found = [options.folder / f"{name}.json" for name in NAMES if (options.folder / f"{name}.json").exists()]
    if not found:
        parser.error(f"{options.folder} holds none of {', '.join(f'{name}.json' for name in NAMES)}")
    for path in found:
        keep(path, options.commit, options.date)
    report.main()


if __name__ == "__main__":
    main()
