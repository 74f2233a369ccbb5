"""Compute what each page costs on a GPU, and hold it to its limits.

    python -m tools.budget                 dry runs, a table, book/budget.json
    python -m tools.budget 10              one chapter
    python -m tools.budget --check         only compare the pages with book/budget.json

A page may take 15 minutes on a T4, and 14 GB. What the count leaves out: downloads, tokenising and
other work of the processor, the products of a LoRA adapter itself (under a hundredth). A count
holds for the code that was counted: a page whose code cells have changed since must be counted
again. What a change of the helpers or of a role file does to it, only a new count shows.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.budget.operations import minutes
from tools.budget.page import digest, environment_of_a_new_reader, path
from tools.execution.miniature import FIXED, build_hub
from tools.project import Project, UserError, read_json, write_atomically

LIMIT_MINUTES = 15
LIMIT_BYTES = 14e9
PRINTED = re.compile(r"\*\*Time:\*\*.*?\babout ([a-z]+)(?: minutes?)? on a Colab GPU")
RECOUNT = "Count it: python -m tools.budget {}"
NUMBERS = ["zero", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
NUMBERS += ["eleven", "twelve", "thirteen", "fourteen", "fifteen"]


def dry_run(project: Project, slug: str) -> dict[str, Any]:
    """Count a page in a process of its own.

    Raises
    ------
    UserError
        If a cell fails.
    """
    hub = build_hub(project.build / "miniature" / "hub") | FIXED
    with tempfile.TemporaryDirectory(prefix=f"tl-{slug}-") as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(
            [sys.executable, "-m", "tools.budget.dry_run", slug, str(report)],
            cwd=Project.root,
            env=environment_of_a_new_reader(hub, Path(folder)),
            capture_output=True,
            text=True,
            check=False,
        )
        counted = read_json(report)
    if done.returncode or counted is None:
        raise UserError(f"{slug}: the dry run failed.\n{done.stderr[-3000:]}")
    return counted | {"code": digest(project, slug)}


def gpu_minutes(counted: dict[str, Any]) -> float:
    """Add up a page's roles."""
    return minutes(sum(counted["operations"].values()), sum(counted["single"].values()))


def table(counts: dict[str, dict[str, Any]]) -> str:
    """Lay the counts out: chapter, role, operations, minutes on a T4, memory."""
    lines = [
        f"{'chapter':28} {'role':14} {'operations':>11} {'in fp32':>9} {'minutes':>8} "
        f"{'memory GB':>10}"
    ]
    for slug, counted in counts.items():
        for role, operations in counted["operations"].items():
            memory, single = counted["memory"][role] / 1e9, counted["single"].get(role, 0.0)
            lines.append(
                f"{slug:28} {role:14} {operations:11.2e} {single:9.2e} "
                f"{minutes(operations, single):8.1f} {memory:10.1f}"
            )
    return "\n".join(lines)


def problems(project: Project, slug: str, counted: dict[str, Any]) -> list[str]:
    """Say what a page breaks: its limits, the minutes that it prints, a model left on the CPU.

    Of a page whose code has changed nothing is known.
    """
    if counted.get("code") != digest(project, slug):
        return [f"{slug}: its code has changed since it was counted. {RECOUNT.format(slug[:2])}"]
    found = [f"{slug}: {name} computes on the CPU of a GPU machine" for name in counted["on_cpu"]]
    needed, memory = gpu_minutes(counted), max(counted["memory"].values(), default=0.0)
    if needed > LIMIT_MINUTES:
        found.append(f"{slug}: {needed:.1f} minutes on a T4, the limit is {LIMIT_MINUTES}")
    if memory > LIMIT_BYTES:
        found.append(
            f"{slug}: {memory / 1e9:.1f} GB of memory, the limit is {LIMIT_BYTES / 1e9:.0f}"
        )
    words = PRINTED.search(project.source(slug).read_text("utf-8"))
    whole = max(1, math.ceil(needed))
    wanted = NUMBERS[whole] if whole < len(NUMBERS) else str(whole)
    if words is None or words[1] != wanted:
        found.append(
            f"{slug}: its first lines say {words[1] if words else 'nothing'!r}. Write 'about "
            f"{wanted} minute{'s' * (whole > 1)} on a Colab GPU', as computed"
        )
    return found


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Count the chapters that are named, or all, and say what they break."""
    parser = argparse.ArgumentParser(prog="python -m tools.budget", description=__doc__)
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    parser.add_argument("--check", action="store_true", help="run nothing, read book/budget.json")
    options = parser.parse_args(arguments)
    project = project or Project()
    stored = read_json(path(project)) or {}
    try:
        slugs = project.select(options.chapters)
        if not options.check:
            for slug in slugs:
                stored[slug] = dry_run(project, slug)
                content = json.dumps(dict(sorted(stored.items())), indent=1)
                write_atomically(path(project), content + "\n")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(table({slug: stored[slug] for slug in slugs if slug in stored}))
    found = [
        problem
        for slug in slugs
        for problem in (
            problems(project, slug, stored[slug])
            if slug in stored
            else [f"{slug}: never counted. {RECOUNT.format(slug[:2])}"]
        )
    ]
    for problem in found:
        print(problem, file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
