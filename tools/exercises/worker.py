"""Run a notebook's cells and call its functions, where they can do no harm.

`tools.exercises.sandbox` starts this file alone, without the rest of the project, and talks to it
over two pipes: one JSON object a message, its length in front. The pipes are moved away before
any cell runs, so that nothing a cell prints gets into them. A cell that looks for them and writes
into them can claim any result for its own functions: it could have returned that result as well.
The other side reads data only, never code.

Arrays, tensors and tables cross as bytes and lists, models as settings and state. What is none of
these stays here, and the other side gets its number.
"""

from __future__ import annotations

import base64
import builtins
import importlib
import importlib.machinery
import itertools
import json
import os
import random
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

LARGEST_MESSAGE = 64 * 2**20
LONGEST_ITERATOR = 1_000_000
# How to make each layer of PyTorch anew; containers are made from their children.
LAYER_SETTINGS = {
    "Linear": ("in_features", "out_features"),
    "Embedding": ("num_embeddings", "embedding_dim"),
    "LayerNorm": ("normalized_shape",),
    "Dropout": ("p",),
    "ReLU": (),
    "GELU": (),
    "Tanh": (),
}
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


def send(pipe: IO[bytes], message: dict[str, Any]) -> None:
    """Write one message."""
    data = json.dumps(message).encode()
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> dict[str, Any]:
    """Read one message.

    Raises
    ------
    EOFError
        If the other side has gone.
    ValueError
        If it sent something else than a message.
    """
    head = pipe.read(8)
    size = int.from_bytes(head, "big")
    if len(head) == 8 and size > LARGEST_MESSAGE:
        raise ValueError(f"a message of {size:,} bytes")
    data = pipe.read(size)
    if len(head) < 8 or len(data) < size:
        raise EOFError
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("a message that is no object")
    return message


