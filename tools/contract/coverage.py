"""Say which part of the text that the book implements led to which entries of the ledger.

    python -m tools.contract.coverage     every section; counts by chapter, kind and verdict
    python -m tools.contract.coverage 08  one section

book/claims/coverage/NN-slug.yaml lists the units of section NN (paragraphs, table rows, code
blocks, outputs) under labels of our own, each with its entries or the reason why it has none.
That the list is complete is checked by reading: the text itself is not part of the project.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tlhelpers.evidence.ledger import (
    CHAPTERS,
    KINDS,
    VERDICTS,
    Claim,
    Ledger,
    LedgerError,
    load_ledger,
    read_yaml,
)

UNIT_KINDS = (
    "heading",
    "paragraph",
    "list",
    "row",
    "caption",
    "formula",
    "code",
    "output",
    "callout",
    "analogy",
    "figure",
)


@dataclass(frozen=True)
class Unit:
    """One paragraph, row, code block or output of a section.

    Attributes
    ----------
    section : number of the section.
    kind : one of ``UNIT_KINDS``.
    label : what it is about, in our words.
    claims : ids of the entries that it led to.
    no_claim : why it led to none; exactly one of the two is given.
    """

    section: int
    kind: str
    label: str
    claims: tuple[str, ...] = ()
    no_claim: str = ""


def read_units(folder: Path) -> list[Unit]:
    """Read every file of ``coverage/``.

    Raises
    ------
    LedgerError
        Naming the file, the unit and what to do.
    """
    units: list[Unit] = []
    for path in sorted((folder / "coverage").glob("[0-9][0-9]-*.yaml")):
        content = read_yaml(path)
        if not isinstance(content, list):
            raise LedgerError(f"{path.name}: is not a list. Start each unit with '- {{kind: ...'.")
        labels: set[str] = set()
        for values in content:
            unit = _read_unit(path, values)
            if unit.label in labels:
                raise LedgerError(f"{path.name}: label {unit.label!r} is used twice. Rename one.")
            labels.add(unit.label)
            units.append(unit)
    return units


def _read_unit(path: Path, values: object) -> Unit:
    if not isinstance(values, dict):
        raise LedgerError(
            f"{path.name}: {values!r} is not a unit. Write {{kind: ..., label: ...}}."
        )
    where = f"{path.name}: unit {values.get('label', values)!r}"
    unknown = set(values) - {"kind", "label", "claims", "no_claim"}
    if unknown:
        raise LedgerError(
            f"{where}: {sorted(unknown)} not known. Use kind, label, claims, no_claim."
        )
    if values.get("kind") not in UNIT_KINDS:
        raise LedgerError(f"{where}: kind {values.get('kind')!r}. Use one of {UNIT_KINDS}.")
    label, no_claim, claims = values.get("label"), values.get("no_claim", ""), values.get("claims")
    if not isinstance(label, str) or not label:
        raise LedgerError(f"{where}: has no label. Say in a few words of ours what it is about.")
    if bool(claims) == bool(no_claim):
        raise LedgerError(f"{where}: give either claims: [ids] or no_claim: the reason.")
    if claims is not None and not isinstance(claims, list):
        raise LedgerError(f"{where}: claims {claims!r} is not a list. Write [id, id].")
    return Unit(int(path.name[:2]), values["kind"], label, tuple(claims or ()), str(no_claim))


def find_gaps(ledger: Ledger, units: Iterable[Unit]) -> list[str]:
    """Return what does not fit between units and entries, one sentence each."""
    units = list(units)
    entries = {entry.id: entry for entry in ledger.entries}
    gaps = [
        f"section {unit.section:02d}, {unit.label!r}: no entry {claim!r}. Add it or correct the id."
        for unit in units
        for claim in unit.claims
        if claim not in entries
    ]
    covered = {(unit.section, claim) for unit in units for claim in unit.claims}
    for entry in ledger.entries:
        if entry.source and (entry.source.section, entry.id) not in covered:
            gaps.append(
                f"{entry.file}: {entry.id} comes from section {entry.source.section:02d}, but no "
                f"unit in coverage/ of that section names it. Add it to its unit."
            )
    return gaps


def count_table(entries: Sequence[Claim]) -> str:
    """Return the counts by chapter, kind and verdict as aligned text."""
    heads = ["chapter", "entries", *KINDS, *VERDICTS]
    rows = [heads]
    groups = [(f"{n:02d}", [e for e in entries if e.chapter == n]) for n in CHAPTERS]
    for name, group in [*groups, ("all", list(entries))]:
        if group:
            counts = Counter(entry.kind for entry in group)
            counts.update(entry.verdict for entry in group)
            columns = [str(counts[head]) for head in heads[2:]]
            rows.append([name, str(len(group)), *columns])
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


def unit_lines(units: Iterable[Unit]) -> str:
    """Return one line a unit: what it led to, or why to nothing."""
    return "\n".join(
        f"{unit.section:02d}  {unit.kind:9}  {unit.label}: "
        + (", ".join(unit.claims) or f"no claim ({unit.no_claim})")
        for unit in units
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 1 if there are gaps."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract.coverage", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("section", nargs="*", type=int, help="numbers of sections")
    options = parser.parse_args(arguments)
    try:
        ledger = load_ledger()
        units = read_units(ledger.folder)
    except LedgerError as error:
        print(error, file=sys.stderr)
        return 1
    sections = options.section or list(CHAPTERS)
    chosen = [unit for unit in units if unit.section in sections]
    if options.section:
        print(unit_lines(chosen) + "\n")
    print(count_table([entry for entry in ledger.entries if entry.chapter in sections]))
    without = sum(not unit.claims for unit in chosen)
    print(f"\n{len(chosen)} units, {without} of them without a claim")
    empty = [f"{n:02d}" for n in sections if not any(unit.section == n for unit in units)]
    if empty:
        print(f"not covered yet: sections {', '.join(empty)}")
    gaps = find_gaps(ledger, units)
    for gap in gaps:
        print(gap, file=sys.stderr)
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main())
