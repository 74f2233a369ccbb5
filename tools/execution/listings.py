"""Run each plain listing of ``book/listings`` as a job of its own, and keep the score it prints.

    python -m tools.execution.listings               in the tiny profile
    python -m tools.execution.listings --miniature   in full, against the miniature hub

A page shows its listing without running it. Here it runs as its reader would run it: a file, in an
empty folder, on one thread. What has not changed since its last good run is not run again; the key
is that of a page (`tools.execution.freshness`).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tools.execution import watcher
from tools.execution.execute import LIMIT_BYTES, default_jobs
from tools.execution.freshness import what_changed
from tools.execution.idleness import Stopwatch
from tools.execution.miniature import build_hub
from tools.execution.run_chapter import installed_versions, kernel_environment
from tools.project import Project, UserError, read_json, write_atomically

MINIATURE = "miniature"
LIMIT_SECONDS = 3600  # only against a listing that never ends
SCORE = re.compile(r"\b(\d+(?:\.\d+)?) ?%")


def names(project: Project) -> list[str]:
    """List the listings that there are."""
    return sorted(path.stem for path in project.listing("x").parent.glob("[0-9][0-9]-*.py"))


def record_file(project: Project, name: str, profile: str) -> Path:
    """Say where the outcome of a listing's last good run is kept."""
    return project.build / "listings" / profile / f"{name}.json"


def why_stale(project: Project, name: str, profile: str) -> str | None:
    """Tell why a listing must run again; nothing if its last good run still holds."""
    record = read_json(record_file(project, name, profile))
    return "never run" if record is None else what_changed(project, record)


def printed_score(printed: str) -> float:
    """Read the score, 0 to 1, from the last line that a listing printed.

    Raises
    ------
    UserError
        If there is no percentage in it.
    """
    last = printed.strip().splitlines()[-1] if printed.strip() else ""
    found = SCORE.search(last)
    if found is None:
        raise UserError(f"the last line printed is {last!r}. End with a score: '81.2% of ...'.")
    return round(float(found[1]) / 100, 6)


def run(project: Project, name: str, profile: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a listing and keep its outcome.

    Parameters
    ----------
    project
        Whose listing.
    name
        Such as ``10-loop``.
    profile
        ``"tiny"``, ``"full"`` or ``"miniature"``, to keep the outcomes apart.
    environment
        Variables to run with.

    Returns
    -------
    dict
        The score, what was read, what it cost.

    Raises
    ------
    UserError
        If the listing fails; the message has its error.
    """
    with tempfile.TemporaryDirectory(prefix=f"tl-{name}-", ignore_cleanup_errors=True) as folder:
        report = Path(folder) / "record.json"
        work = Path(folder) / "work"
        work.mkdir()
        command = [sys.executable, "-m", "tools.execution.listings", "--job", name]
        command += ["--root", str(project.root), "--report", str(report), "--work", str(work)]
        stopwatch = Stopwatch()
        try:
            result = subprocess.run(
                command,
                cwd=Project.root,
                env=os.environ | kernel_environment(profile, Path(folder)) | environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=LIMIT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(
                f"{name}: not done after {LIMIT_SECONDS} s. Make it cheaper."
            ) from error
        elapsed = stopwatch.stop()
        seen = read_json(report)
        if result.returncode != 0 or seen is None:
            raise UserError(f"{name} failed:\n{result.stdout}{result.stderr}")
        try:
            score = printed_score(result.stdout)
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
    record = {
        "score": score,
        "files": seen["files"],
        "versions": installed_versions(seen["packages"]),
        "python": platform.python_version(),
        "arithmetic": seen["arithmetic"],
        "seconds": round(elapsed.seconds, 1),
        "cpu_seconds": round(elapsed.cpu_seconds, 1),
        "peak_bytes": seen["peak_bytes"],
    }
    write_atomically(record_file(project, name, profile), json.dumps(record, indent=1) + "\n")
    return record


def job(root: Path, name: str, report: Path, work: Path) -> None:
    """Run a listing in this process, noting what it reads."""
    seen = watcher.Watcher(root)
    seen.install()
    os.chdir(work)
    runpy.run_path(str(Project(root).listing(name)), run_name="__main__")
    watcher.write(seen, report)


def _asked_for(name: str, asked: Sequence[str]) -> bool:
    return not asked or name in asked or name[:2] in asked


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Run the listings that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.execution.listings", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("listings", nargs="*", help="number of a chapter or name; all by default")
    parser.add_argument("--profile", choices=["tiny", "full"], default="tiny")
    parser.add_argument("--miniature", action="store_true", help="in full, on the miniature hub")
    for own in ("--job", "--root", "--report", "--work"):
        parser.add_argument(own, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.job:
        job(Path(options.root), options.job, Path(options.report), Path(options.work))
        return 0
    project = project or Project()
    profile = MINIATURE if options.miniature else options.profile
    environment = build_hub(project.build / MINIATURE / "hub") if options.miniature else {}
    wanted = [name for name in names(project) if _asked_for(name, options.listings)]
    if not wanted:
        print(f"No such listing. There are: {', '.join(names(project))}", file=sys.stderr)
        return 2

    def outcome(name: str) -> tuple[str, bool]:
        record = read_json(record_file(project, name, profile))
        if why_stale(project, name, profile) is None and record is not None:
            return f"unchanged  {name}: {record['score']:.1%}", True
        try:
            record = run(project, name, profile, environment)
        except UserError as error:
            return f"FAILED     {error}", False
        cost = f"{record['cpu_seconds']:.0f} s, {record['peak_bytes'] / 1e9:.2f} GB"
        fits = record["peak_bytes"] <= LIMIT_BYTES
        return f"{'ran' if fits else 'TOO LARGE':9}  {name}: {record['score']:.1%}, {cost}", fits

    held = []
    with ThreadPoolExecutor(default_jobs()) as pool:
        for said, good in pool.map(outcome, wanted):
            print(f"  {said}", flush=True)
            held.append(good)
    return int(not all(held))


if __name__ == "__main__":
    raise SystemExit(main())
