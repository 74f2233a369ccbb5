"""What a page says of the literature: entries of the ledger beside what was found.

``claim`` returns one, ``expect`` says how one stands, ``show_claims`` lists them. How an entry is
read is told in ``ledger.py``, how it is settled in ``settle.py``, by what bar in ``bars.py``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from functools import cache
from html import escape

from tlhelpers.evidence.ledger import (
    FIRM_VERDICTS,
    VERDICTS,
    Cited,
    Claim,
    Computed,
    Ledger,
    load_ledger,
)
from tlhelpers.evidence.settle import computed_in_words
from tlhelpers.metrics import prediction_interval
from tlhelpers.visuals.html import Html

# What a page prints of a claim that its run does not show; tools/contract/claims.py looks for it.
NOT_SHOWN = "Not shown at this scale"


@cache
def _ledger(chapter: int | None = None) -> Ledger:
    return load_ledger(chapter=chapter)


def _entry(claim_id: str) -> Claim:
    chapter = int(claim_id[:2]) if claim_id[:2].isdecimal() else None
    return _ledger(chapter)[claim_id]


class ShownClaim(Claim):
    """An entry that a notebook shows with its verdict, where a cell ends with it."""

    def _repr_html_(self) -> str:
        return ClaimList([self], _ledger(self.chapter))._repr_html_()


def claim(claim_id: str) -> ShownClaim:
    """Return one entry of the ledger.

    Parameters
    ----------
    claim_id : str
        The chapter and some words, for example ``"08-difference-below-one-percent"``.

    Returns
    -------
    ShownClaim
        Its statement, what settles it, its verdict and why.

    Raises
    ------
    KeyError
        If there is no such entry; the message lists those of the chapter.
    """
    entry = _entry(claim_id)
    return ShownClaim.model_construct(**{name: getattr(entry, name) for name in Claim.model_fields})


class Unsettled(AssertionError):
    """A page and the ledger disagree (raised only under ``TL_STRICT=1``)."""


def expect(
    claim_id: str, condition: object = None, detail: str = "", live: float | None = None
) -> bool:
    """Say how a claim stands, and what this run shows of it.

    Parameters
    ----------
    claim_id : str
        Id of the entry.
    condition : bool, optional
        What must be true in this run for a computed or cited claim to be shown. A measured one
        takes none: its verdict follows from its registered bar and the recorded sweep.
    detail : str
        What this run found, e.g. ``"84 % against 76 %"``.
    live : float, optional
        What this run found of the one number that a measured claim is about, to be compared with
        the recorded seeds.

    Returns
    -------
    bool
        Whether the claim was shown: by this run, or, if it is measured, by the recorded ones.

    Raises
    ------
    TypeError
        If a measured claim is given a condition, or another is given none.
    Unsettled
        Under ``TL_STRICT=1``, if the ledger has a firm verdict and the condition is false.

    Notes
    -----
    Under ``TL_MINIATURE=1`` models have a few thousand parameters, so nothing is judged.
    """
    entry = _entry(claim_id)
    if (condition is None) != (entry.kind == "measured"):
        raise TypeError(
            f"{claim_id} is {entry.kind}: its verdict follows from its bar in {entry.file}; "
            "leave the condition out."
            if entry.kind == "measured"
            else f"{claim_id} is {entry.kind}: give the condition that this run has to meet."
        )
    if os.environ.get("TL_MINIATURE") == "1":
        print(f"Not judged in the miniature: {entry.claim}")
        return bool(condition)
    if entry.kind == "measured":
        return _say_verdict(entry, detail, live)
    shown = bool(condition)
    measured = f" Measured: {detail}." if detail else ""
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


def _say_verdict(entry: Claim, detail: str, live: float | None) -> bool:
    """Print the verdict on a measured entry; return whether it is confirmed."""
    said = entry.verdict[0].upper() + entry.verdict[1:]
    print(f"{said}: {entry.claim}\n  {describe_evidence(entry)}.")
    for change in entry.changed:
        print(f"  Changed after the bar was registered: {change.what} {change.why}")
    if detail:
        print(f"  This run: {detail}.")
    if live is not None and entry.judgement is not None:
        (part,) = entry.judgement.parts  # more than one number has no single live value
        _, low, high, *_ = prediction_interval(part.measurement.values)
        where = "inside" if low <= live <= high else "outside"
        print(
            f"  This run: {live:.3g}, {where} {low:.3g} to {high:.3g}, where one more seed falls."
        )
    return entry.verdict == "confirmed"


# Sign and colour (of visuals.html.PALETTE): no verdict is told by its colour alone.
_BADGES = {
    "confirmed": ("✓", "green"),
    "corrected": ("✗", "orange"),
    "refuted here": ("≠", "orange"),
    "depends": ("±", "gold"),
    "not shown at this scale": ("○", "grey"),
    "planned": ("…", "grey"),
}


def describe_evidence(entry: Claim, ledger: Ledger | None = None) -> str:
    """Say in a few words what settles an entry."""
    settled_by = entry.settled_by
    if isinstance(settled_by, Computed):
        folder = ledger.folder if ledger else None
        return f"computed. {computed_in_words(settled_by, settled_by.expects, folder)}"
    if entry.judgement is not None:
        return f"measured: {entry.judgement} (recorded in {', '.join(entry.sweeps)})"
    if isinstance(settled_by, Cited):
        reference = (ledger or _ledger()).references[settled_by.reference]
        state = "" if settled_by.checked else ", not checked at the source"
        return (
            f"cited: {settled_by.quote_value} ({reference.authors} {reference.year}, "
            f"{settled_by.locator}{state})"
        )
    if entry.registered is None:
        return ""
    waits = ", ".join(entry.sweeps)
    return f"planned: {entry.registered.experiment} Bar: {entry.registered.in_words()} ({waits})"


def _as_text(entry: Claim) -> str:
    said = f" As stated: {entry.source.figure}." if entry.source and entry.source.figure else ""
    instead = f" Instead: {entry.instead}" if entry.instead else ""
    sign, _ = _BADGES[entry.verdict]
    changes = "".join(f" Changed: {change.what} {change.why}" for change in entry.changed)
    return f"{sign} {entry.verdict}: {entry.claim}{said} {entry.why}{instead}{changes}"


def _as_html(entry: Claim, ledger: Ledger) -> str:
    sign, colour = _BADGES[entry.verdict]
    figure = entry.source.figure if entry.source else ""
    said = f" <small>(as stated: {escape(figure)})</small>" if figure else ""
    instead = f"<br><strong>Instead:</strong> {escape(entry.instead)}" if entry.instead else ""
    changes = "".join(
        "<br><small>Changed after the bar was registered: "
        f"{escape(change.what)} {escape(change.why)}</small>"
        for change in entry.changed
    )
    return (
        f'<li data-claim="{entry.id}" style="border-left:.25em solid var(--tl-{colour});'
        'padding:.1em 0 .1em .8em;margin:0 0 .9em;list-style:none">'
        f"{escape(entry.claim)}{said}<br>"
        f'<strong style="color:var(--tl-{colour})">{sign} {entry.verdict}</strong> '
        f"{escape(entry.why)}{instead}"
        f"<br><small>{escape(describe_evidence(entry, ledger))}</small>{changes}</li>"
    )


class ClaimList(Html):
    """Entries with their verdicts: what the literature says, what was found.

    Parameters
    ----------
    entries : sequence of Claim
        The entries, in the order in which they are shown.
    ledger : Ledger, optional
        Where their references are; by default the book's.
    opened : int, optional
        How many are seen at once; the others are folded behind a line that counts them.
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
    verdicts: Sequence[str] = (
        "corrected",
        "refuted here",
        "depends",
        "not shown at this scale",
        "confirmed",
    ),
    ids: Sequence[str] = (),
) -> ClaimList:
    """Show what the literature says beside what was found.

    Parameters
    ----------
    chapter : int, optional
        Show the entries of this chapter.
    verdicts : sequence of str
        Of a chapter only entries with these verdicts, in this order.
    ids : sequence of str
        Show these entries, in this order; with a chapter, its others are folded behind them.

    Returns
    -------
    ClaimList
        Rich in a notebook, plain text in a terminal.

    Raises
    ------
    KeyError
        If there is no entry with such an id.
    ValueError
        If there is no such verdict.
    """
    ledger = _ledger(chapter)
    named = [_entry(claim_id) for claim_id in ids]
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
