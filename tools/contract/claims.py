"""Rules for what ties a page to the ledger: its numbers, claims, verdicts and corrections."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tlhelpers.evidence.claims import NOT_SHOWN
from tlhelpers.evidence.ledger import FIRM_VERDICTS
from tools.contract.page import Page
from tools.contract.prose_numbers import uncovered_numbers


def numbers_have_entries(page: Page) -> Iterator[str]:
    """A number typed in prose lies in a phrase of a ledger entry of that chapter."""
    entries = page.ledger.of_chapter(page.chapter.number, also=True)
    for found in uncovered_numbers(page.chapter, entries):
        yield (
            f"types {found.text!r} in '...{found.context}...' ({found.section or 'opening'}), "
            "which no entry stands behind. Print it from the run, spell it as a word, or add it "
            f"to prose: of an entry in book/claims/{page.chapter.slug}.yaml."
        )


def claims_exist(page: Page) -> Iterator[str]:
    """Every id in tl.claim, tl.expect and tl.show_claims is in the ledger."""
    known = {entry.id for entry in page.ledger.entries}
    for name, call in page.chapter.calls:
        for claim_id in _claim_ids(name, call):
            if claim_id not in known:
                yield f"uses claim {claim_id!r}, which is not in the ledger. Add it, or correct it."


def verdicts_hold(page: Page) -> Iterator[str]:
    """What the executed page says of a claim with a firm verdict is not "not shown"."""
    if page.chapter.executed is None:
        return
    printed = "\n".join(
        str(output.get("text", ""))
        for cell in page.chapter.executed.cells
        for output in cell.get("outputs", [])
    )
    for entry in page.ledger.entries:
        if entry.verdict in FIRM_VERDICTS and f"{NOT_SHOWN}: {entry.claim}" in printed:
            yield (
                f"does not show {entry.id} in this run, which the ledger calls {entry.verdict}. "
                f"Find out which is wrong: mend the page, or change the verdict in {entry.file}."
            )


def corrections_are_shown(page: Page) -> Iterator[str]:
    """A correction is shown in the chapter where a reader meets it."""
    number = page.chapter.number
    corrected = {e.id for e in page.ledger.of_chapter(number) if e.verdict == "corrected"}
    shown: set[str] = set()
    for name, call in page.chapter.calls:
        shown |= set(_claim_ids(name, call))
        if name == "tl.show_claims" and any(
            keyword.arg == "chapter" and ast.unparse(keyword.value) == str(number)
            for keyword in call.keywords
        ):
            shown |= corrected
    for claim_id in sorted(corrected - shown):
        yield f"does not show its correction {claim_id}. Add tl.show_claims(chapter={number})."


def _claim_ids(name: str, call: ast.Call) -> Iterator[str]:
    if name in ("tl.claim", "tl.expect") and call.args:
        if isinstance(call.args[0], ast.Constant):
            yield str(call.args[0].value)
    elif name == "tl.show_claims":
        for keyword in call.keywords:
            if keyword.arg == "ids" and isinstance(keyword.value, ast.List | ast.Tuple):
                for item in keyword.value.elts:
                    if isinstance(item, ast.Constant):
                        yield str(item.value)
