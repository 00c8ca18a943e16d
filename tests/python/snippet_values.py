"""How a snippet is run, and how its `result` becomes plain JSON values that two libraries can be compared by.

A snippet is an ordinary PyTorch program that ends with `result = {...}`. Only its import lines are changed to
run it with another library. A tensor becomes {"tensor": dtype, "shape": [...], "values": [...]}, a complex
number {"complex": [re, im]}, a dictionary {"dict": {...}}, every sequence a list; the rest stays as it is.
"""
import math
import re
import sys
import types

IMPORTS = (
    (r"^(\s*)import torch as (\w+)\s*$", r"\1import {0} as \2"),
    (r"^(\s*)import torch\s*$", r"\1import {0} as torch"),
    (r"^(\s*)import torch\.([\w.]+) as (\w+)\s*$", r"\1import {0}.\2 as \3"),
    (r"^(\s*)import torch\.([\w.]+)\s*$", r"\1import {0}.\2; import {0} as torch"),  # binds the first name
    (r"^(\s*)from torch((?:\.\w+)*) import ", r"\1from {0}\2 import "),
)

# Relative and absolute tolerance; training loops amplify rounding, so they get wider ones.
TOLERANCES = {
    "float64": (1e-7, 1e-9), "complex128": (1e-7, 1e-9), "float16": (2e-3, 1e-3), "bfloat16": (2e-2, 1e-2),
}
SINGLE = (1e-4, 1e-5)
TRAINING = (2e-3, 2e-4)


def rewrite(source, library):
    """The program with its import lines naming `library` instead of torch; nothing else changes."""
    lines = source.split("\n")
    for i, line in enumerate(lines):
        for pattern, replacement in IMPORTS:
            if re.match(pattern, line):
                lines[i] = re.sub(pattern, replacement.format(library), line)
                break
    return "\n".join(lines)


def run(path, library):
    """Runs a snippet in a module of its own (classes can be pickled) and returns its encoded `result`."""
    name = "snippet_" + path.stem
    module = types.ModuleType(name)
    sys.modules[name] = module
    try:
        exec(compile(rewrite(path.read_text(), library), str(path), "exec"), module.__dict__)
        return encode(module.result)
    finally:
        del sys.modules[name]


def shorten(x):
    """The 9 significant digits that any float32 needs; more would only make the stored files longer."""
    return float(f"{x:.9g}") if math.isfinite(x) else x


def flat(values):
    if not isinstance(values, list):
        return [values]
    return [leaf for value in values for leaf in flat(value)]


def encode(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return shorten(value)
    if isinstance(value, complex):
        return {"complex": [shorten(value.real), shorten(value.imag)]}
    if isinstance(value, dict):
        return {"dict": {str(k): encode(v) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if hasattr(value, "requires_grad") and hasattr(value, "tolist"):
        dtype = str(value.dtype).rsplit(".", 1)[-1]
        values = flat(value.detach().tolist())
        values = values if dtype == "float64" else [encode(x) for x in values]
        return {"tensor": dtype, "shape": list(value.shape), "values": values}
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        return encode(value.tolist())
    raise TypeError(f"a snippet's result holds a {type(value).__name__}, which has no stored form")


def differences(want, got, tolerance=SINGLE, where="result"):
    """Every place where two encoded results disagree, one line each."""
    if isinstance(want, dict) and isinstance(got, dict) and want.keys() == got.keys():
        if "tensor" in want:
            return tensor_differences(want, got, tolerance, where)
        if "complex" in want:
            return differences(want["complex"], got["complex"], tolerance, where)
        lines = []
        for key, value in want["dict"].items():
            here = f"{where}[{key!r}]"
            known = key in got["dict"]
            lines += differences(value, got["dict"][key], tolerance, here) if known else [f"{here}: missing"]
        return lines
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        pairs = enumerate(zip(want, got))
        return [line for i, (w, g) in pairs for line in differences(w, g, tolerance, f"{where}[{i}]")]
    if isinstance(want, str) and isinstance(got, str):
        got = got.replace("hippograd.", "torch.")
        return [] if want == got else [f"{where}: expected\n{want}\n  got\n{got}"]
    same_kind = type(want) is type(got)
    return [] if same_kind and near(want, got, tolerance) else [f"{where}: expected {want!r}, got {got!r}"]


def tensor_differences(want, got, tolerance, where):
    for key in ("tensor", "shape"):
        if want[key] != got[key]:
            described = [f"{t['tensor']} {t['shape']}" for t in (want, got)]
            return [f"{where}: expected {described[0]}, got {described[1]}"]
    tolerance = TOLERANCES.get(want["tensor"], tolerance)
    lines = []
    for i, (w, g) in enumerate(zip(want["values"], got["values"])):
        w, g = ([v["complex"] if isinstance(v, dict) else [v] for v in (w, g)])
        if not all(near(a, b, tolerance) for a, b in zip(w, g)):
            lines.append(f"{where}: element {i} of {want['tensor']} {want['shape']}: expected {w}, got {g}")
    return lines[:3]


def near(want, got, tolerance):
    if not isinstance(want, float) or not math.isfinite(want):
        return want == got or (want != want and got != got)
    return abs(want - got) <= tolerance[1] + tolerance[0] * abs(want)
