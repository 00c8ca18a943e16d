#!/usr/bin/env python3
"""check_compile_fail.py FILE COMPILER FLAGS...: does FILE fail to compile for the reason it states?

The first line of FILE is `// expect: REGEX` or `// expect: compiles`. The regex is sought in the compiler's messages;
that any error occurs is not enough. Write it so that it cannot match the file's own name.
"""
import re
import subprocess
import sys
from pathlib import Path


def main():
    source, command = sys.argv[1], sys.argv[2:]
    first = Path(source).read_text(encoding="utf-8").splitlines()[0]
    match = re.fullmatch(r"// expect: (.+)", first)
    if not match:
        print(f"{source}: the first line must be `// expect: REGEX` or `// expect: compiles`, got {first!r}")
        return 1
    expected = match.group(1)
    result = subprocess.run(command + [source], capture_output=True, text=True, check=False)
    if expected == "compiles":
        ok = result.returncode == 0
    else:
        if re.search(expected, source):
            print(f"{source}: the pattern {expected!r} matches the file's own name")
            return 1
        ok = result.returncode != 0 and re.search(expected, result.stderr)
    if not ok:
        print(f"{source}: expected {expected!r}, exit status {result.returncode}\n{result.stderr}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
