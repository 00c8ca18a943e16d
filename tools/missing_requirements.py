#!/usr/bin/env python3
"""missing_requirements.py GROUP...: the requirements of pyproject.toml that this Python does not have, one per line.

GROUP: `build` (build-system), `project` (dependencies), or one of the optional-dependencies.
"""
import re
import sys
from importlib import metadata
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib


def numbers(version):
    return [int(n) for n in re.findall(r"\d+", version.split("+")[0])[:4]]


def is_present(requirement):
    name, _, minimum = requirement.partition(">=")
    try:
        return numbers(metadata.version(name.strip())) >= numbers(minimum)
    except metadata.PackageNotFoundError:
        return False


def main():
    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {"build": project["build-system"]["requires"], "project": project["project"]["dependencies"],
              **project["project"]["optional-dependencies"]}
    wanted = {requirement.partition(">=")[0]: requirement for name in sys.argv[1:] for requirement in groups[name]}
    print("\n".join(requirement for requirement in wanted.values() if not is_present(requirement)))


if __name__ == "__main__":
    main()
