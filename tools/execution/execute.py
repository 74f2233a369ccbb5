"""Run the chapters that must run, side by side, and tell what each one cost.

Each chapter computes on one thread, alone or beside others: PyTorch processes that compete for
cores run several times slower than one after the other, and sums over another number of threads
round otherwise.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import nbformat
import psutil
from filelock import FileLock, Timeout

from tools.execution.freshness import why_stale
from tools.execution.run_chapter import graft
from tools.project import Project, UserError, read_json, write_atomically

LIMIT_SECONDS = 240  # on one thread
IDLE = 0.1  # share of the machine that other work may take while a limit is judged
LIMIT_BYTES = 2_500_000_000


@dataclass
class Running:
    """One chapter in its process."""

    slug: str
    process: subprocess.Popen[str]
    started: float = field(default_factory=time.perf_counter)


def usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs() -> int:
    """Give how many chapters fit side by side: one for each core, as far as memory goes."""
    return max(1, min(usable_cores(), int(psutil.virtual_memory().available // LIMIT_BYTES)))


def heaviest_first(project: Project, slugs: list[str], profile: str) -> list[str]:
    """Order so that no long chapter starts last; one that was never run counts as long."""

    def seconds(slug: str) -> float:
        record = read_json(project.run_record(slug, profile))
        return float(record["seconds"]) if record else float("inf")

    return sorted(slugs, key=lambda slug: (-seconds(slug), slug))


class Broken(NamedTuple):
    """A limit that a page broke, and whether the page must be mended for it."""

    what: str
    counts: bool


def limits_broken(project: Project, slug: str, profile: str) -> list[Broken]:
    """Tell which of the page's limits its last run broke.

    Too many seconds count if the machine was otherwise idle.
    """
    record = read_json(project.run_record(slug, profile))
    if record is None:
        return [Broken(f"{slug}: never run", True)]
    broken = []
    if record["seconds"] > LIMIT_SECONDS:
        slowest = "; ".join(
            f"{cell['seconds']} s in `{cell['cell']}`" for cell in record["slowest_cells"]
        )
        broken.append(
            Broken(
                f"{slug}: {record['seconds']:.0f} s on one thread, {record['cpu_seconds']:.0f} s "
                f"of them computing, the limit is {LIMIT_SECONDS} s. Other work took "
                f"{record['others']:.0%} of the machine. {slowest}",
                record["others"] <= IDLE,
            )
        )
    if record["peak_bytes"] > LIMIT_BYTES:
        broken.append(
            Broken(
                f"{slug}: {record['peak_bytes'] / 1e9:.2f} GB of memory, "
                f"the limit is {LIMIT_BYTES / 1e9:.1f} GB",
                True,
            )
        )
    return broken


def describe(project: Project, slug: str, profile: str) -> str:
    """Tell what the last run of a chapter cost."""
    record = read_json(project.run_record(slug, profile))
    if record is None:
        return slug
    return (
        f"{slug}: {record['seconds']:.0f} s on one thread, "
        f"{record['peak_bytes'] / 1e9:.2f} GB at most"
    )


def start(project: Project, slug: str, profile: str) -> Running:
    """Start a chapter in a process of its own."""
    log = project.failed(slug, profile).with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "tools.execution.run_chapter",
        str(project.root),
        slug,
        profile,
    ]
    machinery = str(Project.root)
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=machinery,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process only, which then ends the others.
        )
    return Running(slug, process)


def end(running: list[Running]) -> None:
    """End the processes of chapters and their kernels."""
    family: list[psutil.Process] = []
    for chapter in running:
        try:
            parent = psutil.Process(chapter.process.pid)
            family += [*parent.children(recursive=True), parent]
        except psutil.NoSuchProcess:
            continue
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=5)


def refresh_text(project: Project, slug: str, profile: str) -> None:
    """Bring the text cells of an executed notebook up to date, where the code has not changed."""
    path = project.executed(slug, profile)
    old = path.read_text("utf-8")
    notebook = nbformat.read(project.notebook(slug), as_version=4)
    new = nbformat.writes(graft(notebook, nbformat.reads(old, as_version=4)))
    if new != old:
        write_atomically(path, new)


def execute(
    project: Project, slugs: list[str], profile: str, jobs: int, *, force: bool = False
) -> list[str]:
    """Run what must run.

    Parameters
    ----------
    slugs
        The chapters wanted.
    profile
        ``"tiny"`` or ``"full"``.
    jobs
        How many chapters run side by side at most.
    force
        Run also those whose last run still holds.

    Returns
    -------
    The chapters that failed.
    """
    stale = {}
    for slug in slugs:
        reason = "asked for" if force else why_stale(project, slug, profile)
        if reason:
            stale[slug] = reason
        else:
            refresh_text(project, slug, profile)
            print(f"  unchanged  {describe(project, slug, profile)}", flush=True)
    waiting = heaviest_first(project, list(stale), profile)
    jobs = max(1, min(jobs, len(waiting)))
    running: list[Running] = []
    failed: list[str] = []
    done = 0
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                slug = waiting.pop(0)
                print(f"  running    {slug} ({stale[slug]})", flush=True)
                running.append(start(project, slug, profile))
            finished = [chapter for chapter in running if chapter.process.poll() is not None]
            for chapter in finished:
                running.remove(chapter)
                done += 1
                log = project.failed(chapter.slug, profile).with_suffix(".log")
                if chapter.process.returncode == 0:
                    log.unlink(missing_ok=True)
                    print(
                        f"  {done}/{len(stale)} done   {describe(project, chapter.slug, profile)}",
                        flush=True,
                    )
                else:
                    failed.append(chapter.slug)
                    print(f"  {done}/{len(stale)} FAILED {chapter.slug}", flush=True)
                    print(log.read_text("utf-8", "replace"), flush=True)
            time.sleep(0.1)
    except KeyboardInterrupt:
        end(running)
        raise
    return sorted(failed)


@contextmanager
def only_run(project: Project) -> Iterator[None]:
    """Wait until no other process runs chapters in this checkout."""
    lock = FileLock(project.build / "execute.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("Another run is at work in this checkout; waiting for it to end.", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Run the chapters that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.execution.execute", description=__doc__)
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    parser.add_argument("--profile", choices=["tiny", "full"], default="tiny")
    parser.add_argument(
        "--jobs", type=int, default=default_jobs(), help="chapters side by side (now: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="run also what has not changed")
    options = parser.parse_args(arguments)
    project = project or Project()
    # `kill` and a closed terminal must not leave kernels behind any more than Ctrl-C.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    project.build.mkdir(exist_ok=True)
    started = time.perf_counter()
    try:
        slugs = project.select(options.chapters)
        with only_run(project):
            failed = execute(project, slugs, options.profile, options.jobs, force=options.force)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; what had finished is kept.", file=sys.stderr)
        return 130
    broken = [
        limit
        for slug in slugs
        if slug not in failed
        for limit in limits_broken(project, slug, options.profile)
    ]
    for limit in broken:
        excuse = "" if limit.counts else " (reported only: the machine was busy)"
        print(f"  OVER THE LIMIT{excuse} {limit.what}", file=sys.stderr)
    seconds = time.perf_counter() - started
    print(f"{len(slugs) - len(failed)} of {len(slugs)} chapters hold, in {seconds:.0f} s")
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed) or any(limit.counts for limit in broken))


if __name__ == "__main__":
    raise SystemExit(main())
