#!/usr/bin/env python3
"""make_stubs.py FOLDER: writes FOLDER/hippograd/_C.pyi, from which an editor completes names, out of the built extension.

Only the extension is imported, not the package around it: a mistake in a .py file must not break the build. Signatures are
those that the functions themselves show; results are left open.
"""
import sys
import types
from pathlib import Path

HEADER = '"""Written by tools/make_stubs.py from the built extension."""\nimport builtins\nfrom typing import Any\n\n'


def signature(function, method):
    text = getattr(function, "__text_signature__", None) or "(*args, **kwargs)"
    if not method:
        return text
    first, comma, rest = text[1:-1].partition(",")
    return "(self" + comma + rest + ")"


def stub_of_function(name, function, indent="", method=False):
    doc = (function.__doc__ or "").partition("\n\n")[2].strip()
    body = f'\n{indent}    """{doc}"""' if doc else " ..."
    return f"{indent}def {name}{signature(function, method)} -> Any:{body}\n"


def stub_of_class(name, cls):
    bases = ", ".join(("builtins." if b.__module__ == "builtins" else "") + b.__name__ for b in cls.__bases__ if b is not object and not b.__module__.startswith("pybind11"))
    lines = [f"class {name}({bases}):\n" if bases else f"class {name}:\n"]
    for key, value in sorted(vars(cls).items()):
        if key in ("__dict__", "__weakref__", "__class__", "__doc__", "__module__") or not key.isidentifier():
            continue
        if callable(value):
            lines.append(stub_of_function(key, value, "    ", method=True))
        elif not key.startswith("__"):
            lines.append(f"    {key}: Any\n")
    return "".join(lines if len(lines) > 1 else lines + ["    ...\n"])


def stubs(module):
    parts = [HEADER]
    for name, value in sorted(vars(module).items(), key=lambda item: (not isinstance(item[1], type), item[0])):
        if name.startswith("__"):
            continue
        if isinstance(value, type):
            parts.append(stub_of_class(name, value))
        elif callable(value):
            parts.append(stub_of_function(name, value))
        else:
            parts.append(f"{name}: {type(value).__name__ if type(value).__module__ != 'builtins' else 'Any'}\n")
    return "".join(parts)


def main():
    folder = Path(sys.argv[1]).resolve()
    package = types.ModuleType("hippograd")
    package.__path__ = [str(folder / "hippograd")]
    sys.modules["hippograd"] = package
    from hippograd import _C

    text = stubs(_C)
    compile(text, "_C.pyi", "exec")
    (folder / "hippograd" / "_C.pyi").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
