#!/usr/bin/env python3
"""Layering test: a file includes only its own layer and those below it.

    tensor <- autograd <- nn <- ssm <- vlm <- bindings          tensor/cpu and cuda see only tensor
Eigen appears in tensor/cpu/ alone, whose headers are private and not installed (its types and alignment must not become
part of the interface), pybind11 in bindings/ alone, OpenMP's header never outside .cpp files.
"""
import re
import sys
from pathlib import Path

LAYERS = ["tensor", "autograd", "nn", "ssm", "vlm", "bindings"]
ALLOWED = {layer: LAYERS[: i + 1] for i, layer in enumerate(LAYERS)} | {"cuda": ["tensor", "cuda"]}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)


def complaints(path, text):
    """The rules that the file at `path` (relative to the root) breaks."""
    layer = path.parts[0]
    for quote, name in INCLUDE.findall(text):
        top = name.split("/")[0]
        if quote == '"' and top in ALLOWED and top not in ALLOWED[layer]:
            yield f"{path}: {layer}/ must not include {name}"
        if top == "Eigen" and path.parts[:2] != ("tensor", "cpu"):
            yield f"{path}: Eigen is for tensor/cpu/ only ({name})"
        if top == "pybind11" and layer != "bindings":
            yield f"{path}: pybind11 is for bindings/ only ({name})"
        if name == "omp.h" and path.suffix != ".cpp":
            yield f"{path}: omp.h is for .cpp files only"
        if name.startswith("tensor/cpu/") and path.parts[:2] != ("tensor", "cpu"):
            yield f"{path}: only tensor/cpu/ may include {name}"


def self_check():
    """The checker itself must see each kind of offence."""
    offences = {
        "tensor/x.cpp": '#include "autograd/op.h"',
        "tensor/array.h": "#include <Eigen/Dense>",
        "nn/linear.h": "#include <pybind11/pybind11.h>",
        "cuda/scan.cu": '#include "autograd/tensor.h"',
        "tensor/parallel.h": "# include <omp.h>",
        "ssm/hippo.cpp": '#include "tensor/cpu/helper.h"',
    }
    for path, text in offences.items():
        assert list(complaints(Path(path), text)), f"check_layers misses {path}: {text}"
    assert not list(complaints(Path("vlm/model.cpp"), '#include "ssm/mamba.h"\n#include "tensor/array.h"'))
    assert not list(complaints(Path("tensor/cpu/matmul.cpp"), "#include <Eigen/Core>"))


def main():
    self_check()
    root = Path(__file__).resolve().parent.parent
    files = [f for layer in ALLOWED for pattern in ("*.h", "*.cpp", "*.cu", "*.cuh") for f in (root / layer).rglob(pattern)]
    found = [line for f in sorted(files) for line in complaints(f.relative_to(root), f.read_text(encoding="utf-8"))]
    print("\n".join(found) if found else f"{len(files)} files keep the layers")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