def encode(value: Any, other: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """Write a value as JSON; `other` writes what is no plain data."""
    numpy, torch, pandas = (sys.modules.get(name) for name in ("numpy", "torch", "pandas"))
    if numpy and isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype.kind != "O":
        made = _bytes("array", value.dtype.str, value.shape, value.tobytes())
        return made | {"scalar": isinstance(value, numpy.generic)}
    if torch and isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        kind = str(value.dtype).removeprefix("torch.")
        return _bytes("tensor", kind, value.shape, flat.tobytes())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if pandas and isinstance(value, pandas.DataFrame):
        columns = [[encode(name, other), value[name].tolist()] for name in value.columns]
        return {"is": "table", "columns": encode(columns, other)}
    if pandas and isinstance(value, pandas.Series):
        return {"is": "series", "values": encode(value.tolist(), other)}
    if isinstance(value, dict):
        items = [[encode(key, other), encode(each, other)] for key, each in value.items()]
        return {"is": "dict", "items": items}
    if isinstance(value, list):
        return [encode(each, other) for each in value]
    if isinstance(value, (tuple, set)):
        kind = "tuple" if isinstance(value, tuple) else "set"
        return {"is": kind, "items": [encode(each, other) for each in value]}
    if isinstance(value, (range, Iterator, type({}.keys()), type({}.values()), type({}.items()))):
        return [encode(each, other) for each in itertools.islice(value, LONGEST_ITERATOR)]
    return other(value)


def _bytes(kind: str, dtype: str, shape: Sequence[int], data: bytes) -> dict[str, Any]:
    text = base64.b64encode(data).decode()
    return {"is": kind, "type": dtype, "shape": list(shape), "data": text}


def decode(value: Any, other: Callable[[dict[str, Any]], Any]) -> Any:  # noqa: ANN401
    """Read a value from JSON; `other` reads what is no plain data."""
    if isinstance(value, list):
        return [decode(each, other) for each in value]
    if not isinstance(value, dict):
        return value
    kind = value["is"]
    if kind == "array":
        import numpy

        flat = numpy.frombuffer(base64.b64decode(value["data"]), dtype=value["type"])
        array = flat.reshape(value["shape"]).copy()
        return array[()] if value["scalar"] else array
    if kind == "tensor":
        return _decode_tensor(value)
    if kind == "table":
        import pandas

        return pandas.DataFrame(dict(decode(value["columns"], other)))
    if kind == "series":
        import pandas

        return pandas.Series(decode(value["values"], other))
    if kind == "dict":
        return {decode(key, other): decode(each, other) for key, each in value["items"]}
    if kind in ("tuple", "set"):
        made = {"tuple": tuple, "set": set}[kind]
        return made(decode(each, other) for each in value["items"])
    return other(value)


def _decode_tensor(value: dict[str, Any]) -> Any:  # noqa: ANN401
    import torch

    dtype = getattr(torch, value["type"])
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{value['type']!r} is no dtype")
    data = bytearray(base64.b64decode(value["data"]))
    flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    return flat.reshape(value["shape"])


def encode_model(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Write a model as settings and state; on the meta device, without state.

    Raises
    ------
    TypeError
        If it is no model of transformers, nor made of PyTorch's own layers.
    """
    on_meta = any(weight.is_meta for weight in model.parameters())
    state = None if on_meta else encode(dict(model.state_dict()), _no_other)
    return {"is": "model", "made": _encode_structure(model), "state": state}


def _encode_structure(model: Any) -> dict[str, Any]:  # noqa: ANN401
    kind = type(model).__name__
    if hasattr(model, "config"):
        return {"config": model.config.to_json_string(use_diff=False), "class": kind}
    if kind in CONTAINERS:
        children = [[name, _encode_structure(child)] for name, child in model.named_children()]
        return {"layer": kind, "children": children}
    if kind not in LAYER_SETTINGS:
        raise TypeError(f"a {kind} cannot be sent to a notebook: use {', '.join(LAYER_SETTINGS)}")
    settings = {name: getattr(model, name) for name in LAYER_SETTINGS[kind]}
    if kind == "Linear":
        settings["bias"] = model.bias is not None
    return {"layer": kind, "settings": settings}


def _decode_model(value: dict[str, Any]) -> Any:  # noqa: ANN401
    import torch

    with torch.device("meta" if value["state"] is None else "cpu"):
        model = _make_structure(value["made"])
    if value["state"] is not None:
        model.load_state_dict(decode(value["state"], _no_other))
    return model


def _make_structure(made: dict[str, Any]) -> Any:  # noqa: ANN401
    if "config" in made:
        import transformers

        settings = json.loads(made["config"])
        config = transformers.AutoConfig.for_model(**settings)
        return getattr(transformers, made["class"])(config)
    import torch

    layer = getattr(torch.nn, made["layer"])
    if "settings" in made:
        return layer(**made["settings"])
    children = [(name, _make_structure(child)) for name, child in made["children"]]
    if made["layer"] == "ModuleDict":
        return layer(dict(children))
    each = [child for _, child in children]
    return layer(*each) if made["layer"] == "Sequential" else layer(each)


def _no_other(value: Any) -> Any:  # noqa: ANN401
    raise TypeError(f"a {type(value).__name__} is no plain data")


class StandIn(types.ModuleType):
    """Something that a notebook calls and that has nothing to do here: otter, Colab, magics."""

    def __getattr__(self, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: object, **__: object) -> StandIn:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> StandIn:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Magics(StandIn):
    """What `%` and `%%` lines call: those that only measure run their code, all others nothing."""

    def __init__(self, run: Callable[[str], None]) -> None:
        super().__init__("magics")
        self.run = run

    def run_line_magic(self, name: str, code: str, *_: object) -> None:
        """Run the code after `%time`."""
        if name in ("time", "timeit"):
            self.run(code)

    def run_cell_magic(self, name: str, _: str, code: str) -> None:
        """Run the code below `%%time`."""
        if name in ("time", "timeit", "capture", "prun"):
            self.run(code)


def _stand_in(run: Callable[[str], None]) -> None:
    """Give a notebook what Jupyter and Colab give it; nobody is there to answer `input()`."""
    magics = Magics(run)
    for name in ("otter", "google.colab", "google.colab.drive", "google.colab.files"):
        sys.modules[name] = StandIn(name)
        sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
    try:
        google = importlib.import_module("google")  # where protobuf is installed
    except ImportError:
        google = sys.modules["google"] = types.ModuleType("google")
    google.colab = sys.modules["google.colab"]  # type: ignore[attr-defined]
    builtins.input = lambda *_: ""  # type: ignore[assignment]
    builtins.display = lambda *_, **__: None  # type: ignore[attr-defined]
    builtins.get_ipython = lambda: magics  # type: ignore[attr-defined]


class Notebook:
    """The names that cells have made, and what their calls have returned."""

    def __init__(self) -> None:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module  # a dataclass looks for the module of its class
        self.names = module.__dict__
        self.saved = dict(self.names)
        self.kept: list[Any] = []
        self.lines: dict[str, list[str]] = {}

    def do(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request."""
        try:
            return getattr(self, f"do_{request['do']}")(request)
        except BaseException as error:  # SystemExit too, and whatever a cell invents
            return {"error": self._told(error)}

    def do_run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run one cell."""
        self.run(request["cell"], request["source"])
        return {}

    def run(self, name: str, source: str) -> None:
        """Run code under a name by which errors find its lines."""
        self.lines[name] = source.splitlines()
        exec(compile(source, name, "exec", dont_inherit=True), self.names)

    def do_save(self, _: dict[str, Any]) -> dict[str, Any]:
        """Remember the names that there are."""
        self.saved = dict(self.names)
        return {}

    def do_restore(self, _: dict[str, Any]) -> dict[str, Any]:
        """Forget the names made since."""
        self.names.clear()
        self.names.update(self.saved)
        self.kept.clear()
        return {}

    def do_names(self, _: dict[str, Any]) -> dict[str, Any]:
        """Say which functions and classes there are."""
        return {"names": [name for name, value in self.names.items() if callable(value)]}

    def do_seed(self, request: dict[str, Any]) -> dict[str, Any]:
        """Set the seed of whatever draws."""
        random.seed(request["seed"])
        if numpy := sys.modules.get("numpy"):
            numpy.random.seed(request["seed"])
        if torch := sys.modules.get("torch"):
            torch.manual_seed(request["seed"])
        return {}

    def do_get(self, request: dict[str, Any]) -> dict[str, Any]:
        """Look up an attribute."""
        return {"result": self._encode(getattr(self._find(request["on"]), request["name"]))}

    def do_call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Call a function; say also what it made of its arguments."""
        arguments = [decode(each, self._other) for each in request["arguments"]]
        named = {name: decode(each, self._other) for name, each in request["named"].items()}
        result = self._find(request["on"])(*arguments, **named)
        return {
            "result": self._encode(result),
            "arguments": [self._encode(each) for each in arguments],
            "named": {name: self._encode(each) for name, each in named.items()},
        }

    def _find(self, on: str | int) -> Any:  # noqa: ANN401
        return self.kept[on] if isinstance(on, int) else self.names[on]

    def _encode(self, value: Any) -> Any:  # noqa: ANN401
        return encode(value, self._keep)

    def _keep(self, value: Any) -> dict[str, Any]:  # noqa: ANN401
        self.kept.append(value)
        return {"is": "kept", "on": len(self.kept) - 1, "type": type(value).__name__}

    def _other(self, value: dict[str, Any]) -> Any:  # noqa: ANN401
        return _decode_model(value) if value["is"] == "model" else self._find(value["on"])

    def _told(self, error: BaseException) -> dict[str, Any]:
        try:
            message = str(error)[:500]
        except BaseException:
            message = ""
        place, trace = None, error.__traceback__
        while trace:
            if trace.tb_frame.f_code.co_filename in self.lines:
                place = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and error.filename in self.lines:
            place, message = (error.filename, error.lineno or 0), error.msg
        lines = self.lines[place[0]] if place else []
        line = lines[place[1] - 1].strip() if place and 0 < place[1] <= len(lines) else ""
        return {"type": type(error).__name__, "message": message, "line": line[:200]}


def main() -> None:
    """Answer requests until the other side closes its pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    send(replies, {"ready": True})
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    notebook, first = Notebook(), os.getpid()
    _stand_in(lambda code: notebook.run("cell", code))
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        reply = notebook.do(request)
        if os.getpid() != first:  # a cell forked, and this is the copy
            os._exit(0)
        try:
            send(replies, reply)
        except (ValueError, TypeError, RecursionError) as error:
            told = {"type": type(error).__name__, "message": str(error)[:500], "line": ""}
            send(replies, {"error": told})


if __name__ == "__main__":
    main()
