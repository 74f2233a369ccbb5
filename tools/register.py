"""Freeze the bars of measured entries before their sweeps run.

    python -m tools.register           freeze the bars that are not frozen yet
    python -m tools.register --check   only tell which are not, or were altered

A bar is what an entry of the ledger says under `registered`. book/claims/registered.json keeps a
digest of each, as it was first written. A frozen bar cannot be altered: what was done otherwise is
told under `changed`, beside it, and the first bar gives the verdict still.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tlhelpers.evidence.ledger import Ledger, LedgerError, load_ledger
from tools.project import UserError, read_json, write_atomically

FILE = "registered.json"


def frozen_bars(folder: Path) -> dict[str, str]:
    """Return the digest of each frozen bar, by the id of its entry."""
    return read_json(folder / FILE) or {}


def written_bars(ledger: Ledger) -> dict[str, str]:
    """Return the digest of each bar as the ledger has it now, by the id of its entry."""
    return {entry.id: entry.registered.digest for entry in ledger.entries if entry.registered}


def altered_bars(ledger: Ledger) -> list[str]:
    """Say which frozen bars are not what they were, one sentence each."""
    written = written_bars(ledger)
    return [
        f"{claim_id}: its bar was frozen and has been altered or removed since. Put it back as it "
        "was (git log -p), and say under changed: {what, why} what is done otherwise."
        for claim_id, digest in frozen_bars(ledger.folder).items()
        if written.get(claim_id) != digest
    ]


def freeze(ledger: Ledger) -> list[str]:
    """Freeze the bars that are not frozen yet.

    Parameters
    ----------
    ledger : Ledger
        The ledger, read whole.

    Returns
    -------
    list of str
        Ids of the entries whose bar is frozen now.

    Raises
    ------
    UserError
        If a frozen bar was altered; then nothing is written.
    """
    if altered := altered_bars(ledger):
        raise UserError("\n".join(altered))
    frozen, written = frozen_bars(ledger.folder), written_bars(ledger)
    if new := [claim_id for claim_id in written if claim_id not in frozen]:
        text = json.dumps(dict(sorted((frozen | written).items())), indent=2) + "\n"
        write_atomically(ledger.folder / FILE, text)
    return new


def bars_of_sweep(name: str, folder: Path | None = None) -> dict[str, str]:
    """Return the frozen bars that a sweep settles, or will.

    Parameters
    ----------
    name : str
        The sweep's name, e.g. ``"18-transfer-vs-scratch"``.
    folder : Path, optional
        Folder of the ledger; by default the book's.

    Returns
    -------
    dict of str to str
        The digest of each bar, by the id of its entry.

    Raises
    ------
    UserError
        If no entry waits for the sweep, or a bar is not frozen or was altered: nothing may be
        measured then.
    """
    ledger = load_ledger(folder)
    entries = [entry for entry in ledger.entries if name in entry.sweeps]
    if not entries:
        raise UserError(
            f"no entry of the ledger is settled by the sweep {name!r}. Say first what it is to "
            f"show: an entry with registered: {{experiment, bar}} and planned: {{sweeps: [{name}]}}"
            " in book/claims; then python -m tools.register."
        )
    frozen: Mapping[str, str] = frozen_bars(ledger.folder)
    written = written_bars(ledger)
    for entry in entries:
        if frozen.get(entry.id) != written[entry.id]:
            state = "was altered since it was frozen" if entry.id in frozen else "is not frozen"
            raise UserError(
                f"the bar of {entry.id}, which the sweep {name!r} settles, {state}. "
                "Run python -m tools.register."
            )
    return {entry.id: written[entry.id] for entry in entries}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 1 if a bar was altered or, with --check, is not frozen."""
    parser = argparse.ArgumentParser(prog="python -m tools.register", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args(arguments)
    try:
        ledger = load_ledger()
        if options.check:
            frozen = frozen_bars(ledger.folder)
            wrong = altered_bars(ledger)
            wrong += [f"{name}: not frozen" for name in written_bars(ledger) if name not in frozen]
            print("\n".join(wrong) or f"{len(frozen)} bars are frozen, and as they were")
            return 1 if wrong else 0
        new = freeze(ledger)
    except (LedgerError, UserError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(f"frozen: {claim_id}" for claim_id in new) or "no bar is new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
