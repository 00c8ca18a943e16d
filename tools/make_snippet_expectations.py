#!/usr/bin/env python3
"""Stores PyTorch's answers to tests/python/snippets. Needs a Python with torch and numpy; the tests do not.

    python tools/make_snippet_expectations.py            # runs all with torch, writes snippets/expected/
    python tools/make_snippet_expectations.py --check    # compares torch's answers with the stored ones
"""
import argparse
import collections
import json
import pathlib
import sys
import warnings

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "python"))
import snippet_values  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the stored answers")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = ROOT / "tests" / "python" / "snippets"
    answers = collections.defaultdict(dict)
    for path in sorted(folder.glob("*.py")):
        answers[path.stem.split("_", 1)[0]][path.stem] = snippet_values.run(path, "torch")
    wrong = 0
    for area, results in answers.items():
        stored = folder / "expected" / f"{area}.json"
        if arguments.check:
            tolerance = snippet_values.TRAINING if area == "train" else snippet_values.SINGLE
            expected = json.loads(stored.read_text())
            lines = [f"{name}: {line}" for name, result in results.items()
                     for line in snippet_values.differences(expected.get(name), result, tolerance)]
            wrong += len(lines)
            print("\n".join(lines), end="\n" if lines else "")
        else:
            dense = {name: json.dumps(result, separators=(",", ":")) for name, result in results.items()}
            lines = [f'"{name}": {text}' for name, text in dense.items()]
            stored.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    count = sum(len(results) for results in answers.values())
    print(f"{count} snippets " + (f"checked, {wrong} differences" if arguments.check else "stored"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
