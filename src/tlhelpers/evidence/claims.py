"""The claims ledger in use: settle an entry, and say in a page what the literature says.

The entries are read by ``tlhelpers.evidence.ledger``. This module calls the function or looks up
the recorded sweep that settles one, and shows entries with their verdicts.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

from tlhelpers.evidence.ledger import (
    FIRM_VERDICTS,
    VERDICTS,
    Cited,
    Claim,
    Computed,
    Ledger,
    LedgerError,
    Measured,
    Reference,
    Source,
    ledger_folder,
    load_ledger,
)
from tlhelpers.visuals.tables import Html

__all__ = [
    "NOT_SHOWN",
    "Claim",
    "ClaimList",
    "Ledger",
    "LedgerError",
    "Reference",
    "Settled",
    "Source",
    "Unsettled",
    "claim",
    "describe_evidence",
    "expect",
    "find_function",
    "load_ledger",
    "readable",
    "settle",
    "show_claims",
]


# What a page prints of a claim that its run does not show; tools/contract/claims.py looks for it.
NOT_SHOWN = "Not shown at this scale"


@cache
def _ledger(chapter: int | None = None) -> Ledger:
    return load_ledger(chapter=chapter)


@dataclass(frozen=True)
class Settled:
    """What settling an entry gave.

    Attributes
    ----------
    value : the value found; ``None`` for a planned entry.
    holds : whether it is what the ledger says.
    detail : one line to read.
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


