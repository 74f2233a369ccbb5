"""Short hashes of weights and functions, to know the same run again."""

from __future__ import annotations

import functools
import hashlib
import json
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


def digest_weights(model: nn.Module) -> str:
    """Return a short hash of all parameters and buffers of a model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if isinstance(tensor, Tensor):
            digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def digest_object(thing: object) -> str | None:
    """Return a short hash of a function or a callable object: its code and what it works with.

    Parameters
    ----------
    thing : object
        A function, with its code, defaults, closure and the plain values among its globals; or an
        object, with its class's code and its attributes. None stays None.

    Returns
    -------
    str or None
        The name, for a reader, and a hash. Another hash may mean no other behaviour (a list that
        the function has written to), the same hash is the same code on the same values.
    """
    if thing is None:
        return None
    digest = hashlib.sha256()
    _update(digest, thing, {})
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return f"{name} {digest.hexdigest()[:16]}"


def _update(digest: Any, thing: Any, seen: dict[int, Any]) -> None:  # noqa: ANN401 - anything
    """Feed what an object is into a hash, without anything that another process has otherwise."""
    digest.update(f"<{type(thing).__qualname__}>".encode())
    if thing is None or isinstance(thing, str | bytes | int | float | complex | torch.dtype):
        digest.update(repr(thing).encode())
        return
    if id(thing) in seen:
        return
    seen[id(thing)] = thing  # kept: a number is given again once its thing is gone
    if isinstance(thing, Tensor | np.ndarray):
        digest.update(_bytes(torch.as_tensor(thing)) if _numbers(thing) else repr(thing).encode())
    elif isinstance(thing, Mapping):
        for key in sorted(thing, key=str):
            digest.update(str(key).encode())
            _update(digest, thing[key], seen)
    elif isinstance(thing, set | frozenset):
        digest.update(repr(sorted(thing, key=repr)).encode())
    elif isinstance(thing, list | tuple):
        for part in thing:
            _update(digest, part, seen)
    elif isinstance(thing, types.CodeType):
        digest.update(thing.co_code)
        _update(digest, [thing.co_names, thing.co_varnames, thing.co_consts], seen)
    elif isinstance(thing, types.FunctionType):
        digest.update(f"{thing.__module__}.{thing.__qualname__}".encode())
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _filled(cell)]
        _update(digest, [thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells], seen)
        _update(digest, _globals(thing), seen)
    elif isinstance(thing, types.MethodType):
        _update(digest, [thing.__func__, thing.__self__], seen)
    elif isinstance(thing, functools.partial):
        _update(digest, [thing.func, thing.args, thing.keywords], seen)
    elif isinstance(thing, type | types.ModuleType | types.BuiltinFunctionType):
        digest.update(f"{getattr(thing, '__module__', '')}.{thing.__name__}".encode())
    elif hasattr(thing, "backend_tokenizer"):
        # How it cuts and pads is what its last call has left there.
        content = json.loads(thing.backend_tokenizer.to_str()) | {"truncation": 0, "padding": 0}
        digest.update(json.dumps(content).encode())
    elif isinstance(thing, nn.Module):
        digest.update(f"{thing!r} {digest_weights(thing)}".encode())
    else:
        _update(digest, [type(thing), _own_code(type(thing)), getattr(thing, "__dict__", {})], seen)


def _own_code(cls: type) -> dict[str, types.CodeType]:
    """Return the code of a class's methods, if it may change from run to run: not a library's."""
    return {
        f"{base.__name__}.{name}": function.__code__
        for base in cls.__mro__
        if not base.__module__.startswith(("torch.", "transformers.", "builtins"))
        for name, function in vars(base).items()
        if isinstance(function, types.FunctionType)
    }


def _globals(function: types.FunctionType) -> dict[str, Any]:
    """Return what a function reads of its module: plain values, and functions written there."""
    plain = (str, int, float, list, tuple, dict, Tensor, np.ndarray)
    there = {
        name: function.__globals__[name]
        for name in function.__code__.co_names
        if name in function.__globals__
    }
    return {
        name: value
        for name, value in there.items()
        if isinstance(value, plain)
        or (isinstance(value, types.FunctionType) and value.__module__ == function.__module__)
    }


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True


def _numbers(array: Tensor | np.ndarray[Any, Any]) -> bool:
    return isinstance(array, Tensor) or array.dtype.kind in "biuf"


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
