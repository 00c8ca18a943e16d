#!/usr/bin/env python3
"""make_stubs.py FOLDER: writes FOLDER/hippograd/_C.pyi, from which an editor completes names, out of the built extension.

Only the extension is imported, not the package around it: a mistake in a .py file must not break the build.
"""
import logging
import sys
import types
from pathlib import Path

import pybind11_stubgen


def main():
    folder = Path(sys.argv[1]).resolve()
    package = types.ModuleType("hippograd")
    package.__path__ = [str(folder / "hippograd")]
    sys.modules["hippograd"] = package
    logging.disable(logging.CRITICAL)   # it warns of every C++ name in a signature
    pybind11_stubgen.main(["hippograd._C", "--output-dir", str(folder), "--ignore-all-errors"])


if __name__ == "__main__":
    main()
