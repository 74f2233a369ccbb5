"""Compare the helpers with the libraries that a reader would use instead.

    make bench                                        all of it, in about half an hour
    python -m benchmarks --workload texts tokens      only these
    python -m benchmarks --repeats 1                  a quick look

The contenders take turns within a repeat, so that a slow minute of the machine falls on all of
them, and the ratios are of pairs. The share of the peak sets the arithmetic that the model asks for
over what a large matrix product reaches in the same process. By processor time a comparison also
holds on a machine that has other work to do.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.workloads import WORKLOADS
from tools.project import read_json, write_atomically

RESULTS = Path(__file__).parent / "results" / "bench.json"
LIBRARIES = ("torch", "transformers", "sentence-transformers")
Runs = dict[str, list[dict[str, float]]]  # by contender


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the contenders in turns, print a table, store the measurements."""
    options = _options(arguments)
    os.environ.update(TL_STATIC="1", HF_HUB_OFFLINE="1")
    circumstances = _circumstances(options.threads)
    stored = read_json(RESULTS) or {}
    known = stored.get("runs", {}) if stored.get("circumstances") == circumstances else {}
    began = time.monotonic()
    for name in options.workload:
        workload = WORKLOADS[name]
        contenders = [*workload.baselines, workload.ours]
        done: Runs = known.get(name, {}) if options.resume else {}
        done = {contender: done.get(contender, []) for contender in contenders}
        while (repeat := len(done[workload.ours])) < options.repeats:
            if options.minutes and time.monotonic() - began > 60 * options.minutes:
                break
            print(f"{name}, repeat {repeat + 1} of {options.repeats}", flush=True)
            turn = repeat % len(contenders)  # another one begins each time
            round_ = {}
            for contender in [*contenders[turn:], *contenders[:turn]]:
                round_[contender] = in_a_process(name, contender, repeat, options.threads)
                print(f"  {contender:18} {_speed(round_[contender])}", flush=True)
            for contender, run in round_.items():
                done[contender].append(run)
            known[name] = done
            content = {"circumstances": circumstances, "runs": known}
            write_atomically(RESULTS, json.dumps(content, indent=1) + "\n")
    for name in options.workload:
        if name in known:
            workload = WORKLOADS[name]
            print(f"\n{name}: {workload.about}, {workload.examples} of them")
            print(report(known[name], workload.ours))
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    listed = "\n".join(f"  {name:16} {each.about}" for name, each in WORKLOADS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\nworkloads:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--workload", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME",
        help="which ones; all by default",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, default=5, help="rounds, each with a seed of its own (%(default)s)"
    )
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="of PyTorch (here: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, help="begin no round after so many")
    parser.add_argument("--resume", action="store_true", help="add to the rounds that are stored")
    return parser.parse_args(arguments)


def _circumstances(threads: int) -> dict[str, Any]:
    from tlhelpers.device import processor_name

    versions = {library: version(library) for library in LIBRARIES}
    return {"processor": processor_name(), "threads": threads, "precision": "fp32"} | versions


def in_a_process(name: str, contender: str, seed: int, threads: int) -> dict[str, float]:
    """Measure in a process of its own, which has imported everything and computed nothing."""
    from benchmarks.contenders import measure

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.contenders"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, name, contender, seed, threads).result()


def _speed(run: dict[str, float]) -> str:
    line = f"{run['examples'] / run['wall']:6.1f} a second, {run['processor']:5.1f} s of processor"
    return line + (f", accuracy {run['accuracy']:.1%}" if "accuracy" in run else "")


def report(runs: Runs, ours: str) -> str:
    """Lay out medians with their spread, and the ratios within each pair."""
    lines = [
        f"{'':18} {'a second':>24} {'processor s':>22} {'of peak':>8} {'GB':>5} {'accuracy':>24}"
    ]
    for name, measured in runs.items():
        speeds = [run["examples"] / run["wall"] for run in measured]
        shares = [run["share_of_peak_processor"] for run in measured]
        line = f"{name:18} {_spread(speeds, '.1f'):>24}"
        line += f" {_spread([run['processor'] for run in measured], '.1f'):>22}"
        line += f" {statistics.median(shares):8.0%}"
        line += f" {statistics.median(run['memory_gb'] for run in measured):5.2f}"
        if "accuracy" in measured[0]:
            line += f" {_spread([run['accuracy'] for run in measured], '.1%'):>24}"
        lines.append(line)
    for name in runs:
        if name != ours:
            lines.append(f"{ours} over {name}: {_ratios(runs[name], runs[ours])}")
    return "\n".join(lines)


def _ratios(theirs: list[dict[str, float]], ours: list[dict[str, float]]) -> str:
    pairs = list(zip(theirs, ours, strict=True))

    def times_faster(key: str) -> str:
        return _spread([one[key] / other[key] for one, other in pairs], ".2f")

    line = f"{times_faster('processor')} times, on the clock {times_faster('wall')}"
    if "evaluation_processor" in ours[0]:
        line += f"; evaluation {times_faster('evaluation_processor')}"
    if "accuracy" in ours[0]:
        gains = [other["accuracy"] - one["accuracy"] for one, other in pairs]
        line += f"; accuracy {_spread(gains, '+.1%')}"
    return line


def _spread(values: list[float], style: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{style}} ({low:{style}} to {high:{style}})"


if __name__ == "__main__":
    raise SystemExit(main())
