"""save and load: trees of tensors and plain values as safetensors files. Never pickle, so a file cannot run code.

Each tensor stands under its dotted path. The tree is JSON in the metadata field `hippograd`:
    list -> [..]   tuple -> {"tuple": [..]}   dict -> {"dict": [[key, value], ..]}   tensor -> {"tensor": path}
    str, int, bool, None and finite floats as they are; nan and inf -> {"float": "nan"}
A file without that field (from somebody else) loads as a flat dict of tensors.
"""

import json
import math
import os
import tempfile

from . import _C

Tensor = _C.Tensor
_FIELD = "hippograd"


def _encode(value, path, tensors):
    """JSON form of a value; collects its tensors under their paths."""
    if isinstance(value, Tensor):
        return _encode_tensor(value, path or "tensor", tensors)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": repr(float(value))}
    join = lambda key: f"{path}.{key}" if path else str(key)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int, float, bool, type(None))):
                raise TypeError(f"save: at '{path}': keys must be str, int, float, bool or None, got {type(key).__name__}")
        return {"dict": [[key, _encode(v, join(key), tensors)] for key, v in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_encode(v, join(i), tensors) for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, _C.dtype):
        return {"dtype": str(value).split(".")[-1]}
    if hasattr(value, "state_dict"):
        raise TypeError(f"save: at '{path}': a whole {type(value).__name__} is not stored; save its state_dict()")
    raise TypeError(f"save: at '{path}': cannot store a {type(value).__name__}; allowed are tensors, dict, list, tuple, str, int, "
                    "float, bool and None")


def _encode_tensor(tensor, path, tensors):
    name, n = path, 1
    while name in tensors:                               # {"a.b": .., "a": {"b": ..}}
        n += 1
        name = f"{path}~{n}"
    tensors[name] = tensor.detach()
    entry = {"tensor": name}
    if tensor.is_parameter:
        entry["parameter"] = True
    if tensor.requires_grad and tensor.is_leaf:
        entry["requires_grad"] = True
    return entry


def _decode(node, tensors):
    if isinstance(node, list):
        return [_decode(v, tensors) for v in node]
    if not isinstance(node, dict):
        return node
    if "tensor" in node:
        return _decode_tensor(node, tensors)
    if "tuple" in node:
        return tuple(_decode(v, tensors) for v in node["tuple"])
    if "dict" in node:
        return {key: _decode(v, tensors) for key, v in node["dict"]}
    if "float" in node:
        return float(node["float"])
    if "dtype" in node and isinstance(getattr(_C, node["dtype"], None), _C.dtype):
        return getattr(_C, node["dtype"])
    raise ValueError(f"load: the file's tree has an entry of unknown kind: {sorted(node)}")


def _decode_tensor(node, tensors):
    if node["tensor"] not in tensors:
        raise ValueError(f"load: the file's tree names the tensor '{node['tensor']}', which the file does not have")
    tensor = tensors[node["tensor"]]
    if node.get("parameter"):
        from .nn.parameter import Parameter
        return Parameter(tensor, requires_grad=bool(node.get("requires_grad")))
    return tensor.requires_grad_() if node.get("requires_grad") else tensor


def save(obj, f, pickle_module=None, pickle_protocol=None, _use_new_zipfile_serialization=True):
    """Writes a tree of tensors and plain values to a path or a binary file object. A path is written atomically."""
    tensors = {}
    metadata = {_FIELD: json.dumps(_encode(obj, "", tensors), allow_nan=False)}
    if isinstance(f, (str, os.PathLike)):
        return _C._save_safetensors(os.fspath(f), list(tensors.items()), metadata)
    if not hasattr(f, "write"):
        raise TypeError(f"save: f must be a path or a file opened for writing, got {type(f).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "saved")
        _C._save_safetensors(path, list(tensors.items()), metadata)
        with open(path, "rb") as file:
            f.write(file.read())


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None, **pickle_load_args):
    """The tree that `save` wrote, or a flat dict of a foreign safetensors file. `weights_only` is always so."""
    if isinstance(f, (str, os.PathLike)):
        items, metadata = _C._load_safetensors(os.fspath(f))
    elif hasattr(f, "read"):
        items, metadata = _C._parse_safetensors(f.read(), getattr(f, "name", "file object"))
    else:
        raise TypeError(f"load: f must be a path or a file opened for reading, got {type(f).__name__}")
    tensors = dict(items)
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        tensors = {k: t.to(map_location) for k, t in tensors.items()}
    if _FIELD not in metadata:
        return tensors
    try:
        return _decode(json.loads(metadata[_FIELD]), tensors)
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(f"load: the tree in the metadata field '{_FIELD}' is malformed: {error}") from None
