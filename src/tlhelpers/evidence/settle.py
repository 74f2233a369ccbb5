"""How an entry of the claims ledger is settled: computed, measured or cited.

A computed entry calls its function, and what comes out is compared with what the ledger says. A
measured one has its bar held against its recorded sweep, in ``bars.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tlhelpers.evidence.comparison import agrees
from tlhelpers.evidence.ledger import (
    Cited,
    Claim,
    Computed,
    LedgerError,
    computed_verdict,
    derives_its_verdict,
    ledger_folder,
)


@dataclass(frozen=True)
class Settled:
    """What settling an entry gave.

    Attributes
    ----------
    value : number, text, truth value, list or mapping
        The value found; ``None`` for a planned entry.
    holds : bool
        Whether it is what the ledger says.
    detail : str
        One line to read.
    """

    value: Any
    holds: bool
    detail: str


def _load_computed_module(name: str, folder: Path) -> ModuleType:
    path = folder / "computed" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tlhelpers_ledger_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise LedgerError(f"{path} does not exist. Write the function there.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_function(dotted: str, folder: Path) -> Callable[..., Any]:
    """Return the function behind ``chNN.name`` or ``tlhelpers.module.name``.

    Parameters
    ----------
    dotted : str
        The function's path.
    folder : Path
        Folder of the ledger, for ``computed/chNN.py``.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    LedgerError
        If the module or the function does not exist.
    """
    module_name, _, name = dotted.rpartition(".")
    if module_name.startswith("tlhelpers"):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise LedgerError(f"{dotted}: no module {module_name}. Correct the path.") from error
    else:
        module = _load_computed_module(module_name, folder)
    function = getattr(module, name, None)
    if not callable(function):
        raise LedgerError(f"{dotted}: no function {name!r} in {module_name}. Write it.")
    return function  # type: ignore[no-any-return]


def computed_in_words(settled_by: Computed, value: object, folder: Path | None = None) -> str:
    """Say in a sentence what a computation does, and what it gave.

    Parameters
    ----------
    settled_by : Computed
        Its function is described by the first line of its docstring.
    value : number, text, truth value, list or mapping
        What it gave.
    folder : Path, optional
        Folder of the ledger, for ``computed/chNN.py``; by default the book's.

    Returns
    -------
    str
        Such as ``"Count the parameters of a BERT: 109,482,240."``.

    Raises
    ------
    LedgerError
        If the function does not say what it does.
    """
    function = find_function(settled_by.function, folder or ledger_folder())
    said = " ".join((function.__doc__ or "").strip().partition("\n\n")[0].split())
    if not said:
        raise LedgerError(
            f"{settled_by.function} does not say what it does. Write the first line of its "
            "docstring for whoever reads the claim."
        )
    said = re.sub("^(Return|Give|Say) ", "", said).replace("``", "").rstrip(".")
    return f"{said[0].upper()}{said[1:]}: {readable(value)}."


def readable(value: object) -> str:
    """Write a settled value for a reader: thousands with commas, truth as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {readable(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(readable(item) for item in value) or "none"
    return str(value) or "nothing"


def settle(entry: Claim, folder: Path | None = None) -> Settled:
    """Settle one entry: call its function, look up its sweep, or report its citation.

    Parameters
    ----------
    entry : Claim
        The entry.
    folder : Path, optional
        Folder of the ledger, for ``computed/chNN.py``; by default the book's.

    Returns
    -------
    Settled
        What was found, and whether it is what the ledger says.

    Raises
    ------
    LedgerError
        If there is no such function.
    ResultsError
        If there is no such recorded sweep, or it was edited.
    """
    settled_by = entry.settled_by
    if settled_by is None:
        return Settled(None, True, f"planned: {', '.join(entry.sweeps)}")
    if isinstance(settled_by, Computed):
        function = find_function(settled_by.function, folder or ledger_folder())
        value = function(**settled_by.arguments)
        holds = agrees(value, settled_by.expects, settled_by.tolerance)
        relation = "equals" if holds else "differs from"
        detail = f"{settled_by.function} gives {value!r}, which {relation} {settled_by.expects!r}"
        if derives_its_verdict(entry):
            verdict = computed_verdict(entry.source, value, entry.depends_on)
            holds = holds and verdict == entry.verdict
            detail += f"; so the claim is {verdict}"
        return Settled(value, holds, detail)
    if entry.judgement is not None:
        # Nothing to compare: the verdict is what the bar makes of the recorded numbers.
        return Settled(entry.judgement.value, True, f"{entry.verdict}: {entry.judgement}")
    assert isinstance(settled_by, Cited)
    state = f"checked: {settled_by.checked}" if settled_by.checked else "not checked"
    detail = f"{settled_by.reference}, {settled_by.locator}: {settled_by.quote_value} ({state})"
    return Settled(settled_by.quote_value, True, detail)