def agrees(value: object, expected: object, tolerance: float = 0.0) -> bool:
    """Compare numbers within a tolerance, everything else exactly, inside lists and mappings."""
    if isinstance(expected, Mapping):
        return (
            isinstance(value, Mapping)
            and value.keys() == expected.keys()
            and all(agrees(value[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(value, Sequence)
            and len(value) == len(expected)
            and all(agrees(a, b, tolerance) for a, b in zip(value, expected, strict=True))
        )
    if isinstance(expected, bool) or isinstance(value, bool) or isinstance(expected, str):
        return bool(value == expected) and isinstance(value, bool) == isinstance(expected, bool)
    # One part in 10^12 is below what a reader or a double can tell apart after a few operations.
    if not isinstance(value, Real) or not isinstance(expected, Real):
        return bool(value == expected)
    return math.isclose(value, expected, rel_tol=1e-12, abs_tol=tolerance)


def settle(entry: Claim, folder: Path | None = None, results: Path | None = None) -> Settled:
    """Settle one entry: call its function, look up its sweep, or report its citation.

    Parameters
    ----------
    entry : the entry.
    folder : folder of the ledger, for ``computed/chNN.py``.
    results : folder of the recorded sweeps.
    """
    settled_by = entry.settled_by
    if settled_by is None:
        return Settled(None, True, f"planned: {entry.planned.experiment if entry.planned else ''}")
    if isinstance(settled_by, Computed):
        function = find_function(settled_by.function, folder or ledger_folder())
        value = function(**settled_by.arguments)
        holds = agrees(value, settled_by.expects, settled_by.tolerance)
        relation = "equals" if holds else "differs from"
        detail = f"{settled_by.function} gives {value!r}, which {relation} {settled_by.expects!r}"
        return Settled(value, holds, detail)
    if isinstance(settled_by, Measured):
        from tlhelpers.evidence.recorded import recorded

        value = recorded(settled_by.result, results).statistic(
            settled_by.value, settled_by.where, settled_by.minus, settled_by.statistic
        )
        low, high = settled_by.between
        holds = low <= value <= high
        relation = "inside" if holds else "outside"
        detail = f"{settled_by.result}: {settled_by.value} {value:.4g}, {relation} {low} to {high}"
        return Settled(value, holds, detail)
    state = f"checked: {settled_by.checked}" if settled_by.checked else "not checked"
    detail = f"{settled_by.reference}, {settled_by.locator}: {settled_by.quote_value} ({state})"
    return Settled(settled_by.quote_value, True, detail)


# ---------------------------------------------------------------------------------------------
# In a page


def claim(claim_id: str) -> Claim:
    """Return one entry of the ledger.

    Raises
    ------
    KeyError
        If there is no such entry; the message lists those of the chapter.
    """
    chapter = int(claim_id[:2]) if claim_id[:2].isdecimal() else None
    return _ledger(chapter)[claim_id]


class Unsettled(AssertionError):
    """A page and the ledger disagree (raised only under ``TL_STRICT=1``)."""


def expect(claim_id: str, condition: object, detail: str = "") -> bool:
    """Say whether this run shows what the ledger says.

    Parameters
    ----------
    claim_id : id of the entry.
    condition : what must be true in this run for the claim to be shown.
    detail : what was measured, e.g. ``"84 % against 76 %"``.

    Returns
    -------
    bool
        Whether the claim was shown.

    Raises
    ------
    Unsettled
        Under ``TL_STRICT=1``, if the ledger has a firm verdict and the condition is false.

    Notes
    -----
    Under ``TL_MINIATURE=1`` models have a few thousand parameters, so nothing is judged.
    """
    entry = claim(claim_id)
    shown = bool(condition)
    measured = f" Measured: {detail}." if detail else ""
    if os.environ.get("TL_MINIATURE") == "1":
        print(f"Not judged in the miniature: {entry.claim}")
        return shown
    if shown:
        print(f"Shown: {entry.claim}{measured}")
        return True
    print(f"{NOT_SHOWN}: {entry.claim}{measured} {entry.why}")
    if os.environ.get("TL_STRICT") == "1" and entry.verdict in FIRM_VERDICTS:
        raise Unsettled(
            f"{claim_id}: the ledger says {entry.verdict!r}, this run does not show it.{measured} "
            f"Find out which is wrong: change the verdict in {entry.file}, or mend the page."
        )
    return False


# Sign and colour (of display.PALETTE): no verdict is told by its colour alone.
_BADGES = {
    "confirmed": ("✓", "green"),
    "corrected": ("✗", "orange"),
    "depends": ("±", "gold"),
    "not shown at this scale": ("○", "grey"),
    "planned": ("…", "grey"),
}


def describe_evidence(entry: Claim, ledger: Ledger | None = None) -> str:
    """Say in a few words what settles an entry."""
    settled_by = entry.settled_by
    if isinstance(settled_by, Computed):
        return f"computed: {readable(settled_by.expects)} ({settled_by.function})"
    if isinstance(settled_by, Measured):
        low, high = settled_by.between
        return f"measured: {settled_by.value} {low:g} to {high:g} (sweep {settled_by.result})"
    if isinstance(settled_by, Cited):
        reference = (ledger or _ledger()).references[settled_by.reference]
        state = "" if settled_by.checked else ", not checked at the source"
        return (
            f"cited: {settled_by.quote_value} ({reference.authors} {reference.year}, "
            f"{settled_by.locator}{state})"
        )
    return f"planned: {entry.planned.experiment}" if entry.planned else ""


def readable(value: object) -> str:
    """Write a settled value for a reader: thousands with commas, truth as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {readable(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(readable(item) for item in value)
    return str(value)


def _as_text(entry: Claim) -> str:
    said = f" As stated: {entry.source.figure}." if entry.source and entry.source.figure else ""
    instead = f" Instead: {entry.instead}" if entry.instead else ""
    sign, _ = _BADGES[entry.verdict]
    return f"{sign} {entry.verdict}: {entry.claim}{said} {entry.why}{instead}"


def _as_html(entry: Claim, ledger: Ledger) -> str:
    sign, colour = _BADGES[entry.verdict]
    figure = entry.source.figure if entry.source else ""
    said = f" <small>(as stated: {escape(figure)})</small>" if figure else ""
    instead = f"<br><strong>Instead:</strong> {escape(entry.instead)}" if entry.instead else ""
    return (
        f'<li style="border-left:.25em solid var(--tl-{colour});padding:.1em 0 .1em .8em;'
        'margin:0 0 .9em;list-style:none">'
        f"{escape(entry.claim)}{said}<br>"
        f'<strong style="color:var(--tl-{colour})">{sign} {entry.verdict}</strong> '
        f"{escape(entry.why)}{instead}"
        f"<br><small>{escape(describe_evidence(entry, ledger))}</small></li>"
    )


class ClaimList(Html):
    """Entries with their verdicts: what the literature says, what was found.

    Parameters
    ----------
    entries : the entries, in the order in which they are shown.
    ledger : where their references are; by default the book's.
    opened : how many are seen at once; the others are folded behind a line that counts them.
    """

    def __init__(
        self, entries: Sequence[Claim], ledger: Ledger | None = None, opened: int | None = None
    ) -> None:
        """Write both forms."""
        self.entries = list(entries)
        ledger = ledger or _ledger()
        items = [_as_html(entry, ledger) for entry in self.entries]
        body = _as_list(items[:opened]) if items else "<p>No entries yet.</p>"
        if opened is not None and len(items) > opened:
            counts = Counter(entry.verdict for entry in self.entries[opened:])
            more = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
            folded = _as_list(items[opened:])
            body += f"<details><summary>More: {more}</summary><br>{folded}</details>"
        super().__init__(body, "\n".join(map(_as_text, self.entries)) or "No entries yet.")


def _as_list(items: Sequence[str]) -> str:
    return f'<ul style="padding:0;margin:0">{"".join(items)}</ul>'


def show_claims(
    chapter: int | None = None,
    verdicts: Sequence[str] = ("corrected", "depends", "not shown at this scale", "confirmed"),
    ids: Sequence[str] = (),
) -> ClaimList:
    """Show what the literature says beside what was found.

    Parameters
    ----------
    chapter : show the entries of this chapter.
    verdicts : of a chapter only entries with these verdicts, in this order.
    ids : show these entries, in this order; with a chapter, its others are folded behind them.
    """
    ledger = _ledger(chapter)
    named = [claim(claim_id) for claim_id in ids]
    if ids and chapter is None:
        return ClaimList(named, ledger)
    for verdict in verdicts:
        if verdict not in VERDICTS:
            raise ValueError(f"no verdict {verdict!r}. Use some of: {', '.join(VERDICTS)}.")
    entries = ledger.entries if chapter is None else ledger.of_chapter(chapter)
    others = [
        entry
        for verdict in verdicts
        for entry in entries
        if entry.verdict == verdict and entry not in named
    ]
    return ClaimList([*named, *others], ledger, opened=len(named) or None)
