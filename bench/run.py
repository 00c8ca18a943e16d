#!/usr/bin/env python3
"""Runs the benchmarks of the ops and keeps their results.

    PYTHONPATH=build/python python bench/run.py [--threads 1] [--build build] [--peers-only | --ops-only]

Writes bench/results/<date>-<device>-<commit>-<what>-<threads>t.json (`-dirty` after the commit if the working tree differs from
it) and renews bench/results/README.md. The comparison needs torch in this interpreter; `--ops-only` does without.
"""
import argparse
import datetime
import json
import pathlib
import re
import subprocess
import sys

import report

ROOT = pathlib.Path(__file__).resolve().parent.parent


def git(*arguments):
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--budget", type=float, default=0.5, help="seconds for a row")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--peers-only", action="store_true")
    group.add_argument("--ops-only", action="store_true")
    options = parser.parse_args()
    commit = git("rev-parse", "--short", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", "*.h", "*.cpp", "*.py") else "")
    program = options.build / "bench" / "bench_ops"
    jobs = []
    if not options.peers_only:
        jobs.append(("ops", [str(program), "--threads", str(options.threads), "--budget", str(options.budget), "--json"]))
    if not options.ops_only:
        jobs.append(("peers", [sys.executable, str(ROOT / "bench/peers/ops.py"), "--threads", str(options.threads), "--budget",
                               str(options.budget), "--bench-ops", str(program), "--json"]))
    for what, command in jobs:
        part = report.RESULTS / f"{what}.part"
        status = subprocess.run([*command, str(part)]).returncode
        if not part.exists():
            sys.exit(f"{command[0]} wrote no result (status {status})")
        result = json.loads(part.read_text(encoding="utf-8"))
        part.unlink()
        result["commit"], result["date"] = commit, datetime.date.today().isoformat()
        device = re.sub(r"[^a-z0-9]+", "-", result["processor"].lower()).strip("-")
        target = report.RESULTS / f"{result['date']}-{device}-{commit}-{what}-{options.threads}t.json"
        head = {k: v for k, v in result.items() if k != "rows"}
        lines = ",\n".join("  " + json.dumps(row) for row in result["rows"])
        target.write_text(json.dumps(head, indent=1)[:-2] + ',\n "rows": [\n' + lines + "\n]}\n", encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
    report.main()


if __name__ == "__main__":
    main()
