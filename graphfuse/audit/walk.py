"""Everything that can be reached from an object: attributes, containers, closures, the globals a function names."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Set
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np
import pandas as pd
import torch

LEAVES = (str, bytes, int, float, complex, bool, type(None), type, ModuleType, BuiltinFunctionType, np.generic)
MOST = 200_000  # objects; a fitted model has a few thousand


def walk(root, place: str = "model") -> Iterator[tuple[str, object]]:
    """Yield (place, object) for `root` and for all that hangs on it, in an order that depends on the content only.

    Goes into attributes and slots, dicts, lists, tuples, sets, arrays of objects, closures, defaults, bound methods,
    partials and the globals that a function names. Arrays, tensors, tables and columns are yielded whole.
    """
    stack, seen, keep = [(place, root)], set(), []
    while stack:
        place, value = stack.pop()
        if not isinstance(value, LEAVES):
            if id(value) in seen or len(seen) > MOST:
                continue
            seen.add(id(value))
            keep.append(value)  # an id may be given again once its object is gone
        yield place, value
        stack += reversed([(f"{place}{name}", part) for name, part in _parts(value)])


def _parts(value) -> list[tuple[str, object]]:
    """What hangs directly on `value`, by name."""
    if isinstance(value, (*LEAVES, torch.Tensor, pd.DataFrame, pd.Series, pd.Index)):
        return []
    if isinstance(value, np.ndarray):
        return [(f"[{i}]", item) for i, item in enumerate(value.ravel())] if value.dtype == object else []
    if isinstance(value, Mapping):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, Set):
        return [("{}", part) for part in sorted(value, key=repr)]
    if isinstance(value, (list, tuple)):
        return [(f"[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, FunctionType):
        return _of_function(value)
    if isinstance(value, MethodType):
        return [(".__self__", value.__self__), (".__func__", value.__func__)]
    if isinstance(value, functools.partial):
        return [(".func", value.func), (".args", value.args), (".keywords", value.keywords)]
    return _attributes(value)


def _of_function(function: FunctionType) -> list[tuple[str, object]]:
    """Closure cells, defaults, and the globals that its code names (not modules, classes and functions of packages)."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)
    parts = [(f".closure[{name!r}]", cell.cell_contents) for name, cell in cells if _filled(cell)]
    parts += [(f".default[{i}]", part) for i, part in enumerate(function.__defaults__ or ())]
    if function.__module__.partition(".")[0] in ("graphfuse", "sklearn", "torch", "numpy", "pandas", "scipy"):
        return parts  # their globals are theirs, not the user's
    return parts + [
        (f".global[{name!r}]", function.__globals__[name])
        for name in _names(function.__code__)
        if name in function.__globals__
    ]


def _filled(cell) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False


def _names(code) -> list[str]:
    """Names of globals in this code and in the code of functions defined inside it."""
    inner = [name for constant in code.co_consts if hasattr(constant, "co_names") for name in _names(constant)]
    return sorted({*code.co_names, *inner})


def _attributes(value) -> list[tuple[str, object]]:
    if is_dataclass(value):
        names = [part.name for part in fields(value)]
        named = [(f".{name}", getattr(value, name)) for name in names if hasattr(value, name)]
        extra = [(f".{name}", part) for name, part in getattr(value, "__dict__", {}).items() if name not in names]
        return named + extra
    slots = [name for cls in type(value).__mro__ for name in _slots(cls)]
    parts = [(f".{name}", part) for name, part in getattr(value, "__dict__", {}).items()]
    return parts + [(f".{name}", getattr(value, name)) for name in slots if hasattr(value, name)]


def _slots(cls) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return tuple(name for name in ([slots] if isinstance(slots, str) else slots) if not name.startswith("__"))
